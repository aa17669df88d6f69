"""Whose rows are not to be stored any more although they were accepted: they wait in the spool.

A withdrawal holds at once. What a collector still accepts knows of it within seconds
(`control.objections`); what was accepted before and is not stored yet is held back by the loader,
which asks here before every segment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, delete, insert, select

from control.database import as_utc, withheld

# What a collector that does not know of it yet may accept after it: its copy of the objections is
# two seconds old at most, and the clocks of nodes differ.
SPREAD = timedelta(seconds=10)
# Kept at least as long, whatever this node's spool holds: other nodes' spools cannot be seen.
_LEAST = timedelta(days=8)


class Held(NamedTuple):
    """What came up to `until` (Unix seconds) may not serve these purposes; empty: none at all."""

    until: int
    purposes: frozenset[str]


class Withheld:
    """The list in the control database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self, site: int, visitors: Iterable[int], purposes: Collection[str], since: datetime
    ) -> None:
        """Returns once it is kept. No purposes: nothing of these visitors is stored."""
        rows = [
            {
                "site": site,
                "visitor": str(visitor),
                "purposes": sorted(purposes),
                "since": since.astimezone(UTC),
            }
            for visitor in visitors
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(insert(withheld), rows)

    def all(self) -> Mapping[bytes, list[Held]]:
        """By visitor, as a line of the spool writes them. Raises `SQLAlchemyError`: then nothing
        may be stored, since it cannot be known whose it is.
        """
        found: dict[bytes, list[Held]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(select(withheld)):
                until = int((as_utc(row.since) + SPREAD).timestamp())
                found.setdefault(row.visitor.encode(), []).append(
                    Held(until, frozenset(row.purposes))
                )
        return found

    def forget(self, oldest: datetime, now: datetime) -> int:
        """Removes what no segment can hold any more; `oldest` is when the oldest one was begun.
        Returns how many.
        """
        before = min(oldest, now - _LEAST) - SPREAD
        with self._engine.begin() as connection:
            return connection.execute(delete(withheld).where(withheld.c.since < before)).rowcount
