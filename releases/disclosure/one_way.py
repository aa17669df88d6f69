"""One-way tables: which values are shown, and which are merged into "(other)"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from releases.disclosure.cells import UNLINKED_PER_PERSON, Cell, Threshold, fits
from releases.tables import APART, DIMENSIONS, OTHER

# A cell's table, the parent's value that it is nested in, and its own value.
Key = tuple[str, str, str]

_PARENT = {d.name: d.parent for d in DIMENSIONS if d.parent}
# Machines and refusals are no part of the day's total: nothing published could be subtracted from
# theirs, and what is hidden of them is simply hidden.
_WITHOUT_TOTAL = frozenset(APART)


def split(
    cells: Iterable[Cell], threshold: Threshold, demoted: frozenset[Key] = frozenset()
) -> tuple[list[Cell], list[Cell]]:
    """The cells that may be shown, and those to merge into "(other)" of their table and group.

    Where the day's total itself stands for too few, nothing of the day may be shown; where a
    parent's value is hidden, nothing of what is nested in it.
    """
    cells = sorted(cells, key=lambda cell: _depth(cell.table))
    total = next((c for c in cells if c.table == "total"), None)
    whole_day = total is not None and total.persons >= threshold("total", total.value)
    shown: list[Cell] = []
    hidden: list[Cell] = []
    lost: set[tuple[str, str]] = set()
    for cell in cells:
        passes = (
            fits(cell, threshold(cell.table, cell.value, cell.by))
            and _key(cell) not in demoted
            and cell.value != OTHER  # a client's own text: it joins what has the name by right
            and (whole_day or cell.table in _WITHOUT_TOTAL)
            and (_PARENT.get(cell.table, ""), cell.by) not in lost
        )
        if passes:
            shown.append(cell)
        else:
            hidden.append(cell)
            lost.add((cell.table, cell.value))
    return shown, hidden


def to_demote(
    shown: Sequence[Cell], others: Iterable[Cell], threshold: Threshold
) -> frozenset[Key]:
    """Complementary suppression: which shown cells must join an "(other)" that is itself too small.

    Otherwise the whole (the day's total, or the parent's value) less the shown cells would give
    the hidden ones away. `others` hold one merged cell of each table and group.
    """
    short = {(c.table, c.by) for c in others if not fits(c, threshold(c.table, OTHER, c.by))}
    smallest: dict[tuple[str, str], Cell] = {}
    for cell in shown:
        group = (cell.table, cell.by)
        least = smallest.get(group)
        if group in short and (
            least is None or (cell.persons, cell.value) < (least.persons, least.value)
        ):
            smallest[group] = cell
    return frozenset(_key(cell) for cell in smallest.values())


def separable(cells: Iterable[Cell], threshold: Threshold) -> bool:
    """Whether enough of the day's visitors can be told apart for any visitor figure to be shown."""
    return any(c.table == "total" and c.visitors >= threshold(c.table, c.value) for c in cells)


def unseparated(cell: Cell) -> Cell:
    """The cell of a day whose visitors are too few to be told apart.

    They go on counting as the persons that they are; every figure of visits is gone.
    """
    return Cell(
        table=cell.table,
        by=cell.by,
        value=cell.value,
        visitors=0,
        visits=0,
        pageviews=cell.pageviews,
        events=cell.events,
        linked_pageviews=0,
        bounces=0,
        duration=0,
        unlinked=cell.unlinked + cell.visitors * UNLINKED_PER_PERSON,
        bounced_visitors=0,
        staying_visitors=0,
    )


def _key(cell: Cell) -> Key:
    return cell.table, cell.by, cell.value


def _depth(table: str) -> int:
    """How many tables a table is nested in: parents are decided before their children."""
    parent = _PARENT.get(table)
    return 0 if parent is None else 1 + _depth(parent)
