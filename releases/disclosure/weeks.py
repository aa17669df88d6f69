"""Weeks: of which values a week may tell what its days hid.

A week's cell is the sum of its seven days. Where the value is shown on all of them that is nothing
new. Where days hid it, the week tells what those days hid together, the *remainder*: only where
this stands for enough, and only where each of those days hides enough besides, so that what one
day hid cannot be worked out of the week. Why that is enough: docs/disclosure.md.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from typing import NamedTuple

from releases.disclosure.cells import UNLINKED_PER_PERSON
from releases.disclosure.crosses import Figures, added, enough, gives, needs

Value = Hashable

# A person makes at most seven of a week's visitor-days: more than fourteen are three persons.
_LEAST_WHOLE = 2 * 7 + 1


class DayTable(NamedTuple):
    """One day of a one-way table, or of one parent's group of it.

    `cells` are all that are not empty, exact; `shown` the values that the day's release shows.
    `summed` says whether the release shows what the cells add up to: the day's total, or the
    parent's value. Of the table `total` it is false on days that do not show it.
    """

    cells: Mapping[Value, Figures]
    shown: Set[Value]
    summed: bool


def week(days: Sequence[DayTable], threshold: Callable[[Value], int], k: int) -> frozenset[Value]:
    """The values of which the week's cell may be published: the exact sum of its days.

    `days` are all of the week's. `threshold(value)` is drawn for the week. A value that is not
    returned has no cell of its own: readers add its days. What a day hides is not told from what
    it does not have, so a value that some day does not show needs a remainder.
    """
    values = {value for day in days for value in day.cells}
    whole = {value for value in values if all(value in day.shown for day in days)}
    told = {
        value
        for value in values - whole
        if enough(_remainder(days, value), threshold(value))
        and _persons(added(_of(day, value) for day in days)) >= _LEAST_WHOLE
    }
    columns = _columns(days)
    while True:
        short = next((c for c in columns if not _hides_enough_besides(c, columns, told, k)), None)
        if short is None:
            return frozenset(whole | told)
        hidden = [value for value in _hidden(short) if value in told]
        told.remove(min(hidden, key=lambda value: (_persons(_of(short, value)), str(value))))


def _columns(days: Sequence[DayTable]) -> list[DayTable]:
    """The days; those of which not even the sum is shown are one, for nothing tells them apart."""
    dark = [day for day in days if not day.summed]
    values = {value for day in dark for value in day.cells}
    merged = {value: added(_of(day, value) for day in dark) for value in values}
    return [day for day in days if day.summed] + [DayTable(merged, frozenset(), summed=False)]


def _hides_enough_besides(
    day: DayTable, columns: Sequence[DayTable], told: Set[Value], k: int
) -> bool:
    """Whether what the week tells of a day could be others' whom the day hides and it does not."""
    hidden = [value for value in _hidden(day) if value in told]
    if not hidden:
        return True
    rest = added(day.cells[value] for value in _hidden(day) if value not in told)
    if not needs(rest):
        # Nobody else: then what is told of these days must be remainders, and no part of one.
        return not day.summed and all(_of(day, v) == _remainder(columns, v) for v in hidden)
    spare = gives(rest, k)
    return enough(rest, k) and all(not needs(day.cells[value]) & ~spare for value in hidden)


def _hidden(day: DayTable) -> list[Value]:
    return [value for value in day.cells if value not in day.shown]


def _of(day: DayTable, value: Value) -> Figures:
    return day.cells.get(value, Figures(0, 0, 0))


def _remainder(days: Sequence[DayTable], value: Value) -> Figures:
    return added(_of(day, value) for day in days if value not in day.shown)


def _persons(figures: Figures) -> int:
    return figures.visitors + figures.unlinked // UNLINKED_PER_PERSON
