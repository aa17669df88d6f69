"""Loads sealed segments into the store, oldest first, and removes each once it is stored.

A segment's name is its deduplication token, so it may be sent again after any crash. One thing a
token alone does not cover: ClickHouse notes it just before the rows appear, so that a process
killed between the two would have the repetition skipped and the rows missing. A segment whose
first attempt may have ended so is therefore looked for afterwards.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from spool import reader
from spool.segment import Segment
from store.clickhouse import Store, StoreRefused, StoreUnavailable

log = structlog.get_logger()

_CHUNK = 256 * 1024
_POLL = 0.2
_BACKOFF = (0.5, 30.0)  # seconds: the first pause and the longest

# Refusals that a segment is not to blame for: ClickHouse's NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_TABLE
# and UNKNOWN_DATABASE say that the schema is not there yet.
_NOT_THE_SEGMENTS = {16, 60, 81}


class _Key(msgspec.Struct):
    """What finds a row again."""

    site: int
    day: str
    event_id: int
    expires: str


class Loader:
    """The one way into the store. Only one may run on a spool: `with loader.lock() as mine`."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self._doubtful: set[str] = set()

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

    def load_once(self, stop: threading.Event | None = None) -> int:
        """Loads what is sealed now, unless told to stop; returns how many segments were stored.

        Raises `StoreUnavailable` at the first segment that cannot be stored at the moment, and
        `OSError` for a spool that cannot be read.
        """
        done = 0
        for segment in reader.sealed(self._directory):
            if stop is not None and stop.is_set():
                break
            done += self._load(segment)
        return done

    def run(self, stop: threading.Event) -> None:
        """Loads until told to stop. What passes is tried again for ever, after growing pauses."""
        pause = _BACKOFF[0]
        while not stop.is_set():
            try:
                reader.adopt(self._directory)
                self.load_once(stop)
            except (StoreUnavailable, OSError) as error:
                reason = str(error) if isinstance(error, StoreUnavailable) else error.strerror
                log.warning("store away", reason=reason, seconds=round(pause, 1))
                # Jitter, so that the workers of several nodes do not come back all at once.
                stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  nothing secret
                pause = min(pause * 2, _BACKOFF[1])
            else:
                pause = _BACKOFF[0]
                stop.wait(_POLL)

    def _load(self, segment: Segment) -> bool:
        doubtful = segment.name in self._doubtful
        self._doubtful.add(segment.name)  # until the answer has come
        try:
            self._insert(segment, segment.name)
            if doubtful and segment.table == "events" and self._missing(segment.path):
                log.warning("segment stored anew", name=segment.name)
                self._insert(segment, f"{segment.name}-anew-{time.time_ns()}")
        except StoreRefused as error:
            if error.code in _NOT_THE_SEGMENTS:
                raise StoreUnavailable(str(error)) from None
            log.error("segment refused", name=segment.name, code=error.code)
            reader.set_aside(segment, self._directory, error.code)
            stored = False
        else:
            reader.remove(segment)
            stored = True
        self._doubtful.discard(segment.name)
        return stored

    def _insert(self, segment: Segment, token: str) -> None:
        self._store.insert_lines(segment.table, _chunks(segment.path), token=token)

    def _missing(self, path: Path) -> bool:
        """Whether the segment's rows are not all there.

        One row of each month of expiry is looked for: a segment is one block, so the rows of one
        partition are stored together or not at all. Rows that are past their day are gone rightly.
        Storing rows twice would do no harm, since readers remove duplicates by event id.
        """
        samples: dict[str, _Key] = {}
        today = datetime.now(UTC).date().isoformat()
        with path.open("rb") as file:
            for line in file:
                key = msgspec.json.decode(line, type=_Key)
                if key.expires > today:
                    samples.setdefault(key.expires[:7], key)
        return any(
            not self._store.query_rows(
                "SELECT 1 FROM events WHERE site = {site:UInt32} AND day = {day:Date}"
                " AND event_id = {event_id:UInt64} LIMIT 1",
                {"site": key.site, "day": key.day, "event_id": key.event_id},
            )
            for key in samples.values()
        )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
