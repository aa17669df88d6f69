"""Distinct visitors of weeks and months, and who comes back: exact, and shown where nobody can be
told by it.
"""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import load
from control.definitions import Definitions
from releases import cohorts
from releases.cohorts import Span
from releases.disclosure import declared
from releases.disclosure.declared import Cohort
from releases.reading import Reading
from store.clickhouse import hosting
from store.migrate import migrate
from tests.releases import oracle_declared
from tests.releases.world import World

MONDAY = date(2026, 11, 16)
ZONE = "Europe/Brussels"
K = 5


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with hosting(load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})) as hosted:
        migrate(hosted)
        yield hosted


def visit(chance, who, day, **more):
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    return {
        "site": 1, "day": day.isoformat(), "time": noon, "received": noon,
        "event_id": chance.getrandbits(64) | 1, "basis": "consent", "purposes": ["audience"],
        "expires": "2100-01-15", "visitor": str(who), "name": "pageview", "page": "/", "bot": "",
    } | more  # fmt: skip


def traffic(seed, last, people=260, weeks=12):
    """People who come for some weeks, stay away and come back; some on another basis, as machines,
    without the purpose, restricted, twice under one id within a day or over a midnight.
    """
    chance = random.Random(seed)
    rows = []
    for _ in range(people):
        who = chance.getrandbits(128)
        usual = {"basis": chance.choice(["consent"] * 6 + ["exempt"])}
        usual |= chance.choice([{}] * 9 + [{"bot": "bot"}, {"purposes": []}, {"restricted": 1}])
        for week in range(weeks):
            if chance.random() < chance.choice([0.1, 0.5, 0.9]):
                for _ in range(chance.choice([1, 1, 2, 3])):
                    day = last - timedelta(7 * week + chance.randrange(7))
                    row = visit(chance, who, day, **usual)
                    row["name"] = chance.choice(["pageview", "signup", "engagement"])
                    rows.append(row)
                    if chance.random() < 0.2:
                        other = day + timedelta(chance.choice([-1, 0, 0, 1]))
                        rows.append(row | {"day": other.isoformat(), "received": row["time"] + 9})
    chance.shuffle(rows)
    return rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cohorts_and_uniques_equal_an_obvious_count(store, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(cohorts, "_TOGETHER", 200)
    world = World(store, tmp_path / "world", datetime(2026, 12, 1, 12, tzinfo=UTC))
    rows = traffic(seed, MONDAY + timedelta(6))
    world.load(rows)
    visitors = cohorts._Visitors(store, world.site, lambda: None)
    first = MONDAY - timedelta(weeks=10)
    came = oracle_declared.consenting(rows, first, MONDAY + timedelta(6))
    expected = oracle_declared.cohorts(came, MONDAY)
    found = cohorts.cohorts(visitors.weeks(first, MONDAY + timedelta(6)))
    assert {age: tuple(cohort) for age, cohort in found.items()} == expected
    assert sum(back for _, back in expected.values()) > 15

    for span in (Span("week", MONDAY), Span("month", date(2026, 10, 1))):
        came = oracle_declared.consenting(rows, span.first, span.last)
        counted = visitors.uniques(span, cohorts._parts(span))
        assert counted.people == len(came) > 20
        assert counted.several == sum(len(days) > 1 for days in came.values())
        days = [sum(day in own for own in came.values()) for day in span.days]
        assert counted.parts[: len(days)] == days
        if span.period == "month":
            weeks = [date(2026, 10, 5) + timedelta(weeks=n) for n in range(3)]
            assert counted.parts[len(days) :] == [
                sum(any(0 <= (day - monday).days < 7 for day in own) for own in came.values())
                for monday in weeks
            ]


def test_nobody_is_in_two_cohorts_of_one_week():
    """Who was away for four weeks and comes back is new, and no longer of the earlier cohort."""
    weeks = 1 << 10 | 1 << 4  # this week, and six weeks ago
    found = cohorts.cohorts({weeks: 7})
    assert found[0] == Cohort(7, 7)
    assert found[6] == Cohort(7, 0)
    steady = sum(1 << n for n in range(4, 11))
    assert cohorts.cohorts({steady: 7})[6] == Cohort(7, 7)
    assert cohorts.cohorts({steady: 7})[0] == Cohort(0, 0)


SPANS = [
    (date(2026, 11, 23), Span("week", date(2026, 8, 31)), Span("month", date(2026, 9, 1))),
    (date(2026, 3, 1), Span("week", date(2025, 12, 8)), Span("month", date(2026, 1, 1))),
]


@pytest.mark.parametrize(("today", "week", "month"), SPANS, ids=str)
def test_spans_reach_back_as_far_as_every_row_is_kept(today, week, month):
    found = list(cohorts.spans(today))
    assert [next(s for s in found if s.period == p) for p in ("week", "month")] == [week, month]
    assert all(cohorts.complete(span.first, today) for span in found)
    assert not cohorts.complete(week.first - timedelta(weeks=1), today)
    assert {span.period: span for span in found}["week"].first <= today


numbers = st.integers(0, 60)


@given(st.dictionaries(st.integers(0, 6), st.tuples(numbers, numbers), max_size=7), numbers)
def test_a_week_tells_of_no_few_who_came_back_stayed_away_or_are_in_no_shown_cohort(made, more):
    found = {age: Cohort(back + lost * (age > 0), back) for age, (back, lost) in made.items()}
    people = sum(cohort.back for cohort in found.values()) + more
    shown = declared.shown_cohorts(found, people, lambda age: K + age % 3)
    for age in shown:
        assert found[age].back >= K
        assert age == 0 or found[age].size - found[age].back >= K
    rest = people - sum(found[age].back for age in shown)
    assert not shown or rest == 0 or rest >= K


@pytest.mark.parametrize(
    ("people", "parts", "several", "shown"),
    [
        (40, [10, 20, 30], 12, True),
        (40, [40, 20], 12, True),
        (40, [38, 20], 12, False),
        (40, [10, 20], 2, False),
        (40, [10, 20], 0, True),
        (4, [4], 0, False),
    ],
    ids=["", "all on one day", "all but two on one day", "two came twice", "none did", "few"],
)
def test_distinct_visitors_are_shown_where(people, parts, several, shown):
    assert declared.may_show_uniques(people, parts, several, K) is shown


def crowd(chance, numbers, *days):
    return [visit(chance, (n + 1) * 2**64, day) for n in numbers for day in days]


def test_weeks_and_months_are_released_once_when_all_their_days_are_final(store, tmp_path):
    chance = random.Random(1)
    world = World(store, tmp_path / "world", datetime(2026, 11, 2, 12, tzinfo=UTC), k=K)
    days = [date(2026, 10, 5) + timedelta(n) for n in range(0, 28, 7)]
    world.load(
        crowd(chance, range(60), days[0], days[0] + timedelta(1)),
        crowd(chance, range(25), days[1]) + crowd(chance, range(60, 100), days[1]),
        crowd(chance, range(30), days[2]) + crowd(chance, range(200, 230), days[2]),
    )
    reading = Reading(store, world.control)
    world.run()
    assert [week for week, _ in reading.uniques(world.site, "week", days[0], days[3])] == days[:3]
    world.now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    world.run()
    assert not world.job().behind()
    first, last = date(2026, 10, 1), date(2026, 10, 31)
    assert reading.uniques(world.site, "week", first, last) == [
        (days[0], 60), (days[1], 65), (days[2], 60),
    ]  # fmt: skip
    assert reading.uniques(world.site, "month", first, last) == [(first, 130)]
    assert reading.cohorts(world.site, first, last) == {
        days[0]: {0: 60, 1: 25, 2: 30}, days[1]: {0: 40}, days[2]: {0: 30},
    }  # fmt: skip
    before = world.everything()
    world.load(crowd(chance, range(300, 340), days[0]))
    world.run()
    world.job().sweep()
    assert world.everything() == before
    assert Definitions(world.control).live(world.site) == []
