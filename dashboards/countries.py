"""English names of countries by their ISO 3166-1 code, as the Unicode CLDR gives them."""

from __future__ import annotations

from pathlib import Path

_LINES = Path(__file__).with_name("countries.txt").read_text(encoding="utf-8").splitlines()
NAMES = dict(line.split(" ", 1) for line in _LINES)


def country(code: str) -> str:
    """The country's name, or the code itself where there is none."""
    return NAMES.get(code, code)
