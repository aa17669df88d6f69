"""What the page about the data says: what came in, on which basis, what was left out and why.

All of it is released like any other figure: a reason or a kind of machine that stands for too few
is merged into "(other)" or left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from control.sites import Site
from control.stored import REASONS
from dashboards.breakdown import Breakdown, Wanted, breakdowns
from dashboards.course import Course, course
from dashboards.period import Period
from dashboards.words import N_
from releases.reading import Ask, Reading, Row
from releases.tables import OTHER

BASES = ("consent", "exempt", "none")
_MACHINES = {
    "bot": N_("Bots and crawlers"),
    "automation": N_("Automated browsers"),
    "prefetch": N_("Pages fetched in advance"),
    "spam": N_("Referrer spam"),
}
# Tables of which it is told how much of them is merged.
_MERGED = {
    "page": N_("Pages"),
    "screen": N_("Screens"),
    "source": N_("Sources"),
    "country": N_("Countries"),
    "browser": N_("Browsers"),
    "os": N_("Systems"),
    "app_version": N_("App versions"),
    "campaign": N_("Campaigns"),
}

Parts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why events left no row: the word, what it means, how many, and the length of its bar."""

    word: str
    meaning: str
    events: int | None
    width: str


@dataclass(frozen=True, slots=True)
class Merged:
    """The share of a table that is "(other)"; None where the table says nothing."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the newest: its state, and when its figures were computed, by the site's clock."""

    day: date
    state: str
    computed: datetime | None


@dataclass(frozen=True, slots=True)
class Quality:
    """`state` is empty (nothing was ever released), elsewhere (not in this period) or full."""

    state: str
    parts: Parts
    views: int | None = None
    bots: int | None = None
    left_out: int | None = None
    basis: Course | None = None
    bases: Breakdown | None = None
    reasons: tuple[Reason, ...] = ()
    machines: Breakdown | None = None
    machines_over_time: Course | None = None
    late: Breakdown | None = None
    late_share: float | None = None
    merged: tuple[Merged, ...] = ()
    days: tuple[Day, ...] = ()
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)  # final, provisional, open, missing
    computed: datetime | None = None
    withheld: int = 0


def quality(
    reading: Reading, site: Site, period: Period, now: datetime, parts: Callable[[], Parts]
) -> Quality:
    """Raises `ReleasesUnavailable`."""
    here = reading.days(site, period.first, period.last)
    if not here:
        return Quality("elsewhere" if reading.oldest_day(site) else "empty", parts())
    reasons = _reasons(reading, site, period)
    machines, late, bases = breakdowns(reading, site, period, _TABLES)
    known = [line.figure or 0 for line in late.lines]
    states = [r.state for r in here]
    by_day = reading.by_day(site, period.first, period.last)
    length = (period.last - period.first).days + 1
    zone = site.calendar.zone_at(now)
    return Quality(
        state="full",
        parts=parts(),
        views=sum(line.figure or 0 for line in bases.lines) or None,
        bots=sum(line.figure or 0 for line in machines.lines) or None,
        left_out=sum(reason.events or 0 for reason in reasons) or None,
        basis=course(
            reading, site, period, "basis", lambda f: f.pageviews, lambda value: value or None,
            shares=True, order=_basis_order,
        ),
        bases=bases,
        reasons=reasons,
        machines=machines,
        machines_over_time=course(
            reading, site, period, "bot", lambda f: f.events, _machine,
        ),
        late=late,
        late_share=sum(known[1:]) / sum(known) if sum(known) else None,
        merged=tuple(_merged(reading, site, period)),
        days=tuple(
            Day(r.day, r.state, r.computed_at.astimezone(zone)) for r in reversed(here[-14:])
        ),
        counts=(
            states.count("final"), states.count("provisional"), states.count("open"),
            length - len(here),
        ),
        computed=max(r.computed_at for r in here).astimezone(zone),
        withheld=sum(f.pageviews is None for _, f in by_day),
    )  # fmt: skip


def _basis_order(value: str) -> int:
    return BASES.index(value) if value in BASES else len(BASES)


def _machine(value: str) -> str:
    return _MACHINES.get(value, value)


def _reasons(reading: Reading, site: Site, period: Period) -> tuple[Reason, ...]:
    ask = Ask("dropped", period.first, period.last, ("value",), measures=("events",))
    rows = [(str(r.key[0]), r.figures.events) for r in reading.find(site, ask).rows]
    longest = max((n or 0 for _, n in rows), default=0) or 1
    rows.sort(key=lambda row: (row[0] == OTHER, -(row[1] or 0), row[0]))
    return tuple(
        Reason(word, REASONS.get(word, ""), n, f"{100 * (n or 0) / longest:.2f}")
        for word, n in rows
    )


_MACHINES_TABLE = Wanted(
    "machines",
    "bot",
    N_("Machines by kind"),
    N_("Their events are kept apart and stand in no other figure."),
    "events",
    label=_machine,
)
_BASES_TABLE = Wanted(
    "bases",
    "basis",
    N_("Views by basis"),
    N_("The ground on which each view was measured."),
    "views",
    ordered=BASES,
)
_LATE_TABLE = Wanted(
    "late",
    "late",
    N_("Days until they came"),
    N_("How many whole days after their own the events arrived, from phones without a network."),
    "views",
    ordered=tuple(str(n) for n in range(60)),
)


_TABLES = (_MACHINES_TABLE, _LATE_TABLE, _BASES_TABLE)


def _merged(reading: Reading, site: Site, period: Period) -> Iterable[Merged]:
    first, *others = _MERGED
    ask = Ask(
        first, period.first, period.last, ("table", "value"),
        measures=("visitors", "pageviews"), also=tuple(others),
    )  # fmt: skip
    rows: dict[str, list[Row]] = {}
    for row in reading.find(site, ask).rows:
        rows.setdefault(str(row.key[0]), []).append(row)
    for table, name in _MERGED.items():
        found = rows.get(table, [])
        of = "visitors" if any(r.figures.visitors for r in found) else "pageviews"
        counts = [(r.key[1], getattr(r.figures, of) or 0) for r in found]
        total = sum(n for _, n in counts)
        if total and any(value not in ("", OTHER) for value, _ in counts):
            yield Merged(name, sum(n for value, n in counts if value == OTHER) / total)
