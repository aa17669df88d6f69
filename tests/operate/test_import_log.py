"""The log import without a store: what is written, what is reported, what an interruption leaves.

The whole journey, store and dashboard included, is in tests/journey/test_import.py.
"""

import gzip
import io
import json
from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import insert, select

from anonymize.keys import EphemeralKeys
from control.database import imported_days, released_days
from ingest.collector import Collector
from operate import import_log
from operate.import_log import Damaged, Report, numbered, plain, publish, replay
from spool.importing import Import
from tests.operate.world import services, spooled

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
MOMENT = datetime(2026, 5, 4, 12, tzinfo=UTC)


def line(path="/", day=17, status=200, agent=FIREFOX, address="203.0.113.7"):
    return (
        f"{address} - - [{day:02}/May/2015:10:05:03 +0000] "
        f'"GET {path} HTTP/1.1" {status} 5 "-" "{agent}"\n'
    ).encode()


LOG = b"".join(
    [
        line("/"),
        line("/a?token=s3cret"),
        line("/a", day=18),
        line("/style.css"),
        line("/gone", status=404),
        line("/bot", agent="Googlebot/2.1 (+http://www.google.com/bot.html)"),
        b"broken\n",
        b"\xff\xfe\x00\n",
        b"\n",
        line("/last").rstrip(b"\n"),
    ]
)


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(import_log, "finish_import", lambda *_: None)  # needs the store
    with services(tmp_path / "home") as built:
        built.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        yield built


def run(world, path, *options):
    app = Flask("import")
    app.extensions["discreet"] = world
    with app.app_context():
        return CliRunner().invoke(
            import_log.command, [str(path), "--site", "example.com", *options]
        )


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "access.log"
    path.write_bytes(LOG)
    return path


def final(world, *days):
    with world.control.begin() as connection:
        connection.execute(
            insert(released_days),
            [
                {
                    "site": 1,
                    "day": day,
                    "version": 1,
                    "state": "final",
                    "digest": 1,
                    "computed_at": MOMENT,
                }
                for day in days
            ],
        )


def test_the_report_tells_every_line_and_adds_up(world, log):
    result = run(world, log, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "read": 10,
        "stored": 5,
        "bots": 1,
        "dropped": {"asset": 1, "not_a_view": 1},
        "rejected": {"unparsable_line": 3},
        "unparsable_lines": [7, 8, 9],
        "days": ["2015-05-17", "2015-05-18"],
        "adds_up": True,
    }
    assert "broken" not in result.output


def test_the_report_for_people_adds_up_too(world, log):
    told = run(world, log).output
    assert "10 lines read" in told
    assert "5 stored, of which 1 of bots" in told
    assert "could not be read: 7, 8, 9" in told
    assert "stored + dropped + rejected = 10, read = 10: adds up" in told


def test_a_report_that_does_not_add_up_says_so():
    assert any("DOES NOT ADD UP" in told for told in Report(read=2, stored=1).lines())


def test_rows_carry_the_logs_day_and_expire_counting_from_the_import(world, log):
    run(world, log)
    rows = spooled(world)
    assert {row["day"] for row in rows} == {"2015-05-17", "2015-05-18"}
    assert all(row["expires"] > datetime.now(UTC).date().isoformat() for row in rows)
    assert {row["page"] for row in rows} == {"/", "/a", "/bot", "/last"}
    assert [row["page"] for row in rows if row.get("bot")] == ["/bot"]


def test_nothing_raw_is_written(world, log):
    run(world, log)
    kept = json.dumps(spooled(world))
    for raw in ("203.0.113.7", "s3cret", "Googlebot", "rv:145"):
        assert raw not in kept


def test_visitors_of_a_day_are_told_apart_and_of_two_days_not_linked(world, log):
    run(world, log)
    visitors = {(row["day"], row["visitor"]) for row in spooled(world) if not row.get("bot")}
    assert len(visitors) == len({visitor for _, visitor in visitors}) == 2


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: data + line("/new")])
def test_a_line_has_the_same_id_packed_or_in_a_log_that_has_grown(world, tmp_path, pack):
    """So that importing it again doubles nothing, also before its days are final."""
    (tmp_path / "one").write_bytes(LOG + b"\n")
    (tmp_path / "two").write_bytes(pack(LOG + b"\n"))
    run(world, tmp_path / "one")
    once = {row["event_id"] for row in spooled(world)}
    run(world, tmp_path / "two")
    ids = [row["event_id"] for row in spooled(world)]
    assert len(ids) == len(set(ids)) + len(once)
    assert once < set(ids) or once == set(ids)


def test_lines_of_final_days_are_refused(world, log):
    final(world, date(2015, 5, 17))
    report = json.loads(run(world, log, "--json").stdout)
    assert report["dropped"]["day_final"] == 4
    assert report["days"] == ["2015-05-18"]


def test_imported_days_are_recorded_with_the_rows(world, log):
    run(world, log)
    run(world, log)
    with world.control.connect() as connection:
        days = connection.scalars(select(imported_days.c.day)).all()
    assert sorted(days) == [date(2015, 5, 17), date(2015, 5, 18)]


def test_a_day_that_became_final_during_the_import_stops_it(world):
    site = world.sites.by_domain("example.com")
    with Import(world.settings.spool) as rows:
        final(world, date(2015, 5, 17))
        with pytest.raises(Damaged, match="start it again"):
            publish(world, rows, {site: {"2015-05-17"}})
    assert spooled(world) == []


@pytest.mark.parametrize(
    "damaged",
    [gzip.compress(LOG * 500)[:-2000], gzip.compress(LOG)[:-3], b"\x1f\x8b" + LOG],
    ids=["cut", "checksum missing", "not gzip"],
)
def test_a_damaged_file_leaves_nothing(world, tmp_path, damaged):
    path = tmp_path / "damaged.gz"
    path.write_bytes(damaged)
    result = run(world, path)
    assert result.exit_code == 1
    assert "nothing was imported" in result.output
    assert list(world.settings.spool.iterdir()) == []


def test_an_interrupted_import_leaves_nothing(world):
    written = []

    class Interrupted(io.BytesIO):
        def readline(self, size=-1):
            if self.tell() > 300 * len(LOG):
                written.extend(world.settings.spool.glob("importing-*/events-*"))
                raise KeyboardInterrupt
            return super().readline(size)

    def interrupted():
        with Import(world.settings.spool) as rows:
            collector = Collector(
                rows,
                EphemeralKeys(world.keys),
                world.geo,
                world.agents,
                None,
                lambda _: frozenset(),
            )
            replay(Interrupted(LOG * 1000), world.sites.all()[0], collector, MOMENT)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert written
    assert list(world.settings.spool.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.log", "--site", "example.com"], "does not exist"),
        ([__file__, "--site", "x.org"], "no site 'x.org'"),
    ],
)
def test_a_wrong_argument_is_said(world, arguments, words):
    app = Flask("import")
    app.extensions["discreet"] = world
    with app.app_context():
        result = CliRunner().invoke(import_log.command, arguments)
    assert result.exit_code != 0
    assert words in result.output


def test_a_line_without_an_end_is_one_line_and_never_held_whole():
    giant = io.BytesIO(b"x" * 1_000_000 + b"\nlast")
    assert [(number, text) for number, text, _ in numbered(giant)] == [(1, ""), (2, "last")]


def test_gzip_is_told_by_its_content():
    for data in (b"a\nb\n", gzip.compress(b"a\nb\n")):
        file = plain(io.BufferedReader(io.BytesIO(data)))
        assert [text for _, text, _ in numbered(file)] == ["a", "b"]
