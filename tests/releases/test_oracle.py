"""Every exact figure of a day equals an obvious count of its rows, whatever happened to them."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config.settings import load
from releases import counting, crossing, tables
from releases.scratch import scratch
from store.clickhouse import hosting
from store.migrate import migrate
from tests.releases import oracle
from tests.releases.traffic import (
    DEFAULTS,
    bounds,
    days_around,
    few_dimensions,
    local_day,
    segments,
)
from tests.releases.world import World, noon

# Days as long as they come: put forward, put back, by half an hour, at midnight itself.
DAYS = {
    "23 hours": (date(2026, 3, 29), "Europe/Brussels", 23),
    "25 hours": (date(2026, 10, 25), "Europe/Brussels", 25),
    "no midnight": (date(2018, 11, 4), "America/Sao_Paulo", 23),
    "two midnights": (date(2018, 2, 17), "America/Sao_Paulo", 25),
    "three quarters past": (date(2026, 5, 5), "Asia/Kathmandu", 24),
    "the next day skipped": (date(2011, 12, 29), "Pacific/Apia", 24),
    "24 and a half hours": (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
    "23 and a half hours": (date(2026, 10, 4), "Australia/Lord_Howe", 23.5),
}


def test_the_oracle_declares_the_same_dimensions():
    theirs = {d.name: (d.level, d.parent, d.filterable, d.purpose) for d in tables.DIMENSIONS}
    ours = {
        name: (d.level, d.parent, d.filterable, d.purpose) for name, d in oracle.DIMENSIONS.items()
    }
    assert ours == theirs


def test_the_oracle_crosses_the_same_dimensions():
    theirs = {
        (d.name, by.name)
        for d in tables.DIMENSIONS
        for by in tables.DIMENSIONS
        if tables.crossed(d, by)
    }
    assert set(oracle.crosses(oracle.DIMENSIONS)) == theirs


@pytest.mark.parametrize(("day", "timezone", "hours"), DAYS.values(), ids=DAYS)
def test_the_generated_days_are_as_long_as_they_should_be(day, timezone, hours):
    first, end = bounds(day, timezone)
    assert (end - first) / 3600 == hours
    assert local_day(first, timezone) == local_day(end - 1, timezone) == day.isoformat()
    assert local_day(first - 1, timezone) < day.isoformat() < local_day(end, timezone)


# A few visitors around one midnight: at the limits of a visit, under the same ids, in any state.
DAY, ZONE = date(2026, 11, 20), "Europe/Brussels"
FIRST, END = bounds(DAY, ZONE)
moments = st.builds(
    lambda base, *steps: base + sum(steps),
    st.sampled_from([FIRST - 1800, FIRST, FIRST + 40_000, END - 3600]),
    *[st.sampled_from([0, 0, 1, 1799, 1800, 1801])] * 3,
)


@st.composite
def histories(draw):
    """Up to 24 rows of one site; each arrives at a second of its own."""
    rows = []
    for received in range(draw(st.integers(1, 24))):
        visitor = draw(st.sampled_from([0, 1 << 66, 2 << 66, 3 << 66]))
        moment = draw(moments)
        name = draw(st.sampled_from(["pageview", "pageview", "engagement", "screen", "signup"]))
        rows.append(DEFAULTS | {
            "site": 1, "time": moment, "day": local_day(moment, ZONE), "received": END + received,
            "event_id": draw(st.integers(1, 40)), "expires": "2100-01-15",
            "basis": "none" if not visitor else "consent",
            "purposes": draw(st.sampled_from([
                ["audience", "attribution"], ["audience"], ["product", "audience"], ["product"],
            ])),
            "bot": draw(st.sampled_from(["", "", "", "", "bot"])),
            "restricted": draw(st.sampled_from([0, 0, 0, 0, 1])),
            "visitor": str(visitor), "user": "0",
            "visit": draw(st.sampled_from([0, 0, 5, 6])) if visitor else 0,
            "name": name,
            "page": draw(st.sampled_from(["", "/a", "/b"])) if name != "screen" else "",
            "screen": "Home" if name == "screen" else "",
            "source": draw(st.sampled_from(["", "Google"])),
            "referrer": draw(st.sampled_from(["", "google.com"])),
            "utm_campaign": draw(st.sampled_from(["", "spring"])),
            "app_version": draw(st.sampled_from(["", "1"])),
            "memory": draw(st.sampled_from(["", "8"])),
            "engagement": draw(st.sampled_from([0, 500, 61_000])) * (name == "engagement"),
            "scroll": draw(st.sampled_from([0, 40, 100])) * (name == "engagement"),
            "props": draw(st.sampled_from([{}, {"plan": "pro"}])),
            **draw(st.sampled_from([
                {}, {}, {"revenue": "9.9500", "currency": "EUR"},
                {"revenue": "-1.0000", "currency": "EUR"}, {"revenue": "70", "currency": "DKK"},
            ])),
        })  # fmt: skip
    return rows


# Everything that is counted of a table, and of a cross.
SINGLE = (
    "visitors", "visits", "pageviews", "events", "linked_pageviews", "bounces", "duration",
    "unlinked", "bounced_visitors", "staying_visitors", "longest", "engagement", "engaged",
    "most_engaged", "scroll", "scrolled",
)  # fmt: skip
PAID = ("currency", "payments", "payers", "revenue", "most_paid")
APART = ("visitors", "pageviews", "events", "unlinked")
PAIR = ("visitors", "visits", "pageviews", "events", "unlinked")
PROPERTIES = ("plan",)


def figures(cell, names):
    return {name: getattr(cell, name) for name in names}


def differences(theirs, ours):
    """What is not equal, in a form that a failing test can show."""
    return {
        key: (theirs.get(key), ours.get(key))
        for key in theirs.keys() | ours.keys()
        if theirs.get(key) != ours.get(key)
    }


def compare(world, day, timezone, rows, *, crossed_from=None, slice_rows=10**6):
    """The tables, and the crosses of the values that stand for so many persons. Returns how many
    cells were compared.
    """
    site = replace(world.site, properties=PROPERTIES)
    with scratch(world.store, site, day, slice_rows) as scratched:
        singles = counting.singles(scratched, 0)
        machines = {c.value: figures(c, APART) for c in counting.apart(scratched)}
        paid = {c.value: figures(c, PAID) for c in counting.paid(scratched, singles) if c.payments}
        shown = [cell for cell in singles if cell.persons >= (crossed_from or 0)]
        codes = crossing.coded(scratched.dimensions, shown)
        crosses = [] if crossed_from is None else list(crossing.crosses(scratched, codes))
    theirs = {(c.table, c.by, c.value): figures(c, SINGLE) for c in singles}
    expected = oracle.singles(rows, day, timezone, PROPERTIES)
    ours = {key: figures(cell, SINGLE) for key, cell in expected.items()}
    assert differences(theirs, ours) == {}
    assert len(theirs) == len(singles)
    events = {value: cell for (table, _, value), cell in expected.items() if table == "event"}
    assert paid == {v: figures(c, PAID) for v, c in events.items() if c.payments}
    ours = {kind: figures(cell, APART) for kind, cell in oracle.machines(rows, day).items()}
    assert machines == ours
    if not crosses:
        return len(theirs)

    crossed = {
        ((cross.first.name, cross.second.name), codes[cross.first.name][one],
         codes[cross.second.name][two][1]): figures(counts, PAIR)
        for cross in crosses
        for (one, two), counts in cross.cells.items()
    }  # fmt: skip
    counted = {(cross.first.name, cross.second.name) for cross in crosses}
    told = {(cell.table, cell.by, cell.value) for cell in shown}
    ours = {
        key: figures(cell, PAIR)
        for key, cell in oracle.crossed(rows, day, timezone, told, PROPERTIES).items()
        if key[0] in counted
    }
    assert differences(crossed, ours) == {}
    # Every pair of dimensions that have two values to tell apart, in one orientation or the other.
    several = {table for table, *_ in told if sum(name == table for name, *_ in told) > 1}
    declared = {frozenset(pair) for pair in oracle.crosses(oracle.with_properties(PROPERTIES))}
    assert {frozenset(pair) for pair in counted} == {p for p in declared if p <= several}
    return len(theirs) + len(crossed)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    settings = load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})
    with hosting(settings) as hosted:
        migrate(hosted)
        yield hosted


@pytest.fixture
def world(store, tmp_path):
    return World(store, tmp_path / "world", noon(DAY), ZONE)


@pytest.mark.parametrize("name", DAYS)
def test_every_figure_equals_an_obvious_count_on_a_day_with(store, tmp_path, name):
    """Rows come in any order, from several web processes, again, late, and from machines."""
    day, timezone, _ = DAYS[name]
    rows = days_around(1, day, timezone, len(name), 120)
    world = World(store, tmp_path / "world", noon(day), timezone)
    world.load(*segments(rows, 1, 4))
    world.restart()
    assert compare(world, day, timezone, rows) > 100


def test_every_cell_of_every_cross_equals_an_obvious_count(world):
    rows = days_around(1, DAY, ZONE, 1, 150)
    world.load(rows)
    assert compare(world, DAY, ZONE, rows, crossed_from=0) > 2000


def test_slices_of_visitors_add_up_and_what_is_not_shown_is_merged(world):
    rows = few_dimensions(days_around(1, DAY, ZONE, 3, 120))
    world.load(rows)
    assert compare(world, DAY, ZONE, rows, crossed_from=4, slice_rows=50) > 100


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink would take minutes
)
@given(histories())
def test_every_figure_of_any_history_equals_an_obvious_count(world, rows):
    world.empty()
    world.load(rows)
    compare(world, DAY, ZONE, rows, crossed_from=0)


@given(histories())
def test_the_oracles_own_tables_add_up_to_its_total(rows):
    cells = oracle.singles(rows, DAY, ZONE, ("plan",))
    total = cells.get(("total", "", ""), oracle.Cell())
    for table in {table for table, _, _ in cells}:
        own = [cell for (name, _, _), cell in cells.items() if name == table]
        assert sum(cell.events for cell in own) == total.events
        assert sum(cell.unlinked for cell in own) == total.unlinked
        assert max(cell.visitors for cell in own) <= total.visitors
        assert sum(cell.visitors for cell in own) >= total.visitors
