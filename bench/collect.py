"""What collecting costs: single events, batches up to the store, acknowledgements, bytes, memory.

Sides are measured in turns, in one run, so that whatever else the machine does falls on both. The
clients share the cores with the server, and so may others: beside each rate stands the processor
time that the server itself took, which says more on a busy machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from bench.client import NAME, Load, as_many, each, paced, post
from bench.start import AGENTS
from spool import reader
from tests.service import GUNICORN, ROOT, Service, eventually, free_port

TURNS = 3
SECONDS = 3.0  # a turn
CONNECTIONS = 16
BATCH = 500
# A turn of batches: of less, the second for which a segment stays open would be a part.
EVENTS = int(os.environ.get("BENCH_EVENTS", "600000"))
MEMORY_EVENTS = int(os.environ.get("BENCH_MEMORY_EVENTS", "3000000"))
MEMORY_STEPS = 10
# Where gevent, granian and other servers lie (`pip install --target`), which are measured and not
# needed; `BENCH_SERVERS=folder make bench`.
EXTRA = os.environ.get("BENCH_SERVERS", "")
_TICKS = os.sysconf("SC_CLK_TCK")


def processor(pid: int) -> float:
    """Seconds that a process and its children have taken."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(_seconds(one) for one in (pid, *map(int, children)))


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass
class Server:
    """One that answers on a port, and what its turns found."""

    name: str
    pid: int
    port: int
    requests: Sequence[bytes]
    loads: list[Load] = field(default_factory=list)
    spent: float = 0.0

    def turn(self) -> None:
        before = processor(self.pid)
        self.loads.append(as_many(self.port, self.requests, CONNECTIONS, SECONDS))
        self.spent += processor(self.pid) - before

    @property
    def rate(self) -> float:
        return statistics.median(load.rate for load in self.loads)

    @property
    def cost(self) -> float:
        """Microseconds of processor time a request."""
        return self.spent / sum(load.answers for load in self.loads) * 1e6


def views() -> list[bytes]:
    return [
        post(
            "/api/event",
            json.dumps(
                {
                    "n": "pageview",
                    "u": f"https://example.com/page/{number}?utm_source=news&q=secret",
                    "d": "example.com",
                    "r": "https://www.google.com/",
                }
            ).encode(),
            User_Agent=AGENTS[number % len(AGENTS)],
        )
        for number in range(200)
    ]


STARTED = datetime.now(UTC)
HAPPENINGS = (
    "Application Opened", "Product Viewed", "Product Added", "Video Played", "Video Paused",
    "Order Completed", "Search Done", "Notice Dismissed",
)  # fmt: skip


def app_event(number: int) -> dict[str, object]:
    """As a mobile SDK sends them."""
    return {
        "type": "track",
        "event": HAPPENINGS[number % len(HAPPENINGS)],
        "timestamp": (STARTED - timedelta(seconds=BATCH - number % BATCH)).isoformat(),
        "messageId": f"0f8fad5b-d9cb-469f-a165-{number:012}",
        # A batch comes from one phone.
        "anonymousId": f"5f4c3a0e-2a9e-4a2f-8df4-{number // BATCH:012}",
        "properties": {"plan": "pro", "level": number % 50},
        "context": {
            "app": {"name": "Shop", "version": "4.2.1", "build": "421"},
            "os": {"name": "Android", "version": "14"},
            "device": {"type": "android", "model": "SM-G991B"},
            "locale": "nl-BE",
            "screen": {"width": 390, "height": 844},
            "consent": {"categoryPreferences": {"analytics": True}},
        },
    }


def tracks(key: str) -> list[bytes]:
    bodies = [json.dumps(app_event(n) | {"writeKey": key}).encode() for n in range(200)]
    return [post("/v1/track", body, User_Agent="okhttp/4.12.0") for body in bodies]


def batches(key: str, events: int, first: int) -> Iterator[bytes]:
    for start in range(first, first + events, BATCH):
        batch = [app_event(number) for number in range(start, start + BATCH)]
        body = json.dumps({"writeKey": key, "batch": batch}, separators=(",", ":")).encode()
        yield post("/v1/batch", body, User_Agent="analytics-kotlin/1.16")


@contextmanager
def collecting(*names: str, **settings: str) -> Iterator[tuple[Service, str]]:
    """A service on an empty home, and the write key of its one site."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(
            Path(folder) / "home", WEB_CONCURRENCY=str(os.cpu_count() or 1), **settings
        )
        try:
            added = service.facts("site", "add", "example.com", "--policy", "exempt")
            service.start(*names)
            yield service, added["write_key"]
        finally:
            service.stop()


# Worker classes of gunicorn, and another server, each with its threads.
CLASSES = [
    ("sync", 1),
    ("gthread", 1),
    ("gthread", 4),
    ("gthread", 8),
    ("ingest.worker.Worker", 8),
    *([("gevent", 1), ("granian", 1)] if EXTRA else []),
]


@contextmanager
def null_route(kind: str, threads: int) -> Iterator[Server]:
    port = free_port()
    workers = str(os.cpu_count() or 1)
    env = os.environ | {"PORT": str(port), "WEB_CONCURRENCY": workers, "PYTHONPATH": EXTRA}
    command = [*GUNICORN[:-1], "-k", kind, "--threads", str(threads), "bench.null:app"]
    if kind == "granian":
        options = ["--interface", "wsgi", "--workers", workers, "--port", str(port)]
        command = [sys.executable, "-m", "granian", *options, "--no-ws", "bench.null:app"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    asks = [post("/null", b"{}" * 60, User_Agent=AGENTS[0])]
    try:
        eventually(lambda: _answers(port), f"{kind} answers")
        yield Server(f"null, {kind}, {threads} threads", process.pid, port, asks)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return requests.post(f"http://127.0.0.1:{port}/null", timeout=5).status_code == 202
    except requests.RequestException:
        return False


def singles() -> None:
    """Whole routes, and a route that does nothing under every class of workers."""
    with ExitStack() as stack:
        service, key = stack.enter_context(collecting("web"))
        nulls = [stack.enter_context(null_route(kind, threads)) for kind, threads in CLASSES]
        pid = service._processes["web"].pid
        routes = [
            Server("`/api/event`", pid, service.port, views()),
            Server("`/v1/track`", pid, service.port, tracks(key)),
        ]
        for server in (*nulls, *routes):
            as_many(server.port, server.requests, CONNECTIONS, 1)  # warm caches
        for _ in range(TURNS):
            for server in (*nulls, *routes):
                server.turn()
    ours = [one for one in nulls if "granian" not in one.name]
    cheapest, fastest = min(s.cost for s in ours), max(s.rate for s in ours)
    print("## Single events\n")
    print(
        f"Clients: {NAME}, {CONNECTIONS} connections; median of {TURNS} turns of {SECONDS:.0f} s.\n"
    )
    print(
        "| route | requests/s | of the best null | µs of processor | of the best null | p50 | p99 |"
    )
    print("|---|---|---|---|---|---|---|")
    for one in (*nulls, *routes):
        assert not any(load.wrong for load in one.loads), one.name
        p50, p99 = (statistics.median(getattr(x, q) for x in one.loads) for q in ("p50", "p99"))
        print(
            f"| {one.name} | {one.rate:,.0f} | {one.rate / fastest:.0%} "
            f"| {one.cost:.0f} | {cheapest / one.cost:.0%} | {p50:.1f} | {p99:.1f} |"
        )
    print()


def to_the_store() -> None:
    """Batches through the socket until they can be asked for, beside bare inserts of such rows."""
    through, bare, web, worker = [], [], 0.0, 0.0
    with collecting("web") as (service, key):
        blocks = _spooled(service, key)
        service.start("worker")
        eventually(lambda: service.stored() == EVENTS, "the first are stored", 120)
        for turn in range(1, TURNS + 1):
            service.store.command("TRUNCATE TABLE events")
            bare.append(_bare(service, blocks))
            service.store.command("OPTIMIZE TABLE events FINAL")
            [(disk, rows)] = service.rows(
                "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts"
                " WHERE active AND table = 'events'"
            )
            service.store.command("TRUNCATE TABLE events")
            asks = list(batches(key, EVENTS, turn * EVENTS))
            spent = [processor(service._processes[name].pid) for name in ("web", "worker")]
            load = each(service.port, asks, CONNECTIONS)
            assert load.wrong == 0
            eventually(lambda: service.stored() == EVENTS, "all can be asked for", 120)
            through.append(time.monotonic() - load.began)
            web += processor(service._processes["web"].pid) - spent[0]
            worker += processor(service._processes["worker"].pid) - spent[1]
    best, ours = (EVENTS / statistics.median(seconds) for seconds in (bare, through))
    web, worker = (seconds / (TURNS * EVENTS) * 1e6 for seconds in (web, worker))
    print(f"## Batches of {BATCH}, from the socket to the store\n")
    print("| | events/s | of bare inserts | processor seconds a million |\n|---|---|---|---|")
    print(f"| bare inserts | {best:,.0f} | 100 % | |")
    print(
        f"| through the socket | {ours:,.0f} | {ours / best:.0%} "
        f"| {web + worker:.0f}: web {web:.0f}, worker {worker:.0f} |"
    )
    print(f"\n{sum(map(len, blocks)) / EVENTS:.0f} bytes a row in the spool, ", end="")
    print(f"{disk / rows:.1f} in the store.\n")


def _spooled(service: Service, key: str) -> list[bytes]:
    """The segments of a turn, which nobody loads yet."""
    assert each(service.port, list(batches(key, EVENTS, 0)), CONNECTIONS).wrong == 0

    def sealed() -> list[bytes]:
        found = [s.path.read_bytes() for s in reader.sealed(service.settings.spool)]
        return found if sum(block.count(b"\n") for block in found) == EVENTS else []

    blocks: list[bytes] = eventually(sealed, "all are sealed")
    return blocks


def _bare(service: Service, blocks: Sequence[bytes]) -> float:
    client = service.store.client()
    began = time.perf_counter()
    for block in blocks:
        client.raw_insert("events", insert_block=block, fmt="JSONEachRow")
    seconds = time.perf_counter() - began
    assert service.stored() == EVENTS
    return seconds


def acknowledged() -> None:
    """The 99th of a hundred acknowledgements, at half of what each policy can take."""
    print("## Acknowledgements at half of the maximum load\n")
    print("| `DISCREET_SPOOL_FSYNC` | maximum/s | at | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for policy in ("never", "interval", "always"):
        with collecting("web", DISCREET_SPOOL_FSYNC=policy) as (service, _):
            asks = views()
            as_many(service.port, asks, CONNECTIONS, 1)
            most = as_many(service.port, asks, CONNECTIONS, SECONDS).rate
            half = paced(service.port, asks, 4 * CONNECTIONS, SECONDS * 2, most / 2)
            assert half.wrong == 0
        print(f"| `{policy}` | {most:,.0f} | {half.rate:,.0f} | {half.p50:.1f} | {half.p99:.1f} |")
    print()


def memory() -> None:
    """Resident memory while as many events are taken in as a busy site sends in an hour."""
    print(f"## Memory under {MEMORY_EVENTS:,} events at full speed\n")
    print("| events | web MB, both | worker MB | waiting in the spool MB |\n|---|---|---|---|")
    with collecting("web", "worker") as (service, key):
        for step in range(MEMORY_STEPS + 1):
            if step:
                part = MEMORY_EVENTS // MEMORY_STEPS
                each(service.port, list(batches(key, part, step * part)), CONNECTIONS)
            web, worker = (_resident(service._processes[one].pid) for one in ("web", "worker"))
            waiting = reader.measure(service.settings.spool).bytes / 2**20
            print(f"| {step * MEMORY_EVENTS // MEMORY_STEPS:,} | {web:.0f} | {worker:.0f} "
                  f"| {waiting:.0f} |", flush=True)  # fmt: skip
    print()


def _resident(pid: int) -> float:
    """MB of a process, or of its children where it has any: a gunicorn's master serves nobody."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = [Path(f"/proc/{p}/statm").read_text().split()[1] for p in children or [str(pid)]]
    return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") / 2**20


PARTS = {
    "singles": singles,
    "store": to_the_store,
    "acknowledged": acknowledged,
    "memory": memory,
}


def main(*names: str) -> None:
    for name in names or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main(*sys.argv[1:])
