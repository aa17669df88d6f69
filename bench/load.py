"""Events a second from sealed segments into the embedded store, against bare inserts of the same.

The rows are the demo's, several times over with other event ids. Both sides insert them in segments
of the usual size, over HTTP, into the same table, synced to disk; in turns, and the better of each.
"""

from __future__ import annotations

import collections
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from config.settings import load
from control.withheld import Held
from operate.demo import _sites, fill
from operate.services import build, now
from spool import reader
from spool.writer import SEAL_BYTES
from store.clickhouse import Store
from store.loader import _VISITOR, Loader, _Part
from store.migrate import migrate
from tests.faults.machine import Engine

TIMES = 6
TURNS = 3
SMALL = 200  # segments of one request each
WITHDRAWN = 1000
ONE_IN = 100
_ID = re.compile(rb'"event_id":\d+')


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        kept = home / "kept"
        rows, size = _segments(home / "demo", kept)
        process = Engine(home / "engine")
        process.start()
        migrate(process.store)
        bare, loaded = [], []
        spent = 0.0
        for _ in range(TURNS):
            bare.append(_bare(process.store, kept))
            _empty(process.store)
            before = _cores(process)
            loaded.append(_loaded(process.store, kept, home / "spool"))
            spent += _cores(process) - before
            process.store.command("OPTIMIZE TABLE events FINAL")
            [(disk, count)] = process.store.query_rows(
                "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts"
                " WHERE active AND table = 'events'"
            )
            _empty(process.store)
        small = _small(process.store, kept, home / "spool")
        process.stop()
        left_out = _left_out(kept, rows)
    print("## Loading\n")
    print("| | rows/s | of bare inserts |\n|---|---|---|")
    print(f"| bare inserts | {rows / min(bare):,.0f} | 100 % |")
    print(f"| the loader | {rows / min(loaded):,.0f} | {min(bare) / min(loaded):.0%} |")
    print(f"\n{spent / TURNS / rows * 1e6:.1f} seconds of one core for a million rows.")
    print(f"\n{small * 1000:.0f} ms for a segment of 500 rows.")
    print("\n| withdrawn while the rows waited | µs of one core for each row |\n|---|---|")
    for who, cost in left_out.items():
        print(f"| {who} | {cost:.2f} |")
    print(f"\n{size / rows:.0f} bytes a row in the spool, {disk / count:.1f} in the store.\n")


def _segments(home: Path, kept: Path) -> tuple[int, int]:
    """Segments of the demo's rows below `kept`; how many rows, and their bytes."""
    services = build(load({"DISCREET_HOME": str(home)}))
    fill(services, _sites(services), now())
    services.spool.close()
    lines = [
        line
        for segment in reader.sealed(services.settings.spool)
        if segment.table == "events"
        for line in segment.path.read_bytes().splitlines(keepends=True)
    ]
    services.control.dispose()
    kept.mkdir()
    many = [
        _ID.sub(b'"event_id":%d' % secrets.randbits(64), line)
        for _ in range(TIMES)
        for line in lines
    ]
    part: list[bytes] = []
    size = 0
    for line in [*many, b""]:
        part.append(line)
        size += len(line)
        if size >= SEAL_BYTES or not line:
            name = f"events-{1700000000000 + len(list(kept.iterdir()))}-1-{secrets.token_hex(4)}"
            (kept / f"{name}.ndjson").write_bytes(b"".join(part))
            part, size = [], 0
    return len(many), sum(map(len, many))


def _cores(engine: Engine) -> float:
    """Processor seconds that the engine and this process have used."""
    fields = Path(f"/proc/{engine.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") + time.process_time()


def _empty(store: Store) -> None:
    store.command("TRUNCATE TABLE events")


def _bare(store: Store, kept: Path) -> float:
    began = time.perf_counter()
    for path in sorted(kept.iterdir()):
        store.client().raw_insert("events", insert_block=path.read_bytes(), fmt="JSONEachRow")
    return time.perf_counter() - began


def _loaded(store: Store, kept: Path, spool: Path) -> float:
    shutil.copytree(kept, spool, dirs_exist_ok=True)
    loader = Loader(store, spool)
    with loader.lock(blocking=False) as mine:
        assert mine
        began = time.perf_counter()
        loader.load_once()
        took = time.perf_counter() - began
    assert not reader.waiting(spool)
    return took


def _left_out(kept: Path, rows: int) -> dict[str, float]:
    """Microseconds of this process to read a row, by who withdrew while it waited."""
    found = [_VISITOR.findall(path.read_bytes()) for path in kept.iterdir()]
    visitors = sorted(set().union(*found))
    strangers = [b"%d" % secrets.randbits(128) for _ in range(WITHDRAWN)]
    who: dict[str, list[bytes]] = {
        "nobody": [],
        f"{WITHDRAWN:,} people of whom no row is there": strangers,
        f"one in {ONE_IN} of the rows' visitors": visitors[::ONE_IN],
    }
    always = [Held(2**40, frozenset())]
    return {
        name: 1e6 * min(_read(kept, dict.fromkeys(those, always)) for _ in range(TURNS)) / rows
        for name, those in who.items()
    }


def _read(kept: Path, held: Mapping[bytes, list[Held]]) -> float:
    """Processor seconds of this process to read what may be stored, and to count what may not."""
    began = time.process_time()
    for segment in reader.sealed(kept):
        part = _Part(segment, 0, segment.size, held)
        collections.deque(part.chunks(), maxlen=0)
        collections.deque(part.left_out(), maxlen=0)
    return time.process_time() - began


def _small(store: Store, kept: Path, spool: Path) -> float:
    """Seconds for a segment of one request of 500 rows."""
    lines = next(iter(sorted(kept.iterdir()))).read_bytes().splitlines(keepends=True)[:500]
    for number in range(SMALL):
        name = f"events-{1700000000000 + number}-1-{secrets.token_hex(4)}.ndjson"
        content = (_ID.sub(b'"event_id":%d' % secrets.randbits(64), line) for line in lines)
        (spool / name).write_bytes(b"".join(content))
    loader = Loader(store, spool)
    with loader.lock(blocking=False):
        began = time.perf_counter()
        loader.load_once()
        return (time.perf_counter() - began) / SMALL


if __name__ == "__main__":
    main()
