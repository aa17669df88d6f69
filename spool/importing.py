"""An operator's import: its segments become visible to the loader all at once, or never."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from anonymize.event import Row
from spool.reader import DRAFT, IMPORTED, IMPORTING
from spool.segment import Table, Writer, lines, sync_directory
from spool.tally import Tally
from spool.writer import SEAL_BYTES


class Import:
    """Keeps rows in a folder of their own until `publish`; leaving without it deletes them.

    The folder itself is locked. One whose process is gone is deleted by `spool.reader.adopt`: its
    lock is free then.
    """

    def __init__(self, directory: Path, seal_bytes: int = SEAL_BYTES) -> None:
        self._directory = directory
        self._seal_bytes = seal_bytes
        self._writers: dict[Table, Writer] = {}
        self._published = False

    def __enter__(self) -> Self:
        self._name = secrets.token_hex(6)
        self._folder = self._directory / f"{IMPORTING}{self._name}"
        # Locked before it has the name that `adopt` looks for.
        draft = self._directory / f"{DRAFT}{self._name}"
        draft.mkdir(mode=0o700)
        self._lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        draft.rename(self._folder)
        return self

    def append(self, rows: Sequence[Row], tallies: Sequence[Tally] = ()) -> None:
        """Raises `OSError`."""
        if rows:
            self._append("events", lines(rows))
        if tallies:
            self._append("tallies", lines(tallies))

    def publish(self) -> None:
        """Makes everything visible at once and durably. An empty import leaves nothing."""
        for table in list(self._writers):
            self._writers.pop(table).seal(durable=True)
        if any(self._folder.iterdir()):
            self._folder.rename(self._directory / f"{IMPORTED}{self._name}")
            sync_directory(self._directory)
            self._published = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers.values():
            writer.abandon()
        if not self._published:
            shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def _append(self, table: Table, data: bytes) -> None:
        writer = self._writers.get(table)
        if writer is None:
            writer = self._writers[table] = Writer(self._folder, table)
        writer.append(data)
        if writer.size >= self._seal_bytes:
            self._writers.pop(table).seal(durable=True)
