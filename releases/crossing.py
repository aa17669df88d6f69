"""Counts pairs of dimensions exactly, before disclosure, over the values that may be shown alone.

Each value that is told apart gets a code of one byte, the rest share the code 0 (or one for each
parent, where a dimension is nested), so that a cross is a count over two bytes a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import add
from typing import NamedTuple, TypeVar

from releases.counting import SLICES, batches
from releases.disclosure import Cell
from releases.scratch import Scratch, quoted, template
from releases.tables import OTHER, Dimension, crossed

# Values of a dimension that are told apart, the largest first, and parents that have such values:
# all codes fit into a byte.
_MOST_VALUES = 100
_MOST_PARENTS = 100
# Crosses counted in one statement: fewer take longer, more take memory.
_TOGETHER = 16


class Counts(NamedTuple):
    """Exact figures of one cell of a cross, never shown."""

    visitors: int
    visits: int
    pageviews: int
    events: int
    unlinked: int


class Cross(NamedTuple):
    """`first` among the values of `second`, by their codes; only what is not empty.

    Where both dimensions are filterable it is the other way round as well.
    """

    first: Dimension
    second: Dimension
    cells: dict[tuple[int, int], Counts]


T = TypeVar("T")

Code = int
Dimensions = tuple[Dimension, Dimension]
Pair = tuple[Code, Code]
# The (parent, value) of each code, from 0.
Values = Sequence[tuple[str, str]]
Codes = Mapping[str, Values]


def coded(dimensions: Sequence[Dimension], shown: Iterable[Cell]) -> Codes:
    """The values to tell apart: of what is shown of each dimension the largest."""
    by_table: dict[str, list[Cell]] = {}
    for cell in sorted(shown, key=lambda cell: (-cell.persons, cell.by, cell.value)):
        by_table.setdefault(cell.table, []).append(cell)
    codes: dict[str, list[tuple[str, str]]] = {}
    for dimension in dimensions:
        cells = by_table.get(dimension.name, [])
        known = [("", OTHER)]
        if dimension.parent:
            parents = [cell.value for cell in by_table.get(dimension.parent, [])]
            known += [(parent, OTHER) for parent in dict.fromkeys(parents[:_MOST_PARENTS])]
            cells = [cell for cell in cells if (cell.by, OTHER) in known]
        known += [(cell.by, cell.value) for cell in cells[:_MOST_VALUES]]
        codes[dimension.name] = known
    return codes


def crosses(tables: Scratch, codes: Codes) -> Iterator[Cross]:
    """Every declared cross of two dimensions with at least two values that have a code; a parent's
    before those of what is nested in it. Once for each scratch, in which it leaves tables.
    """
    pairs = list(_pairs(tables.dimensions, codes))
    if not pairs:
        return
    numbers = {d.name: n for n, d in enumerate(tables.dimensions)}
    _make(tables, codes, {d.name for pair in pairs for d in pair}, pairs, numbers)
    by_source: dict[str, list[Dimensions]] = {}
    for pair in pairs:
        by_source.setdefault(_source(pair, numbers), []).append(pair)
    parts = (
        (source, batch)
        for source, of_source in by_source.items()
        for batch in batches(of_source, _TOGETHER)
    )
    counted = (
        [
            Cross(first, second, cells)
            for (first, second), cells in zip(
                batch, _counted(tables, source, batch, numbers), strict=True
            )
        ]
        for source, batch in parts
    )
    for found in ahead(counted):
        yield from found


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, each made while the one before is being used: the engine counts the next crosses
    while Python decides what is shown of these.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _pairs(dimensions: Sequence[Dimension], codes: Codes) -> Iterator[Dimensions]:
    told = [d for d in dimensions if sum(value != OTHER for _, value in codes[d.name]) > 1]
    place = {d.name: n for n, d in enumerate(told)}
    for first in told:
        for second in told:
            twice = crossed(second, first) and place[second.name] < place[first.name]
            if crossed(first, second) and not twice:
                yield first, second


def _make(
    tables: Scratch,
    codes: Codes,
    names: set[str],
    pairs: Sequence[Dimensions],
    numbers: Mapping[str, int],
) -> None:
    """The tables of codes that these crosses are counted in."""
    tables.insert(
        "codes",
        (
            {"dimension": numbers[d.name], "key": _key(d, *known), "code": code}
            for d in tables.dimensions
            if d.name in names
            for code, known in enumerate(codes[d.name])
            if code
        ),
    )
    of_visits = [d for d in tables.dimensions if d.name in names and d.level == "visit"]
    of_events = [d for d in tables.dimensions if d.name in names and d.level == "event"]
    for kind, dimensions in (("visits", of_visits), ("events", of_events)):
        tables.command(
            template(f"coded_{kind}")
            .replace(
                "{lists}", ", ".join(_list(numbers[d.name]) for d in dimensions) or "1 AS none"
            )
            .replace("{codes}", ", ".join(["1", *(_code(d, numbers[d.name]) for d in dimensions)]))
        )
    within: dict[int, list[int]] = {}
    for pair in pairs:
        if {d.level for d in pair} == {"event", "visit"}:
            visit, event = sorted(pair, key=lambda d: d.level == "event")
            within.setdefault(numbers[event.name], []).append(numbers[visit.name])
    for number, beside in within.items():
        _make_within(tables, number, beside)


def _make_within(tables: Scratch, number: int, of_visits: Sequence[int]) -> None:
    statement = (
        template("coded_within")
        .replace("{number}", str(number))
        .replace("{code}", f"c{number}")
        .replace("{codes}", ", ".join(f"c{n}" for n in of_visits))
    )
    name = f"{{scratch}}coded_within_{number}"
    for part in range(tables.slices):
        head = f"INSERT INTO {name}"
        if not part:
            head = f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY slice AS"
        tables.command(f"{head} {statement}", {"slice": part})


def _key(dimension: Dimension, parent: str, value: str) -> str:
    if not dimension.parent:
        return value
    return f"{parent}\0\0" if value == OTHER else f"{parent}\0{value}"


_LIST = (
    "(SELECT groupArray((key, code)) FROM {scratch}codes WHERE dimension = {number}) AS l{number}"
)


def _list(number: int) -> str:
    return _LIST.replace("{number}", str(number))


def _code(dimension: Dimension, number: int) -> str:
    def looked_up(key: str, otherwise: str) -> str:
        return f"transform({key}, l{number}.1, l{number}.2, {otherwise})"

    value, parent = quoted(dimension.name), quoted(dimension.parent)
    if not dimension.parent:
        code = looked_up(value, "toUInt8(0)")
    else:
        of_parent = looked_up(f"concat({parent}, '\\0\\0')", "toUInt8(0)")
        code = looked_up(f"concat({parent}, '\\0', {value})", of_parent)
    return f"CAST({code} AS UInt8) AS c{number}"


def _counted(
    tables: Scratch, source: str, batch: Sequence[Dimensions], numbers: Mapping[str, int]
) -> list[dict[Pair, Counts]]:
    """For each pair of dimensions the figures of each pair of codes."""
    columns = list(dict.fromkeys(f"c{numbers[d.name]}" for pair in batch for d in pair))
    pairs = [tuple(f"c{numbers[d.name]}" for d in pair) for pair in batch]
    of_events = source == _EVENTS
    together = 1 if of_events else SLICES
    statement = (
        template("cross_of_events" if of_events else "cross")
        .replace("{source}", source)
        .replace("{columns}", ", ".join(columns))
        .replace("{pairs}", ", ".join(f"({', '.join(pair)})" for pair in pairs))
        .replace("{pairs_of_visits}", ", ".join(f"(visit, {', '.join(pair)})" for pair in pairs))
    )
    found: list[dict[Pair, Counts]] = [{} for _ in batch]
    # Of each row the columns that it is not merged over, as GROUPING() tells: the last is bit 0.
    place = {
        sum(1 << len(columns) - 1 - n for n, name in enumerate(columns) if name not in pair): (
            cells, 1 + columns.index(pair[0]), 1 + columns.index(pair[1])
        )
        for pair, cells in zip(pairs, found, strict=True)
    }  # fmt: skip
    for slice_ in range(0, tables.slices, together):
        for row in tables.query(statement, {"from": slice_, "to": slice_ + together - 1}):
            cells, first, second = place[row[0]]
            counts = Counts(*row[-len(Counts._fields) :])
            before = cells.get((row[first], row[second]))
            cells[row[first], row[second]] = (
                counts if before is None else Counts(*map(add, before, counts))
            )
    return found


def _source(pair: Dimensions, numbers: Mapping[str, int]) -> str:
    """The table in which two dimensions can be crossed."""
    of_events = [d for d in pair if d.level == "event"]
    if len(of_events) == 2:
        return _EVENTS
    return f"coded_within_{numbers[of_events[0].name]}" if of_events else "coded_visits"


_EVENTS = "coded_events"
