"""An access log's whole journey: read once, counted once, and nothing raw of it kept anywhere."""

import gzip
import os
import random
import re
import signal
import subprocess
from datetime import UTC, date, datetime, timedelta

import pytest

from releases.reading import Reading
from tests.service import FLASK, ROOT, eventually, running

# A real site's log, where the machine has it; the made one below has the same traits.
REAL_LOG = ROOT.parent / "shared" / "data" / "apache_access.log.gz"
LINE = re.compile(rb'(\S+) \S+ \S+ \[[^]]*\] "\S+ (\S+)[^"]*" \d+ \S+ "([^"]*)" "(.*)"\s*$')
AGENTS = [
    f"Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
    for version in range(20, 60)
] + ["Googlebot/2.1 (+http://www.google.com/bot.html)"]


def made_log(path, lines=4000):
    """Four days of visits, assets, failures, bots, secrets in queries, and two broken lines."""
    chance = random.Random(7)
    moment = datetime(2015, 5, 17, 10, tzinfo=UTC)
    with gzip.open(path, "wb") as file:
        for number in range(lines):
            moment += timedelta(seconds=chance.randrange(120))
            address = f"93.184.{chance.randrange(40)}.{chance.randrange(256)}"
            page = chance.choice(["/", "/blog/", "/about", "/style.css", "/gone", "/logo.png"])
            status = 404 if page == "/gone" else 200
            query = f"?token=s3cret{number}" if chance.random() < 0.3 else ""
            referrer = chance.choice(["-", f"https://www.google.com/search?q=person+{number}"])
            file.write(
                f"{address} - - [{moment:%d/%b/%Y:%H:%M:%S +0000}] "
                f'"GET {page}{query} HTTP/1.1" {status} 99 "{referrer}" '
                f'"{chance.choice(AGENTS)}"\n'.encode()
            )
        file.write(b"not a line of a log\n\xff\xfe\x00\n")
    return path


def raw_strings(log):
    """Every address, user agent and query string of a log, but for those too short to tell."""
    found = set()
    with gzip.open(log, "rb") as file:
        for line in file:
            found.add(line.split()[0])
            if fields := LINE.match(line):
                found.add(fields[4])
                found |= {u.partition(b"?")[2] for u in (fields[2], fields[3])}
    return {string for string in found if len(string) >= 4}


@pytest.fixture(scope="module", params=["made", "real"])
def log(request, tmp_path_factory):
    if request.param == "made":
        return made_log(tmp_path_factory.mktemp("log") / "access.log.gz")
    if not REAL_LOG.exists():
        pytest.skip("the real log is not on this machine; the made one has been imported")
    return REAL_LOG


@pytest.fixture(scope="module")
def service(tmp_path_factory, log):
    with running(tmp_path_factory.mktemp("service") / "home", "web", "worker") as started:
        started.cli("site", "add", "example.com", "--policy", "exempt")
        yield started


def released(service):
    """Every published cell of the days that are shown."""
    return service.rows("SELECT * EXCEPT version FROM cells ORDER BY ALL")


def import_log(service, log):
    return service.facts("import-log", str(log), "--site", "example.com")


def test_an_import_that_is_killed_leaves_nothing_and_can_be_started_again(service, log):
    command = [*FLASK, "import-log", "-", "--site", "example.com"]
    with gzip.open(log, "rb") as file:
        lines = file.readlines()
    process = subprocess.Popen(
        command, cwd=ROOT, env=service.env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    process.stdin.write(b"".join(lines[: len(lines) * 2 // 3]))
    process.stdin.flush()
    spool = service.home / "spool"
    eventually(
        lambda: any(p.stat().st_size for p in spool.glob("importing-*/events-*")), "rows written"
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    eventually(lambda: not list(spool.glob("import*")), "the folder deleted")
    assert service.stored() == 0
    assert released(service) == []


def test_the_report_adds_up_and_the_days_are_final(service, log):
    with gzip.open(log, "rb") as file:
        lines = sum(1 for _ in file)
    report = import_log(service, log)
    assert report["read"] == lines
    dropped, rejected = sum(report["dropped"].values()), sum(report["rejected"].values())
    assert report["stored"] + dropped + rejected == lines
    assert report["stored"] == service.stored() > 1000
    assert rejected >= 1
    assert report["bots"] > 0
    [status] = service.facts("release", "status")
    assert (status["final"], status["open"], status["provisional"]) == (len(report["days"]), 0, 0)


def test_importing_it_again_changes_no_figure(service, log):
    before = released(service)
    assert len(before) > 50
    again = import_log(service, log)
    assert again["stored"] == 0
    assert again["dropped"]["day_final"] > 1000
    assert released(service) == before


def test_its_days_are_shown(service, log):
    from control.database import open_control
    from control.sites import Sites

    control = open_control(service.settings.control_url)
    [site] = Sites(control).all()
    reading = Reading(service.store, control)
    shown = reading.by_day(site, date(2015, 5, 1), date(2015, 5, 31))
    assert {day.isoformat() for day, _ in shown} >= {"2015-05-17", "2015-05-18", "2015-05-19"}
    assert all(figures.visitors >= 10 for _, figures in shown)
    control.dispose()


def test_nothing_raw_of_it_is_anywhere(service, log, tmp_path):
    needles = raw_strings(log)
    assert len(needles) > 1000
    (tmp_path / "needles").write_bytes(b"\n".join(needles))
    report = service.facts("leaks", str(tmp_path / "needles"))
    assert report["needles"] == len(needles)
    assert report["planted"] == ["control", "file", "keys", "spool", "store"]
    assert report["found"] == []
    assert report["values"] > 1000
    printed = service.output.read_bytes()
    assert not [needle for needle in needles if needle in printed]


def test_the_search_finds_what_is_there(service, tmp_path):
    [(page,)] = service.rows("SELECT any(page) FROM events WHERE length(page) > 4")
    (tmp_path / "needles").write_text(page)
    found = service.cli("leaks", str(tmp_path / "needles"), "--json", check=False)
    assert '"place":"events.page"' in found


def test_a_file_that_is_no_log_is_refused_and_leaves_nothing(service, tmp_path):
    before = service.stored()
    (tmp_path / "notes").write_text("dear diary\n" * 50)
    service.cli("import-log", str(tmp_path / "notes"), "--site", "example.com", check=False)
    assert "this is no access log: none of its 50 lines" in service.printed()
    assert service.stored() == before
