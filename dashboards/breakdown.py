"""The values of one declared table, its largest first, as a table with bars and as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from control.sites import Site
from dashboards.period import Period
from dashboards.words import N_
from releases.reading import Ask, Figures, Reading, Values
from releases.tables import OTHER

# What a page shows at once, and what it has at all: the rest is one press away.
FIRST, MOST = 8, 100
_MEASURES = ("visitors", "visits", "pageviews", "events")


@dataclass(frozen=True, slots=True)
class Line:
    """A value. `width` is the length of its bar, from 0 to 100; `share` of all that is shown."""

    label: str
    figure: int | None
    share: float | None
    width: str
    other: bool


@dataclass(frozen=True, slots=True)
class Breakdown:
    """`key` names it in addresses. `known` is the share of what is shown that has a value at all;
    None where every row has one.
    """

    key: str
    heading: str
    help: str
    unit: str
    lines: list[Line]
    known: float | None = None

    @property
    def first(self) -> list[Line]:
        return self.lines[:FIRST]

    @property
    def further(self) -> list[Line]:
        return self.lines[FIRST:]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table to be broken down. `counts` is visitors, views or events; `empty` stands for an empty
    value, '' where it is left out; `by` are the wanted values of the other side of a cross.
    """

    key: str
    table: str
    heading: str
    help: str = ""
    counts: str = "visitors"
    empty: str = ""
    by: tuple[Values, ...] = ()
    label: Callable[[str], str] = str
    ordered: tuple[str, ...] = ()  # values that have an order of their own


def breakdowns(
    reading: Reading, site: Site, period: Period, several: Sequence[Wanted]
) -> list[Breakdown]:
    """Each of them, in their order; one question for all that are of the same values. Raises
    `ReleasesUnavailable`.
    """
    rows: dict[tuple[str, tuple[Values, ...]], list[tuple[str, Figures]]] = {}
    for by in dict.fromkeys(wanted.by for wanted in several):
        tables = [wanted.table for wanted in several if wanted.by == by]
        ask = Ask(
            tables[0], period.first, period.last, ("table", "value"), by=by,
            measures=_MEASURES, also=tuple(tables[1:]),
        )  # fmt: skip
        for row in reading.find(site, ask).rows:
            table, value = row.key
            rows.setdefault((str(table), by), []).append((str(value), row.figures))
    return [_breakdown(wanted, rows.get((wanted.table, wanted.by), [])) for wanted in several]


def _breakdown(wanted: Wanted, rows: Sequence[tuple[str, Figures]]) -> Breakdown:
    unit, of = _unit(wanted.counts, [figures for _, figures in rows])
    shown = [(value, n) for value, figures in rows if (n := of(figures))]
    empty = sum(n for value, n in shown if not value)
    total = sum(n for _, n in shown)
    if not wanted.empty:
        shown = [(value, n) for value, n in shown if value]
    named = sum(n for _, n in shown)
    longest = max((n for _, n in shown), default=0) or 1
    shown.sort(key=lambda pair: _rank(wanted, *pair))
    lines = [
        Line(
            label=value if value == OTHER else wanted.label(value) if value else wanted.empty,
            figure=n,
            share=n / named if named else None,
            width=f"{100 * n / longest:.2f}",
            other=value == OTHER,
        )
        for value, n in shown[:MOST]
    ]
    known = (total - empty) / total if total and empty and not wanted.empty else None
    return Breakdown(wanted.key, wanted.heading, wanted.help, unit, lines, known)


def _rank(wanted: Wanted, value: str, number: int) -> tuple[bool, int, int, str]:
    """What was merged comes last."""
    place = wanted.ordered.index(value) if value in wanted.ordered else len(wanted.ordered)
    return value == OTHER, place, -number, value


def _unit(counts: str, figures: list[Figures]) -> tuple[str, Callable[[Figures], int | None]]:
    """What a table counts: as wanted, or views where nobody can be told apart."""
    if counts == "events":
        return N_("Events"), lambda f: f.events
    if counts == "visitors" and any(f.visitors for f in figures):
        return N_("Users"), lambda f: f.visitors
    return N_("Views"), lambda f: f.pageviews
