"""Loads sealed segments into the store, oldest first, and removes each once it is stored.

A segment's name is its deduplication token, so it may be sent again after any crash. One thing a
token alone does not cover: ClickHouse notes it just before the rows appear, so that a process
killed between the two would have the repetition skipped and the rows missing. A segment whose
first attempt may have ended so is therefore looked for afterwards. So is every segment that goes to
the embedded engine, which does not tell of every failure (store/engine.py).

Rows of people who took their consent back while these waited are left out and counted
(`control.withheld`). What the store refuses for its data is halved until only the lines that it
refuses are left. They are set aside, and everything else is stored.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import msgspec
import structlog

from anonymize.event import Purpose, Reason
from control.withheld import Held
from spool import reader
from spool.segment import Segment, Table
from store.clickhouse import Store, StoreRefused, StoreUnavailable

log = structlog.get_logger()

_CHUNK = 256 * 1024
_POLL = 0.2
_BACKOFF = (0.5, 30.0)  # seconds: the first pause and the longest

# Refusals that a segment is not to blame for: ClickHouse's NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_TABLE
# and UNKNOWN_DATABASE say that the schema is not there yet.
_NOT_THE_SEGMENTS = {16, 60, 81}
# Refusals of single values (src/Common/ErrorCodes.cpp), found while the lines are read: others of
# the same segment may be good. For any other reason a segment is set aside whole.
_OF_LINES = {
    6: "CANNOT_PARSE_TEXT",
    25: "CANNOT_PARSE_ESCAPE_SEQUENCE",
    26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    33: "CANNOT_READ_ALL_DATA",
    38: "CANNOT_PARSE_DATE",
    41: "CANNOT_PARSE_DATETIME",
    53: "TYPE_MISMATCH",
    69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE",
    72: "CANNOT_PARSE_NUMBER",
    117: "INCORRECT_DATA",
    130: "CANNOT_READ_ARRAY_FROM_TEXT",
    131: "TOO_LARGE_STRING_SIZE",
    190: "SIZES_OF_ARRAYS_DONT_MATCH",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    407: "DECIMAL_OVERFLOW",
    469: "VIOLATED_CONSTRAINT",
}
# Halving ends after so many refusals: then not single lines are wrong but the whole, as when the
# web process is newer than the schema.
_REFUSALS = 200
# Tallies older than this may have been rolled up over segments (store/migrations/0001_events.sql),
# so that it can't be told any more which of them are there.
_TALLIES_APART = timedelta(days=13)


class _Key(msgspec.Struct):
    """What finds a line of either table again."""

    site: int
    day: str
    event_id: int = 0
    expires: str = ""
    reason: str = ""
    segment: int = 0


# The date by which the lines of either table go.
_DATE: dict[Table, re.Pattern[bytes]] = {
    "events": re.compile(rb'"expires":"([0-9-]{10})"'),
    "tallies": re.compile(rb'"day":"([0-9-]{10})"'),
}

# A query that finds a line, and the month of its partition.
_LOOK: dict[Table, str] = {
    "events": "SELECT 1 FROM events WHERE site = {site:UInt32} AND day = {day:Date}"
    " AND event_id = {event_id:UInt64} LIMIT 1",
    "tallies": "SELECT 1 FROM tallies WHERE site = {site:UInt32} AND day = {day:Date}"
    " AND reason = {reason:String} AND segment = {segment:UInt64} LIMIT 1",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One insert, for whoever observes: seconds it took, and whether the store took it."""

    seconds: float
    stored: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """Whole lines of a segment, from byte `begin` to before byte `end`, as they may be stored."""

    segment: Segment
    begin: int
    end: int
    held: Mapping[bytes, list[Held]]

    @property
    def token(self) -> str:
        whole = self.begin == 0 and self.end == self.segment.size
        return self.segment.name if whole else f"{self.segment.name}-{self.begin}-{self.end}"

    def raw(self) -> Iterator[bytes]:
        """As it lies on the disk, in chunks of whole lines."""
        with self.segment.path.open("rb") as file:
            file.seek(self.begin)
            while chunk := file.read(min(_CHUNK, self.end - file.tell())):
                yield chunk if chunk.endswith(b"\n") else chunk + file.readline()

    def chunks(self) -> Iterator[bytes]:
        for chunk in self.raw():
            if self.held and not self.held.keys().isdisjoint(_VISITOR.findall(chunk)):
                yield b"".join(_storable(line, self.held) for line in chunk.splitlines(True))
            else:
                yield chunk

    def lines(self) -> Iterator[bytes]:
        for chunk in self.chunks():
            yield from chunk.splitlines(keepends=True)

    def left_out(self) -> Iterator[bytes]:
        """The lines that may not be stored at all."""
        for chunk in self.raw() if self.held else ():
            if not self.held.keys().isdisjoint(_VISITOR.findall(chunk)):
                lines = chunk.splitlines(keepends=True)
                yield from (line for line in lines if not _storable(line, self.held))

    def halves(self) -> tuple[_Part, ...]:
        """Two parts, or none where there is but one line."""
        with self.segment.path.open("rb") as file:
            middle = (self.begin + self.end) // 2
            file.seek(middle)
            file.readline()
            cut = file.tell()
            if cut >= self.end:  # the last line is the longer half
                file.seek(self.begin)
                cut = self.begin + file.read(middle - self.begin).rfind(b"\n") + 1
        if cut == self.begin:
            return ()
        return replace(self, end=cut), replace(self, begin=cut)


# A row's visitor, as the spool writes it: only rows with a pseudonym name one.
_VISITOR = re.compile(rb'"visitor":"(\d+)"')


def _storable(line: bytes, held: Mapping[bytes, list[Held]]) -> bytes:
    """The line as it may be stored; b'' where it may not."""
    visitor = _VISITOR.search(line)
    if visitor is None or (reaching := held.get(visitor[1])) is None:
        return line
    row = msgspec.json.decode(line)
    reaching = [each for each in reaching if row["received"] <= each.until]
    if not reaching:
        return line
    if any(not each.purposes for each in reaching):
        return b""
    refused = frozenset[str]().union(*(each.purposes for each in reaching))
    row["purposes"] = [purpose for purpose in row["purposes"] if purpose not in refused]
    if Purpose.ACCOUNT in refused:
        row.pop("user", None)
    return msgspec.json.encode(row) + b"\n"


def _nobody(attempt: Attempt) -> None:
    """Observes nothing."""


def _unseen(table: Table, chunks: Iterable[bytes]) -> None:
    """Looks at nothing."""


def _nothing_held() -> Mapping[bytes, list[Held]]:
    """Holds nothing back."""
    return {}


class Loader:
    """The one way into the store. Only one may run on a spool: `with loader.lock() as mine`.

    `observe` is told of every insert, and `stored` sees what is in the store now: the bytes of
    whole lines, cut anywhere. `withheld` is asked before every segment. `problem` says what hinders
    loading at the moment, '' if nothing; `turned_at` (monotonic seconds) when it last got through a
    turn or an insert.
    """

    def __init__(
        self,
        store: Store,
        directory: Path,
        observe: Callable[[Attempt], None] = _nobody,
        stored: Callable[[Table, Iterable[bytes]], None] = _unseen,
        withheld: Callable[[], Mapping[bytes, list[Held]]] = _nothing_held,
    ) -> None:
        self._store = store
        self._directory = directory
        self._observe = observe
        self._stored = stored
        self._withheld = withheld
        self._doubtful: set[str] = set()
        self.problem = ""
        self.turned_at = time.monotonic()

    @contextlib.contextmanager
    def lock(self, *, blocking: bool) -> Iterator[bool]:
        """Whether this process may load; dies with the process."""
        path = self._directory / "loader.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                # What is there already may have been sent before, by a process that was killed.
                self._doubtful = {segment.name for segment in reader.sealed(self._directory)}
                yield True
        finally:
            os.close(descriptor)

    def rest(self) -> None:
        """Says that nothing is wrong while another process loads."""
        self.problem, self.turned_at = "", time.monotonic()

    def load_once(self, stop: threading.Event | None = None) -> int:
        """Loads what is sealed now, unless told to stop; returns how many segments were stored.

        Raises `StoreUnavailable` at the first segment that cannot be stored at the moment, and
        `OSError` for a spool that cannot be read. A segment that brings out a mistake of ours
        stays and is told of, and those after it are loaded.
        """
        done, problem = 0, ""
        for segment in reader.sealed(self._directory):
            if stop is not None and stop.is_set():
                break
            try:
                done += self._load(segment)
            except (StoreUnavailable, OSError):
                raise
            except Exception as error:
                log.exception("segment not loaded", name=segment.name)
                problem = f"a segment cannot be loaded: {type(error).__name__}"
            self.turned_at = time.monotonic()
        self.problem = problem
        return done

    def run(self, stop: threading.Event) -> None:
        """Loads until told to stop. What passes is tried again for ever, after growing pauses."""
        pause = _BACKOFF[0]
        self.rest()
        while not stop.is_set():
            try:
                reader.adopt(self._directory)
                self.load_once(stop)
            except (StoreUnavailable, OSError) as error:
                reason = str(error) if isinstance(error, StoreUnavailable) else error.strerror
                self.problem = reason or type(error).__name__
                log.warning("store away", reason=reason, seconds=round(pause, 1))
            self.turned_at = time.monotonic()
            if self.problem:
                # Jitter, so that the workers of several nodes do not come back all at once.
                stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  nothing secret
                pause = min(pause * 2, _BACKOFF[1])
            else:
                pause = _BACKOFF[0]
                stop.wait(_POLL)

    def _load(self, segment: Segment) -> bool:
        doubtful = segment.name in self._doubtful or self._store.embedded
        self._doubtful.add(segment.name)  # until the answer has come
        held = self._withheld() if segment.table == "events" else {}
        whole = _Part(segment, 0, segment.size, held)
        try:
            self._store_part(whole, doubtful)
        except StoreRefused as error:
            if error.code in _NOT_THE_SEGMENTS:
                raise StoreUnavailable(str(error)) from None
            if error.code in _OF_LINES:
                self._sift(whole, error, doubtful)
                stored = True
            else:
                log.error("segment refused", name=segment.name, code=error.code)
                reader.set_aside(segment, self._directory, error.code)
                stored = False
        else:
            self._count_left_out(whole)
            reader.remove(segment)
            stored = True
        self._doubtful.discard(segment.name)
        return stored

    def _sift(self, every: _Part, first: StoreRefused, doubtful: bool) -> None:
        """Stores the good lines of a segment that was refused, and sets the others aside.

        Interrupted, it does the same again: the same halves under the same tokens.
        """
        segment = every.segment
        refused, refusals = bytearray(), 1
        parts = [*reversed(every.halves())]
        whole = not parts
        while parts:
            part = parts.pop()
            if refusals > _REFUSALS:
                refused += b"".join(part.chunks())
                continue
            try:
                self._store_part(part, doubtful)
            except StoreRefused as error:
                if error.code in _NOT_THE_SEGMENTS:
                    raise StoreUnavailable(str(error)) from None
                refusals += 1
                halves = part.halves()
                if not halves:
                    refused += b"".join(part.chunks())
                parts += reversed(halves)
                first = error if error.code not in _OF_LINES else first
        count = refused.count(b"\n") or 1
        log.error("lines refused", name=segment.name, code=first.code, count=count)
        if whole or len(refused) == segment.size:
            reader.set_aside(segment, self._directory, first.code)
        else:
            reader.set_aside_lines(segment, self._directory, first.code, bytes(refused))
            self._count_left_out(every)
            reader.remove(segment)

    def _store_part(self, part: _Part, doubtful: bool) -> None:
        self._insert_part(part, doubtful)
        self._stored(part.segment.table, part.chunks())

    def _count_left_out(self, part: _Part) -> None:
        """Tallies the rows that are not stored, once for each segment whatever happens."""
        days = Counter((row.site, row.day) for row in map(_key, part.left_out()) if row)
        if not days:
            return
        number = int.from_bytes(blake2b(part.segment.name.encode(), digest_size=8).digest(), "big")
        lines = [
            {"site": site, "day": day, "reason": Reason.WITHDRAWN, "segment": number, "n": n}
            for (site, day), n in days.items()
        ]
        told = msgspec.json.Encoder().encode_lines(lines)
        self._insert("tallies", [told], f"{part.token}-withheld")

    def _insert_part(self, part: _Part, doubtful: bool) -> None:
        table = part.segment.table
        if not any(part.chunks()):
            return
        self._insert(table, part.chunks(), part.token)
        if not doubtful or not (months := self._missing(part)):
            return
        # Where the first insert failed without a word, the same again is all that it takes.
        self._insert(table, part.chunks(), part.token)
        if months := self._missing(part):
            log.warning("segment stored anew", name=part.segment.name)
            lines = (line for line in part.lines() if _month(table, line) in months)
            self._insert(table, lines, f"{part.token}-anew-{time.time_ns()}")
            if self._missing(part):
                raise StoreUnavailable("what was inserted cannot be found")

    def _insert(self, table: Table, chunks: Iterable[bytes], token: str) -> None:
        began = time.monotonic()
        stored = False
        try:
            self._store.insert_lines(table, chunks, token=token)
            stored = True
        finally:
            self._observe(Attempt(time.monotonic() - began, stored))

    def _missing(self, part: _Part) -> set[str]:
        """The months of whose lines none is there.

        One line of each month is looked for: an insert is one block, so the lines of one
        partition are stored together or not at all.
        """
        table = part.segment.table
        self._store.settle(table)
        samples = _samples(table, part.chunks(), datetime.now(UTC).date())
        try:
            return {
                month
                for month, key in samples.items()
                if not self._store.query_rows(_LOOK[table], msgspec.to_builtins(key))
            }
        except StoreRefused as error:  # of what is stored: the segment is not to blame
            raise StoreUnavailable(str(error)) from None


def _key(line: bytes) -> _Key | None:
    try:
        return msgspec.json.decode(line, type=_Key)
    except msgspec.DecodeError:
        return None


def _samples(table: Table, chunks: Iterable[bytes], today: date) -> dict[str, _Key]:
    """Of each month one line that must be there if its month's are. Chunks are whole lines.

    The month and the rest depend on one date. It is looked for as text, and only chunks with a date
    that was not met yet are decoded: that takes a tenth of the time.
    """
    samples: dict[str, _Key] = {}
    met: set[bytes] = set()
    for chunk in chunks:
        dates = _DATE[table].findall(chunk)
        if len(dates) == chunk.count(b"\n") and met.issuperset(dates):
            continue
        for key in filter(None, map(_key, chunk.splitlines())):
            met.add((key.expires if table == "events" else key.day).encode())
            if _lasting(table, key, today):
                samples.setdefault(_month_of(table, key), key)
    return samples


def _lasting(table: Table, key: _Key, today: date) -> bool:
    """Whether a line that was stored is still there: rows past their day are gone rightly."""
    if table == "events":
        return key.expires > today.isoformat()
    return key.day > (today - _TALLIES_APART).isoformat()


def _month(table: Table, line: bytes) -> str | None:
    key = _key(line)
    return _month_of(table, key) if key is not None else None


def _month_of(table: Table, key: _Key) -> str:
    """The partition that a line falls into."""
    return (key.expires if table == "events" else key.day)[:7]
