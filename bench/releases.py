"""A day's release of one site: seconds, memory, cells and bytes, by the number of its rows.

python -m bench.releases            a small site, half a million rows and five million
python -m bench.releases --large    fifty million too: some minutes, and 3 GB on disk
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from config.settings import load
from control.database import open_control
from control.sites import Sites
from releases.compute import compute_day
from releases.disclosure import thresholds
from store.clickhouse import Store, hosting
from store.migrate import migrate

DAY = date(2026, 11, 20)
SIZES = (1_000, 500_000, 5_000_000)
LARGE = 50_000_000
ROWS_OF_A_VISIT = 3.66
_STATUS = Path("/proc/self/status")


def main() -> None:
    print("## Releases\n")
    print(
        "| rows | seconds | of processor time | rows/s | peak MB | idle MB | cells | KB released"
        " | KB of rows |\n|---|---|---|---|---|---|---|---|---|"
    )
    for size in (*SIZES, LARGE) if "--large" in sys.argv else SIZES:
        # A process for each: its memory must be its own.
        answer = subprocess.run(
            [sys.executable, "-m", "bench.releases", "--size", str(size)],
            stdout=subprocess.PIPE,
            check=True,
        )
        found = json.loads(answer.stdout)
        print(
            f"| {found['rows']:,} | {found['seconds']:.1f} | {found['processor']:.1f}"
            f" | {found['rows'] / found['seconds']:,.0f} | {found['peak']} | {found['idle']}"
            f" | {found['cells']:,} | {found['released'] / 1024:,.0f}"
            f" | {found['stored'] / 1024:,.0f} |"
        )
    print()


def measure(size: int) -> dict[str, Any]:
    """Generates a day of about so many rows in an engine of its own, and releases it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load({"DISCREET_HOME": folder})
        site = Sites(open_control(settings.control_url)).add(
            "example.com", "Europe/Brussels", "exempt", "BE"
        )
        with hosting(settings) as store:
            migrate(store)
            idle = _memory("VmRSS")
            store.command(
                (Path(__file__).parent / "traffic.sql").read_text(),
                {"site": site.id, "day": DAY, "visits": round(size / ROWS_OF_A_VISIT)},
                {"max_insert_threads": 1},
            )
            _settle(store)
            [(rows,)] = store.query_rows("SELECT count() FROM events")
            threshold = thresholds(b"b" * 32, site.id, DAY.isoformat(), site.k)
            if size < SIZES[1]:
                compute_day(store, site, DAY, "final", threshold, 1)  # the engine warms up
                store.command("TRUNCATE TABLE cells")
            Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from here
            began, processor = time.perf_counter(), _processor()
            compute_day(store, site, DAY, "final", threshold, 2)
            seconds, processor = time.perf_counter() - began, _processor() - processor
            peak = _memory("VmHWM")
            store.command("OPTIMIZE TABLE cells FINAL")
            [(cells, released)] = store.query_rows(_BYTES, {"table": "cells"})
            [(_, stored)] = store.query_rows(_BYTES, {"table": "events"})
    return {
        "rows": int(rows),
        "seconds": seconds,
        "processor": processor,
        "peak": peak,
        "idle": idle,
        "cells": int(cells),
        "released": int(released),
        "stored": int(stored),
    }


def _settle(store: Store) -> None:
    """Waits until the rows just generated are merged: in service that is done as they arrive."""
    while store.query_rows("SELECT 1 FROM system.merges LIMIT 1"):
        time.sleep(0.1)


_BYTES = (
    "SELECT sum(rows), sum(data_compressed_bytes) FROM system.parts"
    " WHERE active AND database = currentDatabase() AND table = {table:String}"
)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory(name: str) -> int:
    """Megabytes of this process, engine included."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) // 1024
    raise RuntimeError(f"{_STATUS} has no {name}")


if __name__ == "__main__":
    if "--size" in sys.argv:
        json.dump(measure(int(sys.argv[sys.argv.index("--size") + 1])), sys.stdout)
    else:
        main()
