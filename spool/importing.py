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
from spool.segment import TallyWriter, Writer, lines, sync_directory
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
        self._rows: Writer | None = None
        self._tallies: TallyWriter | None = None
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
            self._rows = self._rows or Writer(self._folder, "events")
            self._rows.append(lines(rows))
            if self._rows.size >= self._seal_bytes:
                self._seal_rows()
        if tallies:
            self._tallies = self._tallies or TallyWriter(self._folder)
            self._tallies.count(tallies)

    def publish(self) -> None:
        """Makes everything visible at once and durably. An empty import leaves nothing."""
        self._seal_rows()
        if self._tallies is not None:
            self._tallies.seal(durable=True)
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
        for writer in (self._rows, self._tallies):
            if writer is not None:
                writer.close()
        if not self._published:
            shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def _seal_rows(self) -> None:
        if self._rows is not None:
            self._rows.seal(durable=True)
            self._rows.close()
            self._rows = None
