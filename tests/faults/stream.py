"""Clients that post until they are acknowledged, and what must then be in the store."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from store.clickhouse import Store, StoreUnavailable
from tests.service import eventually

# How far off the clocks of clients are, in hours. Within the late window a message id is hashed
# under the key of the client's own week, so that a retry meets its first try.
_CLOCKS = (0, 0, 0, -3, 3, -100, 100)
# The longest pause of a client between two batches: what is counted is moments, not events.
_PAUSE = 0.2


@dataclass
class Told:
    """What clients were told, under a lock."""

    acknowledged: list[str] = field(default_factory=list)
    dropped: int = 0  # of what is never kept, acknowledged as dropped
    tried: int = 0  # of the same, sent: an answer that is lost is sent again, and counted again
    refusals: Counter[int] = field(default_factory=Counter)
    broken: int = 0


class Stream:
    """Posts batches until stopped, each again until it is acknowledged."""

    def __init__(self, origin: str, key: str, threads: int = 3, seed: int = 0) -> None:
        self.told = Told()
        self._origin, self._key = origin, key
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._wrong: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}/{n}"),))
            for n in range(threads)
        ]

    def __enter__(self) -> Stream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self._wrong, self._wrong[:3]

    def acknowledged(self) -> list[str]:
        with self._lock:
            return list(self.told.acknowledged)

    def goes_on(self, events: int = 30) -> None:
        """Returns once so many more events were acknowledged."""
        target = len(self.acknowledged()) + events
        eventually(
            lambda: len(self.acknowledged()) >= target or self._wrong,
            lambda: f"{events} more events acknowledged: {self.told.refusals} {self._wrong[:3]}",
        )

    def _run(self, chance: random.Random) -> None:
        session = requests.Session()
        while not self._stop.is_set():
            self._post(session, self._batch(chance), chance)
            self._stop.wait(chance.uniform(0, _PAUSE))
        session.close()

    def _batch(self, chance: random.Random) -> dict[str, Any]:
        clock = timedelta(hours=chance.choice(_CLOCKS))
        at = (datetime.now(UTC) + clock).isoformat()
        names = [_word(next(self._numbers)) for _ in range(chance.randint(1, 20))]
        events: list[dict[str, Any]] = [
            {"type": "track", "event": name, "anonymousId": "a", "messageId": name, "timestamp": at}
            for name in names
        ]
        if chance.random() < 0.3:
            events.append({"type": "group", "groupId": "g", "anonymousId": "a"})
        return {"names": names, "clock": clock, "events": events}

    def _post(
        self, session: requests.Session, batch: dict[str, Any], chance: random.Random
    ) -> None:
        names = batch["names"]
        extra = len(batch["events"]) - len(names)
        while not self._stop.is_set():
            sent = (datetime.now(UTC) + batch["clock"]).isoformat()
            body = {"writeKey": self._key, "sentAt": sent, "batch": batch["events"]}
            with self._lock:
                self.told.tried += extra
            try:
                answer = session.post(
                    f"{self._origin}/v1/batch", json.dumps(body), timeout=20,
                    headers={"Content-Type": "application/json"},
                )  # fmt: skip
                status = answer.status_code
                told = answer.json() if status == 200 else {}
            except (requests.RequestException, ValueError):
                with self._lock:
                    self.told.broken += 1
                time.sleep(chance.uniform(0, 0.05))
                continue  # as an SDK does: the same messages again
            if status in (429, 503):
                with self._lock:
                    self.told.refusals[status] += 1
                time.sleep(chance.uniform(0, 0.05))
                continue
            if status != 200 or told["accepted"] != len(names):
                self._wrong.append(f"{status} {answer.text[:300]}")
                return
            with self._lock:
                self.told.acknowledged += names
                self.told.dropped += extra
            return


def _word(number: int) -> str:
    """A name without digits, which nobody takes for a telephone number."""
    letters = ""
    while True:
        number, rest = divmod(number, 20)
        letters = "bcdfghjklmnpqrstvwxz"[rest] + letters
        if not number:
            return f"e-{letters}"


@dataclass(frozen=True)
class Found:
    """What the store holds: events once each, and how many were doubled."""

    lost: int
    doubled: int
    tallied: int
    tallies_lost: int


def found(store: Store, names: list[str], dropped: int) -> Found:
    """Compares the store, as everything reads it, with what was acknowledged."""
    days = [day for (day,) in store.query_rows("SELECT DISTINCT toString(day) FROM events")]
    seen: Counter[str] = Counter()
    for day in days:
        once = "SELECT name, count() FROM events_once(site = 1, day = {day:Date}) GROUP BY name"
        for name, count in store.query_rows(once, {"day": day}):
            seen[name] += count
    [(tallied,)] = store.query_rows("SELECT sum(n) FROM tallies WHERE reason = 'unsupported_type'")
    return Found(
        lost=sum(name not in seen for name in names),
        doubled=sum(count > 1 for count in seen.values()),
        tallied=tallied,
        tallies_lost=max(0, dropped - tallied),
    )


def settled(store: Store, stream: Stream, seconds: float = 60) -> Found:
    """What the store holds once all that was acknowledged before this call had time to load."""
    names, dropped = stream.acknowledged(), stream.told.dropped
    last = Found(len(names), 0, 0, dropped)

    def all_there() -> bool:
        nonlocal last
        try:
            last = found(store, names, dropped)
        except StoreUnavailable:
            return False
        return not last.lost and not last.tallies_lost

    deadline = time.monotonic() + seconds
    while not all_there() and time.monotonic() < deadline:
        time.sleep(0.1)
    return last
