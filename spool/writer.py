"""The spool as the collector sees it: `append` returns once what was accepted cannot be lost.

How much "cannot" means is the fsync policy. A crash of the process loses nothing under any policy,
because the lines are in the kernel's hands before `append` returns; a loss of power loses nothing
under `always`, at most the last second under `interval`, what the kernel had not written yet under
`never`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import structlog

from anonymize.event import Row
from spool.reader import pending
from spool.segment import Table, Writer, lines, sync_directory
from spool.tally import Tally

log = structlog.get_logger()

SEAL_BYTES = 8 * 1024 * 1024
SEAL_SECONDS = 1.0
# How often the size on disk is looked at; what is appended in between is added up.
_MEASURE_SECONDS = 1.0
_TICK = 0.1
RETRY_AFTER = 10


class SpoolFull(Exception):
    """The spool has reached its limit; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the spool is full")
        self.retry_after = retry_after


class Spool:
    """The open segments of one process. Thread-safe, and after a fork each process has its own."""

    # Of this process alone; `_begin` sets them.
    _writers: dict[Table, Writer]
    _keeper: threading.Thread | None
    _closed: threading.Event

    def __init__(
        self,
        directory: Path,
        fsync: str = "interval",
        max_bytes: int = 2 * 1024**3,
        seal_bytes: int = SEAL_BYTES,
        seal_seconds: float = SEAL_SECONDS,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._fsync = fsync
        self._max_bytes = max_bytes
        self._seal_bytes = seal_bytes
        self._seal_seconds = seal_seconds
        self._begin()
        _spools.add(self)

    def append(self, rows: Sequence[Row], tallies: Sequence[Tally] = ()) -> None:
        """Keeps rows and tallies. Raises `SpoolFull` or `OSError`: then nothing is promised.

        Rows are written first, so that a client that tries again doubles neither: a row's second
        copy is known by its message id, a tally's would not be.
        """
        parts: list[tuple[Table, bytes]] = []
        if rows:
            parts.append(("events", lines(rows)))
        if tallies:
            parts.append(("tallies", lines(tallies)))
        if not parts:
            return
        with self._lock:
            self._make_room(sum(len(data) for _, data in parts))
            for table, data in parts:
                self._append(table, data)
            self._appends += 1
            mine = self._appends
            if self._keeper is None:
                self._keeper = threading.Thread(
                    target=self._keep, args=(self._closed,), name="spool", daemon=True
                )
                self._keeper.start()
        if self._fsync == "always":
            self._sync(mine)

    def close(self) -> None:
        """Seals what is open. Appending again opens new segments."""
        with self._lock:
            self._closed.set()
            self._closed = threading.Event()
            keeper, self._keeper = self._keeper, None
            for table in list(self._writers):
                self._seal_quietly(table)
        if keeper is not None:
            keeper.join()

    def _begin(self) -> None:
        """The state of a process that has written nothing yet."""
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._writers = {}
        self._keeper = None
        self._closed = threading.Event()
        self._appends = 0
        self._synced = 0
        self._used = 0
        self._measured_at = float("-inf")

    def _begin_in_child(self) -> None:
        # The parent's open segments stay the parent's. Their locks come with the descriptors: as
        # long as these stayed open here, nobody could adopt the segments after its death.
        for writer in self._writers.values():
            writer.abandon()
        self._begin()

    def _append(self, table: Table, data: bytes) -> None:
        writer = self._writers.get(table)
        if writer is None:
            writer = self._writers[table] = Writer(self._directory, table)
        try:
            writer.append(data)
        except OSError:
            self._writers.pop(table).abandon()
            raise
        if writer.size >= self._seal_bytes:
            self._seal(table)

    def _make_room(self, size: int) -> None:
        now = time.monotonic()
        if now - self._measured_at >= _MEASURE_SECONDS:
            _, self._used, _ = pending(self._directory)
            self._measured_at = now
        if self._used + size > self._max_bytes:
            raise SpoolFull(retry_after=RETRY_AFTER)
        self._used += size

    def _sync(self, upto: int) -> None:
        """Returns once the `upto`-th append is on the disk: one wait serves all who wait for it."""
        with self._sync_lock:
            if self._synced >= upto:
                return
            with self._lock:
                reached = self._appends
                copies = [writer.duplicate() for writer in self._writers.values()]
            try:
                for copy in copies:
                    os.fsync(copy)
            finally:
                for copy in copies:
                    os.close(copy)
            sync_directory(self._directory)  # a new segment's name
            self._synced = reached

    def _seal(self, table: Table) -> None:
        self._writers.pop(table).seal(durable=self._fsync != "never")

    def _seal_quietly(self, table: Table) -> None:
        """What was acknowledged stays kept: a segment that cannot be sealed is adopted later."""
        try:
            self._seal(table)
        except OSError as error:
            log.error("segment not sealed", code=error.errno)

    def _keep(self, closed: threading.Event) -> None:
        """Seals by age, and so under `interval` syncs: what lies open is not older than that."""
        while not closed.wait(_TICK):
            with self._lock:
                now = time.monotonic()
                for table, writer in list(self._writers.items()):
                    if now - writer.born >= self._seal_seconds and not closed.is_set():
                        self._seal_quietly(table)


# One hook for all of them, which keeps none alive.
_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _begin_in_child() -> None:
    for spool in list(_spools):
        spool._begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
