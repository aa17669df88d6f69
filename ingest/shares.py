"""Which web process takes the next client: one that has no more of them than another.

All of them hear of it at once, and the one that is awake would take whoever comes: a burst of
clients, and with it all work, would go to a single process. The numbers lie in anonymous memory
that gunicorn's master maps and its processes inherit, as in ingest/limits.py.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable

_SLOTS = 64  # processes at once; more of them share
_NUMBERS = 2  # of each: when it was told, by the machine's monotonic clock, and how many clients
_FRESH = 3.0  # seconds after which a process that told nothing is taken for gone
SIZE = _SLOTS * _NUMBERS * 8

# Made where this module is first imported: in gunicorn's master, by gunicorn.conf.py.
SHARED = mmap.mmap(-1, SIZE)


class Shares:
    """One process's view; `number` is its own among them. `clock` is the same everywhere."""

    def __init__(
        self,
        number: int,
        memory: mmap.mmap = SHARED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._numbers = memoryview(memory).cast("d")
        self._own = number % _SLOTS * _NUMBERS
        self._clock = clock

    def tell(self, clients: int) -> None:
        """How many this process has; also that it lives, so at least every other second."""
        self._numbers[self._own + 1] = clients
        self._numbers[self._own] = self._clock()

    def ahead(self, clients: int) -> bool:
        """Whether another process has fewer than that many."""
        since = self._clock() - _FRESH
        numbers = self._numbers
        return any(
            numbers[at] > since and numbers[at + 1] < clients
            for at in range(0, _SLOTS * _NUMBERS, _NUMBERS)
            if at != self._own
        )
