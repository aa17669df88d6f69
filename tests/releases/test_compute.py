"""A day's release: equal to an obvious computation, whatever the order in which rows came."""

import random
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from config.settings import load
from control.database import imported_days, open_control
from control.sites import Sites
from releases.job import NOTICE, ReleaseJob
from releases.reading import Reading
from releases.tables import OTHER
from store.clickhouse import hosting
from store.migrate import migrate
from tests.releases import oracle
from tests.releases.traffic import DEFAULTS

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = b"t" * 32


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    settings = load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})
    with hosting(settings) as hosted:
        migrate(hosted)
        yield hosted


@pytest.fixture
def sites(tmp_path, store):
    for table in ("events", "tallies", "cells"):
        store.command(f"TRUNCATE TABLE {table}")
    return Sites(open_control(f"sqlite:///{tmp_path}/control.db"))


@pytest.fixture
def site(sites):
    return sites.add("example.com", "Europe/Brussels", "exempt", "BE")


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


def job(store, sites, clock):
    return ReleaseJob(store, sites._engine, sites, KEY, clock, timedelta(days=7))


def traffic(site, seed, visitors=150, day=DAY):
    """Visits of one event and of many, with and without a pseudonym, in every dimension."""
    chance = random.Random(seed)
    midnight = int(datetime(day.year, day.month, day.day, 0, 0, tzinfo=UTC).timestamp())
    rows = []

    def row(visitor, time, **fields):
        basis = chance.choice(["exempt", "consent"]) if visitor != "0" else "none"
        return DEFAULTS | {
            "site": site.id, "day": day.isoformat(), "time": time, "received": time + 5,
            "event_id": chance.getrandbits(64), "basis": basis, "purposes": ["audience"],
            "expires": "2100-01-15", "bot": "", "visitor": visitor, "visit": 0,
            "page": "", "screen": "", "source": "Direct", "channel": "Direct", "app_version": "",
        } | fields  # fmt: skip

    for number in range(1, visitors + 1):
        visitor = str(number * 2**65 if chance.random() < 0.7 else 0)
        stated = chance.getrandbits(40) if visitor != "0" and chance.random() < 0.2 else 0
        who = {
            "country": chance.choice(["BE", "BE", "BE", "DK", "FR", ""]),
            "device": chance.choice(["Desktop", "Mobile"]),
            "browser": chance.choice(["Firefox", "Chrome", "Safari"]),
            "os": chance.choice(["Mac", "Android"]),
            "source": chance.choice(["Google", "Direct", "Bing"]),
            "channel": chance.choice(["Organic Search", "Direct"]),
            "visit": stated,
        }
        time = midnight + chance.randrange(0, 70_000)
        for _ in range(chance.choice([1, 1, 1, 2, 4, 9])):
            name = chance.choice(
                ["pageview", "pageview", "pageview", "screen", "signup", "engagement"]
            )
            page = f"/{int(chance.paretovariate(0.8))}" if name != "screen" else ""
            screen = "Home" if name == "screen" else ""
            rows.append(row(visitor, time, name=name, page=page, screen=screen, **who))
            time += chance.choice([0, 7, 300, 1800, 1801, 4000])
    for _ in range(8):
        rows.append(row("0", midnight, name="pageview", page="/", bot="bot", country="US"))
    return rows


def insert(store, rows, token="seg"):
    store.insert_lines("events", [msgspec.json.Encoder().encode_lines(rows)], token)


def test_the_published_total_is_the_exact_one_rounded(store, sites, site):
    rows = traffic(site, 3)
    insert(store, rows)
    list(job(store, sites, Clock()).run())
    people = oracle.singles(rows, DAY, site.timezone)["total", "", ""]
    shown = Reading(store, sites._engine).totals(site, DAY, DAY)
    assert abs(shown.visitors - people.visitors) <= 5
    assert abs(shown.pageviews - people.pageviews) <= 5


def test_no_published_cell_stands_for_fewer_than_k(store, sites, site):
    rows = traffic(site, 4)
    insert(store, rows)
    list(job(store, sites, Clock()).run())
    cells = oracle.singles(rows, DAY, site.timezone)
    published = store.query_rows(
        "SELECT table, by, value, visitors FROM cells"
        " WHERE table NOT LIKE '%|%' AND table NOT IN ('bot', 'dropped')"
    )
    assert len(published) > 20
    for table, by, value, visitors in published:
        if value != OTHER:
            cell = cells[table, by, value]
            assert cell.visitors + cell.unlinked // 10 >= site.k
            assert visitors is None or cell.visitors >= site.k


def test_what_is_not_shown_of_a_table_stands_for_k_or_the_table_is_empty(store, sites, site):
    """The total less the shown cells is never the figure of a few."""
    insert(store, traffic(site, 5))
    list(job(store, sites, Clock()).run())
    shown = {tuple(row) for row in store.query_rows("SELECT table, value FROM cells")}
    columns = ("event_id", "received", "day", "time", "visitor", "country", "bot")
    stored = store.query_rows(
        "SELECT event_id, toUnixTimestamp(received), toString(day), toUnixTimestamp(time),"
        " toString(visitor), country, bot FROM events"
    )
    rows = oracle.once([dict(zip(columns, row, strict=True)) for row in stored], DAY)
    hidden = [r for r in rows if not r["bot"] and ("country", r["country"]) not in shown]
    persons = len({r["visitor"] for r in hidden} - {"0"})
    persons += sum(r["visitor"] == "0" for r in hidden) // 10
    assert not hidden or persons >= site.k


def test_a_day_that_did_not_change_is_not_computed_again(store, sites, site):
    insert(store, traffic(site, 1))
    runner = job(store, sites, Clock())
    assert len(list(runner.run())) == 1
    assert list(runner.run()) == []


def test_a_provisional_day_takes_late_rows_in_and_a_final_day_does_not(store, sites, site):
    clock = Clock()
    runner, reading = job(store, sites, clock), Reading(store, sites._engine)
    insert(store, traffic(site, 1), "first")
    list(runner.run())
    before = reading.totals(site, DAY, DAY)
    insert(store, traffic(site, 2), "late")
    list(runner.run())
    with_late = reading.totals(site, DAY, DAY)
    assert with_late.pageviews > before.pageviews
    assert reading.days(site, DAY, DAY)[0].state == "provisional"

    clock.now = NOW + timedelta(days=8)
    assert [due.state for due in runner.run()] == ["final"]
    final = store.query_rows(
        "SELECT * FROM cells WHERE version = (SELECT max(version) FROM cells) ORDER BY ALL"
    )
    insert(store, traffic(site, 3), "too late")
    assert list(runner.run()) == []
    runner.sweep()
    assert store.query_rows("SELECT * FROM cells ORDER BY ALL") == final


def test_a_day_becomes_final_only_when_what_was_accepted_is_loaded(store, sites, site):
    insert(store, traffic(site, 1))
    runner = job(store, sites, Clock(NOW + timedelta(days=9)))
    waiting = NOW + timedelta(days=5)
    assert [due.state for due in runner.due(loaded=waiting)] == ["provisional"]
    assert [due.state for due in runner.due()] == ["final"]


def test_an_imported_day_becomes_final_only_when_the_import_is_loaded(store, sites, site):
    insert(store, traffic(site, 1))
    published = NOW - timedelta(minutes=5)
    with sites._engine.begin() as connection:
        connection.execute(
            imported_days.insert().values(site=site.id, day=DAY, imported_at=published)
        )
    runner = job(store, sites, Clock())
    one_waits = published - timedelta(seconds=1)
    assert [due.state for due in runner.due(loaded=one_waits)] == ["provisional"]
    assert [due.state for due in runner.due()] == ["final"]


def test_an_imported_day_is_not_computed_before_every_process_has_closed_it(store, sites, site):
    insert(store, traffic(site, 1))
    with sites._engine.begin() as connection:
        connection.execute(imported_days.insert().values(site=site.id, day=DAY, imported_at=NOW))
    clock = Clock(NOW)
    runner = job(store, sites, clock)
    assert runner.until_noticed() == NOTICE
    assert runner.due() == []
    clock.now = NOW + NOTICE + timedelta(milliseconds=1)
    assert runner.until_noticed() == timedelta()
    # What was accepted before the last process closed the day still waits, then is counted.
    assert [due.state for due in runner.run(loaded=NOW + NOTICE)] == ["provisional"]
    reading = Reading(store, sites._engine)
    before = reading.totals(site, DAY, DAY).pageviews
    insert(store, traffic(site, 2), "accepted meanwhile")
    assert [due.state for due in runner.run()] == ["final"]
    assert reading.totals(site, DAY, DAY).pageviews > before


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (datetime(2026, 11, 20, 22, 59, tzinfo=UTC), "open"),
        (datetime(2026, 11, 20, 23, 0, tzinfo=UTC), "provisional"),
        (datetime(2026, 11, 27, 23, 59, tzinfo=UTC), "provisional"),
        (datetime(2026, 11, 28, 0, 0, 1, tzinfo=UTC), "final"),
    ],
)
def test_the_state_of_a_day_follows_the_sites_own_midnight(store, sites, site, now, state):
    assert job(store, sites, Clock()).state(site, DAY, now, now) == state


def test_only_one_runner_works_at_a_time(store, sites, site):
    insert(store, traffic(site, 1))
    first, second = job(store, sites, Clock()), job(store, sites, Clock())
    running = first.run()
    next(running)
    assert list(second.run()) == []
    running.close()


def test_old_versions_are_swept_and_the_shown_one_stays(store, sites, site):
    runner, reading = job(store, sites, Clock()), Reading(store, sites._engine)
    for number in range(3):
        insert(store, traffic(site, number), str(number))
        list(runner.run())
    shown = reading.totals(site, DAY, DAY)
    runner.sweep()
    [(versions,)] = store.query_rows("SELECT uniqExact(version) FROM cells")
    assert versions == 1
    assert reading.totals(site, DAY, DAY) == shown


def test_refusals_are_shown_by_reason_and_held_to_the_floor(store, sites, site):
    insert(store, traffic(site, 1))
    tallies = [
        {"site": site.id, "day": DAY.isoformat(), "reason": "objected", "n": 400},
        {"site": site.id, "day": DAY.isoformat(), "reason": "objected", "n": 100},
        {"site": site.id, "day": DAY.isoformat(), "reason": "too_old", "n": 3},
    ]
    store.insert_lines("tallies", [msgspec.json.Encoder().encode_lines(tallies)], "t")
    list(job(store, sites, Clock()).run())
    assert Reading(store, sites._engine).dropped(site, DAY, DAY) == {"objected": 500}


def test_a_site_without_consent_shows_views_and_no_visitors(store, sites, site):
    rows = [r | {"visitor": "0", "visit": 0, "basis": "none"} for r in traffic(site, 1, 400)]
    insert(store, rows)
    list(job(store, sites, Clock()).run())
    shown = Reading(store, sites._engine).totals(site, DAY, DAY)
    assert shown.pageviews > 100
    assert (shown.visitors, shown.visits, shown.bounce_rate) == (None, None, None)
