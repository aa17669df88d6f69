"""One moment of each kind: what was acknowledged is stored, once each.

`python -m tests.faults --moments 200` is the long form.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.machine import running
from tests.faults.moments import BEHIND_A_PROXY, EVERYWHERE, kinds, suffer


@pytest.mark.timeout(180)
@pytest.mark.parametrize("behind_proxy", [False, True], ids=["embedded", "server"])
def test_every_acknowledged_event_is_stored_once_whatever_fails(
    tmp_path: Path, behind_proxy: bool
) -> None:
    chance = random.Random(7)
    with running(tmp_path / "home", behind_proxy) as machine:
        named = [n for n in (BEHIND_A_PROXY if behind_proxy else EVERYWHERE) if n in kinds(machine)]
        chance.shuffle(named)
        totals = suffer(machine, named, chance)
    assert totals.moments.total() == len(named)
    assert totals.acknowledged > 30 * len(named)
    assert (totals.lost, totals.doubled, totals.tallies_lost) == (0, 0, 0), totals.lines()
