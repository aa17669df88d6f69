"""The long forms: faults at many random moments, or a store that is away for long."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import moments, outage
from tests.faults.machine import clock_library, running, small_disk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--moments", type=int, help="how many faults")
    parser.add_argument("--outage", type=float, help="seconds without a store")
    parser.add_argument("--rate", type=int, default=2000, help="events a second during the outage")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    if not given.moments and not given.outage:
        parser.error("--moments or --outage")
    with tempfile.TemporaryDirectory(prefix="discreet-faults-") as folder:
        failed = False
        if given.moments:
            failed |= _moments(Path(folder), given.moments, given.seed)
        if given.outage:
            came = outage.suffer(Path(folder), given.outage, given.rate, _say)
            _say("\n".join(came.lines()))
            failed |= bool(came.lost or came.doubled)
    return int(failed)


def _moments(folder: Path, count: int, seed: int) -> bool:
    chance = random.Random(seed)
    _say(f"seed {seed}; clocks {'jump' if clock_library() else 'do not jump: no C compiler'}")
    totals = moments.Totals()
    for behind_proxy in (False, True):
        home = folder / ("server" if behind_proxy else "embedded") / "home"
        with small_disk(home, 256) as disk, running(home, behind_proxy) as machine:
            how = "a disk of its own is filled" if disk else "files cannot grow (RLIMIT_FSIZE)"
            _say(f"\n{home.parent.name} store; full disk: {how}")
            known = sorted(moments.kinds(machine))
            part = (count + 1) // 2 if not behind_proxy else count // 2
            # Each kind as often as the others, in random order.
            faults = [known[n % len(known)] for n in range(part)]
            chance.shuffle(faults)
            totals += moments.suffer(machine, faults, chance, _say)
    _say("\n" + "\n".join(totals.lines()))
    return bool(totals.lost or totals.doubled or totals.tallies_lost or totals.where)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
