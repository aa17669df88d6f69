"""The spool as the collector sees it: `append` returns once what was accepted cannot be lost.

How much "cannot" means is the fsync policy. A crash of the process loses nothing under any policy,
because the lines are in the kernel's hands before `append` returns; a loss of power loses nothing
under `always`, at most the last second under `interval`, what the kernel had not written yet under
`never`.

Nobody waits for the disk while holding the lock that all appends take: segments are synced and
sealed outside it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from anonymize.event import Row
from spool.reader import measure
from spool.segment import TallyWriter, Writer, lines, sync_directory
from spool.tally import Tally

log = structlog.get_logger()

SEAL_BYTES = 8 * 1024 * 1024
SEAL_SECONDS = 1.0
# While the store is away a segment a second would become a hundred thousand files in a day: the
# more segments wait, the longer one stays open.
_SECONDS_A_SEGMENT = 1 / 50
_LONGEST_OPEN = 60.0
# How often `interval` syncs, and how often the size on disk is looked at; what is appended in
# between is added up.
_SYNC_SECONDS = 1.0
_MEASURE_SECONDS = 1.0
_TICK = 0.1
RETRY_AFTER = 10
# The longest line of a tally; most are counted into one that is there.
_TALLY_BYTES = 128


class SpoolFull(Exception):
    """The spool has reached its limit; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the spool is full")
        self.retry_after = retry_after


def _nobody(rows: int, tallies: Sequence[Tally]) -> None:
    """Observes nothing."""


class Spool:
    """The open segments of one process. Thread-safe, and after a fork each process has its own.

    `observe` is told of every append that was kept: how many rows, and which tallies.
    """

    # Of this process alone; `_begin` sets them.
    _rows: Writer | None
    _tallies: TallyWriter | None
    _sealing: list[Writer]
    _keeper: threading.Thread | None
    _closed: threading.Event

    def __init__(
        self,
        directory: Path,
        fsync: str = "interval",
        max_bytes: int = 2 * 1024**3,
        seal_bytes: int = SEAL_BYTES,
        seal_seconds: float = SEAL_SECONDS,
        observe: Callable[[int, Sequence[Tally]], None] = _nobody,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._fsync = fsync
        self._max_bytes = max_bytes
        self._seal_bytes = seal_bytes
        self._seal_seconds = seal_seconds
        self._observe = observe
        self._begin()
        _spools.add(self)

    def append(self, rows: Sequence[Row], tallies: Sequence[Tally] = ()) -> None:
        """Keeps rows and tallies. Raises `SpoolFull` or `OSError`: then neither is kept.

        Where the disk fails to sync under `always`, the rows are taken back as far as the same disk
        lets them be; those of a segment that was just being sealed are not. They have then been
        refused and are there all the same: without a message id, a client's retry doubles them.
        """
        if not rows and not tallies:
            return
        data = lines(rows) if rows else b""
        with self._lock:
            self._make_room(len(data) + _TALLY_BYTES * len(tallies))
            self._write(data, tallies)
            self._appends += 1
            mine = self._appends
            full = self._take(lambda writer: writer.size >= self._seal_bytes)
            self._start_keeper()
        for writer in full:
            self._seal(writer)
        if self._fsync == "always":
            self._sync(mine)
        self._observe(len(rows), tallies)

    def close(self) -> None:
        """Seals what is open. Appending again opens new segments."""
        with self._lock:
            self._closed.set()
            self._closed = threading.Event()
            keeper, self._keeper = self._keeper, None
            open_ones = self._take(lambda _: True)
        for writer in open_ones:
            self._seal(writer)
        if keeper is not None:
            keeper.join()

    def _begin(self) -> None:
        """The state of a process that has written nothing yet."""
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._rows = None
        self._tallies = None
        self._sealing = []
        self._keeper = None
        self._closed = threading.Event()
        self._appends = 0
        self._synced = 0
        self._unsure = 0  # appends up to this one met a failing disk before they were synced
        self._used = 0
        self._waiting = 0
        self._measured_at = float("-inf")

    def _begin_in_child(self) -> None:
        # The parent's open segments stay the parent's. Their locks come with the descriptors: as
        # long as these stayed open here, nobody could adopt the segments after its death.
        for writer in (*self._open(), *self._sealing):
            with contextlib.suppress(OSError):
                writer.close()
        self._begin()

    def _open(self) -> list[Writer]:
        return [writer for writer in (self._rows, self._tallies) if writer is not None]

    def _write(self, data: bytes, tallies: Sequence[Tally]) -> None:
        """Both or neither."""
        before = None
        try:
            if data:
                self._rows = self._rows or Writer(self._directory, "events")
                before = self._rows.size
                self._rows.append(data)
            if tallies:
                self._tallies = self._tallies or TallyWriter(self._directory)
                self._tallies.count(tallies)
        except OSError:
            try:
                if before is not None and self._rows is not None:
                    self._rows.cut(before)
            finally:
                self._give_up(lambda writer: writer.broken)
            raise

    def _give_up(self, which: Callable[[Writer], bool]) -> None:
        """Leaves segments to whoever adopts them: their state on the disk is not known."""
        for writer in self._take(which):
            self._sealing.remove(writer)
            writer.close()

    def _take(self, due: Callable[[Writer], bool]) -> list[Writer]:
        """The open segments that are due, which from here on nothing is appended to."""
        taken = [writer for writer in self._open() if due(writer)]
        self._rows = None if self._rows in taken else self._rows
        self._tallies = None if self._tallies in taken else self._tallies
        self._sealing += taken
        return taken

    def _seal(self, writer: Writer) -> None:
        """What was acknowledged stays kept: a segment that cannot be sealed is adopted later."""
        try:
            writer.seal(durable=self._fsync != "never")
        except OSError as error:
            log.error("segment not sealed", code=error.errno)
            with self._lock:
                self._unsure = self._appends
        finally:
            with self._lock:
                self._sealing.remove(writer)
                writer.close()

    def _make_room(self, size: int) -> None:
        if self._measured_at == float("-inf"):
            self._measure()
        if self._used + size > self._max_bytes:
            raise SpoolFull(retry_after=RETRY_AFTER)
        self._used += size

    def _measure(self) -> None:
        """Looks at the folder. What others append meanwhile may be missed until the next look."""
        found = measure(self._directory)
        self._used, self._waiting = found.total, found.segments
        self._measured_at = time.monotonic()

    def _sync(self, upto: int) -> None:
        """Returns once the `upto`-th append is on the disk: one wait serves all who wait for it."""
        with self._sync_lock:
            if self._synced >= upto:
                return
            with self._lock:
                if upto <= self._unsure:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                reached = self._appends
                rows, size = self._rows, self._rows.size if self._rows else 0
                copies = [writer.duplicate() for writer in (*self._open(), *self._sealing)]
            try:
                for copy in copies:
                    os.fsync(copy)
                sync_directory(self._directory)  # a new segment's name
            except OSError:
                # The kernel reports a failed write once and then forgets it (fsync(2)): a later
                # sync of the same file would succeed without those bytes.
                with self._lock:
                    self._unsure = self._appends
                    self._take_back()
                    self._give_up(lambda _: True)
                raise
            finally:
                for copy in copies:
                    os.close(copy)
            self._synced = reached
            if rows is not None:
                rows.synced = size

    def _take_back(self) -> None:
        """What nobody was told is kept: all of it is refused, and most of it sent again."""
        if self._fsync == "always" and self._rows is not None:
            with contextlib.suppress(OSError):
                self._rows.cut(self._rows.synced)

    def _start_keeper(self) -> None:
        if self._keeper is None or not self._keeper.is_alive():
            self._keeper = threading.Thread(
                target=self._keep, args=(self._closed,), name="spool", daemon=True
            )
            self._keeper.start()

    def _keep(self, closed: threading.Event) -> None:
        """Seals by age, syncs under `interval`, and measures the folder."""
        synced_at = time.monotonic()
        while not closed.wait(_TICK):
            try:
                now = time.monotonic()
                if now - self._measured_at >= _MEASURE_SECONDS:
                    self._measure()
                self._seal_older_than(now - self._longest(), closed)
                if self._fsync == "interval" and now - synced_at >= _SYNC_SECONDS:
                    synced_at = now
                    self._sync(self._appends)
            except OSError as error:
                log.error("spool not kept", code=error.errno)

    def _longest(self) -> float:
        """Seconds that a segment may stay open at the moment."""
        return max(self._seal_seconds, min(self._waiting * _SECONDS_A_SEGMENT, _LONGEST_OPEN))

    def _seal_older_than(self, born: float, closed: threading.Event) -> None:
        with self._lock:
            due = [] if closed.is_set() else self._take(lambda writer: writer.born <= born)
        for writer in due:
            self._seal(writer)


# One hook for all of them, which keeps none alive.
_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _begin_in_child() -> None:
    for spool in list(_spools):
        spool._begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
