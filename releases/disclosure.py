"""Disclosure control: the only way out of the pseudonymous zone.

Pure. A `Cell` is exact and never leaves this side; a `Published` is what may be shown. The rules
are explained to a data-protection officer in docs/disclosure.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from releases.tables import OTHER, TABLES

# Nobody can tell how many people made views without a pseudonym: ten count as one person.
UNLINKED_PER_PERSON = 10

# What counts are rounded to. Figures of a day that still changes are coarser, because two looks
# at it could be subtracted.
ROUNDING = {"final": 5, "provisional": 10, "open": 10}
_SECONDS = 60

Threshold = Callable[[str, str], int]


@dataclass(frozen=True, slots=True)
class Cell:
    """Exact figures of one value of one table on one day: never shown.

    `unlinked` are events without a pseudonym. `bounced_visitors` and `staying_visitors` are the
    persons behind the numerator of the bounce rate and behind its difference to the denominator.
    """

    table: str
    value: str
    visitors: int
    visits: int
    pageviews: int
    events: int
    linked_pageviews: int
    bounces: int
    duration: int
    unlinked: int
    bounced_visitors: int
    staying_visitors: int

    @property
    def persons(self) -> int:
        return self.visitors + self.unlinked // UNLINKED_PER_PERSON


@dataclass(frozen=True, slots=True)
class Published:
    """What may be shown of a cell: rounded integers, None where a figure is withheld."""

    table: str
    value: str
    visitors: int | None
    visits: int | None
    pageviews: int | None
    events: int | None
    linked_pageviews: int | None
    bounces: int | None
    duration: int | None


def thresholds(key: bytes, site: int, day: str, k: int) -> Threshold:
    """For each cell of a site's day a secret number from k to 1.5 k, the same at every look.

    Whoever plants visitors to lift a single real one over the line does not know where it is.
    """

    def threshold(table: str, value: str) -> int:
        name = "\x00".join((str(site), day, table, value)).encode()
        draw = int.from_bytes(blake2b(name, key=key, digest_size=8).digest(), "big")
        return k + draw % (k // 2 + 1)

    return threshold


def fits(cell: Cell, floor: int) -> bool:
    """Whether a cell may be shown: enough persons, and of visitors enough or none.

    A cell of many views without a pseudonym and of few visitors may not: its visitors would be
    the day's total less those of its siblings.
    """
    return cell.persons >= floor and (cell.visitors == 0 or cell.visitors >= floor)


def split(
    cells: Iterable[Cell], threshold: Threshold, demoted: frozenset[tuple[str, str]]
) -> tuple[list[Cell], list[Cell]]:
    """The cells that may be shown, and those to merge into "(other)".

    Where the day's total itself stands for too few, nothing of the day may be shown.
    """
    cells = list(cells)
    total = next((c for c in cells if c.table == "total"), None)
    whole_day = total is not None and total.persons >= threshold(total.table, total.value)
    shown: list[Cell] = []
    hidden: list[Cell] = []
    for cell in cells:
        passes = (
            fits(cell, threshold(cell.table, cell.value))
            and (cell.table, cell.value) not in demoted
            and cell.value != OTHER  # a client's own text: it joins what has the name by right
            and (whole_day or cell.table in _WITHOUT_TOTAL)
        )
        (shown if passes else hidden).append(cell)
    return shown, hidden


def separable(cells: Iterable[Cell], threshold: Threshold) -> bool:
    """Whether enough of the day's visitors can be told apart for any visitor figure to be shown."""
    return any(c.table == "total" and c.visitors >= threshold(c.table, c.value) for c in cells)


def unseparated(cell: Cell) -> Cell:
    """The cell of a day whose visitors are too few to be told apart.

    They go on counting as the persons that they are; every figure of visits is gone.
    """
    return replace(
        cell,
        unlinked=cell.unlinked + cell.visitors * UNLINKED_PER_PERSON,
        visitors=0,
        visits=0,
        linked_pageviews=0,
        bounces=0,
        duration=0,
        bounced_visitors=0,
        staying_visitors=0,
    )


# Machines and refusals are no part of the day's total: nothing published could be subtracted from
# theirs, and what is hidden of them is simply hidden.
_WITHOUT_TOTAL = frozenset(t.name for t in TABLES if t.kind in ("bot", "tally"))
# What these count are events of any kind.
_OF_EVENTS = _WITHOUT_TOTAL | {"event"}


def to_demote(
    shown: Sequence[Cell], others: Sequence[Cell], threshold: Threshold
) -> frozenset[tuple[str, str]]:
    """Complementary suppression: which shown cells must join an "(other)" that is itself too small.

    Otherwise the day's total less the shown cells would give the hidden ones away.
    """
    short = {c.table for c in others if not fits(c, threshold(c.table, OTHER))}
    smallest: dict[str, Cell] = {}
    for cell in shown:
        least = smallest.get(cell.table)
        if cell.table in short and (
            least is None or (cell.persons, cell.value) < (least.persons, least.value)
        ):
            smallest[cell.table] = cell
    return frozenset((cell.table, cell.value) for cell in smallest.values())


def publish(cell: Cell, threshold: Threshold, state: str) -> Published:
    """The figures of a cell that passed, each held to the floor by itself, rounded.

    Figures that could be withheld of one cell and shown of the whole (views per visit, bounces,
    duration) are published for the day's total alone, and events only where no views stand
    beside them, because their difference would be a figure of its own.
    """
    step = ROUNDING[state]
    floor = threshold(cell.table, cell.value)
    linked = cell.visitors >= floor
    whole = linked and cell.table == "total"
    # Views with and without a pseudonym may be told apart only where both sides are large.
    apart = cell.unlinked == 0 or cell.unlinked // UNLINKED_PER_PERSON >= floor
    rate = cell.bounced_visitors >= floor and cell.staying_visitors >= floor
    return Published(
        table=cell.table,
        value=cell.value,
        visitors=_round(cell.visitors, step) if linked else None,
        visits=_round(cell.visits, step) if linked else None,
        pageviews=None if cell.table in _OF_EVENTS else _round(cell.pageviews, step),
        events=_round(cell.events, step) if cell.table in _OF_EVENTS else None,
        linked_pageviews=_round(cell.linked_pageviews, step) if whole and apart else None,
        bounces=_round(cell.bounces, step) if whole and rate else None,
        # Seconds are fine enough to tell one visit from two looks at a day that still changes.
        duration=_round(cell.duration, _SECONDS) if whole and state == "final" else None,
    )


def _round(n: int, step: int) -> int:
    return (n + step // 2) // step * step
