"""Text on the colours of depth is legible, and what is drawn stands out from its ground."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.dashboards.test_colours import luminance

PAGES = Path(__file__).parents[2] / "clients" / "pages"
LIGHT, DARK = (
    dict(
        found
        for css in ("app.css", "sections.css")
        for found in re.findall(
            r"--([a-z-]+): (#[0-9a-f]{6});",
            re.findall(r":root \{(.*?)\}", (PAGES / css).read_text(), re.DOTALL)[number],
        )
    )
    for number in (0, 1)
)
TEXTS = [
    *(("ink", f"depth-{step}") for step in "abcdef"),
    *(("on-deep", f"depth-{step}") for step in "ghij"),
    ("muted", "depth-a"),
]
# WCAG 2.2, 1.4.11: what has to be seen to be understood needs 3 to 1.
SHAPES = [
    (f"part-{part}", "surface") for part in "abcdef"
] + [(rating, "surface") for rating in ("good", "poor")]  # fmt: skip


def contrast(tokens: dict[str, str], one: str, other: str) -> float:
    dim, bright = sorted((luminance(tokens[one]), luminance(tokens[other])))
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXTS, ids=[" on ".join(pair) for pair in TEXTS])
def test_a_cells_text_is_legible_on_its_depth(
    tokens: dict[str, str], text: str, ground: str
) -> None:
    assert contrast(tokens, text, ground) >= 4.5


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES, ids=[" on ".join(pair) for pair in SHAPES])
def test_a_part_of_a_chart_can_be_seen(tokens: dict[str, str], shape: str, ground: str) -> None:
    assert contrast(tokens, shape, ground) >= 3
