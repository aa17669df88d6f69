"""The keys of pseudonyms: made at random, sealed at rest, destroyed on schedule.

They live in a database of their own, are never derived from a long-lived secret and never backed
up with the rows. Once a day key is destroyed nobody, with every file and every other secret, can
recompute or link that day's visitors.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time as time_module
import weakref
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from cryptography.exceptions import InvalidTag
from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from anonymize.calendar import midnight
from anonymize.sealing import Seal, Secrets

# A day key outlives its day by this much, for what was under way at midnight.
DAY_KEY_GRACE = timedelta(minutes=30)
KEEPER_SECONDS = 60.0
# Zones lie up to 26 hours apart (UTC+14 to UTC-12): a day in which a site's zone changes to the
# west begins up to so much earlier than in the zone by which it ends (`anonymize.calendar`).
_EARLIEST = timedelta(hours=26)
# CNIL, guidelines on audience measurement: no identifier beyond 13 months.
IDENTITY_KEY_LIFE = timedelta(days=395)
# The longest life of a row, during which its identity key must still be readable.
LONGEST_ROW = timedelta(days=395)
# Message ids are hashed under one key per week of the client's own timestamp, because a retry
# repeats that timestamp: try and retry meet under the same key whenever they arrive.
EVENT_KEY_SPAN = timedelta(days=7)
_EVENT_KEY_SECONDS = int(EVENT_KEY_SPAN.total_seconds())

metadata = MetaData()


def _table(name: str) -> Table:
    """`sealed` is null once the key is destroyed: the line stays, so that no clock that jumps back
    can bring another key for the same day into being.
    """
    return Table(
        name,
        metadata,
        Column("kind", String(16), primary_key=True),
        Column("scope", String(64), primary_key=True),
        Column("period", String(32), primary_key=True),
        Column("sealed", LargeBinary),
        Column("created_at", DateTime, nullable=False),  # UTC
        Column("destroy_at", DateTime, nullable=False),  # UTC
    )


# Keys that are to leave no trace are kept apart, because on PostgreSQL a table without a
# write-ahead log is emptied by a crash: whoever came before it counts twice that day. The others
# must survive one.
passing_keys = _table("passing_keys")
keys = _table("keys")
_PASSING = frozenset({"day", "event"})


def _table_of(kind: str) -> Table:
    return passing_keys if kind in _PASSING else keys


class Keys(Protocol):
    """What the pipeline asks of a key store. Every key is 32 bytes."""

    def day(self, timezone: str, day: date) -> bytes | None:
        """The key of a local day, or None once it is gone (or was never made in time)."""

    def identity(self, site: int) -> bytes:
        """The site's current identity key."""

    def event(self, occurred: datetime) -> bytes:
        """The key for message ids of the client's week."""

    def exclusion(self) -> bytes:
        """The key for networks that sites exclude. It has no end, as the exclusions have none."""

    def record(self, site: int) -> bytes:
        """The site's key for objections and withdrawals. It has no end, since they have none."""


class KeyStore:
    """Keys in a database, shared by every process; a copy in memory until each key's end.

    `secret` seals keys at rest, each bound to its own name. `clock` gives aware UTC. `late` is the
    late window, which decides how long message-id keys live.
    """

    def __init__(
        self,
        url: str,
        secret: bytes | Secrets,
        clock: Callable[[], datetime],
        late: timedelta = timedelta(days=7),
    ) -> None:
        self._engine = _open(url)
        self._seal = Seal(secret, b"discreet/keys")
        self._clock = clock
        self._late = late
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str, str], tuple[bytes, datetime]] = {}
        self._keeper = 0  # the process whose keeper is at work; a fork has none of its own
        _STORES.add(self)

    def day(self, timezone: str, day: date) -> bytes | None:
        name = ("day", timezone, day.isoformat())
        now = self._clock()
        held = self._held.get(name)
        if held is not None and now < held[1]:
            return held[0]
        ends = midnight(timezone, day + timedelta(days=1)) + DAY_KEY_GRACE
        if now >= ends:
            return None
        begins = midnight(timezone, day) - _EARLIEST
        return self._get(name, now, ends, make=now >= begins)

    def identity(self, site: int) -> bytes:
        """Each period of 13 months, counted from the first use, has its own key."""
        now = self._clock()
        scope = str(site)
        for name, (key, until) in self._held.copy().items():
            if name[:2] == ("identity", scope) and now < until:
                return key
        with self._engine.connect() as connection:
            newest = connection.execute(
                select(keys.c.period, keys.c.created_at)
                .where(keys.c.kind == "identity", keys.c.scope == scope)
                .order_by(keys.c.created_at.desc())
                .limit(1)
            ).first()
        if newest is None or now >= newest.created_at.replace(tzinfo=UTC) + IDENTITY_KEY_LIFE:
            period, created = now.date().isoformat(), now
        else:
            period, created = newest.period, newest.created_at.replace(tzinfo=UTC)
        name = ("identity", scope, period)
        found = self._get(name, now, created + IDENTITY_KEY_LIFE + LONGEST_ROW, make=True)
        if found is None:
            raise KeyError("this site's identity key was destroyed")
        self._hold(name, found, min(created + IDENTITY_KEY_LIFE, now + timedelta(minutes=1)))
        return found

    def identities(self, site: int) -> list[bytes]:
        """Every identity key of the site that still exists: the current one, and those of rows that
        may still live.
        """
        now, scope = self._clock(), str(site)
        here = (keys.c.kind == "identity") & (keys.c.scope == scope) & keys.c.sealed.is_not(None)
        with self._engine.connect() as connection:
            rows = connection.execute(select(keys.c.period, keys.c.destroy_at).where(here)).all()
        names = [(("identity", scope, r.period), r.destroy_at.replace(tzinfo=UTC)) for r in rows]
        found = (self._get(name, now, ends, make=False) for name, ends in names if now < ends)
        return [key for key in found if key is not None]

    def event(self, occurred: datetime) -> bytes:
        """A client whose clock is further off than the late window gets the current week's key."""
        now = self._clock()
        if not now - 2 * self._late <= occurred <= now + EVENT_KEY_SPAN:
            occurred = now
        week = int(occurred.timestamp()) // _EVENT_KEY_SECONDS
        name = ("event", "", str(week))
        held = self._held.get(name)
        if held is not None and now < held[1]:
            return held[0]
        ends = datetime.fromtimestamp((week + 1) * _EVENT_KEY_SECONDS, UTC)
        key = self._get(name, now, ends + 2 * self._late, make=True)
        # Destroyed before its time only by hand: a random key then, so that nothing is lost.
        return key or secrets.token_bytes(32)

    def exclusion(self) -> bytes:
        return self.lasting("exclusion", "")

    def record(self, site: int) -> bytes:
        return self.lasting("record", str(site))

    def lasting(self, kind: str, scope: str) -> bytes:
        """A key without an end, for what must not change between computations of one day."""
        now = self._clock()
        key = self._get((kind, scope, ""), now, datetime.max.replace(tzinfo=UTC), make=True)
        if key is None:
            raise KeyError(f"the {kind} key was destroyed")
        return key

    def destroy_due(self) -> int:
        """Destroys every key whose time has come, here and in the database. Returns how many.

        Every process that holds a key does so each minute, and need not wait for another.
        """
        now = self._clock()
        with self._lock:
            self._held = {name: held for name, held in self._held.items() if now < held[1]}
        return sum(self._destroy(table, now) for table in (passing_keys, keys))

    def _destroy(self, table: Table, now: datetime) -> int:
        due = table.c.sealed.is_not(None) & (table.c.destroy_at <= now.replace(tzinfo=None))
        with self._engine.begin() as connection:
            destroyed = connection.execute(update(table).where(due).values(sealed=None)).rowcount
        if destroyed:
            self._overwrite(table)
        return destroyed

    def reseal(self) -> int:
        """Seals by the newest secret what an older one had sealed. Returns how many keys.

        What another process changes at the same moment stays as it makes it.
        """
        return sum(self._reseal(table) for table in (passing_keys, keys))

    def _reseal(self, table: Table) -> int:
        here, count = table.c, 0
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(here.sealed.is_not(None))).all()
        for row in rows:
            anew = self._seal.anew(row.sealed, _label(row.kind, row.scope, row.period))
            if anew is not None:
                same = (here.kind == row.kind) & (here.scope == row.scope)
                same &= (here.period == row.period) & (here.sealed == row.sealed)
                with self._engine.begin() as connection:
                    changed = update(table).where(same).values(sealed=anew)
                    count += connection.execute(changed).rowcount
        if count:
            self._overwrite(table)
        return count

    def _overwrite(self, table: Table) -> None:
        """PostgreSQL leaves what an update replaced in the file, until that is written anew."""
        if self._engine.dialect.name == "postgresql":
            with self._engine.connect() as connection:
                alone = connection.execution_options(isolation_level="AUTOCOMMIT")
                alone.execute(text(f"VACUUM FULL {table.name}"))

    def status(self) -> list[tuple[str, str, str, bool, datetime, datetime]]:
        """Kind, scope, period, whether it still exists, when made, when destroyed; no key."""
        with self._engine.connect() as connection:
            rows = [
                row for table in (passing_keys, keys) for row in connection.execute(select(table))
            ]
        return sorted(
            (r.kind, r.scope, r.period, r.sealed is not None, r.created_at, r.destroy_at)
            for r in rows
        )

    def _get(
        self, name: tuple[str, str, str], now: datetime, ends: datetime, *, make: bool
    ) -> bytes | None:
        held = self._held.get(name)
        if held is not None and now < held[1]:
            return held[0]
        sealed = self._read(name)
        if sealed is None and make:
            self._make(name, now, ends)
            sealed = self._read(name)
        if not sealed:
            return None
        try:
            key = self._seal.open(sealed, _label(*name))
        except InvalidTag:
            raise KeyError("a key in the key database was sealed by another secret key") from None
        self._hold(name, key, ends)
        return key

    def _hold(self, name: tuple[str, str, str], key: bytes, until: datetime) -> None:
        with self._lock:
            self._held[name] = (key, until)
            if self._keeper != os.getpid():
                self._keeper = os.getpid()
                threading.Thread(
                    target=_keep, args=(weakref.ref(self),), name="keys", daemon=True
                ).start()

    def after_fork(self) -> None:
        """Forgets what the parent held: a fork that asks for no key has no keeper to do so."""
        self._lock = threading.Lock()
        self._held = {}

    def _read(self, name: tuple[str, str, str]) -> bytes | None:
        """The sealed key; b'' where it was destroyed; None where it never was."""
        kind, scope, period = name
        columns = _table_of(kind).c
        with self._engine.connect() as connection:
            row = connection.execute(
                select(columns.sealed).where(
                    columns.kind == kind, columns.scope == scope, columns.period == period
                )
            ).first()
        return None if row is None else row.sealed or b""

    def _make(self, name: tuple[str, str, str], now: datetime, ends: datetime) -> None:
        kind, scope, period = name
        sealed = self._seal.seal(secrets.token_bytes(32), _label(*name))
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    insert(_table_of(kind)).values(
                        kind=kind,
                        scope=scope,
                        period=period,
                        sealed=sealed,
                        created_at=now.replace(tzinfo=None),
                        destroy_at=ends.replace(tzinfo=None),
                    )
                )
        except IntegrityError:
            pass  # another process was quicker: its key is the one


def _label(kind: str, scope: str, period: str) -> bytes:
    return "|".join((kind, scope, period)).encode()


_STORES: weakref.WeakSet[KeyStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_STORES):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork)


class EphemeralKeys:
    """Day keys for past days, in this process alone and gone with it; the others are `lasting`'s.

    An operator's import fills days whose keys no longer exist, or never did.
    """

    def __init__(self, lasting: Keys) -> None:
        self._lasting = lasting
        self._days: dict[tuple[str, date], bytes] = {}

    def day(self, timezone: str, day: date) -> bytes:
        # A day that still lasts has a key already: who was counted under it stays one visitor. It
        # is asked for each time, since it must not be kept here past its end.
        lasting = self._lasting.day(timezone, day)
        return lasting or self._days.setdefault((timezone, day), secrets.token_bytes(32))

    def identity(self, site: int) -> bytes:
        return self._lasting.identity(site)

    def event(self, occurred: datetime) -> bytes:
        return self._lasting.event(occurred)

    def exclusion(self) -> bytes:
        return self._lasting.exclusion()

    def record(self, site: int) -> bytes:
        return self._lasting.record(site)


def _keep(store: weakref.ref[KeyStore]) -> None:
    """Destroys what is due, for as long as the store lives."""
    while True:
        time_module.sleep(KEEPER_SECONDS)
        held = store()
        if held is None:
            return
        with contextlib.suppress(SQLAlchemyError):  # tried again in a minute
            held.destroy_due()
        del held


def _open(url: str) -> Engine:
    engine = create_engine(url, poolclass=NullPool)  # asked so rarely that none is kept open
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def pragmas(connection, _record):  # type: ignore[no-untyped-def]  # DBAPI's
            # A destroyed key is overwritten in the file, and no journal keeps a copy of it.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA busy_timeout = 10000")

    with engine.begin() as connection:
        for table in (passing_keys, keys):
            connection.execute(text(create_statement(table, engine.dialect)))
    return engine


def create_statement(table: Table, dialect: Dialect) -> str:
    """On PostgreSQL passing keys are unlogged: no write-ahead log and no replica keeps one."""
    statement = str(CreateTable(table, if_not_exists=True).compile(dialect=dialect))
    if dialect.name == "postgresql" and table is passing_keys:
        return statement.replace("CREATE TABLE", "CREATE UNLOGGED TABLE", 1)
    return statement
