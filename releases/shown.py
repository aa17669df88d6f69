"""What is shown of a day's exact counts: disclosure's decisions, put to every table and cross."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from releases import counting, crossing
from releases.crossing import Code, Codes, Cross
from releases.disclosure import (
    ALL,
    HUB,
    UNLINKED_PER_PERSON,
    Cell,
    Figures,
    Key,
    Line,
    Published,
    Threshold,
    cross,
    fits,
    grants,
    publish,
    separable,
    split,
    to_demote,
    unseparated,
)
from releases.disclosure.declared import rounded
from releases.scratch import Scratch
from releases.tables import APART, DIMENSIONS, OTHER, TOTAL, Dimension, crossed, of_events

_PARENT = {d.name: d.parent for d in DIMENSIONS if d.parent}
Pair = tuple[Code, Code]


class Shown(NamedTuple):
    """What one-way tables show of a day, exactly.

    The cells, the merged rest of each table and group, and whether visitors can be told apart.
    """

    cells: list[Cell]
    others: list[Cell]
    apart: bool


def one_way(tables: Scratch, threshold: Threshold) -> Shown:
    """Decides which values each table of one dimension shows.

    What is hidden is counted anew, as one cell: its distinct visitors are fewer than the sum. Where
    that is itself too small the next smallest value joins it.
    """
    cells = counting.paid(tables, counting.singles(tables, tables.site.k)) + counting.apart(tables)
    apart = separable(cells, threshold)
    if not apart:
        cells = [unseparated(cell) for cell in cells]
    others: dict[tuple[str, str], Cell] = {}
    demoted: frozenset[Key] = frozenset()
    look_at = {d.name for d in tables.dimensions}
    while True:
        shown, _ = split(cells, threshold, demoted)
        for cell in counting.unions(tables, shown, look_at & _incomplete(shown)):
            others[cell.table, cell.by] = cell if apart else unseparated(cell)
        more = to_demote(shown, others.values(), threshold)
        if not more:
            return Shown(shown, list(others.values()), apart)
        demoted |= more
        look_at = _with_nested({table for table, _, _ in more})


def published(shown: Shown, threshold: Threshold, state: str) -> Iterator[Published]:
    """The figures of what one-way tables show, "(other)" included where it may be shown."""
    groups: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in shown.cells:
        groups[cell.table, cell.by].append(cell)
    others = {(cell.table, cell.by): cell for cell in shown.others}
    granted: dict[tuple[str, str], frozenset[str]] = {}
    for table, by in sorted(groups, key=lambda group: _depth(group[0])):
        cells, other = groups[table, by], others.get((table, by))
        whole = granted.get((_PARENT.get(table, TOTAL), by), ALL) if table not in APART else ALL
        figures = grants([*cells, other] if other else cells, threshold, whole)
        if other and fits(other, threshold(table, OTHER, by)):
            cells = [*cells, other]
        for cell in cells:
            # A value under two parents grants what both of its cells do.
            key = (table, cell.value)
            granted[key] = granted.get(key, ALL) & figures[cell.value]
            yield publish(cell, threshold, state, figures[cell.value])


def crosses(tables: Scratch, shown: Shown, threshold: Threshold, state: str) -> Iterator[Published]:
    """The shown cells of every cross, in each orientation that is declared."""
    codes = crossing.coded(tables.dimensions, shown.cells)
    crowded = _crowded(shown.cells, codes)
    decided: dict[tuple[str, str], set[Pair]] = {}
    for counted in crossing.crosses(tables, codes):
        first, second = counted.first, counted.second
        figures = _figures(counted, apart=shown.apart)
        may: set[Pair] = set()
        # The cross of the parent, decided before, says which columns each of its groups has.
        above = _above(first, second, codes, decided)
        hubs = first.name in crowded, above is None and second.name in crowded
        for grid in _grids(figures, codes[first.name], above):
            may |= _may_show(counted, grid, codes, threshold, tables.site.k, hubs)
        decided[first.name, second.name] = may
        decided[second.name, first.name] = {(b, a) for a, b in may}
        for pair in may:
            yield from _oriented(counted, pair, codes, state, apart=shown.apart)


def _crowded(shown: Iterable[Cell], codes: Codes) -> set[str]:
    """Dimensions of which more values are shown than have a code: their hub holds shown values."""
    known = {name: set(values) for name, values in codes.items()}
    return {
        cell.table
        for cell in shown
        if cell.table in known and (cell.by, cell.value) not in known[cell.table]
    }


def _incomplete(shown: Iterable[Cell]) -> set[str]:
    """Tables that do not show all that happened: every event falls into one of a table's cells."""
    events: dict[tuple[str, str], int] = defaultdict(int)
    wholes: dict[tuple[str, str], int] = defaultdict(int)
    for cell in shown:
        events[cell.table, cell.by] += cell.events
        wholes[cell.table, cell.value] += cell.events
    return {
        table
        for (table, by), shown_events in events.items()
        if table not in (TOTAL, *APART) and shown_events < wholes[_PARENT.get(table, TOTAL), by]
    }


def _with_nested(tables: set[str]) -> set[str]:
    """The tables, and those that are nested in them."""
    nested = {name for name, parent in _PARENT.items() if parent in tables}
    return tables | _with_nested(nested) if nested else tables


def _depth(table: str) -> int:
    """The total first, then parents before what is nested in them."""
    if table == TOTAL:
        return -1
    return 1 + _depth(_PARENT[table]) if table in _PARENT else 0


def _figures(counted: Cross, *, apart: bool) -> dict[Pair, Figures]:
    """What disclosure weighs: the visitors, and the figure that the cross shows beside them."""
    in_events = _in_events(counted)
    return {
        pair: Figures(
            counts.visitors if apart else 0,
            counts.unlinked if apart else counts.unlinked + counts.visitors * UNLINKED_PER_PERSON,
            counts.events if in_events else counts.pageviews,
        )
        for pair, counts in counted.cells.items()
    }


def _in_events(counted: Cross) -> bool:
    return of_events(f"{counted.first.name}|{counted.second.name}")


def _above(
    first: Dimension, second: Dimension, codes: Codes, decided: Mapping[tuple[str, str], set[Pair]]
) -> dict[str, set[Code]] | None:
    """Of a nested dimension the codes of `second` that each of its parent's values shows."""
    pairs = decided.get((first.parent, second.name))
    if not first.parent or pairs is None:
        return None
    columns: dict[str, set[Code]] = {value: set() for _, value in codes[first.parent]}
    for parent, column in pairs:
        columns[codes[first.parent][parent][1]].add(column)
    return columns


def _grids(
    figures: Mapping[Pair, Figures],
    known: crossing.Values,
    columns: Mapping[str, set[Code]] | None,
) -> Iterator[dict[Pair, Figures]]:
    """A cross as disclosure takes it: 0 for the hub. Of a nested dimension one for each parent."""
    if columns is None:
        yield _merged(
            ((0 if known[row][1] == OTHER else row, column), each)
            for (row, column), each in figures.items()
        )
        return
    groups: dict[str, list[tuple[Pair, Figures]]] = defaultdict(list)
    for (row, column), each in figures.items():
        parent, value = known[row]
        line = (0 if value == OTHER else row, column if column in columns.get(parent, ()) else 0)
        if row:
            groups[parent].append((line, each))
    for cells in groups.values():
        yield _merged(cells)


def _merged(cells: Iterable[tuple[Pair, Figures]]) -> dict[Pair, Figures]:
    merged: dict[Pair, Figures] = {}
    for pair, each in cells:
        before = merged.get(pair)
        merged[pair] = Figures(*map(sum, zip(before, each, strict=True))) if before else each
    return merged


def _may_show(
    counted: Cross,
    grid: Mapping[Pair, Figures],
    codes: Codes,
    threshold: Threshold,
    k: int,
    crowded: tuple[bool, bool],
) -> set[Pair]:
    table = f"{counted.first.name}|{counted.second.name}"
    rows: Mapping[Line, str] = {n: v for n, (_, v) in enumerate(codes[counted.first.name])}
    columns: Mapping[Line, str] = {n: v for n, (_, v) in enumerate(codes[counted.second.name])}
    cells: dict[tuple[Line, Line], Figures] = {
        (row or HUB, column or HUB): each for (row, column), each in grid.items()
    }
    may = cross(
        cells,
        lambda row, column: threshold(table, rows[row], columns[column]),
        k,
        crowded=crowded,
    )
    return {pair for pair in grid if pair in may}


def _oriented(
    counted: Cross, pair: Pair, codes: Codes, state: str, *, apart: bool
) -> Iterator[Published]:
    """The counts of a shown cell: of D by F, and where both are filterable of F by D."""
    first, second = counted.first, counted.second
    one, other = codes[first.name][pair[0]][1], codes[second.name][pair[1]][1]
    counts = counted.cells[pair]
    in_events = _in_events(counted)
    # A cell is shown with enough visitors or with none.
    linked = apart and counts.visitors > 0
    figures = (
        rounded(counts.visitors, state) if linked else None,
        rounded(counts.visits, state) if linked else None,
        None if in_events else rounded(counts.pageviews, state),
        rounded(counts.events, state) if in_events else None,
        *_NO_AVERAGES,
    )
    yield Published(f"{first.name}|{second.name}", other, one, *figures)
    if crossed(second, first):
        yield Published(f"{second.name}|{first.name}", one, other, *figures)


_NO_AVERAGES = (None, None, None)
