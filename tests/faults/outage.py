"""A store that is missing for long under load: what is lost, memory, and catching up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import requests

from spool import reader
from store.clickhouse import StoreUnavailable
from tests.faults.machine import Machine, running

BATCH = 100


class _Load:
    """Posts batches at a steady rate, each until it is acknowledged; counts events."""

    def __init__(self, origin: str, key: str, rate: int) -> None:
        self.acknowledged = 0
        self.slowest = 0.0
        self._origin, self._key, self._rate = origin, key, rate
        self._numbers = count()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]
        self._began = time.monotonic()

    def __enter__(self) -> _Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        session = requests.Session()
        while not self._stop.is_set():
            with self._lock:
                number = next(self._numbers)
            due = self._began + number * BATCH / self._rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                break
            self._post(session, _batch(self._key, number))
        session.close()

    def _post(self, session: requests.Session, body: dict[str, Any]) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                answer = session.post(f"{self._origin}/v1/batch", json=body, timeout=30)
            except requests.RequestException:
                continue
            if answer.status_code == 200:
                assert answer.json()["accepted"] == BATCH
                with self._lock:
                    self.acknowledged += BATCH
                    self.slowest = max(self.slowest, time.monotonic() - began)
                return
            self._stop.wait(0.1)


def _batch(key: str, number: int) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    events = [
        {
            "type": "page",
            "anonymousId": f"visitor-{number}",
            "messageId": f"{number}/{n}",
            "timestamp": at,
            "properties": {"url": f"https://example.com/article/{n}", "title": "An article"},
        }
        for n in range(BATCH)
    ]
    return {"writeKey": key, "sentAt": at, "batch": events}


@dataclass
class Outage:
    """What came of it. Memory in MiB: early in the outage, at its end, while catching up."""

    seconds: float
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    slowest: float
    segments: int
    spooled: int
    memory: dict[str, tuple[int, int, int]]
    catching_up: float
    rate: float

    def lines(self) -> list[str]:
        return [
            f"store away             {self.seconds:.0f} s",
            f"events acknowledged    {self.acknowledged}",
            f"slowest acknowledgement {self.slowest * 1000:.0f} ms",
            f"spool at the end       {self.spooled / 2**20:.0f} MiB in {self.segments} segments",
            *(
                f"memory of {name:<12} {early} MiB early, {late} MiB late, {most} MiB catching up"
                for name, (early, late, most) in self.memory.items()
            ),
            f"caught up after        {self.catching_up:.1f} s, {self.rate:.0f} events a second,"
            " while events went on arriving",
            f"lost                   {self.lost}",
            f"doubled                {self.doubled}",
        ]


def suffer(folder: Path, seconds: float, rate: int, say: Callable[[str], None]) -> Outage:
    """Posts `rate` events a second while the store is away and until it has caught up."""
    with running(folder / "home", True) as machine:
        assert machine.proxy is not None
        added = machine.service.facts("site", "add", "example.com", "--policy", "exempt")
        spool = machine.service.home / "spool"
        with _Load(machine.service.origin, added["write_key"], rate) as load:
            time.sleep(2)
            with machine.proxy.failing("away"):
                before = _stored(machine)
                early, late = _watch(machine, load, seconds, say)
                used = reader.measure(spool)
            began, most, at_heal = time.monotonic(), dict(late), load.acknowledged
            while (now := _stored(machine)) < at_heal:
                most = {k: max(v, most[k]) for k, v in machine.resident().items()}
                time.sleep(0.2)
            catching_up = time.monotonic() - began
        while _stored(machine) < load.acknowledged or reader.waiting(spool):
            time.sleep(0.2)
        [(rows, distinct)] = machine.store.query_rows(
            "SELECT count(), uniqExact(event_id) FROM events"
        )
    return Outage(
        seconds=seconds,
        acknowledged=load.acknowledged,
        stored=rows,
        lost=max(0, load.acknowledged - distinct),
        doubled=rows - distinct,
        slowest=load.slowest,
        segments=used.segments,
        spooled=used.bytes,
        memory={name: (early[name], late[name], most[name]) for name in early},
        catching_up=catching_up,
        rate=(now - before) / catching_up,
    )


def _watch(
    machine: Machine, load: _Load, seconds: float, say: Callable[[str], None]
) -> tuple[dict[str, int], dict[str, int]]:
    """Memory after the first tenth of the outage, and at its end."""
    began, early = time.monotonic(), None
    while (gone := time.monotonic() - began) < seconds:
        time.sleep(min(10.0, seconds / 10))
        memory = machine.resident()
        early = early or memory
        used = reader.measure(machine.service.home / "spool")
        say(f"{gone:6.0f} s  {load.acknowledged:>9} events  {used.segments:>5} segments  {memory}")
    return early or machine.resident(), machine.resident()


def _stored(machine: Machine) -> int:
    try:
        return int(machine.store.query_rows("SELECT count() FROM events")[0][0])
    except StoreUnavailable:
        return 0
