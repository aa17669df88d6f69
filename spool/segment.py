"""A segment: a file of lines exactly as they will be inserted, named after its table.

`<table>-<unix ms>-<pid>-<random>.open` while somebody writes it, under an exclusive lock that dies
with its process; `.ndjson` once it is sealed and will never change. Its name is also the insert's
deduplication token, so that it may be inserted again after any crash.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from anonymize.event import Row
from spool.tally import Tally

Table = Literal["events", "tallies"]
TABLES: tuple[Table, ...] = ("events", "tallies")
OPEN = ".open"
SEALED = ".ndjson"

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it was found on disk. `size` in bytes, `made_at` in Unix seconds."""

    path: Path
    table: Table
    size: int
    made_at: float

    @property
    def name(self) -> str:
        return self.path.stem


def describe(path: Path) -> Segment | None:
    """The segment that a file is; None for any other file, or one that is gone by now."""
    table, _, rest = path.stem.partition("-")
    stamp = rest.partition("-")[0]
    known = next((t for t in TABLES if t == table), None)
    if known is None or not stamp.isdigit():
        return None
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    return Segment(path, known, size, int(stamp) / 1000)


def lines(items: Iterable[Row] | Iterable[Tally]) -> bytes:
    """One JSON line each, as ClickHouse's JSONEachRow reads them."""
    return _ENCODER.encode_lines(items)


class Writer:
    """The open segment of one table. Not thread-safe: its owner locks."""

    def __init__(self, directory: Path, table: Table) -> None:
        """Creates the file and takes its lock. Raises `OSError`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        while True:
            stamp = int(time.time() * 1000)
            name = f"{table}-{stamp}-{os.getpid()}-{secrets.token_hex(4)}"
            self.path = directory / (name + OPEN)
            self._file = os.open(self.path, flags, 0o600)
            # Whoever gets this lock knows that the owner is gone. Before we have it a reader may
            # take the file for an orphan's and remove it: lines in it would be lost.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(self._file).st_nlink:
                    break
            os.close(self._file)
        self.born = time.monotonic()
        self.size = 0

    def append(self, data: bytes) -> None:
        """Writes whole lines, or raises `OSError` and leaves none of them.

        After an error the segment must be abandoned: should even the cut have failed, half a line
        stands at its end, and whoever adopts it cuts that off.
        """
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:] if written else data)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def duplicate(self) -> int:
        """A second descriptor, by which the file can be synced while others append or seal."""
        return os.dup(self._file)

    def seal(self, *, durable: bool) -> None:
        """Makes the segment final. `durable` waits for the disk. Raises `OSError`."""
        try:
            if durable:
                os.fsync(self._file)
            self.path.rename(self.path.with_suffix(SEALED))
            if durable:
                sync_directory(self.path.parent)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Closes the file and so gives up its lock; whoever adopts the segment seals it."""
        os.close(self._file)


def sync_directory(directory: Path) -> None:
    """Makes names in a directory as durable as the files that they name."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
