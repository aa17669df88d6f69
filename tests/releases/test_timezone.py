"""The day in which a site's zone changes: open to its end, its hours told by the new clocks."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from config.settings import load
from control.database import open_control
from control.sites import Sites
from releases.job import ReleaseJob
from releases.reading import Reading
from store.clickhouse import hosting
from store.migrate import migrate

LAST, FIRST = date(2026, 11, 22), date(2026, 11, 23)  # of Brussels, of New York
CHANGED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    now = CHANGED_AT

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sites(tmp_path, clock):
    engine = open_control(f"sqlite:///{tmp_path}/control.db")
    sites = Sites(engine, ttl=0, now=clock)
    site = sites.add("example.com", "Europe/Brussels", "exempt", "BE", 3)
    sites.set(site, timezone="America/New_York")
    yield sites
    engine.dispose()


@pytest.fixture
def store(tmp_path):
    with hosting(load({"DISCREET_HOME": str(tmp_path / "home")})) as hosted:
        migrate(hosted)
        yield hosted


def view(site, number, at):
    return {
        "site": site.id, "day": site.calendar.local_day(at).isoformat(),
        "time": int(at.timestamp()), "received": int(at.timestamp()), "event_id": number + 1,
        "basis": "exempt", "purposes": ["audience"], "expires": "2100-01-15",
        "visitor": str((number + 1) * 2**65), "name": "pageview", "page": "/",
    }  # fmt: skip


def test_the_day_of_the_change_is_open_to_its_end_and_told_by_the_new_zones_clocks(
    store, sites, clock
):
    [site] = sites.all()
    starts = [datetime(2026, 11, 22, 23, 30, tzinfo=UTC), datetime(2026, 11, 24, 4, tzinfo=UTC)]
    rows = [view(site, n, starts[n % 2]) for n in range(200)]
    assert {row["day"] for row in rows} == {FIRST.isoformat()}
    store.insert_lines("events", [msgspec.json.Encoder().encode_lines(rows)], "seg")
    runner = ReleaseJob(store, sites._engine, sites, b"t" * 32, clock, timedelta(days=7))
    states = {}
    for end in (datetime(2026, 11, 24, 4, 59, tzinfo=UTC), datetime(2026, 11, 24, 5, tzinfo=UTC)):
        clock.now = end
        states[end] = [(due.day, due.state) for due in runner.run()]
    assert list(states.values()) == [[(FIRST, "open")], [(FIRST, "provisional")]]
    hours = dict(Reading(store, sites._engine).by_hour(site, FIRST))
    # 23:30 UTC is 18:30 in New York, the evening before the date that the day bears.
    assert {hour: figures.visitors for hour, figures in hours.items()} == {18: 100, 23: 100}


@pytest.mark.parametrize(
    ("day", "ends"),
    [
        (LAST, datetime(2026, 11, 22, 23, tzinfo=UTC)),
        (FIRST, datetime(2026, 11, 24, 5, tzinfo=UTC)),
    ],
)
def test_each_side_of_the_change_is_open_until_its_own_midnight(sites, clock, day, ends):
    [site] = sites.all()
    runner = ReleaseJob(None, sites._engine, sites, b"t" * 32, clock, timedelta(days=7))
    before = ends - timedelta(seconds=1)
    assert runner.state(site, day, before, before) == "open"
    assert runner.state(site, day, ends, ends) == "provisional"
