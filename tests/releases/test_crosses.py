"""Crosses: no hidden cell can be worked out of what is published."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from releases.disclosure import HUB, Figures, cross, crosses
from releases.disclosure.crosses import added, enough
from tests.releases.audit import Audit, narrow

K = 5


def drawn(row, column):
    """A threshold from k to 1.5 k for each pair, the same at each look."""
    return K + random.Random(f"{row} {column}").randrange(K // 2 + 1)


def margined(cells, k=K):
    """The cross as it is given to disclosure: values that do not fit by themselves in the hub, and
    the hub empty or large enough itself (docs/disclosure.md, the rules of one-way tables).
    """
    while True:
        lines = [{}, {}]
        for pair, figures in cells.items():
            for axis in (0, 1):
                lines[axis].setdefault(pair[axis], []).append(figures)
        joining = [set(), set()]
        for axis in (0, 1):
            sums = {line: added(figures) for line, figures in lines[axis].items()}
            joining[axis] = {n for n, f in sums.items() if n is not HUB and not enough(f, k)}
            others = sorted(sums.keys() - joining[axis] - {HUB}, key=lambda n: sums[n].visitors)
            hub = sums.get(HUB)
            if not joining[axis] and hub and not enough(hub, k):
                if not others:
                    return {}  # the day itself is too small
                joining[axis] = {others[0]}
        if not any(joining):
            # In a single line each cell is a margin, which is published or not by itself.
            return cells if min(map(len, lines)) > 1 else {}
        merged = {}
        for (row, column), figures in cells.items():
            pair = HUB if row in joining[0] else row, HUB if column in joining[1] else column
            merged[pair] = added([merged.get(pair, Figures(0, 0, 0)), figures])
        cells = merged


def _figures(visitors, more, unlinked):
    return Figures(visitors, unlinked, visitors + bool(visitors) * more + unlinked)


sizes = st.one_of(st.just(0), st.integers(1, K - 1), st.integers(K, K + K // 2), st.integers(K, 60))
alone = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(1, 200))
everybody = st.builds(_figures, sizes, st.integers(0, 20), alone)
visitors_only = st.builds(_figures, sizes, st.integers(0, 3), st.just(0))
lines = st.one_of(st.just(HUB), st.integers(0, 6))


def tables(figures):
    return st.dictionaries(st.tuples(lines, lines), figures, max_size=40).map(
        lambda cells: margined({p: f for p, f in cells.items() if any(f)})
    )


@settings(max_examples=400)
@given(st.one_of(tables(visitors_only), tables(everybody)))
def test_the_published_sums_leave_every_hidden_cell_at_least_k_wide(cells):
    shown = cross(cells, drawn, K)
    assert narrow(cells, shown, K, drawn) == []


@settings(max_examples=150)
@given(tables(everybody), st.booleans(), st.booleans())
def test_so_they_do_where_hubs_hold_lines_with_a_sum_of_their_own(cells, rows, columns):
    """As where a dimension has more values than a cross tells apart."""
    merged = {}
    for (row, column), figures in cells.items():
        pair = (
            HUB if rows and row in (0, 1) else row,
            HUB if columns and column in (0, 1) else column,
        )
        merged[pair] = added([merged.get(pair, Figures(0, 0, 0)), figures])
    shown = cross(merged, drawn, K, crowded=(rows, columns))
    assume(all(len({p[n] for p in merged}) > 1 for n in (0, 1)))
    assert narrow(cells, shown, K, drawn) == []


@given(tables(everybody))
def test_only_cells_that_fit_are_shown_and_never_a_hub(cells):
    for pair in cross(cells, drawn, K):
        assert enough(cells[pair], drawn(*pair))
        assert HUB not in pair


@given(tables(everybody), st.randoms())
def test_the_order_in_which_cells_arrive_changes_nothing(cells, chance):
    shuffled = list(cells.items())
    chance.shuffle(shuffled)
    assert cross(dict(shuffled), drawn, K) == cross(cells, drawn, K)


@given(tables(everybody), st.data())
def test_an_empty_cell_cannot_be_told_from_a_hidden_one(cells, data):
    """Neither is listed: a cell is shown or it is not, and none is shown as nought."""
    shown = cross(cells, drawn, K)
    assert all(cells[pair].visitors or cells[pair].views for pair in shown)
    hidden = sorted((p for p in cells if p not in shown and HUB not in p), key=str)
    if hidden:
        pair = data.draw(st.sampled_from(hidden))
        lone = {p: f for p, f in cells.items() if p != pair}
        assert pair not in cross(margined(lone), drawn, K)


@given(tables(visitors_only), st.data())
def test_what_another_rule_withholds_is_protected_too(cells, data):
    fitting = sorted((p for p in cells if HUB not in p), key=str)
    withheld = frozenset(data.draw(st.sets(st.sampled_from(fitting))) if fitting else ())
    shown = cross(cells, drawn, K, withheld)
    assert not shown & withheld
    audit = Audit({pair: f.visitors for pair, f in cells.items()}, shown)
    for pair in withheld if shown else ():
        lines = [sum(f.visitors for p, f in cells.items() if p[n] == pair[n]) for n in (0, 1)]
        wide = min(K, *lines) if cells[pair].visitors else 0
        assert audit.width(pair, wide) >= wide


SQUARE = {
    ("a", "x"): 30,
    ("a", "y"): 3,
    ("b", "x"): 40,
    ("b", "y"): 50,
    ("c", "x"): 60,
    ("c", "y"): 70,
}
SQUARE = {pair: Figures(n, 0, n) for pair, n in SQUARE.items()}


def test_the_audit_finds_the_hidden_cell_when_complementary_suppression_is_off(monkeypatch):
    assert narrow(SQUARE, cross(SQUARE, drawn, K), K, drawn) == []
    monkeypatch.setattr(crosses._Table, "protect", lambda table: None)
    found = narrow(SQUARE, cross(SQUARE, drawn, K), K, drawn)
    assert found == [(("a", "y"), "visitors"), (("a", "y"), "views")]


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("_unlisted", lambda *_: True),  # the far corner may be shown
        ("_held", lambda table, cell: bool(table._spare(0, cell.row))),  # its row alone
        ("_gone", lambda *_: True),  # nothing is looked at
    ],
)
def test_the_audit_finds_hidden_cells_when_one_rule_is_broken(monkeypatch, rule, broken):
    monkeypatch.setattr(crosses._Table, rule, broken)
    chance = random.Random(1)
    found = 0
    for _ in range(60):
        cells = {
            (r, c): Figures(n, 0, n)
            for r in range(8)
            for c in range(8)
            if (n := int(chance.expovariate(0.03)))
        }
        cells = margined(cells)
        found += bool(narrow(cells, cross(cells, drawn, K), K, drawn))
    assert found


def test_hiding_one_cell_costs_the_least_that_protects_it():
    assert cross(SQUARE, drawn, K) == {("c", "x"), ("c", "y")}


def test_a_cross_in_which_nothing_is_small_is_shown_whole():
    cells = {pair: figures for pair, figures in SQUARE.items() if figures.visitors > 10}
    assert cross(cells, drawn, K) == cells.keys()


def test_views_without_a_pseudonym_count_a_tenth():
    """Three hidden views could be thirty: nobody knows how many people made them."""
    cells = SQUARE | {("a", "y"): Figures(0, 3, 3)}
    assert cross(cells, drawn, K) != cross(SQUARE, drawn, K)
    assert narrow(cells, cross(cells, drawn, K), K, drawn) == []
