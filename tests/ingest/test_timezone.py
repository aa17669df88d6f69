"""A site whose time zone changes: nothing lost, nothing twice, and no day key outlives its day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from anonymize.agent import Agents
from anonymize.calendar import ALWAYS
from anonymize.event import RawEvent, RawRequest, Reason
from anonymize.geo import open_geo
from anonymize.keys import DAY_KEY_GRACE, KeyStore
from control.sites import Site
from ingest.collector import Collector
from ingest.wire import Item

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FIRST = date(2026, 11, 23)  # of the new zone
HOUR = timedelta(hours=1)


class Clock:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def __call__(self):
        return self.now


class Kept:
    def __init__(self):
        self.rows, self.tallies = [], []

    def append(self, rows, tallies=()):
        self.rows += rows
        self.tallies += tallies


def changed(old, new):
    zones = ((FIRST, new), (ALWAYS, old))
    return Site(1, "example.com", "k" * 32, old, "exempt", "BE", 10, zones=zones)


@pytest.fixture
def world(tmp_path):
    clock, kept = Clock(), Kept()
    keys = KeyStore(f"sqlite:///{tmp_path}/keys.db", bytes(32), clock)
    collector = Collector(
        kept,
        keys,
        open_geo(tmp_path / "none"),
        Agents(),
        timedelta(days=7),
        lambda site: frozenset(),
    )
    return clock, keys, collector, kept


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("Europe/Brussels", "America/New_York", id="west"),
        pytest.param("Europe/Brussels", "Asia/Tokyo", id="east"),
        pytest.param("Pacific/Kiritimati", "Etc/GMT+12", id="as far west as can be"),
        pytest.param("Etc/GMT+12", "Pacific/Kiritimati", id="as far east as can be"),
    ],
)
def test_one_person_is_one_visitor_a_day_and_every_event_has_one_day(world, old, new):
    clock, keys, collector, kept = world
    site, end = changed(old, new), Clock.now + timedelta(days=5)
    while clock.now < end:
        request = RawRequest(clock.now, "203.0.113.77", FIREFOX)
        view = Item(RawEvent(request, "pageview", url="https://example.com/"))
        collector.collect(site, [view], clock.now, clock.now)
        collector.refused(site, Reason.NOT_JSON, clock.now)
        keys.destroy_due()
        for _, zone, day, exists, _, ends in keys.status():
            if zone:
                over = site.calendar.end(date.fromisoformat(day)).replace(tzinfo=None)
                assert ends == over + DAY_KEY_GRACE
                assert exists == (clock.now.replace(tzinfo=None) < ends)
        clock.now += HOUR
    assert len(kept.rows) == 5 * 24
    assert [row.day for row in kept.rows] == [tally.day for tally in kept.tallies]
    days = sorted({row.day for row in kept.rows})
    assert [row.day for row in kept.rows] == sorted(row.day for row in kept.rows)
    assert len({row.visitor for row in kept.rows} - {"0"}) == len(days)
    assert all(row.visitor != "0" for row in kept.rows)
