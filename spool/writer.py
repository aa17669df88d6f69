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
from collections.abc import Sequence
from pathlib import Path

from anonymize.event import Row
from spool.reader import pending
from spool.segment import Table, Writer, lines
from spool.tally import Tally

SEAL_BYTES = 8 * 1024 * 1024
SEAL_SECONDS = 1.0
# How often the size on disk is looked at; what is appended in between is added up.
_MEASURE_SECONDS = 1.0
_TICK = 0.25


class SpoolFull(Exception):
    """The spool has reached its limit; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the spool is full")
        self.retry_after = retry_after


class Spool:
    """The open segments of one process. Thread-safe, and after a fork each process has its own."""

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
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """A fresh start: the parent's open segments stay the parent's."""
        self._lock = threading.Lock()
        self._writers: dict[Table, Writer] = {}
        self._keeper: threading.Thread | None = None
        self._closed = threading.Event()
        self._used = 0
        self._measured_at = float("-inf")

    def append(self, rows: Sequence[Row], tallies: Sequence[Tally] = ()) -> None:
        """Keeps rows and tallies. Raises `SpoolFull` or `OSError`, and then keeps no row."""
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
            if self._fsync == "always":
                self._sync()
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="spool", daemon=True)
                self._keeper.start()

    def close(self) -> None:
        """Seals what is open. Appending again opens new segments."""
        self._closed.set()
        with self._lock:
            for table in list(self._writers):
                self._seal(table)

    def _append(self, table: Table, data: bytes) -> None:
        writer = self._writers.get(table)
        if writer is None:
            writer = self._writers[table] = Writer(self._directory, table)
        writer.append(data)
        if writer.size >= self._seal_bytes:
            self._seal(table)

    def _make_room(self, size: int) -> None:
        now = time.monotonic()
        if now - self._measured_at >= _MEASURE_SECONDS:
            _, self._used, _ = pending(self._directory)
            self._measured_at = now
        if self._used + size > self._max_bytes:
            raise SpoolFull(retry_after=10)
        self._used += size

    def _sync(self) -> None:
        for writer in self._writers.values():
            writer.sync()

    def _seal(self, table: Table) -> None:
        self._writers.pop(table).seal(durable=self._fsync != "never")

    def _keep(self) -> None:
        """Seals by age, and under `interval` syncs: what lies open is never older than a second."""
        while not self._closed.wait(_TICK):
            with self._lock:
                now = time.monotonic()
                for table, writer in list(self._writers.items()):
                    if now - writer.born >= self._seal_seconds:
                        self._seal(table)
        with self._lock:
            self._keeper = None
            self._closed.clear()
