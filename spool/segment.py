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
from collections import Counter
from collections.abc import Iterable, Sequence
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
# A tally's number stands right-aligned in a field of this width, to be counted up where it stands.
# Blanks before a number are JSON.
_DIGITS = 15


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


def lines(rows: Iterable[Row]) -> bytes:
    """One JSON line each, as ClickHouse's JSONEachRow reads them."""
    return _ENCODER.encode_lines(rows)


class Writer:
    """The open segment of one table. Not thread-safe: its owner locks."""

    def __init__(self, directory: Path, table: Table) -> None:
        """Creates the file and takes its lock. Raises `OSError`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
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
        self.synced = 0  # the size that is known to be on the disk
        self.broken = False

    def append(self, data: bytes) -> None:
        """Writes whole lines, or raises `OSError` and leaves none of them.

        Should even the cut fail, the segment is `broken`: half a line may stand at its end, and
        whoever adopts it cuts that off.
        """
        before = self.size
        try:
            self._write(data, before)
        except OSError:
            self.cut(before)
            raise
        self.size = before + len(data)

    def cut(self, size: int) -> None:
        """Takes back what was appended since the segment had this size. Raises `OSError`."""
        try:
            os.ftruncate(self._file, size)
        except OSError:
            self.broken = True
            raise
        self.size = size

    def duplicate(self) -> int:
        """A second descriptor, by which the file can be synced while others append."""
        return os.dup(self._file)

    def seal(self, *, durable: bool) -> None:
        """Makes the segment final. `durable` waits for the disk. Raises `OSError`.

        Nothing may be appended any more, whether or not this succeeds; the lock is kept.
        """
        if durable:
            os.fsync(self._file)
        self.path.rename(self.path.with_suffix(SEALED))
        if durable:
            sync_directory(self.path.parent)

    def close(self) -> None:
        """Gives up the lock. A segment that is not sealed is sealed by whoever adopts it."""
        os.close(self._file)

    def _write(self, data: bytes, at: int) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:] if written else data, at + written)


class TallyWriter(Writer):
    """The open segment of tallies: one line for each site, day and reason, counted up in place.

    So a flood of refused requests writes no more than a few lines a segment. Each line also holds
    the segment's own random number, by which the loader finds out whether it is stored.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "tallies")
        self._number = secrets.randbits(63)
        self._counts: dict[tuple[int, str, str], tuple[int, int]] = {}  # where n stands, and n

    def count(self, tallies: Sequence[Tally]) -> None:
        """Adds tallies. Raises `OSError`; then new lines are taken back."""
        more: Counter[tuple[int, str, str]] = Counter()
        for tally in tallies:
            more[tally.site, tally.day, tally.reason.value] += tally.n
        new, known = bytearray(), {}
        for key, n in more.items():
            if key not in self._counts:
                head = self._head(*key)
                known[key] = (self.size + len(new) + len(head), n)
                new += head + _number(n) + b"}\n"
        self.append(bytes(new))
        for key in more.keys() - known.keys():
            at, n = self._counts[key]
            self._write(_number(n + more[key]), at)
            self._counts[key] = (at, n + more[key])
        self._counts |= known

    def _head(self, site: int, day: str, reason: str) -> bytes:
        line = {"site": site, "day": day, "reason": reason, "segment": self._number}
        return _ENCODER.encode(line)[:-1] + b',"n":'


def _number(n: int) -> bytes:
    return b"%*d" % (_DIGITS, n)


def sync_directory(directory: Path) -> None:
    """Makes names in a directory as durable as the files that they name."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
