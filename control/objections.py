"""Objections and withdrawals of consent that people told the service itself, by pseudonym alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from anonymize.basis import NO_RECORD, Record
from control.database import as_utc, objections


class Kind(StrEnum):
    """`OBJECTED`: nothing of this client is kept. `WITHDRAWN`: no consent dated before counts."""

    OBJECTED = "objected"
    WITHDRAWN = "withdrawn"


# What changed is read again for this long, since the clocks of nodes differ and a transaction shows
# only once it is committed.
_OVERLAP = timedelta(minutes=10)


class Objections:
    """The records in the control database, with a copy of all of them in this process.

    The copy is brought up to date every `ttl` seconds by reading what has changed: that long a
    record needs to reach the other processes. A pseudonym is one of `pseudonyms.on_record`.
    """

    def __init__(
        self, engine: Engine, ttl: float = 2.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._newest: datetime | None = None  # when the latest record that was read was changed
        self._records: dict[tuple[int, int], Record] = {}

    def record(self, site: int, pseudonym: int, kind: Kind, since: datetime) -> None:
        """Returns once it is kept. Of two withdrawals the later one counts.

        Raises `sqlalchemy.exc.IntegrityError` where there is no such site.
        """
        try:
            self._put(site, f"{pseudonym:032x}", kind, since.astimezone(UTC))
        except IntegrityError:  # another process was quicker: now there is one to change
            self._put(site, f"{pseudonym:032x}", kind, since.astimezone(UTC))
        self._read_at = float("-inf")

    def _put(self, site: int, client: str, kind: Kind, since: datetime) -> None:
        here = objections.c
        same = (here.site == site) & (here.client == client) & (here.kind == kind)
        values = {"since": since, "changed_at": datetime.now(UTC)}
        with self._engine.begin() as connection:
            if connection.execute(select(here.kind).where(same)).first():
                later = update(objections).where(same, here.since < since)
                connection.execute(later.values(values))
            else:
                name = {"site": site, "client": client, "kind": kind}
                connection.execute(insert(objections).values(name | values))

    def of(self, site: int, clients: Iterable[int]) -> Record:
        """The strongest record of any of these pseudonyms. Raises `SQLAlchemyError`: where it
        cannot be known whether somebody objected, nothing of them may be kept.
        """
        self._refresh()
        found = [self._records.get((site, client), NO_RECORD) for client in clients]
        return _strongest(found)

    def _refresh(self) -> None:
        if self._clock() - self._read_at < self._ttl:
            return
        with self._lock:
            if self._clock() - self._read_at < self._ttl:
                return
            query = select(objections)
            if self._newest is not None:
                since = min(self._newest, datetime.now(UTC)) - _OVERLAP
                query = query.where(objections.c.changed_at >= since)
            with self._engine.connect() as connection:
                for row in connection.execute(query):
                    name = (row.site, int(row.client, 16))
                    told = _record(Kind(row.kind), as_utc(row.since))
                    self._records[name] = _strongest([self._records.get(name, NO_RECORD), told])
                    changed = as_utc(row.changed_at)
                    self._newest = max(changed, self._newest or changed)
            self._read_at = self._clock()


def _record(kind: Kind, since: datetime) -> Record:
    if kind is Kind.OBJECTED:
        return Record(objected=True)
    return Record(withdrawn=since)


def _strongest(records: Iterable[Record]) -> Record:
    told = list(records)
    return Record(
        objected=any(record.objected for record in told),
        withdrawn=max((r.withdrawn for r in told if r.withdrawn), default=None),
    )
