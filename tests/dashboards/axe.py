"""What axe-core finds wrong with a page: https://github.com/dequelabs/axe-core."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).resolve().parents[2] / "clients/node_modules/axe-core/axe.min.js"
# Both widths and both colours.
LOOKS = [
    {"viewport": {"width": width, "height": 844}, "color_scheme": scheme, "bypass_csp": True}
    for width, scheme in ((390, "dark"), (1280, "light"))
]


def faults(page: Page) -> list[str]:
    """What axe finds, by its rule, and whether the page is wider than the window."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make setup")
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        "async () => (await axe.run()).violations.map((v) => v.id + ' ' + v.nodes[0].html)"
    )
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return [*found, *(["wider than the window"] if wide else [])]
