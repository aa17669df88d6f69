"""What the page for exploring says: funnels, retention, goals, segments and load times.

Questions that the stats API answers too go the same way through its plan, so that both say the same
and refuse the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from control.definitions import Definition, Definitions, Funnel, Goal, Segment
from control.sites import Site
from dashboards import spark, stats_answer, stats_people, stats_plan, text
from dashboards.breakdown import Breakdown, Wanted, breakdowns
from dashboards.countries import country
from dashboards.period import Period, days
from dashboards.stats_language import Comparisons, Include, Query
from dashboards.words import N_
from releases.reading import Ask, Reading, Values
from releases.tables import COHORT_WEEKS, DIMENSIONS, Dimension, crossed, segmented
from releases.wording import has_figures

# Weeks whose newcomers are followed, at least: in fewer there is nothing to see.
_WEEKS = 10
# Where a cohort's share begins to be drawn in the next deeper colour.
_HEAT = (0.0, 1, 3, 6, 10, 15, 25, 40, 55, 70)
RATINGS = ("good", "needs-improvement", "poor")
# https://web.dev/articles/vitals: a page is as quick as three quarters of its views.
_QUARTER = 0.25
_PAGES_RATED = 12
_MOST_DAYS = 92


@dataclass(frozen=True, slots=True)
class Vital:
    """A rating of load time: the property that holds it, its name, what it is, its limits."""

    key: str
    name: str
    help: str


VITALS = (
    Vital("lcp", "LCP", N_("Largest contentful paint: the main content is there. Good to 2.5 s.")),
    Vital("inp", "INP", N_("Interaction to next paint: an answer is seen. Good to 200 ms.")),
    Vital("cls", "CLS", N_("Cumulative layout shift: how much jumps around. Good to 0.1.")),
    Vital("ttfb", "TTFB", N_("Time to first byte: the server answers. Good to 800 ms.")),
    Vital("load", "Load", N_("The page has loaded with all its parts. Good to 2.5 s.")),
)


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step: its visitors, per cent of the first step's and of the one's before, and how many of
    those before went no further. None: withheld.
    """

    name: str
    visitors: int | None
    of_first: float | None
    of_before: float | None
    left: int | None
    width: str
    days: int


@dataclass(frozen=True, slots=True)
class FunnelView:
    """`state`: shown, computing (its days are not there yet) or withheld."""

    funnel: Funnel
    state: str
    steps: tuple[StepLine, ...] = ()
    whole: float | None = None
    days: int = 0

    @property
    def worst(self) -> int:
        """The number of the step before which most are lost, 0 where none is known."""
        lost = [(step.of_before or 1.0, n) for n, step in enumerate(self.steps, 1) if n > 1]
        return min(lost, default=(1.0, 0))[1]


@dataclass(frozen=True, slots=True)
class HeatCell:
    """`level` is the depth of its colour, from 0 to 9; `share` None: withheld or not over yet."""

    share: float | None
    came: int | None
    level: int
    future: bool


@dataclass(frozen=True, slots=True)
class CohortLine:
    label: str
    new: int | None
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class Heat:
    lines: tuple[CohortLine, ...]
    average: tuple[HeatCell, ...]

    @property
    def says(self) -> bool:
        return any(line.new is not None for line in self.lines)


@dataclass(frozen=True, slots=True)
class GoalLine:
    """A goal's people, its share of all visitors, its money, and its course by day."""

    goal: Goal
    visitors: int | None
    events: int | None
    rate: float | None
    points: float | None  # of change of the rate
    revenue: str
    average: str
    lines: list[spark.Line]
    computing: bool


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """A segment over the `days` that show it, and its share of the visitors of the same days."""

    segment: Segment
    words: str
    visitors: int | None
    visits: int | None
    share: float | None
    days: int
    computing: bool


@dataclass(frozen=True, slots=True)
class Rated:
    """How often each of `RATINGS` was told. `verdict` is the one that three quarters of all reach;
    '' where one of them may be withheld: then no share is known either.
    """

    name: str
    help: str
    key: str
    counts: tuple[int | None, ...]

    @property
    def total(self) -> int:
        return sum(n or 0 for n in self.counts)

    @property
    def shares(self) -> tuple[float, ...]:
        """None at all where a count is missing: nobody can tell whether it is zero or withheld."""
        if None in self.counts or not self.total:
            return ()
        return tuple((n or 0) / self.total for n in self.counts)

    @property
    def verdict(self) -> str:
        if not self.shares:
            return ""
        good, _, poor = self.shares
        return "poor" if poor > _QUARTER else "good" if good >= 1 - _QUARTER else RATINGS[1]

    @property
    def blocks(self) -> list[tuple[int, str, str]]:
        """Number, x and width of each rating in a bar of 100."""
        found, x = [], 0.0
        for number, share in enumerate(self.shares):
            if share:
                found.append((number, f"{x:.2f}", f"{100 * share:.2f}"))
            x += 100 * share
        return found


@dataclass(frozen=True, slots=True)
class LoadTimes:
    """`allowed`: the properties that the site keeps; without any nothing is rated."""

    allowed: tuple[str, ...]
    vitals: tuple[Rated, ...] = ()
    chosen: Vital | None = None
    pages: tuple[Rated, ...] = ()


@dataclass(frozen=True, slots=True)
class Explore:
    """`chosen` is the segment that `tables` break down; `days` are those with figures."""

    funnels: tuple[FunnelView, ...]
    goals: tuple[GoalLine, ...]
    heat: Heat
    segments: tuple[SegmentLine, ...]
    chosen: Segment | None
    tables: tuple[Breakdown, ...]
    loading: LoadTimes
    days: int


def explore(
    reading: Reading, site: Site, period: Period, declared: Definitions, segment: str, vital: str
) -> Explore:
    """Raises `ReleasesUnavailable`."""
    live = declared.live(site)
    segments = [d for d in live if isinstance(d, Segment)]
    chosen = next((s for s in segments if s.number == segment), None)
    everybody = {
        str(day): figures.visitors or 0
        for day, figures in reading.by_day(site, period.first, period.last)
    }
    return Explore(
        funnels=tuple(_funnel(reading, site, period, d) for d in live if isinstance(d, Funnel)),
        goals=tuple(goals(reading, site, period, declared)),
        heat=heat(reading, site, period),
        segments=tuple(
            _segment(reading, site, period, declared, each, everybody) for each in segments
        ),
        chosen=chosen,
        tables=tuple(_of_segment(reading, site, period, chosen)) if chosen else (),
        loading=load_times(reading, site, period, vital),
        days=len(everybody),
    )


def computing(reading: Reading, site: Site, period: Period, definition: Definition) -> bool:
    """Whether a definition has figures of its own and none of them was computed yet."""
    return has_figures(definition) and not reading.defined_days(
        site, definition.id, period.first, period.last
    )


def _funnel(reading: Reading, site: Site, period: Period, funnel: Funnel) -> FunnelView:
    if computing(reading, site, period, funnel):
        return FunnelView(funnel, "computing")
    reached = reading.funnel(site, funnel.id, len(funnel.steps), period.first, period.last)
    if not reached[0].visitors:
        return FunnelView(funnel, "withheld")
    steps: list[StepLine] = []
    for step, it in zip(funnel.steps, reached, strict=True):
        before = it.of_before if steps else None
        left = max(before - it.visitors, 0) if before and it.visitors is not None else None
        steps.append(
            StepLine(
                str(step),
                it.visitors,
                it.conversion_rate,
                it.step_rate if steps else None,
                left,
                f"{100 * (it.conversion_rate or 0):.2f}",
                it.days,
            )
        )
    return FunnelView(
        funnel, "shown", tuple(steps), steps[-1].of_first, max(step.days for step in steps)
    )


def goals(
    reading: Reading, site: Site, period: Period, declared: Definitions
) -> Iterable[GoalLine]:
    """Every goal of the site, in the order in which they were declared."""
    found = declared.goals(site)
    if not found:
        return
    metrics = ["visitors", "events", "conversion_rate", "total_revenue", "average_revenue"]
    compared = Include(comparisons=Comparisons("previous_period"))
    answer = _answered(
        reading, site, declared, period, metrics, [stats_plan.GOAL], include=compared
    )
    rows = {row.dimensions[0]: row for row in answer.results}
    by_day = _by_day(reading, site, period, declared)
    for goal in found:
        row = rows.get(goal.name)
        figures = row.metrics if row else [None] * len(metrics)
        changes = row.comparison.change if row and row.comparison else [None] * len(metrics)
        yield GoalLine(
            goal=goal,
            visitors=figures[0],
            events=figures[1],
            rate=None if figures[2] is None else figures[2] / 100,
            points=changes[2],
            revenue=figures[3]["short"] if figures[3] else "",
            average=figures[4]["short"] if figures[4] else "",
            lines=spark.lines(by_day.get(goal.name, [])),
            computing=computing(reading, site, period, goal),
        )


def _by_day(
    reading: Reading, site: Site, period: Period, declared: Definitions
) -> Mapping[str, list[int | float | None]]:
    """Visitors of each goal on each day; none of long periods, in which days no longer show."""
    every = [str(day) for day in days(period.first, period.last)]
    if not 1 < len(every) <= _MOST_DAYS:
        return {}
    answer = _answered(reading, site, declared, period, ["visitors"], ["time:day", stats_plan.GOAL])
    shown = {tuple(row.dimensions): row.metrics[0] for row in answer.results}
    return {
        goal.name: [shown.get((day, goal.name)) for day in every] for goal in declared.goals(site)
    }


def _answered(
    reading: Reading,
    site: Site,
    declared: Definitions,
    period: Period,
    metrics: list[str],
    dimensions: list[str],
    filters: Sequence[Any] = (),
    include: Include | None = None,
) -> stats_answer.Answer:
    """What the stats API answers. Raises `StatsError` for what it refuses."""
    query = Query(
        site_id=site.domain,
        metrics=metrics,
        date_range=[str(period.first), str(period.last)],
        dimensions=dimensions,
        filters=list(filters),
        include=include or Include(),
    )
    planned = stats_plan.plan(query, site, period.last, None, declared)
    return stats_answer.answer(reading, site, planned)


def followed_from(period: Period) -> date:
    """The Monday of the first week whose newcomers are followed."""
    first = min(period.first, period.last - timedelta(weeks=_WEEKS))
    return first - timedelta(days=first.weekday())


def heat(reading: Reading, site: Site, period: Period) -> Heat:
    """The cohorts of the weeks that begin within the period, and of ten at least."""
    first = followed_from(period)
    found = stats_people.retention(reading, site, first, period.last).results
    over = max(
        (cohort.week + timedelta(weeks=_weeks_told(cohort)) for cohort in found), default=first
    )
    lines = []
    for cohort in found:
        cells = [
            _cell(share, came, cohort.week + timedelta(weeks=age) > over)
            for age, (share, came) in enumerate(
                zip(cohort.retention, cohort.returned, strict=True), 1
            )
        ]
        label = text.span(cohort.week, cohort.week + timedelta(days=6))
        lines.append(CohortLine(label, cohort.new_visitors, tuple(cells)))
    told = [line for line in lines if line.new is not None]
    if not told:
        return Heat((), ())
    shown = lines[lines.index(told[0]) : lines.index(told[-1]) + 1]
    return Heat(tuple(shown), tuple(_averages(told)))


def _weeks_told(cohort: stats_people.Cohort) -> int:
    """The highest age of which something is told; -1 where nothing is."""
    told = [age for age, came in enumerate(cohort.returned, 1) if came is not None]
    return max(told, default=0 if cohort.new_visitors is not None else -1)


def _averages(lines: Sequence[CohortLine]) -> Iterable[HeatCell]:
    """Over the cohorts that show an age, weighed by their size."""
    for age in range(COHORT_WEEKS):
        known = [
            (line.cells[age].came or 0, line.new)
            for line in lines
            if line.new and line.cells[age].came is not None
        ]
        whole = sum(new for _, new in known)
        came = sum(came for came, _ in known)
        yield _cell(100 * came / whole if whole else None, None, False)


def _cell(share: float | None, came: int | None, future: bool) -> HeatCell:
    level = sum(share >= limit for limit in _HEAT) - 1 if share is not None else 0
    return HeatCell(None if share is None else min(share / 100, 1.0), came, level, future)


def _segment(
    reading: Reading,
    site: Site,
    period: Period,
    declared: Definitions,
    segment: Segment,
    everybody: Mapping[str, int],
) -> SegmentLine:
    """A cross is hidden on other days than the total, so both are of the same days."""
    which = [["is", stats_plan.SEGMENT, [segment.number]]]
    found = _answered(
        reading, site, declared, period, ["visitors", "visits"], ["time:day"], which
    ).results
    shown = {row.dimensions[0]: row.metrics for row in found if row.metrics[0] is not None}
    visitors = sum(metrics[0] for metrics in shown.values())
    whole = sum(everybody.get(day, 0) for day in shown)
    return SegmentLine(
        segment,
        described(segment),
        visitors if shown else None,
        sum(metrics[1] or 0 for metrics in shown.values()) if shown else None,
        min(visitors / whole, 1.0) if whole else None,
        len(shown),
        computing(reading, site, period, segment),
    )


def described(definition: Definition) -> str:
    """What is declared, in one line."""
    match definition:
        case Goal():
            return definition.event or definition.prefix
        case Funnel():
            return " → ".join(str(step) for step in definition.steps)
        case Segment():
            return ", ".join(_named(table, value) for table, value in definition.filters)


def _named(table: str, value: str) -> str:
    return country(value) if table == "country" else value or "(not set)"


# What a segment is broken down by, in the page's order.
_BROKEN_DOWN = {
    "page": N_("Pages"),
    "screen": N_("Screens"),
    "source": N_("Sources"),
    "country": N_("Countries"),
    "device": N_("Devices"),
    "browser": N_("Browsers"),
    "os": N_("Systems"),
    "event": N_("Events"),
}
_BY_NAME = {dimension.name: dimension for dimension in DIMENSIONS}


def _of_segment(
    reading: Reading, site: Site, period: Period, segment: Segment
) -> Iterable[Breakdown]:
    filters = [_BY_NAME[table] for table, _ in segment.filters]
    wanted = []
    for table, heading in _BROKEN_DOWN.items():
        if (found := _table_of(segment, _BY_NAME[table], filters)) is None:
            continue
        name, by = found
        counts = "events" if table == "event" else "visitors"
        label = country if table == "country" else str
        key = f"segment-{table}"
        wanted.append(Wanted(key, name, heading, counts=counts, by=by, label=label))
    return (found for found in breakdowns(reading, site, period, wanted) if found.lines)


def _table_of(
    segment: Segment, dimension: Dimension, filters: Sequence[Dimension]
) -> tuple[str, tuple[Values, ...]] | None:
    """The released table of a dimension within a segment; None where none is published."""
    if len(filters) > 1:
        possible = segmented(dimension, filters)
        return (f"{dimension.name}|segment:{segment.number}", ()) if possible else None
    [(_, value)] = segment.filters
    if not crossed(dimension, filters[0]):
        return None
    return f"{dimension.name}|{filters[0].name}", (Values((value,)),)


def load_times(reading: Reading, site: Site, period: Period, vital: str) -> LoadTimes:
    """How the pages' load times were rated. Raises `ReleasesUnavailable`."""
    allowed = [each for each in VITALS if each.key in site.properties]
    if not allowed:
        return LoadTimes(())
    chosen = next((each for each in allowed if each.key == vital), allowed[0])
    return LoadTimes(
        tuple(each.key for each in allowed),
        tuple(
            Rated(each.name, each.help, each.key, counts)
            for each, counts in ((each, _rated(reading, site, period, each)) for each in allowed)
        ),
        chosen,
        tuple(_pages(reading, site, period, chosen)),
    )


def _rated(reading: Reading, site: Site, period: Period, vital: Vital) -> tuple[int | None, ...]:
    """How often each of `RATINGS` was told, over all pages."""
    ask = Ask(
        f"props:{vital.key}", period.first, period.last, ("value",),
        value=(Values(RATINGS),), measures=("events",),
    )  # fmt: skip
    found = {str(row.key[0]): row.figures.events for row in reading.find(site, ask).rows}
    return tuple(found.get(rating) for rating in RATINGS)


def _pages(reading: Reading, site: Site, period: Period, vital: Vital) -> Iterable[Rated]:
    """The pages with most ratings, of which any may be shown."""
    ask = Ask(
        f"props:{vital.key}|page", period.first, period.last, ("by", "value"),
        value=(Values(RATINGS),), measures=("events",),
    )  # fmt: skip
    pages: dict[str, dict[str, int | None]] = {}
    for row in reading.find(site, ask).rows:
        page, rating = row.key
        pages.setdefault(str(page), {})[str(rating)] = row.figures.events
    rated = [
        Rated(page, "", vital.key, tuple(counts.get(rating) for rating in RATINGS))
        for page, counts in pages.items()
        if page
    ]
    yield from sorted(rated, key=lambda each: (-each.total, each.name))[:_PAGES_RATED]
