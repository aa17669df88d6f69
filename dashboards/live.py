"""What the page of the moment says: the tiers of the last half hour, and when the next one comes.

The tiers are the worker's, computed by a fixed clock and never because somebody looks; so a page
that looks more often sees no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from control.sites import Site
from releases.reading import Reading

WINDOW = timedelta(minutes=5)
WINDOWS = 6
# Until which second after a window's end the worker has usually told its tier.
_TOLD = timedelta(seconds=30)
# Seconds between two looks of an open page.
LOOK_EVERY = 20
_LADDER = (0, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class Window:
    """Five minutes by the site's clock. `kind`: none (nobody), few, some (`least` at least) or
    missing. `step` is the height of its bar, from 0 to 100.
    """

    begins: datetime
    ends: datetime
    kind: str
    least: int
    step: str


@dataclass(frozen=True, slots=True)
class Live:
    """`state`: now, late (the newest tier is older than it should be) or silent (there is none).
    `few` is the number below which nothing more is told.
    """

    state: str
    now: Window | None
    windows: tuple[Window, ...]
    few: int
    next_at: datetime

    @property
    def peak(self) -> Window | None:
        return max((w for w in self.windows if w.kind != "missing"), key=_rank, default=None)


def live(reading: Reading, site: Site, moment: datetime) -> Live:
    zone = site.calendar.zone_at(moment)
    found = {each.until: each.tier for each in reading.lately(site, moment)}
    closed = moment.replace(minute=moment.minute // 5 * 5, second=0, microsecond=0)
    # Between the end of a window and its figure the one before is the newest that there can be.
    newest = closed if closed in found else closed - WINDOW
    ends = [newest - WINDOW * back for back in reversed(range(WINDOWS))]
    windows = tuple(_window(end.astimezone(zone), found.get(end, "")) for end in ends)
    top = max((_height(w) for w in windows), default=0) or 1
    windows = tuple(
        Window(w.begins, w.ends, w.kind, w.least, f"{100 * _height(w) / max(top, 3):.0f}")
        for w in windows
    )
    last = next((w for w in reversed(windows) if w.kind != "missing"), None)
    state = "silent" if last is None else "now" if last is windows[-1] else "late"
    return Live(state, last, windows, max(10, site.k), newest.astimezone(zone) + WINDOW + _TOLD)


def _window(end: datetime, tier: str) -> Window:
    kind, least = "missing", 0
    if tier == "0":
        kind = "none"
    elif tier.startswith("<"):
        kind = "few"
    elif tier:
        kind, least = "some", int(tier)
    return Window(end - WINDOW, end, kind, least, "0")


def _rank(window: Window) -> tuple[bool, bool, int]:
    return window.kind == "some", window.kind == "few", window.least


def _height(window: Window) -> int:
    """A step of the ladder of tiers: one more for every tier, since they grow by twofold."""
    if window.kind == "few":
        return 1
    if window.kind == "some":
        return 1 + sum(window.least >= rung for rung in _LADDER[1:])
    return 0
