"""One moment of each kind: what was acknowledged is stored, once each.

`python -m tests.faults --moments 200` is the long form.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.machine import running
from tests.faults.moments import kinds, suffer

EMBEDDED = (
    "a web process killed",
    "gunicorn's master killed",
    "the disk full",
    "the clock jumping",
    "torn segments",  # web and worker killed
    "a corrupt segment",
)
SERVER = ("the store killed", "the store: forgotten", "the store: cut", "the store: sign-in")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("named", [EMBEDDED, SERVER], ids=["embedded", "server"])
def test_every_acknowledged_event_is_stored_once_whatever_fails(
    tmp_path: Path, named: tuple[str, ...]
) -> None:
    with running(tmp_path / "home", named is SERVER) as machine:
        possible = [name for name in named if name in kinds(machine)]
        totals = suffer(machine, possible, random.Random(7), settle=False)
    assert totals.moments.total() == len(possible)
    assert totals.acknowledged > 30 * len(possible)
    assert not totals.where, totals.where
    assert (totals.lost, totals.doubled, totals.tallies_lost) == (0, 0, 0)
