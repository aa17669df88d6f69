"""Disclosure control: the only way out of the pseudonymous zone.

Pure: exact figures go in, and what may be shown of them comes out. Nothing here reads a clock, a
store or a random source. The rules and why they hold: docs/disclosure.md.

    cells      a `Cell` is exact and never leaves this side; a `Published` is what may be shown
    one_way    which values of a table are shown, and which join "(other)"
    figures    which counts, rates, averages and sums are published of a shown value
    crosses    which cells of a table of two dimensions are shown
    weeks      of which values a week may tell what its days hid
"""

from releases.disclosure.cells import (
    UNLINKED_PER_PERSON,
    Cell,
    Published,
    Threshold,
    fits,
    thresholds,
)
from releases.disclosure.crosses import HUB, Figures, Line, cross
from releases.disclosure.figures import ALL, ROUNDING, grants, publish
from releases.disclosure.one_way import Key, separable, split, to_demote, unseparated
from releases.disclosure.weeks import DayTable, week

__all__ = [
    "ALL",
    "HUB",
    "ROUNDING",
    "UNLINKED_PER_PERSON",
    "Cell",
    "DayTable",
    "Figures",
    "Key",
    "Line",
    "Published",
    "Threshold",
    "cross",
    "fits",
    "grants",
    "publish",
    "separable",
    "split",
    "thresholds",
    "to_demote",
    "unseparated",
    "week",
]
