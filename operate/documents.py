"""The pages of docs/ that are made from code: `make docs`."""

from __future__ import annotations

from pathlib import Path

from anonymize import matrix
from anonymize.event import render as render_reasons
from config import settings
from operate import access_page

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {
    "access.md": access_page.render,
    "settings.md": settings.render,
    "what-is-stored.md": matrix.render,
    "reasons.md": render_reasons,
}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (DOCS / name).write_text(render(), encoding="utf-8")
