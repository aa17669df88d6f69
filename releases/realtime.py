"""How many are there now: a tier for the last closed five minutes, computed by a clock.

Never computed when somebody looks: looks between two ticks see the same tier, so that watching
closely shows no more than the clock does. The lines between tiers are drawn anew for each site and
window, like the thresholds of cells, so that planted visitors lift nobody over a known line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, func, insert, select

from control.database import realtime
from control.sites import Site
from releases.disclosure import UNLINKED_PER_PERSON, thresholds
from store.clickhouse import Store

WINDOW = timedelta(minutes=5)
# For how long a tier is shown: what was told at its time may be told for a while.
SHOWN = timedelta(minutes=30)
_HOUR = timedelta(hours=1)
# The first tier is "at least ten", or k where a site sets more.
_LOWEST = 10
_MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class Counted:
    """Distinct visitors of the window, and events without a pseudonym of the last closed hour."""

    visitors: int
    unlinked: int

    @property
    def persons(self) -> int:
        """Of an event without a pseudonym only its hour is kept: a twelfth of them is taken for
        the window's, and ten of these for one person."""
        return self.visitors + self.unlinked * WINDOW // _HOUR // UNLINKED_PER_PERSON


def closed(now: datetime) -> tuple[datetime, datetime]:
    """The last window of the clock that is over at `now`: its start, and its end, not included."""
    end = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
    return end - WINDOW, end


def tiers(k: int) -> Iterable[int]:
    """10, 20, 50, 100, 200, 500 …; those below `k` are left out and `k` comes first."""
    lowest = max(_LOWEST, k)
    yield lowest
    power = _LOWEST
    while power < _MOST:
        yield from (n for n in (power, 2 * power, 5 * power) if n > lowest)
        power *= 10


def tier(counted: Counted, key: bytes, site: Site, start: datetime) -> str:
    """`0` where nobody was there, `<10` for few, else the highest tier whose line is reached.

    The line of a tier lies between it and half as much again.
    """
    if not counted.visitors and not counted.unlinked:
        return "0"
    window = start.isoformat()
    reached = [
        n
        for n in tiers(site.k)
        if counted.persons >= thresholds(key, site.id, window, n)("realtime", str(n))
    ]
    return str(reached[-1]) if reached else f"<{max(_LOWEST, site.k)}"


def release(
    store: Store, control: Engine, sites: Iterable[Site], key: bytes, now: datetime
) -> None:
    """Computes every site's tier, and forgets those that are older than `SHOWN`.

    A window is computed once: a second look at it would differ by whoever arrived late.
    """
    start, end = closed(now)
    with control.connect() as connection:
        newest = connection.execute(select(func.max(realtime.c.until))).scalar()
    if newest is not None and newest.replace(tzinfo=UTC) >= end:
        return
    counted = _count(store, start, end)
    with control.begin() as connection:
        old = end - SHOWN
        connection.execute(delete(realtime).where(realtime.c.until <= old.replace(tzinfo=None)))
        for site in sites:
            shown = tier(counted.get(site.id, Counted(0, 0)), key, site, start)
            connection.execute(
                insert(realtime).values(site=site.id, until=end.replace(tzinfo=None), tier=shown)
            )


def _count(store: Store, start: datetime, end: datetime) -> dict[int, Counted]:
    """By site. A retry of the same event is one: it has the id and the time of the first try.

    Only rows of the window and of one hour are read; no site's local day is further from the UTC
    day than one.
    """
    hour = end.replace(minute=0) - _HOUR
    rows = store.query_rows(
        _SQL,
        {
            "start": start.astimezone(UTC), "end": end.astimezone(UTC),
            "hour": hour.astimezone(UTC), "hour_end": (hour + _HOUR).astimezone(UTC),
            "first": (hour - timedelta(days=1)).date(), "last": (end + timedelta(days=1)).date(),
        },
    )  # fmt: skip
    return {int(site): Counted(int(visitors), int(unlinked)) for site, visitors, unlinked in rows}


_SQL = """
SELECT
    site,
    uniqExactIf(visitor, visitor != 0 AND time >= {start:DateTime('UTC')} AND time < {end:DateTime('UTC')}) AS visitors,
    uniqExactIf(event_id, visitor = 0 AND time >= {hour:DateTime('UTC')} AND time < {hour_end:DateTime('UTC')}) AS unlinked
FROM events
WHERE day BETWEEN {first:Date} AND {last:Date}
    AND time >= {hour:DateTime('UTC')} AND time < {end:DateTime('UTC')}
    AND bot = '' AND restricted = 0 AND has(purposes, 'audience') AND name != 'engagement'
GROUP BY site
"""  # noqa: E501  conditions read as one line each
