"""What is counted of a cell, what is shown of it, and the secret line between the two."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Protocol

# Nobody can tell how many people made views without a pseudonym: ten count as one person.
UNLINKED_PER_PERSON = 10


class Threshold(Protocol):
    """How many persons a cell needs: from k to 1.5 k."""

    def __call__(self, table: str, value: str, by: str = "") -> int: ...


@dataclass(frozen=True, slots=True)
class Cell:
    """Exact figures of one value of one table on one day: never shown.

    `by` is the parent's value of a nested dimension. `unlinked` are views (in tables of events:
    events) without a pseudonym. `bounced_visitors` and `staying_visitors` are the persons with at
    least one visit that bounced, and with one that did not. `engaged`, `scrolled` and `payers` are
    the persons behind those sums; `longest`, `most_engaged` and `most_paid` are the largest share
    that one person has of `duration`, `engagement` and `revenue`.
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
    _: KW_ONLY
    by: str = ""
    longest: int = 0
    engagement: int = 0
    engaged: int = 0
    most_engaged: int = 0
    scroll: int = 0
    scrolled: int = 0
    revenue: Decimal = Decimal(0)
    payments: int = 0
    payers: int = 0
    most_paid: Decimal = Decimal(0)
    currency: str = ""

    @property
    def persons(self) -> int:
        return self.visitors + self.unlinked // UNLINKED_PER_PERSON


@dataclass(frozen=True, slots=True)
class Published:
    """What may be shown of a cell: rounded integers, None where a figure is withheld."""

    table: str
    by: str
    value: str
    visitors: int | None
    visits: int | None
    pageviews: int | None
    events: int | None
    linked_pageviews: int | None
    bounces: int | None
    duration: int | None
    engagement: int | None = None
    engaged: int | None = None
    scroll: int | None = None
    scrolled: int | None = None
    revenue: int | None = None
    payments: int | None = None
    currency: str = ""


def thresholds(key: bytes, site: int, day: str, k: int) -> Threshold:
    """For each cell of a site's day a secret number from k to 1.5 k, the same at every look.

    Whoever plants visitors to lift a single real one over the line does not know where it is. The
    two orientations of a cross ('page|country' and 'country|page') draw the same number.
    """

    def threshold(table: str, value: str, by: str = "") -> int:
        first, _, second = table.partition("|")
        parts = [first, value, second, by]
        if second and (second, by) < (first, value):
            parts = [second, by, first, value]
        name = "\x00".join((str(site), day, *parts)).encode()
        draw = int.from_bytes(blake2b(name, key=key, digest_size=8).digest(), "big")
        return k + draw % (k // 2 + 1)

    return threshold


def fits(cell: Cell, floor: int) -> bool:
    """Whether a cell may be shown: enough persons, and of visitors enough or none.

    A cell of many views without a pseudonym and of few visitors may not: its visitors would be
    the day's total less those of its siblings.
    """
    return cell.persons >= floor and (cell.visitors == 0 or cell.visitors >= floor)
