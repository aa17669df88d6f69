"""A released week: whole, once, and told only from the rows that its days were released from."""

from datetime import UTC, date, datetime, timedelta
from zlib import crc32

import pytest
from sqlalchemy import select

from config.settings import load
from control.database import released_days, released_weeks
from releases.tables import OTHER
from releases.weeks import days_of
from store.clickhouse import hosting
from store.migrate import migrate
from tests.releases.world import World

MONDAY = date(2026, 11, 16)
FINAL = datetime(2026, 12, 2, 12, tzinfo=UTC)
# Visitors a day: of the small countries each day hides at least two, the week may tell one.
COUNTRIES = {"BE": 60, "DK": 6, "FR": 6, "ES": 40}
UNEVEN = "IT"  # shown on Monday alone


def number_of(*what):
    return crc32(repr(what).encode()) + 1


def visits(site, day, country, number, start=0):
    """So many visitors from a country, of two views each."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return [
        {
            "site": site, "day": day.isoformat(), "time": midnight + 40_000 + view * 60,
            "received": midnight + 40_005 + view * 60,
            "event_id": number_of(day, country, person, view),
            "basis": "exempt", "purposes": ["audience"], "expires": "2100-01-15",
            "visitor": str(number_of(day, country, person)),
            "name": "pageview", "page": "/", "country": country, "device": "Mobile",
        }
        for person in range(start, start + number)
        for view in range(2)
    ]  # fmt: skip


def a_week(site):
    rows = [
        row
        for day in days_of(MONDAY)
        for country, number in COUNTRIES.items()
        for row in visits(site, day, country, number)
    ]
    for day in days_of(MONDAY):
        rows += visits(site, day, UNEVEN, 40 if day == MONDAY else 8)
    return rows


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    settings = load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})
    with hosting(settings) as hosted:
        migrate(hosted)
        yield hosted


def final_world(store, folder, *, erased=False):
    world = World(store, folder, FINAL - timedelta(days=5), k=10)
    world.load(a_week(world.site.id))
    world.run()  # days up to Thursday are final by now, the others provisional
    before = weeks(world)
    if erased:
        thursday = days_of(MONDAY)[3]
        world.erase(str(number_of(thursday, "DK", 0)))
    world.now = FINAL
    world.run()
    return world, before


@pytest.fixture(scope="module")
def released(store, tmp_path_factory):
    world, before = final_world(store, tmp_path_factory.mktemp("week"))
    return world, before, cells(world, "week"), cells(world, "day")


def weeks(world):
    with world.control.connect() as connection:
        return connection.execute(select(released_weeks)).all()


def cells(world, period):
    """(day, table, by, value) → visitors and views of what is shown."""
    pointers = released_days if period == "day" else released_weeks
    with world.control.connect() as connection:
        versions = list(connection.execute(select(pointers.c.version)).scalars())
    rows = world.store.query_rows(
        "SELECT day, table, by, value, visitors, pageviews FROM cells"
        " WHERE period = {period:String} AND version IN {versions:Array(UInt32)}",
        {"period": period, "versions": versions},
    )
    assert len({row[:4] for row in rows}) == len(rows)
    return {row[:4]: row[4:] for row in rows}


def summed(days):
    """Visitors and views, None where no day shows them."""
    return tuple(
        sum(n for n in figure if n is not None) if any(n is not None for n in figure) else None
        for figure in zip(*days, strict=True)
    )


def test_a_week_waits_until_all_its_days_are_final(released):
    world, before, _, _ = released
    with world.control.connect() as connection:
        states = set(connection.execute(select(released_days.c.state)).scalars())
    assert states == {"final"}
    assert before == []
    assert [row.week for row in weeks(world)] == [MONDAY]


def test_a_week_is_released_once(released):
    world, _, shown, _ = released
    pointers = weeks(world)
    assert world.run() == []
    assert (weeks(world), cells(world, "week")) == (pointers, shown)


def test_every_value_that_a_day_shows_has_a_cell_of_the_week(released):
    _, _, of_week, of_days = released
    assert {key[1:] for key in of_days} <= {key[1:] for key in of_week}


def test_what_every_day_shows_is_the_sum_of_the_days(released):
    _, _, of_week, of_days = released
    for key, figures in of_week.items():
        days = [of_days[day, *key[1:]] for day in days_of(MONDAY) if (day, *key[1:]) in of_days]
        if len(days) == 7 and key[3] != OTHER:
            assert figures == summed(days)


def test_a_week_tells_of_a_value_that_its_days_hide_and_leaves_others_to_hide_among(released):
    _, _, of_week, of_days = released
    hidden = [c for c in ("DK", "FR", UNEVEN) if (MONDAY, "country", "", c) in of_week]
    told = [c for c in hidden if (days_of(MONDAY)[1], "country", "", c) not in of_days]
    assert told
    assert len(told) < 3
    for country in told:
        exact = 7 * 6 if country != UNEVEN else 40 + 6 * 8
        visitors, views = of_week[MONDAY, "country", "", country]
        assert abs(visitors - exact) <= 5
        assert abs(views - 2 * exact) <= 5


def test_other_is_what_the_week_does_not_tell(released):
    _, _, of_week, _ = released
    table = {key[3]: figures for key, figures in of_week.items() if key[1] == "country"}
    total = of_week[MONDAY, "total", "", ""]
    assert abs(sum(visitors for visitors, _ in table.values()) - total[0]) <= 5 * 8 * len(table)


def test_a_cross_of_the_week_is_what_its_days_show(released):
    _, _, of_week, of_days = released
    crosses = {key for key in of_week if "|" in key[1]}
    assert crosses == {(MONDAY, *key[1:]) for key in of_days if "|" in key[1]}
    for key in crosses:
        days = [of_days[day, *key[1:]] for day in days_of(MONDAY) if (day, *key[1:]) in of_days]
        assert of_week[key] == summed(days)


def test_a_week_whose_rows_changed_since_its_days_were_final_tells_nothing_besides(store, tmp_path):
    """Its hidden part would lack exactly the person who was erased."""
    world, _ = final_world(store, tmp_path / "erased", erased=True)
    of_week, of_days = cells(world, "week"), cells(world, "day")
    assert {key[1:] for key in of_week} == {key[1:] for key in of_days}
