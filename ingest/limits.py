"""How much one sender, and one site, may send: buckets that all web processes share.

The generic cell rate algorithm (ITU-T I.371) needs one number a bucket, the moment at which it is
empty again. They lie in anonymous memory that gunicorn's master maps and its processes inherit: no
file, no lock, gone with the master. Two processes that write one bucket at the same instant may
count one of the two requests; a limit on abuse bears that.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

_SLOT_BYTES = 16  # whose bucket, and when it is empty by the machine's monotonic clock
_HEADER = struct.Struct("<Q32s")  # the minute, and its key
_FIRST = 64
_SLOTS = 1 << 16
_PROBES = 8
_64_BITS = 2**64 - 1
_SPREAD = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: sites' numbers follow one another
SIZE = _FIRST + _SLOTS * _SLOT_BYTES
_BURST_SECONDS = 10  # over which a limit holds on average

# Made where this module is first imported: in gunicorn's master, by gunicorn.conf.py.
SHARED = mmap.mmap(-1, SIZE)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many events a second on average, and so many at once. A rate of 0 is no limit."""

    rate: float
    burst: float


NONE = Limit(0, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one sender, and of one site."""

    sender: Limit
    site: Limit

    @classmethod
    def of(cls, sender: float, site: float) -> Limits:
        """Rates, in events a second, that hold over ten seconds on average."""
        return cls(*(Limit(rate, rate * _BURST_SECONDS) for rate in (sender, site)))


class Limiter:
    """Buckets in a piece of memory of `SIZE` bytes. `clock` gives seconds, the same everywhere."""

    def __init__(self, memory: mmap.mmap = SHARED, clock: Callable[[], float] = time.monotonic):
        self._memory = memory
        slots = memoryview(memory)[_FIRST:]
        self._tags = slots.cast("Q")  # of a slot's two numbers the first
        self._times = slots.cast("d")  # and the second
        self._clock = clock

    def wait(self, prefix: bytes | None, site: int | None, events: int, limits: Limits) -> float:
        """Takes the events from the buckets of their sender and their site, where known.

        0 where both have room, else the seconds until they might. The sender's comes first: what it
        is refused costs the site nothing.
        """
        if prefix is not None and (seconds := self.of_sender(prefix, events, limits.sender)):
            return seconds
        return self.of_site(site, events, limits.site) if site is not None else 0.0

    def of_site(self, site: int, events: int, limit: Limit) -> float:
        """Takes the events from the site's bucket, as `_take` says."""
        if not limit.rate:
            return 0.0
        return self._take(site * _SPREAD & _64_BITS | 1, events, limit, self._clock())

    def of_sender(self, prefix: bytes, events: int, limit: Limit) -> float:
        """Takes the events from the bucket of a truncated address, as `_take` says.

        The bucket is found under a key that only this memory holds and that is written over each
        minute: what is left in the table afterwards names nobody.
        """
        if not limit.rate:
            return 0.0
        now = self._clock()
        key = self._key_of_minute(now)
        digest = blake2b(prefix, key=key, person=b"discreet/sender", digest_size=8).digest()
        return self._take(int.from_bytes(digest, "little") | 1, events, limit, now)

    def _take(self, tag: int, events: int, limit: Limit, now: float) -> float:
        """0 where they are within the limit, and counted; else the seconds until they would be.

        More than a burst at once is let through a full bucket, which then takes as long to fill as
        they are: a request that could never pass would only be sent again and again.
        """
        place = self._place(tag, now)
        if place is None:
            return 0.0  # every bucket that it could have is in use: the site's own limit holds
        start = max(now, self._times[place + 1]) if self._tags[place] == tag else now
        allowed = limit.burst / limit.rate
        cost = events / limit.rate
        wait = start + min(cost, allowed) - (now + allowed)
        if wait > 0:
            return wait
        self._tags[place] = tag
        self._times[place + 1] = start + cost
        return 0.0

    def _place(self, tag: int, now: float) -> int | None:
        """Where the bucket lies: its own slot, else the first that nobody needs any more."""
        free = None
        for probe in range(_PROBES):
            place = (tag + probe) % _SLOTS * 2
            if self._tags[place] == tag:
                return place
            if free is None and self._times[place + 1] <= now:
                free = place
        return free

    def _key_of_minute(self, now: float) -> bytes:
        minute = int(now // 60) + 1  # 0 is memory that was never written
        written, key = _HEADER.unpack_from(self._memory, 0)
        if written != minute:
            _HEADER.pack_into(self._memory, 0, minute, os.urandom(32))
            _, key = _HEADER.unpack_from(self._memory, 0)  # another process's, if it was later
        return bytes(key)
