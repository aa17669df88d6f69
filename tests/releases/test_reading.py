"""Reading releases: which cells answer a range of days, and that weeks are whole."""

import random
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from config.settings import load
from control.database import open_control, released_days, released_weeks
from control.sites import Sites
from releases.reading import Ask, Reading, Values, whole_weeks
from releases.whole_weeks import complete
from store.clickhouse import hosting
from store.migrate import migrate

FIRST, LAST = date(2026, 9, 28), date(2026, 11, 22)  # eight weeks, across an end of summer time
COMPUTED = datetime(2026, 11, 22, tzinfo=UTC)
VALUES = ("", "a", "b", 'it\'s {x:String} \\ "q"', "Ünïcode", "(other)")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    where = load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})
    control = open_control(where.control_url)
    with hosting(where) as store:
        migrate(store)
        site = Sites(control).add("example.com", "Europe/Brussels", "exempt", "BE")
        yield Made(store, control, site)
    control.dispose()


class Made:
    """Days of random cells, of which every value is hidden now and then, and their weeks."""

    def __init__(self, store, control, site):
        self.store, self.control, self.site = store, control, site
        self.reading = Reading(store, control)
        self.days = {}  # day -> {value: visitors}
        self.weeks = {}  # monday -> {value: visitors}, after completion
        self.versions = {}
        chance = random.Random(4)
        for number in range((LAST - FIRST).days + 1):
            day = FIRST + timedelta(days=number)
            shown = {v: chance.randrange(10, 500, 5) for v in VALUES if chance.random() < 0.7}
            self.days[day] = shown
            self.versions[day] = self._write("day", day, number + 1, shown)
            self._point(released_days, day=day, version=number + 1, state="final", digest=1)
            # A version that nothing points to is seen by nobody.
            self._write("day", day, 5000 + number, dict.fromkeys(VALUES, 7))
        for number in range(8):
            monday = FIRST + timedelta(weeks=number)
            own = {v: 5 * (number + 100) for v in VALUES if chance.random() < 0.4}
            version = self._write("week", monday, 1000 + number, own)
            days = [monday + timedelta(days=n) for n in range(7)]
            for _ in range(2):  # repeating it adds nothing
                complete(store, site, monday, version, [self.versions[day] for day in days])
            sums = {
                v: sum(self.days[day].get(v, 0) for day in days)
                for v in VALUES
                if any(v in self.days[day] for day in days)
            }
            self.weeks[monday] = sums | own
            if number != 3:  # a week whose days are not all final yet
                self._point(released_weeks, week=monday, version=version)

    def _write(self, period, day, version, shown):
        lines = msgspec.json.Encoder().encode_lines(
            {"site": self.site.id, "period": period, "day": str(day), "version": version,
             "table": "page", "by": "", "value": value, "visitors": n, "visits": n}
            for value, n in shown.items()
        )  # fmt: skip
        if shown:
            self.store.insert_lines("cells", [lines], f"{period}-{version}")
        return version

    def _point(self, table, **values):
        with self.control.begin() as connection:
            connection.execute(
                insert(table).values(
                    site=self.site.id,
                    computed_at=COMPUTED,
                    **values,
                )
            )

    def expected(self, first, last):
        """By value: whole released weeks, and the days that lie in none of them."""
        sums = {}
        day = first
        while day <= last:
            week = day.weekday() == 0 and day + timedelta(days=6) <= last
            released = week and day in self.weeks and day != FIRST + timedelta(weeks=3)
            for value, n in (self.weeks[day] if released else self.days.get(day, {})).items():
                sums[value] = sums.get(value, 0) + n
            day += timedelta(days=7 if released else 1)
        return sums


SPANS = st.tuples(st.dates(FIRST - timedelta(days=9), LAST + timedelta(days=9)), st.integers(0, 70))


@settings(max_examples=40, deadline=None)
@given(SPANS)
def test_a_range_is_the_sum_of_its_whole_weeks_and_its_other_days(world, span):
    first, last = span[0], span[0] + timedelta(days=span[1])
    rows = world.reading.find(world.site, Ask("page", first, last, ("value",))).rows
    assert {row.key[0]: row.figures.visitors for row in rows} == world.expected(first, last)


@settings(max_examples=40, deadline=None)
@given(SPANS)
def test_a_point_of_a_series_says_what_its_own_range_would(world, span):
    first, last = span[0], span[0] + timedelta(days=span[1])
    for key, length in (("month", 31), ("week", 7), ("day", 1)):
        rows = world.reading.find(world.site, Ask("page", first, last, (key, "value"))).rows
        for start in {row.key[0] for row in rows}:
            end = {
                "month": (start.replace(day=1) + timedelta(days=length)).replace(day=1),
                "week": start + timedelta(days=7 - start.weekday()),
                "day": start + timedelta(days=1),
            }[key] - timedelta(days=1)
            found = {row.key[1]: row.figures.visitors for row in rows if row.key[0] == start}
            assert found == world.expected(max(start, first), min(end, last))


@given(st.dates(date(1999, 1, 1), date(2050, 1, 1)), st.integers(0, 100))
def test_whole_weeks_lie_within_their_range_and_none_is_forgotten(first, length):
    last = first + timedelta(days=length)
    mondays = list(whole_weeks(first, last))
    assert all(day.weekday() == 0 for day in mondays)
    assert mondays == [
        day
        for day in (first + timedelta(days=n) for n in range(length + 1))
        if day.weekday() == 0 and day + timedelta(days=6) <= last
    ]


@pytest.mark.parametrize("value", VALUES)
def test_any_text_can_be_asked_for(world, value):
    ask = Ask("page", FIRST, LAST, ("value",), value=(Values((value,)),))
    (row,) = world.reading.find(world.site, ask).rows
    assert row.key == (value,)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(Values(("a", "b")), {"a", "b"}, id="several"),
        pytest.param(Values(("a",), negated=True), set(VALUES) - {"a"}, id="all others"),
        pytest.param(Values(("O", "o"), contains=True), {"Ünïcode"}, id="merged contains nothing"),
        pytest.param(Values(("üNÏ",), contains=True, cased=False), {"Ünïcode"}, id="any case"),
        pytest.param(Values(("ÜNÏCODE",), cased=False), {"Ünïcode"}, id="whole, any case"),
        pytest.param(Values(("a", "b"), contains=True, negated=True), set(VALUES) - {"a", "b"},
                     id="without a part"),
    ],
)  # fmt: skip
def test_values_are_listed_or_searched(world, values, expected):
    ask = Ask("page", FIRST, LAST, ("value",), value=(values,))
    assert {row.key[0] for row in world.reading.find(world.site, ask).rows} == expected


def test_a_limit_says_how_many_there_are(world):
    ask = Ask("page", FIRST, LAST, ("value",), order=(("visitors", True),), limit=2, offset=1)
    found = world.reading.find(world.site, ask)
    assert (len(found.rows), found.total, found.merged) == (2, len(VALUES), True)
    everything = world.reading.find(world.site, Ask("page", FIRST, LAST, ("value",))).rows
    largest = sorted(
        (row.figures.visitors for row in everything if row.key[0] != "(other)"), reverse=True
    )
    assert [row.figures.visitors for row in found.rows] == largest[1:3]


def test_a_day_that_no_pointer_shows_is_not_there(world):
    day = date(2026, 10, 20)
    with world.control.begin() as connection:
        connection.execute(delete(released_days).where(released_days.c.day == day))
    try:
        assert world.reading.find(world.site, Ask("page", day, day, ("value",))).rows == []
        assert world.reading.days(world.site, day, day) == []
    finally:
        world._point(released_days, day=day, version=world.versions[day], state="final", digest=1)


def test_sums_of_money_in_two_currencies_are_none(world):
    day = date(2027, 1, 1)
    cells = [("EUR", "10.50"), ("DKK", "70.00")]
    lines = msgspec.json.Encoder().encode_lines(
        {"site": world.site.id, "day": str(day), "version": 3000, "table": "event", "value": c,
         "revenue": amount, "payments": 1, "currency": c}
        for c, amount in cells
    )  # fmt: skip
    world.store.insert_lines("cells", [lines], "money")
    world._point(released_days, day=day, version=3000, state="final", digest=1)
    measures = ("revenue", "currency", "payments")
    ask = Ask("event", day, day, measures=measures)
    (both,) = world.reading.find(world.site, ask).rows
    assert (both.figures.revenue, both.figures.currency) == (None, None)
    assert both.figures.average_revenue is None
    (one,) = world.reading.find(
        world.site, Ask("event", day, day, value=(Values(("EUR",)),), measures=measures)
    ).rows
    assert (str(one.figures.revenue), one.figures.currency) == ("10.50", "EUR")


def test_freshness_counts_days_by_their_state(world):
    fresh = world.reading.freshness(world.site, FIRST, LAST)
    assert (fresh.open, fresh.provisional, fresh.final) == (0, 0, 56)
    assert fresh.computed_at == COMPUTED
    assert world.reading.oldest_day(world.site) == FIRST
