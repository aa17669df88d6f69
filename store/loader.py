"""Loads sealed segments into the store, oldest first, and removes each once it is stored."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from spool import reader
from spool.segment import Segment
from store.clickhouse import Store, StoreRefused, StoreUnavailable

log = structlog.get_logger()

_CHUNK = 256 * 1024
_POLL = 0.2
_BACKOFF = (0.5, 30.0)  # seconds: the first pause and the longest


class Loader:
    """The one way into the store. Only one may run on a spool: `with loader.lock() as mine`."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory

    @contextlib.contextmanager
    def lock(self, *, blocking: bool) -> Iterator[bool]:
        """Whether this process may load; dies with the process."""
        path = self._directory / "loader.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    def load_once(self) -> int:
        """Loads what is sealed now; returns how many segments. Raises `StoreUnavailable`."""
        segments = reader.sealed(self._directory)
        for segment in segments:
            self._load(segment)
        return len(segments)

    def run(self, stop: threading.Event) -> None:
        """Loads until told to stop. What passes is tried again for ever, after growing pauses."""
        pause = _BACKOFF[0]
        while not stop.is_set():
            try:
                reader.adopt(self._directory)
                busy = self.load_once()
                pause = _BACKOFF[0]
                if not busy:
                    stop.wait(_POLL)
            except StoreUnavailable as error:
                log.warning("store away", reason=str(error), seconds=round(pause, 1))
                # Jitter, so that the workers of several nodes do not come back all at once.
                stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  nothing secret
                pause = min(pause * 2, _BACKOFF[1])

    def _load(self, segment: Segment) -> None:
        try:
            self._store.insert_lines(segment.table, _chunks(segment.path), token=segment.name)
        except StoreRefused as error:
            log.error("segment refused", name=segment.name, code=error.code)
            reader.set_aside(segment, self._directory, error.code)
            return
        reader.remove(segment)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        read: Callable[[], bytes] = lambda: file.read(_CHUNK)  # noqa: E731
        yield from iter(read, b"")
