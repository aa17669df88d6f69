"""Which counts, rates, averages and sums are published of a shown cell, and how coarse.

A figure that is shown of some cells of a partition and of their whole is known of the rest by
subtraction. So it is held to the floor twice: in each cell that shows it, and in what is left of
the cells that do not, taken together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from decimal import Decimal

from releases.disclosure.cells import UNLINKED_PER_PERSON, Cell, Published, Threshold
from releases.tables import of_events

# What counts are rounded to. Figures of a day that still changes are coarser, because two looks
# at it could be subtracted.
ROUNDING = {"final": 5, "provisional": 10, "open": 10}
_SECONDS = 60


def _enough_or_none(n: int, floor: int) -> bool:
    return n == 0 or n >= floor


def _pageviews(cell: Cell, floor: int) -> bool:
    return _enough_or_none(cell.pageviews, floor)


def _linked_pageviews(cell: Cell, floor: int) -> bool:
    """Views with and without a pseudonym may be told apart only where both sides are large."""
    apart = cell.unlinked == 0 or cell.unlinked // UNLINKED_PER_PERSON >= floor
    return cell.visitors >= floor and apart and _pageviews(cell, floor)


def _bounces(cell: Cell, floor: int) -> bool:
    return cell.bounced_visitors >= floor and cell.staying_visitors >= floor


def _duration(cell: Cell, floor: int) -> bool:
    return cell.visitors >= floor and 2 * cell.longest <= cell.duration


def _engagement(cell: Cell, floor: int) -> bool:
    others = _enough_or_none(cell.visitors - cell.engaged, floor)
    return cell.engaged >= floor and others and 2 * cell.most_engaged <= cell.engagement


def _scroll(cell: Cell, floor: int) -> bool:
    others = _enough_or_none(cell.visitors - cell.scrolled, floor)
    return cell.scrolled >= floor and others


def _revenue(cell: Cell, floor: int) -> bool:
    others = _enough_or_none(cell.visitors - cell.payers, floor)
    return cell.payers >= floor and others and 2 * cell.most_paid <= cell.revenue


# May the figure be shown of a cell? Asked of what is left over in the same words.
RULES: Mapping[str, Callable[[Cell, int], bool]] = {
    "pageviews": _pageviews,
    "linked_pageviews": _linked_pageviews,
    "bounces": _bounces,
    "duration": _duration,
    "engagement": _engagement,
    "scroll": _scroll,
    "revenue": _revenue,
}
ALL: frozenset[str] = frozenset(RULES)
# Shown of events alone, and of no whole: there is nothing to subtract from.
_WITHOUT_WHOLE = frozenset({"revenue"})


def grants(
    cells: Iterable[Cell], threshold: Threshold, whole: Set[str] = ALL
) -> dict[str, frozenset[str]]:
    """What `publish` may show of each value of one table, or of one parent's group of it.

    `cells` are the shown ones and their merged "(other)", whether that is shown or not. `whole`
    is what the parent's value, or of a table without a parent the day's total, was granted:
    nothing is shown of parts that is withheld of their whole.
    """
    cells = sorted(cells, key=lambda cell: (cell.persons, cell.value))
    granted: dict[str, set[str]] = {cell.value: set() for cell in cells}
    for name in RULES:
        if name in whole or name in _WITHOUT_WHOLE:
            for value in _open(name, cells, threshold):
                granted[value].add(name)
    return {value: frozenset(names) for value, names in granted.items()}


def _open(name: str, cells: Sequence[Cell], threshold: Threshold) -> list[str]:
    """The values that may show the figure; `cells` are sorted, the smallest first."""
    rule = RULES[name]
    shown = [c for c in cells if rule(c, threshold(c.table, c.value, c.by))]
    names = {c.value for c in shown}
    left = [c for c in cells if c.value not in names]
    if name not in _WITHOUT_WHOLE:
        while shown and left and not _covered(name, left, threshold):
            left.append(shown.pop(0))
    return [c.value for c in shown]


def _covered(name: str, left: Sequence[Cell], threshold: Threshold) -> bool:
    """Whether what is left is nobody, or may be shown itself: it is known by subtraction."""
    merged = _merged(left)
    floor = max(threshold(c.table, c.value, c.by) for c in left)
    return (merged.visitors == 0 and merged.unlinked == 0) or RULES[name](merged, floor)


def _merged(cells: Sequence[Cell]) -> Cell:
    """The sums. One person's largest share of a sum is at most that person's shares added."""

    def add(name: str) -> int:
        return sum(getattr(cell, name) for cell in cells)

    return replace(
        cells[0],
        visitors=add("visitors"),
        pageviews=add("pageviews"),
        unlinked=add("unlinked"),
        duration=add("duration"),
        bounced_visitors=add("bounced_visitors"),
        staying_visitors=add("staying_visitors"),
        longest=add("longest"),
        engagement=add("engagement"),
        engaged=add("engaged"),
        most_engaged=add("most_engaged"),
        scrolled=add("scrolled"),
        revenue=Decimal(0),
        most_paid=Decimal(0),
    )


def publish(
    cell: Cell, threshold: Threshold, state: str, granted: Collection[str] = ("pageviews",)
) -> Published:
    """The figures of a cell that passed, rounded; `granted` are those that `grants` gave it, of a
    cross its views.

    Events are shown only where no views stand beside them: their difference would be a figure of
    its own. Time and money wait until the day is final: they are fine enough to tell one visit
    from two looks at a day that still changes.
    """
    step = ROUNDING[state]
    linked = cell.visitors >= threshold(cell.table, cell.value, cell.by)
    shows_events = of_events(cell.table)

    def count(name: str, figure: int) -> int | None:
        return _round(figure, step) if name in granted else None

    def time(name: str, figure: int) -> int | None:
        return _round(figure, _SECONDS) if name in granted and state == "final" else None

    paid = "revenue" in granted and state == "final"
    return Published(
        table=cell.table,
        by=cell.by,
        value=cell.value,
        visitors=_round(cell.visitors, step) if linked else None,
        visits=_round(cell.visits, step) if linked else None,
        pageviews=None if shows_events else count("pageviews", cell.pageviews),
        events=_round(cell.events, step) if shows_events else None,
        linked_pageviews=None if shows_events else count("linked_pageviews", cell.linked_pageviews),
        bounces=count("bounces", cell.bounces),
        duration=time("duration", cell.duration),
        engagement=time("engagement", cell.engagement),
        engaged=count("engagement", cell.engaged),
        scroll=count("scroll", cell.scroll),
        scrolled=count("scroll", cell.scrolled),
        revenue=round(cell.revenue) if paid else None,
        payments=_round(cell.payments, step) if paid else None,
        currency=cell.currency if paid else "",
    )


def _round(n: int, step: int) -> int:
    return (n + step // 2) // step * step
