"""Who did what with the service: a chain of entries in which any later change shows.

Each entry carries a keyed code (BLAKE2b-256) of its own words and of the code before it, so that an
entry changed, removed or moved no longer fits its neighbours, and whoever holds the database alone
cannot make one that does. The newest entries could still be cut off: each node therefore also
keeps, in a file of its own, the last code that it saw written.

Entries name people of the service, its sites and settings, and nobody who visits a site.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, insert, select
from sqlalchemy.engine import Row as SqlRow

from control.database import audit_log

COMMAND_LINE = "command line"
WORKER = "worker"
EXPIRED = "audit expired"
# Two years: long enough for what is found late, and for two yearly reviews (the CNIL's
# recommendation on logging, 2021-122, allows three where internal control needs them).
LIFE = timedelta(days=730)
_START = bytes(32)  # the code before the first entry
_CHAIN_LOCK = 34727339  # any number that nothing else on a PostgreSQL server locks


@dataclass(frozen=True, slots=True)
class Entry:
    """`actor` is a person's address, the command line or the worker; `subject` what was acted on,
    as `site example.com`; `detail` has plain values. `number` counts from 1 without a gap.
    """

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, object]
    code: str

    def facts(self) -> dict[str, object]:
        """The entry as plain values, for an export."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": dict(self.detail),
            "code": self.code,
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """How many entries were read, and what is wrong with them in sentences: nothing, if sound."""

    entries: int
    problems: tuple[str, ...]


class Audit:
    """The audit log in the control database.

    `key` (32 bytes) makes the codes. `head` is this node's own file with the last code that it
    wrote. Entries older than `LIFE` are removed by `expire`.
    """

    def __init__(
        self,
        engine: Engine,
        key: bytes,
        head: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._key = key
        self._head = head
        self._now = now

    def record(self, actor: str, action: str, subject: str = "", **detail: object) -> None:
        """Returns once the entry is kept: call it before what it tells of, so that nothing happens
        that is not on record. Raises `SQLAlchemyError`, and `TypeError` for a detail that is no
        plain value.
        """
        with self._engine.begin() as connection:
            self._one_at_a_time(connection)
            written = self._append(connection, actor, action, subject, detail)
        self._remember(*written)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Every entry above a number, oldest first."""
        wanted = select(audit_log).where(audit_log.c.number > after).order_by(audit_log.c.number)
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(wanted):
                yield _entry(row)

    def newest(self, most: int) -> tuple[Entry, ...]:
        """The last entries, newest first."""
        wanted = select(audit_log).order_by(audit_log.c.number.desc()).limit(most)
        with self._engine.connect() as connection:
            return tuple(_entry(row) for row in connection.execute(wanted))

    def verify(self) -> Verified:
        """Reads the whole chain."""
        problems: list[str] = []
        count = 0
        at_head: str | None = None
        number, previous = self._beginning()
        head = self._remembered()
        for entry in self.entries():
            if entry.number != number + 1:
                problems.append(f"entries {number + 1} to {entry.number - 1} are missing")
            elif not compare_digest(self._code(previous, entry), entry.code):
                problems.append(f"entry {entry.number} is not what was written after {number}")
            count, number, previous = count + 1, entry.number, bytes.fromhex(entry.code)
            if head and entry.number == head[0]:
                at_head = entry.code
        if head and head[0] > number:
            problems.append(
                f"entries {number + 1} to {head[0]}, which this node wrote, are missing"
            )
        elif head and at_head not in (None, head[1]):
            problems.append(f"entry {head[0]} is not the one that this node wrote")
        return Verified(count, tuple(problems))

    def expire(self) -> int:
        """Removes entries beyond `LIFE`, after an entry that says up to where. Returns how many."""
        now = self._now()
        with self._engine.begin() as connection:
            self._one_at_a_time(connection)
            old = audit_log.c.at < now - LIFE
            last = connection.execute(
                select(audit_log).where(old).order_by(audit_log.c.number.desc()).limit(1)
            ).one_or_none()
            if last is None:
                return 0
            written = self._append(
                connection, WORKER, EXPIRED, "", {"through": last.number, "code": last.code}
            )
            removed = connection.execute(
                delete(audit_log).where(audit_log.c.number <= last.number)
            ).rowcount
        self._remember(*written)
        return removed

    def _one_at_a_time(self, connection: Connection) -> None:
        """Numbers have no gap. On SQLite every transaction begins by taking the lock to write."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))

    def _append(
        self,
        connection: Connection,
        actor: str,
        action: str,
        subject: str,
        detail: Mapping[str, object],
    ) -> tuple[int, str]:
        last = connection.execute(
            select(audit_log.c.number, audit_log.c.code)
            .order_by(audit_log.c.number.desc())
            .limit(1)
        ).one_or_none()
        number, previous = (last.number, bytes.fromhex(last.code)) if last else (0, _START)
        entry = Entry(number + 1, self._now().astimezone(UTC), actor, action, subject, detail, "")
        code = self._code(previous, entry)
        connection.execute(
            insert(audit_log).values(
                number=entry.number,
                at=entry.at,
                actor=actor,
                action=action,
                subject=subject,
                detail=dict(detail),
                code=code,
            )
        )
        return entry.number, code

    def _code(self, previous: bytes, entry: Entry) -> str:
        words = [
            entry.number,
            entry.at.isoformat(),
            entry.actor,
            entry.action,
            entry.subject,
            dict(entry.detail),
        ]
        text = json.dumps(words, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return blake2b(
            previous + text.encode(), key=self._key, person=b"discreet/audit", digest_size=32
        ).hexdigest()

    def _beginning(self) -> tuple[int, bytes]:
        """Number and code before the oldest entry that should be there: by the last entry that
        tells of an expiry. That it is genuine shows when it is reached itself.
        """
        wanted = (
            select(audit_log.c.detail)
            .where(audit_log.c.action == EXPIRED, audit_log.c.actor == WORKER)
            .order_by(audit_log.c.number.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            detail = connection.execute(wanted).scalar_one_or_none()
        return (detail["through"], bytes.fromhex(detail["code"])) if detail else (0, _START)

    def _remember(self, number: int, code: str) -> None:
        """Atomically; of two processes the later entry stays but for a race that loses one."""
        if (known := self._remembered()) and known[0] >= number:
            return
        draft = self._head.with_suffix(f".{os.getpid()}")
        draft.write_text(f"{number} {code}\n")
        draft.chmod(0o600)
        draft.replace(self._head)

    def _remembered(self) -> tuple[int, str] | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            number, code = self._head.read_text().split()
            return int(number), code
        return None


def _entry(row: SqlRow[tuple[object, ...]]) -> Entry:
    at = row.at if row.at.tzinfo else row.at.replace(tzinfo=UTC)
    return Entry(row.number, at, row.actor, row.action, row.subject, row.detail, row.code)
