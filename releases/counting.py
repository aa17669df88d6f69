"""Counts a day exactly, before disclosure: every dimension by itself, and what is hidden of it.

The measures are those of `releases.disclosure.Cell`.

Whatever is gathered by visitor is gathered slice by slice and added up, since every visitor lies in
one slice (releases/scratch.py). What would return millions of values to Python stays in the engine:
values that stand for fewer than `least` persons are never shown by themselves and do not come out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from releases.disclosure import Cell
from releases.scratch import Scratch, quoted, template
from releases.tables import APART, OTHER, TOTAL, Dimension

# How each measure is gathered over persons (`p`, releases/sql/single_of_*.sql), and over slices.
MEASURES: Mapping[str, tuple[str, str]] = {
    "visitors": ("countIf(p.linked)", "sum"),
    "visits": ("sum(p.visits)", "sum"),
    "pageviews": ("sum(p.views)", "sum"),
    "events": ("sum(p.events)", "sum"),
    "linked_pageviews": ("sumIf(p.views, p.linked)", "sum"),
    "bounces": ("sum(p.bounces)", "sum"),
    "duration": ("sum(p.seconds)", "sum"),
    "unlinked": ("sumIf(p.events, NOT p.linked)", "sum"),
    "bounced_visitors": ("countIf(p.linked AND p.bounces > 0)", "sum"),
    "staying_visitors": ("countIf(p.linked AND p.visits > p.bounces)", "sum"),
    "longest": ("max(p.seconds)", "max"),
    "engagement": ("sum(p.engagement)", "sum"),
    "engaged": ("countIf(p.engagement > 0)", "sum"),
    "most_engaged": ("max(p.engagement)", "max"),
    "scroll": ("sum(p.scroll)", "sum"),
    "scrolled": ("countIf(p.scroll > 0)", "sum"),
}
# Slices of visits taken together: some five million rows. Of events, one.
SLICES = 4
# Branches of one statement: fewer round trips, and little memory.
TOGETHER = 8

T = TypeVar("T")


def singles(tables: Scratch, least: int, most: int = 2**32) -> list[Cell]:
    """The total, and every table of one dimension: the values that stand for `least` persons, and
    of these not more than the `most` largest.
    """
    constant = _constant(tables)
    counted = [_TOTAL, *(d for d in tables.dimensions if d.name not in constant)]
    found = _gathered(tables, counted, least=least, most=most)
    for dimension in tables.dimensions:
        if dimension.name in constant:
            above = dimension.parent or TOTAL
            found += [
                replace(cell, table=dimension.name, by=cell.value, value=constant[dimension.name])
                for cell in found
                if cell.table == above
            ]
    return found


def unions(tables: Scratch, shown: Iterable[Cell], of: Collection[str]) -> list[Cell]:
    """For each table in `of` everything that is not among the `shown` cells, as one cell
    "(other)"; of a nested table one for each of the parent's values that shows any.
    """
    hidden = [d for d in tables.dimensions if d.name in of]
    if not hidden:
        return []
    numbers = {d.name: n for n, d in enumerate(tables.dimensions)}
    tables.command("TRUNCATE TABLE {scratch}shown")
    tables.insert(
        "shown",
        (
            {"dimension": numbers[cell.table], "by": cell.by, "value": cell.value}
            for cell in shown
            if cell.table in numbers
        ),
    )
    return _gathered(tables, hidden, hidden=True)


def apart(tables: Scratch) -> list[Cell]:
    """Machines by their kind and refusals by their reason."""
    return [
        Cell(table, value, visitors, 0, pageviews, events, 0, 0, 0, unlinked, 0, 0)
        for table in APART
        for value, visitors, pageviews, events, unlinked in tables.query(template(table))
    ]


def paid(tables: Scratch, cells: Iterable[Cell]) -> list[Cell]:
    """The cells, those of events with what was paid in the currency of most payments."""
    rows = tables.query(template("revenue"))
    found = {row[0]: dict(zip(_PAID, row[1:], strict=True)) for row in rows}
    return [
        replace(cell, **found[cell.value])
        if cell.table == "event" and cell.value in found
        else cell
        for cell in cells
    ]


_PAID = ("currency", "payments", "payers", "revenue", "most_paid")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


_TOTAL = Dimension(TOTAL, "", "visit", "''")
# A table shows or hides its values within each of its parent's, if it has one.
_HIDDEN = {
    "visits": "cell NOT IN (SELECT dimension, by, value FROM {scratch}shown)"
    " AND (cell.1, cell.2) IN (SELECT dimension, by FROM {scratch}shown)",
    "touches": "cell NOT IN (SELECT dimension, value FROM {scratch}shown)"
    " AND cell.1 IN (SELECT dimension FROM {scratch}shown)",
}


def _constant(tables: Scratch) -> dict[str, str]:
    """Dimensions with the same value, or none, all day: their one cell is their parent's."""
    constant: dict[str, str] = {}
    for source, level in (("visits", ("visit",)), ("touches", ("event", "alone"))):
        names = [d.name for d in tables.dimensions if d.level in level]
        statement = template("constant").replace("{source}", source)
        if tables.small:
            constant |= _same(tables, statement, names)
            continue
        some = tables.query(statement.replace("{columns}", ", ".join(map(quoted, names))))
        if not some:
            continue
        values = {f"value_{n}": str(value) for n, value in enumerate(some[0])}
        differ = (f"max({quoted(name)} != {{value_{n}:String}})" for n, name in enumerate(names))
        [others] = tables.query(statement.replace("{columns}", ", ".join(differ)), values)
        for name, value, other in zip(names, values.values(), others, strict=True):
            if not other:
                constant[name] = value
    # A nested parent's value may have several parents itself: two cells of it are one here.
    parents = {d.name: d.parent for d in tables.dimensions}
    return {name: value for name, value in constant.items() if not parents.get(parents[name])}


def _same(tables: Scratch, statement: str, names: Sequence[str]) -> dict[str, str]:
    """Of a small day the columns of which all rows have one value, in one look."""
    ends = ", ".join(f"min({name}), max({name})" for name in map(quoted, names))
    [found] = tables.query(statement.replace("{columns}", ends))
    least, most = found[::2], found[1::2]
    return {n: str(a) for n, a, b in zip(names, least, most, strict=True) if a == b}


def _gathered(
    tables: Scratch,
    dimensions: Sequence[Dimension],
    *,
    least: int = 0,
    most: int = 2**32,
    hidden: bool = False,
) -> list[Cell]:
    groups = {
        "visits": [d for d in dimensions if d.level == "visit"],
        "touches": [d for d in dimensions if d.level != "visit"],
    }
    if tables.small:
        source = _at_once(tables, groups, hidden=hidden)
    else:
        source = _by_slices(tables, groups, hidden=hidden)
    names = [*(d.name for d in tables.dimensions), TOTAL]
    sums = ", ".join(f"{how}({name})" for name, (_, how) in MEASURES.items())
    limits = {"least": least, "most": most, "total": names.index(TOTAL)}
    rows = tables.query(
        template("singles").replace("{sums}", sums).replace("{source}", source), limits
    )
    return [_cell(names[row[0]], row[1], row[2], map(int, row[3:])) for row in rows]


def _at_once(tables: Scratch, groups: Mapping[str, Sequence[Dimension]], *, hidden: bool) -> str:
    """A small day's counts, as a part of the statement that reads them."""
    named = ", ".join(f"{name}_ AS {name}" for name in MEASURES)
    counts = (
        f"SELECT dimension, by, value, {named} FROM"  # noqa: S608  names of measures
        f" ({_statement(tables, kind, f'{kind}_small', group, hidden=hidden)})"
        for kind, group in groups.items()
        if group
    )
    return f"({' UNION ALL '.join(counts)})"


def _by_slices(tables: Scratch, groups: Mapping[str, Sequence[Dimension]], *, hidden: bool) -> str:
    """Counts slice by slice. Returns the table that holds the counts."""
    tables.command("TRUNCATE TABLE {scratch}singles")
    for kind, together in (("visits", SLICES), ("touches", 1)):
        statement = _statement(tables, kind, kind, groups[kind], hidden=hidden)
        for first in range(0, tables.slices if groups[kind] else 0, together):
            tables.command(statement, {"from": first, "to": first + together - 1})
    return "{scratch}singles"


def _cell(table: str, by: str, value: str, counted: Iterable[int]) -> Cell:
    measures: dict[str, Any] = dict(zip(MEASURES, counted, strict=True))
    # Reported in milliseconds, published in seconds; the largest part is never rounded down.
    measures["engagement"] //= 1000
    measures["most_engaged"] = -(-measures["most_engaged"] // 1000)
    return Cell(table=table, by=by, value=value, **measures)


def _statement(
    tables: Scratch, kind: str, name: str, dimensions: Sequence[Dimension], *, hidden: bool
) -> str:
    """The statement that counts these dimensions, of `visits` or of `touches`."""
    numbers = {d.name: n for n, d in enumerate(tables.dimensions)}
    cells = ", ".join(
        f"(toUInt16({numbers.get(d.name, len(numbers))}), {', '.join(_keys(d))})"
        for d in dimensions
    )
    statement = template(f"single_of_{name}").replace("{totals}", _TOTALS)
    restriction = "1"
    if hidden:
        last = "cell.3" if kind == "visits" else "cell.2"
        statement = statement.replace(f"{last} AS value", f"'{OTHER}' AS value")
        restriction = _HIDDEN[kind]
    return statement.replace("{cells}", f"[{cells}]").replace("{restriction}", restriction)


_TOTALS = ", ".join(f"{how} AS {name}_" for name, (how, _) in MEASURES.items())


def _keys(dimension: Dimension) -> list[str]:
    """Its parent's column, where there can be one, and its own."""
    parent = [quoted(dimension.parent) if dimension.parent else "''"]
    value = quoted(dimension.name) if dimension.name != TOTAL else "''"
    return [*(parent if dimension.level == "visit" else []), value]
