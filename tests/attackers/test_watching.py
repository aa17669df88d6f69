"""Whoever keeps every version of an open day, and what they learn of when somebody came."""

from datetime import UTC, datetime

import pytest

from config.settings import load
from store.clickhouse import hosting
from store.migrate import migrate
from tests.attackers.watching import Seen, watch
from tests.releases.world import World

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
COMES = 32


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with hosting(load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})) as hosted:
        migrate(hosted)
        yield hosted


@pytest.fixture
def world(store, tmp_path):
    return World(store, tmp_path / "world", TEN, "UTC", k=10)


def test_without_the_hourly_hold_a_single_arrival_is_seen_within_five_minutes(world):
    assert watch(world, TEN, COMES, others=0, hold=False, ticks=(30, 35)) == Seen(30, 35, 1)


def test_with_it_the_hour_is_all_that_the_tables_of_an_open_day_tell(world):
    """Whatever is posted: the figure moves with the clock's hour, as a final day's hours tell."""
    seen = watch(world, TEN, COMES, others=24, hold=True)
    assert (seen.after, seen.until) == (5, 60)
    assert seen.totals > 1  # several moves of the totals: none of them is known to be this one's
