"""Text is legible in light and dark: WCAG 2.2, 1.4.3, contrast of at least 4.5 to 1."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "clients" / "pages" / "app.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
)
PAIRS = [
    *((text, on) for text in ("ink", "soft", "muted") for on in ("paper", "surface", "sunken")),
    ("ink", "tint"),
    ("ink", "note"),
    ("muted", "note"),
    ("accent", "paper"),
    ("accent", "surface"),
    ("accent-ink", "accent"),
    ("better", "surface"),
    ("better", "sunken"),
    ("worse", "surface"),
    ("worse", "sunken"),
]  # fmt: skip


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS, ids=[" on ".join(pair) for pair in PAIRS])
def test_text_stands_out_from_its_ground(tokens: dict[str, str], text: str, ground: str) -> None:
    dim, bright = sorted((luminance(tokens[text]), luminance(tokens[ground])))
    assert (bright + 0.05) / (dim + 0.05) >= 4.5
