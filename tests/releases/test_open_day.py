"""An open day by the clock: its totals at every look, its tables once an hour."""

from datetime import UTC, datetime, timedelta

import pytest

from config.settings import load
from control.definitions import Definitions, Goal
from releases.reading import Ask, Reading
from store.clickhouse import hosting
from store.migrate import migrate
from tests.attackers.town import Town, row
from tests.releases.world import World

TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
PEOPLE = list(enumerate(Town(100).people))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with hosting(load({"DISCREET_HOME": str(folder)})) as store:
        migrate(store)
        yield World(store, folder / "world", TEN, "UTC", k=5)


def come(world, first, last):
    moment = int(world.now.timestamp())
    world.load([
        row(world.site.id, world.now.date(), moment, number, 0, person, "pageview", "/docs")
        for number, person in PEOPLE[first:last]
    ])  # fmt: skip


def look(world, *, hold=True):
    """The visitors in total, of the page and of the goal, that the day shows after a look."""
    list(world.job().run(hold=hold))
    return [
        [row.figures.visitors for row in _rows(world, table) if row.key[0] in ("", "/docs", "Docs")]
        for table in ("total", "page", "goal")
    ]


def _rows(world, table):
    day = world.now.date()
    return Reading(world.store, world.control).find(
        world.site, Ask(table, day, day, ("value",))
    ).rows  # fmt: skip


def test_the_clock_renews_totals_at_every_look_and_tables_once_an_hour(world):
    come(world, 0, 3)
    assert look(world) == [[], [], []]
    come(world, 3, 20)
    # A day that shows nothing yet has nothing to keep.
    assert look(world) == [[20], [20], []]
    Definitions(world.control, lambda: world.now).add(world.site, Goal("Docs", prefix="/docs"))
    come(world, 20, 40)
    world.now = TEN + timedelta(minutes=35)
    # A goal that is declared meanwhile would be counted of other people than the page.
    assert look(world) == [[40], [20], []]
    world.now = TEN + timedelta(minutes=60)
    # No row has come since: the hour alone makes the tables due.
    assert look(world) == [[40], [40], [40]]
    assert world.job().due() == []
    come(world, 40, 60)
    # A command computes at once what an operator asks for.
    assert look(world, hold=False) == [[60], [60], [60]]


def test_what_is_over_does_not_wait_for_the_hour_nor_tell_when_it_changed(world):
    """Else a day's time of computing would say to five minutes when somebody was erased."""
    day = world.now.date()
    world.now += timedelta(days=1)
    told = []
    for _ in range(2):
        world.now += timedelta(minutes=5)
        assert [(d.day, d.state) for d in world.job().run(hold=True)] == [(day, "provisional")]
        told += [each.computed_at for each in Reading(world.store, world.control).days(
            world.site, day, day)]  # fmt: skip
        world.erase(((PEOPLE[3][0] + 1) << 64) | 20261120)
    assert told == [datetime(2026, 11, 21, tzinfo=UTC)] * 2
