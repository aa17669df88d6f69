"""Weeks: they tell what their days hid together, and of no day what it hid."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.disclosure import DayTable, Figures, week
from releases.disclosure import weeks as rules
from releases.disclosure.crosses import added, enough
from tests.releases.audit import narrow_days

K = 5


def people(n):
    return Figures(n, 0, 2 * n)


def drawn(value):
    return K + random.Random(str(value)).randrange(K // 2 + 1)


def released(cells, number, parent_shown=True):
    """A day as the rules of one-way tables release it (see test_disclosure)."""
    cells = {value: figures for value, figures in cells.items() if any(figures)}
    shown = {v for v, f in cells.items() if enough(f, drawn((number, v)))}
    if not parent_shown or not enough(added(cells.values()), K):
        return DayTable(cells, frozenset(), summed=False)
    while True:
        rest = added(f for v, f in cells.items() if v not in shown)
        if not any(rest) or enough(rest, K) or not shown:
            return DayTable(cells, frozenset(shown), summed=True)
        shown.remove(min(shown, key=lambda v: (cells[v].visitors, v)))


sizes = st.one_of(st.integers(0, K - 1), st.integers(0, 2 * K), st.integers(0, 40))
alone = st.one_of(st.just(0), st.just(0), st.integers(0, 150))
figures = st.builds(lambda n, u: Figures(n, u, 2 * n + u), sizes, alone)
mixed = st.dictionaries(st.integers(0, 5), figures)
plain = st.dictionaries(st.integers(0, 5), sizes.map(people))
days = st.lists(st.one_of(plain, mixed), min_size=1, max_size=7).map(
    lambda days: [released(day, n) for n, day in enumerate(days)]
)


def narrow(days, told):
    return narrow_days(days, told, K, total=week(_totals(days), drawn, K) != set())


def _totals(days):
    """The same days of the table `total`."""
    return [
        DayTable({"": added(day.cells.values())}, {""} if day.summed else frozenset(), day.summed)
        for day in days
    ]


@settings(max_examples=400)
@given(days)
def test_what_a_day_hid_stays_k_wide_beside_the_week(days):
    assert narrow(days, week(days, drawn, K)) == []


@given(days)
def test_what_the_week_tells_stands_for_enough_persons_on_the_days_that_hid_it(days):
    for value in week(days, drawn, K):
        if all(value in day.shown for day in days):
            continue
        hidden = added(d.cells[value] for d in days if value in d.cells and value not in d.shown)
        assert enough(hidden, drawn(value))


@given(days)
def test_a_value_that_a_day_does_not_show_is_not_told_from_one_that_it_does_not_have(days):
    """No week is told for the sole reason that the hidden part is nought."""
    for value in week(days, drawn, K):
        assert all(value in d.shown for d in days) or any(
            value in d.cells and value not in d.shown for d in days
        )


def test_a_value_too_small_for_each_day_is_told_by_the_week():
    day = released({"/": people(80), "rare": people(3), "rarer": people(4), "rarest": people(2)}, 0)
    assert day.shown == {"/"}
    assert week([day] * 7, lambda value: 7, K) == {"/", "rarer"}  # the others hold it


@pytest.mark.parametrize(("visitors", "told"), [([7, 7], False), ([8, 7], True)])
def test_three_people_at_least_stand_behind_what_a_week_tells(visitors, told):
    """One person makes seven visitor-days a week at most: fifteen are three."""
    days = [DayTable({"": people(n)}, frozenset(), summed=False) for n in visitors]
    assert (week(days, lambda value: K, K) == {""}) == told


def test_a_site_too_small_for_days_has_weeks():
    days = [DayTable({"": people(4)}, frozenset(), summed=False) for _ in range(7)]
    assert week(days, lambda value: 7, K) == {""}


def test_the_audit_finds_what_a_day_hid_when_the_week_tells_everything(monkeypatch):
    monkeypatch.setattr(rules, "_hides_enough_besides", lambda *_: True)
    chance, found = random.Random(2), 0
    for _ in range(200):
        days = [
            released({v: people(int(chance.expovariate(0.2))) for v in range(5)}, n)
            for n in range(7)
        ]
        found += bool(narrow(days, week(days, drawn, K)))
    assert found
