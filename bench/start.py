"""Seconds from start to ready; resident memory of each process, idle and after an import."""

from __future__ import annotations

import gzip
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.service import Service, eventually

LINES = 10_000
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    f"Chrome/{version}.0.0.0 Safari/537.36"
    for version in range(90, 140)
]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "home")
        began = time.perf_counter()
        service.start("serve")
        eventually(
            lambda: all(p["ok"] for n, p in service.ready().items() if n != "status"), "ready"
        )
        seconds = time.perf_counter() - began
        idle = _memory(service)
        service.cli("site", "add", "example.com", "--policy", "exempt")
        log = Path(folder) / "access.log.gz"
        _write_log(log)
        began = time.perf_counter()
        service.cli("import-log", str(log), "--site", "example.com")
        imported = time.perf_counter() - began
        after = _memory(service)
        service.stop()
    print("## Start and memory\n")
    print(f"start to ready: {seconds:.1f} s; import of {LINES} lines: {imported:.1f} s\n")
    print("| process | idle MB | after the import MB |\n|---|---|---|")
    for name in idle:
        print(f"| {name} | {idle[name]:.0f} | {after[name]:.0f} |")
    print()


def _write_log(path: Path) -> None:
    chance = random.Random(1)
    moment = datetime.now(UTC) - timedelta(days=5)
    with gzip.open(path, "wt") as file:
        for _ in range(LINES):
            moment += timedelta(seconds=chance.randrange(60))
            file.write(
                f"81.2.{chance.randrange(256)}.{chance.randrange(256)} - - "
                f"[{moment:%d/%b/%Y:%H:%M:%S} +0000] "
                f'"GET /page/{int(chance.paretovariate(0.7)) % 1000} HTTP/1.1" 200 5000 '
                f'"https://www.google.com/" "{chance.choice(AGENTS)}"\n'
            )


def _memory(service: Service) -> dict[str, float]:
    """Resident MB of every process below the supervisor, by its part."""
    found: dict[str, float] = {}
    supervisor = service._processes["serve"].pid
    for number, pid in enumerate(_tree(supervisor)):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        part = "worker" if "wsgi worker" in command else "supervisor"
        if "gunicorn" in command:
            part = "web"
        resident = next(
            int(line.split()[1])
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if line.startswith("VmRSS")
        )
        found[f"{part} ({number})"] = resident / 1024
    return found


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(p for child in children for p in _tree(int(child)))]
