"""What analysts declare, and what follows people over days: which of its figures may be shown.

A goal, a step of a funnel and a week's visitors are each a set of people, and sets lie within one
another: who got to the third step got to the second. What two of them differ by can be worked out,
so it is held to the floor like what is shown: nobody, or enough.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from releases.disclosure.crosses import HUB, Figures, Line, Pair, cross, enough
from releases.disclosure.figures import ROUNDING

NOBODY = Figures(0, 0, 0)


class Act(NamedTuple):
    """What somebody did: an event of a name, an event on one page, or on a page below a path."""

    kind: Literal["event", "page", "path"]
    value: str

    def within(self, other: Act) -> bool:
        """Whether whoever did this did the other too, by the same event."""
        if other.kind == "path" and self.kind != "event":
            return below(self.value, other.value)
        return self == other


def below(page: str, prefix: str) -> bool:
    """`/docs/install` and `/docs` are below `/docs`; `/docsify` is not."""
    return page == prefix or page.startswith(prefix.rstrip("/") + "/")


class Reach(NamedTuple):
    """Who did these acts one after another within one visit; without acts: everybody."""

    acts: tuple[Act, ...]
    visitors: int

    def within(self, other: Reach) -> bool:
        """Whether all of these people are among the others, by what the two mean."""
        mine = iter(self.acts)
        return all(any(act.within(wanted) for act in mine) for wanted in other.acts)


def none_or_enough(people: int, floor: int) -> bool:
    return people == 0 or people >= floor


def apart(reach: Reach, known: Iterable[Reach], floor: int) -> bool:
    """Whether a number of people may be shown beside those that are known already."""
    return reach.visitors >= floor and all(
        none_or_enough(_difference(reach, other), floor) for other in known
    )


def _difference(one: Reach, other: Reach) -> int:
    """How many the larger of two sets has beyond the one that lies within it; 0 where none does.

    Below 0, and so not enough, where the rows contradict the meaning.
    """
    if one.within(other):
        return other.visitors - one.visitors
    return one.visitors - other.visitors if other.within(one) else 0


def may_show_goal(
    whole: Figures, parts: Iterable[Figures], reach: Reach, known: Iterable[Reach], floor: int
) -> bool:
    """Whether a path's goal may be shown.

    `parts` are what its views and those of what contains it give away of pages that are not shown:
    each must be nothing, or stand for enough. `known` are the people who are known already.
    """
    return (
        enough(whole, floor)
        and all(part == NOBODY or enough(part, floor) for part in parts)
        and (whole.visitors == 0 or apart(reach, known, floor))
    )


def shown_steps(
    reaches: Sequence[Reach], possible: Sequence[bool], known: Iterable[Reach], floor: int
) -> int:
    """How many of a funnel's steps may be shown; none after one that may not.

    `possible` says of each step whether its own act may be shown by itself.
    """
    before = list(known)
    for number, (reach, may) in enumerate(zip(reaches, possible, strict=True)):
        if not may or not apart(reach, before, floor):
            return number
        before.append(reach)
    return len(reaches)


# Rows of a segment's grid: the segment, and what has the pinned filter and lies in no segment.
MINE, REST = "mine", "rest"


class Grid(NamedTuple):
    """One filter of a segment held fast, the values of a dimension in columns.

    Rows are the segment, other segments that are shown and differ in the other filter's value
    alone, and the rest; every column but the hub is shown of them together. `shown` are the columns
    that are published of each other segment.
    """

    cells: Mapping[Pair, Figures]
    shown: Mapping[Any, Collection[Any]]


def may_show_segment(
    grids: Sequence[Grid],
    hidden: Collection[Line],
    known: Collection[Line],
    threshold: Callable[[Line, Line], int],
    k: int,
) -> frozenset[Line]:
    """The columns of which the segment's cell may be shown.

    `hidden` and `known` are columns whose cell is another released segment's too, under another
    name: what that hides stays hidden, and what it shows cannot be hidden any more. Where that, or
    what is shown of the other rows, does not fit, nothing is shown.
    """
    columns = {column for grid in grids for _, column in grid.cells if column is not HUB}
    withheld = columns & set(hidden)
    while True:
        mine = columns - withheld
        for grid in grids:
            shown = cross(grid.cells, threshold, k, _withheld(grid, withheld))
            if any((row, c) not in shown for row, seen in grid.shown.items() for c in seen):
                return frozenset()
            mine &= {column for row, column in shown if row == MINE}
        if columns - mine == withheld:
            return frozenset(mine) if set(known) <= mine else frozenset()
        withheld = columns - mine


def _withheld(grid: Grid, mine: Iterable[Line]) -> set[Pair]:
    others = {
        (row, column)
        for row, column in grid.cells
        if row in grid.shown and column not in grid.shown[row]
    }
    return others | {(MINE, column) for column in mine}


def may_show_uniques(people: int, parts: Iterable[int], several: int, floor: int) -> bool:
    """Whether the distinct visitors of a week or month may be shown.

    `parts` are those of the days and weeks in it that may be shown; `several` of all the people
    came on more than one day.
    """
    return (
        people >= floor
        and none_or_enough(several, floor)
        and all(none_or_enough(people - part, floor) for part in parts)
    )


class Cohort(NamedTuple):
    """People who were new in one week: how many, and how many of them came in another week."""

    size: int
    back: int


def shown_cohorts(
    cohorts: Mapping[int, Cohort], people: int, floor: Callable[[int], int]
) -> frozenset[int]:
    """Of which cohorts, by their age in weeks, it may be shown who came in one week.

    At 0 weeks that is the cohort itself. Everybody who came is in one cohort at most: those in
    cohorts that are not shown, and in none, are nobody or enough.
    """
    shown = {
        age
        for age, (size, back) in cohorts.items()
        if back >= floor(age) and (age == 0 or size - back >= floor(age))
    }
    while shown:
        rest = people - sum(cohorts[age].back for age in shown)
        if none_or_enough(rest, max(map(floor, shown))):
            break
        shown.remove(min(shown, key=lambda age: (cohorts[age].back, age)))
    return frozenset(shown)


def rounded(n: int, state: str) -> int:
    step = ROUNDING[state]
    return (n + step // 2) // step * step
