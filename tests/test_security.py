"""The document of security measures names what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| measure ")
]


def test_every_place_and_every_test_that_is_named_exists() -> None:
    assert len(ROWS) > 40
    for measure, where, proof in ROWS:
        places = re.findall(r"`([^`]+)`", where)
        assert places, measure
        assert all((ROOT / place).is_file() for place in places), measure
        proofs = re.findall(r"`([^`]+)`", proof)
        assert proofs, measure
        for named in proofs:
            path, _, name = named.partition("::")
            assert (ROOT / path).is_file(), named
            assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), named


def test_each_promise_of_protection_has_a_chapter() -> None:
    for number in range(16, 23):
        assert re.search(rf"^## .*\(P{number}\)$", TEXT, re.M), f"P{number}"
