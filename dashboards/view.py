"""What a site's page says, made out of releases: figures, chart, tables and their caveats.

Nothing here computes on rows or fills a gap: what is withheld stays None until it is written as a
dash, and a figure that would mislead (a comparison with days that were not measured) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from control.annotations import Annotation, Annotations
from control.definitions import Definitions, Segment
from control.sites import Site
from dashboards import chart as charts
from dashboards import panels, spark, text
from dashboards import period as periods
from dashboards.chart import Chart
from dashboards.look import Asking, Look
from dashboards.measures import EVENTS, METRICS, PAGEVIEWS, VISITORS, Metric
from dashboards.panels import Shown, Tables
from releases.reading import UNKNOWN, Figures, Reading, Released
from releases.tables import OTHER


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure. `change` is text such as +12%; `verdict` better, worse or ''. `published`:
    it may be asked for with the filters that there are.
    """

    metric: Metric
    value: str
    withheld: bool
    published: bool
    change: str
    verdict: str
    before: str


@dataclass(frozen=True, slots=True)
class About:
    """The page's caveats. `computed` is when the newest figure was made, in the site's time."""

    computed: datetime
    open: bool
    provisional: list[tuple[date, date]]
    missing_days: int
    withheld_days: int
    coverage: dict[str, int]
    linked_share: float | None
    bots: int
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter: what it is of, its value as it reads, and the parameters of the page without it."""

    name: str
    value: str
    without: dict[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A site's page. `state` says which of its forms it takes:

    `empty` nothing was ever released; `elsewhere` not in this period, but up to `latest`;
    `withheld` days, but no figure that may be shown; `unconsented` page views without visitors,
    because nobody stated consent under an opt-in policy; `children` the same, because the site is
    for children; `full` otherwise. `against` are the days that changes are told against.
    """

    look: Look
    state: str
    latest: date | None = None
    earlier: date | None = None  # the first day with figures in the four weeks up to `latest`
    tiles: tuple[Tile, ...] = ()
    chart: Chart | None = None
    cards: tuple[Shown, ...] = ()
    chips: tuple[Chip, ...] = ()
    segments: tuple[Segment, ...] = ()
    notes: tuple[Annotation, ...] = ()
    about: About | None = None
    against: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What a page is read from."""

    reading: Reading
    definitions: Definitions
    annotations: Annotations


def page(parts: Parts, look: Look, now: datetime) -> Page:
    """Everything on a site's page. Raises `ReleasesUnavailable`, and `StatsError` for filters that
    are not published together.
    """
    reading, site, period = parts.reading, look.site, look.period
    released = reading.days(site, date.min, period.last)
    here = [r for r in released if r.day >= period.first]
    if not here:
        return _elsewhere(reading, look, released)
    asking = Asking(look, parts.definitions)
    totals = _totals(reading, asking, look, period.first, period.last)
    about = _about(reading, site, look, here)
    shared = Page(
        look=look,
        state=_state(look, totals),
        latest=here[-1].day,
        chips=tuple(chips(look)),
        segments=tuple(parts.definitions.segments(site)),
        about=about,
    )
    if shared.state == "withheld":
        return shared
    metrics = _metrics(asking, look, shared.state)
    metric = next((m for m in metrics if m.key == look.metric), metrics[0])
    against = look.against if _comparable(look, released) else None
    told = against if not _so_far(look, here) else None
    pair = _compared(reading, asking, look, told, here) if told else (Figures(), Figures())
    notes = parts.annotations.of(site, period.first, period.last)
    tables = Tables(reading, look, parts.definitions, totals)
    return replace(
        shared,
        tiles=tuple(_tile(m, asking, totals, *pair) for m in metrics),
        chart=charts.chart(
            reading, asking, look, metric, here, notes, now, comparable=against is not None
        ),
        cards=tuple(tables.shown(apps=_has_apps(reading, look))),
        notes=tuple(reversed(notes)),
        against=told,
    )


def table(parts: Parts, look: Look, tab: panels.Tab, order: panels.Order) -> panels.Panel:
    """One table on a page of its own. Raises `ReleasesUnavailable`."""
    asking = Asking(look, parts.definitions)
    whole = _totals(parts.reading, asking, look, look.period.first, look.period.last)
    return Tables(parts.reading, look, parts.definitions, whole).panel(tab, order)


def chips(look: Look) -> list[Chip]:
    """What filters the page."""
    found = []
    if look.segment:
        found.append(Chip("Segment", look.segment.name, look.without_segment()))
    for name, value in look.filters:
        tab = panels.TABS.get(name)
        label = (tab.label(value) if value else tab.empty) if tab else value
        found.append(Chip(tab.name if tab else name, label, look.without(name)))
    return found


def _elsewhere(reading: Reading, look: Look, released: Sequence[Released]) -> Page:
    """Nothing in this period: what there is otherwise."""
    site, period = look.site, look.period
    days = [r.day for r in (*released, *reading.days(site, period.last, look.today))]
    if not days:
        return Page(look, "empty")
    latest = max(days)
    earlier = min(day for day in days if (latest - day).days < 28)
    return Page(look, "elsewhere", latest, earlier)


def _totals(reading: Reading, asking: Asking, look: Look, first: date, last: date) -> Figures:
    plan = asking.plan(first=first, last=last)
    rows = reading.find(look.site, replace(plan.ask, measures=charts.MEASURES)).rows
    return rows[0].figures if rows else Figures()


def _has_apps(reading: Reading, look: Look) -> bool:
    found = reading.table(look.site, look.period.first, look.period.last, "screen", 2)
    return any(value not in (UNKNOWN, OTHER) for value, _ in found)


def _metrics(asking: Asking, look: Look, state: str) -> tuple[Metric, ...]:
    """The headline figures: views where nobody is told apart, events where these are filtered."""
    views = PAGEVIEWS if asking.published(PAGEVIEWS.key) else EVENTS
    if state in ("unconsented", "children"):
        return (views,)
    return tuple(views if metric is PAGEVIEWS else metric for metric in METRICS)


def _state(look: Look, totals: Figures) -> str:
    if totals.pageviews is None and totals.events is None and totals.visitors is None:
        return "withheld"
    if totals.visitors or look.filtered:
        return "full"
    if look.site.child_directed:
        return "children"
    return "unconsented" if look.site.policy == "opt-in" else "full"


def _comparable(look: Look, released: Sequence[Released]) -> bool:
    """False where the comparison would mislead: with days before the first that was measured."""
    return bool(look.against and released and released[0].day <= look.against[0])


def _so_far(look: Look, here: Sequence[Released]) -> bool:
    """Today alone: half a day against a whole one would always look like a loss."""
    return look.period.length == 1 and here[-1].state == "open"


def _compared(
    reading: Reading,
    asking: Asking,
    look: Look,
    against: tuple[date, date],
    here: Sequence[Released],
) -> tuple[Figures, Figures]:
    """The two sides of the comparison. A day that is still open counts on neither, nor does its
    counterpart.
    """
    less = timedelta(days=1 if here[-1].state == "open" else 0)
    first, last = look.period.first, look.period.last
    same = against[1] - against[0] == last - first
    return (
        _totals(reading, asking, look, first, last - less),
        _totals(reading, asking, look, against[0], against[1] - (less if same else timedelta())),
    )


def _tile(metric: Metric, asking: Asking, totals: Figures, now: Figures, before: Figures) -> Tile:
    value = metric.of(totals)
    sign, change = text.change(metric.of(now), metric.of(before), metric.kind)
    verdict = ""
    if sign:
        verdict = "better" if (sign > 0) == metric.more_is_better else "worse"
    published = value is not None or asking.published(metric.key)
    earlier = metric.write(metric.of(before)) if change else ""
    return Tile(metric, metric.write(value), value is None, published, change, verdict, earlier)


def _about(reading: Reading, site: Site, look: Look, here: Sequence[Released]) -> About:
    period = look.period
    by_day = reading.by_day(site, period.first, period.last)
    coverage = reading.coverage(site, period.first, period.last)
    bots = coverage.pop("bots", 0)
    measured = sum(coverage.values())
    linked = measured - coverage.get("none", 0)
    return About(
        computed=max(r.computed_at for r in here).astimezone(ZoneInfo(site.timezone)),
        open=any(r.state == "open" for r in here),
        provisional=_runs([r.day for r in here if r.state == "provisional"]),
        missing_days=(period.last - period.first).days + 1 - len(here),
        withheld_days=sum(figures.pageviews is None for _, figures in by_day),
        coverage=coverage,
        linked_share=linked / measured if measured else None,
        bots=bots,
        dropped=reading.dropped(site, period.first, period.last),
    )


def _runs(days: Sequence[date]) -> list[tuple[date, date]]:
    """Consecutive days as ranges; `days` is sorted."""
    runs: list[tuple[date, date]] = []
    for day in days:
        if runs and (day - runs[-1][1]).days == 1:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


@dataclass(frozen=True, slots=True)
class Card:
    """A site in the list: its last seven days. `state` is shown, withheld, quiet or empty;
    `latest` its newest day with figures."""

    site: Site
    state: str
    latest: date | None
    visitors: int | None
    pageviews: int | None
    lines: list[spark.Line]


def card(reading: Reading, site: Site, now: datetime) -> Card:
    """Raises `ReleasesUnavailable`."""
    today = site.calendar.local_day(now)
    period = periods.choose("7d", "", "", today)
    shown = dict(reading.by_day(site, period.first, period.last))
    totals = reading.totals(site, period.first, period.last)
    latest = max((r.day for r in reading.days(site, date.min, today)), default=None)
    state = "quiet" if latest else "empty"
    if shown:
        state = "withheld" if totals.pageviews is None else "shown"
    of = (VISITORS if totals.visitors else PAGEVIEWS).of
    return Card(
        site=site,
        state=state,
        latest=latest,
        visitors=totals.visitors,
        pageviews=totals.pageviews,
        lines=spark.lines(
            [of(shown.get(day, Figures())) for day in periods.days(period.first, period.last)]
        ),
    )
