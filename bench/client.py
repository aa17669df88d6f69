"""Clients in a process of their own: as many requests as are answered, or so many a second.

Where `wrk` is installed (a Debian package), it does the first: it takes a tenth of the processor
time that a client in Python takes, which else is missing to the server on the same machine.
"""

from __future__ import annotations

import json
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

WRK = shutil.which("wrk")
NAME = "wrk" if WRK else "bench/client.py"

_NEXT = "\0"  # between the requests of a file
_SCRIPT = """
local all, at = {}, 0
function init(args)
  for one in io.open(args[1], "rb"):read("*a"):gmatch("[^%z]+") do all[#all + 1] = one end
  at = math.random(#all)
end
function request() at = at % #all + 1; return all[at] end
function done(summary, latency, _)
  local wrong = summary.errors
  io.write(string.format('\\n{"answers": %d, "seconds": %f, "wrong": %d, "p50": %f, "p99": %f}\\n',
    summary.requests, summary.duration / 1e6, wrong.status + wrong.read + wrong.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass(frozen=True)
class Load:
    """What clients saw: how many good answers and others, in how long, in how many ms each.

    `began` is by the monotonic clock, 0 where `wrk` does not say it.
    """

    answers: int
    seconds: float
    wrong: int
    p50: float
    p99: float
    began: float = 0.0

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A request as it goes over the wire."""
    fields = {"Host": "127.0.0.1", "Content-Type": "text/plain", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    head = "\r\n".join([f"POST {path} HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


def as_many(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Each connection asks again as soon as it is answered."""
    if not WRK:
        return _own(port, requests, connections, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        script, file = Path(folder) / "script.lua", Path(folder) / "requests"
        script.write_text(_SCRIPT)
        file.write_bytes(_NEXT.encode().join(requests))
        url = f"http://127.0.0.1:{port}/"
        options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script)]
        done = subprocess.run(
            [WRK, *options, url, "--", str(file)], capture_output=True, check=True, timeout=300
        )
    return Load(**json.loads(done.stdout.splitlines()[-1]))


def paced(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, rate: float
) -> Load:
    """So many a second, whether or not the ones before are answered.

    A latency begins when its request was due: that the server kept its client from asking counts.
    """
    return _own(port, requests, connections, seconds=seconds, rate=rate)


def each(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Every request once."""
    return _own(port, requests, connections, times=len(requests))


def _own(port: int, requests: Sequence[bytes], connections: int, **limits: float) -> Load:
    with tempfile.NamedTemporaryFile() as file:
        file.write(_NEXT.encode().join(requests))
        file.flush()
        said = json.dumps({"port": port, "file": file.name, "connections": connections} | limits)
        done = subprocess.run(
            [sys.executable, "-m", "bench.client", said],
            cwd=Path(__file__).resolve().parent.parent,
            stdout=subprocess.PIPE,
            check=True,
        )
    return Load(**json.loads(done.stdout))


class _Run:
    """All connections, in one loop."""

    def __init__(
        self,
        port: int,
        file: str,
        connections: int,
        seconds: float = 600.0,
        rate: float = 0.0,
        times: int = sys.maxsize,
    ) -> None:
        self._requests = Path(file).read_bytes().split(_NEXT.encode())
        self._poller = selectors.DefaultSelector()
        self._idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        self._seconds = seconds
        self._rate = rate
        self._times = times
        self._latencies: list[float] = []
        self._wrong = 0

    def go(self) -> Load:
        began, since = time.perf_counter(), time.monotonic()
        sent = busy = 0
        while True:
            elapsed = time.perf_counter() - began
            over = sent >= self._times or elapsed >= self._seconds
            if over and not busy:
                break
            due = self._times if not self._rate else min(self._times, int(elapsed * self._rate))
            while not over and self._idle and sent < due:
                now = time.perf_counter()
                self._ask(sent, began + sent / self._rate if self._rate else now)
                sent, busy = sent + 1, busy + 1
            for key, _ in self._poller.select(0.0005 if self._rate else 1.0):
                call: Callable[[], bool] = key.data
                busy -= call()
        seconds = time.perf_counter() - began
        found = sorted(self._latencies) or [0.0]
        p50, p99 = (found[int(len(found) * part)] * 1000 for part in (0.5, 0.99))
        return Load(len(found), seconds, self._wrong, p50, p99, since)

    def _ask(self, number: int, due: float) -> None:
        connection = self._idle.pop()
        connection.sendall(self._requests[number % len(self._requests)])
        received = bytearray()

        def answered() -> bool:
            received.extend(connection.recv(65536) or b"HTTP/1.1 000\r\n\r\n")
            head = received.find(b"\r\n\r\n")
            length = _LENGTH.search(received)
            if head < 0 or len(received) < head + 4 + (int(length[1]) if length else 0):
                return False
            self._latencies.append(time.perf_counter() - due)
            self._wrong += received[9:10] != b"2"
            self._poller.unregister(connection)
            self._idle.append(connection)
            return True

        self._poller.register(connection, selectors.EVENT_READ, answered)


if __name__ == "__main__":
    print(json.dumps(_Run(**json.loads(sys.argv[1])).go().__dict__))
