"""Requests a second of `/api/event` beside a null Flask route, under the same gunicorn, in one run.

The two are measured in turns, so that whatever else the machine does falls on both. The clients
share the cores with the server: the ratio says more than the figures. The worker is stopped, since
collecting does not wait for it.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench.start import AGENTS
from tests.service import GUNICORN, ROOT, Service, eventually, free_port

ROUNDS = 3
SECONDS = 4.0  # a turn
PROCESSES = 2  # clients
CONNECTIONS = 4  # of each client, kept alive
BODIES = [
    json.dumps(
        {
            "n": "pageview",
            "u": f"https://example.com/page/{number}?utm_source=news&q=secret",
            "d": "example.com",
            "r": "https://www.google.com/",
        }
    ).encode()
    for number in range(200)
]


@dataclass
class Result:
    """What the turns of one route found: requests a second, and every latency in seconds."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def latency(self, per_cent: int) -> float:
        """Milliseconds."""
        return statistics.quantiles(self.latencies, n=100)[per_cent - 1] * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "home", WEB_CONCURRENCY=str(os.cpu_count() or 1))
        service.cli("site", "add", "example.com", "--policy", "exempt")
        service.start("web")
        port = free_port()
        null = subprocess.Popen(
            [*GUNICORN[:-1], "bench.null:app"], cwd=ROOT, env=service.env | {"PORT": str(port)}
        )
        try:
            eventually(lambda: _answers(port), "the null route answers")
            routes = {"/null": port, "/api/event": service.port}
            results = {path: Result() for path in routes}
            for path, at in routes.items():
                _turn(at, path, 1.0)  # warm caches and connections
            for _ in range(ROUNDS):
                for path, at in routes.items():
                    latencies = _turn(at, path, SECONDS)
                    results[path].rates.append(len(latencies) / SECONDS)
                    results[path].latencies += latencies
        finally:
            null.terminate()
            null.wait()
            service.stop()
    _print(results)


def _print(results: dict[str, Result]) -> None:
    null = results["/null"].rate
    print("## Collecting\n")
    print(
        f"{os.cpu_count()} cores, one gunicorn process on each; {PROCESSES * CONNECTIONS} "
        f"connections from the same machine; median of {ROUNDS} turns of {SECONDS:.0f} s\n"
    )
    print("| route | requests/s | of the null route | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for path, result in results.items():
        print(
            f"| `{path}` | {result.rate:.0f} | {result.rate / null:.0%} "
            f"| {result.latency(50):.1f} | {result.latency(99):.1f} |"
        )
    print()


def _answers(port: int) -> bool:
    try:
        return requests.post(f"http://127.0.0.1:{port}/null", timeout=5).status_code == 202
    except requests.RequestException:
        return False


def _turn(port: int, path: str, seconds: float) -> list[float]:
    """The latency of every request that a few clients made in that time."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        begin = time.time() + 1.0  # once all of them are there
        found = pool.starmap(_client, [(port, path, begin, seconds)] * PROCESSES)
    return [latency for one in found for latency in one]


def _client(port: int, path: str, begin: float, seconds: float) -> list[float]:
    latencies: list[float] = []
    threads = [
        threading.Thread(target=_connection, args=(port, path, begin, seconds, latencies, number))
        for number in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def _connection(
    port: int, path: str, begin: float, seconds: float, latencies: list[float], number: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "text/plain", "User-Agent": AGENTS[number % len(AGENTS)]}
    time.sleep(max(0.0, begin - time.time()))
    sent = number
    while time.time() < begin + seconds:
        started = time.perf_counter()
        connection.request("POST", path, BODIES[sent % len(BODIES)], headers)
        answer = connection.getresponse()
        answer.read()
        latencies.append(time.perf_counter() - started)
        assert answer.status == 202, answer.status
        sent += 1
    connection.close()


if __name__ == "__main__":
    main()
