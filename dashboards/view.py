"""What a site's page says, made out of releases: figures, chart, tables and their caveats.

Nothing here computes on rows or fills a gap: what is withheld stays None until it is written as a
dash, and a figure that would mislead (a comparison with days that were not measured) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from control.sites import Site
from dashboards import period as periods
from dashboards import spark, text
from dashboards.countries import country
from dashboards.period import Period
from releases.reading import UNKNOWN, Figures, Reading, Released
from releases.tables import OTHER


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that a page can show. `kind` says how it reads: count, decimal, share, duration."""

    key: str
    name: str
    kind: str
    of: Callable[[Figures], float | None]
    help: str
    more_is_better: bool = True

    def write(self, value: float | None) -> str:
        if self.kind == "count":
            return text.count(None if value is None else round(value))
        return {"decimal": text.decimal, "share": text.share, "duration": text.duration}[self.kind](
            value
        )


METRICS: tuple[Metric, ...] = (
    Metric(
        "visitors",
        "Visitors",
        "count",
        lambda f: f.visitors,
        "Sum of daily visitors: somebody who comes on three days counts three times, because "
        "nobody is recognised from one day to the next.",
    ),
    Metric(
        "visits",
        "Visits",
        "count",
        lambda f: f.visits,
        "A visit ends after 30 minutes without a sign of life, and with its day.",
    ),
    Metric("pageviews", "Page views", "count", lambda f: f.pageviews, "Pages and app screens."),
    Metric(
        "views_per_visit",
        "Views per visit",
        "decimal",
        lambda f: f.views_per_visit,
        "Page views that belong to a visit, divided by visits.",
    ),
    Metric(
        "bounce_rate",
        "Bounce rate",
        "share",
        lambda f: f.bounce_rate,
        "Visits with a single event.",
        more_is_better=False,
    ),
    Metric(
        "visit_duration",
        "Visit duration",
        "duration",
        lambda f: f.visit_duration,
        "From the first to the last event of a visit, on average.",
    ),
)
BY_KEY = {metric.key: metric for metric in METRICS}

# The declared tables that a page shows, in its order, and their headings.
TABLES = {
    "page": "Pages",
    "entry_page": "Entry pages",
    "screen": "App screens",
    "app_version": "App versions",
    "source": "Sources",
    "channel": "Channels",
    "country": "Countries",
    "event": "Events",
    "device": "Devices",
    "browser": "Browsers",
    "os": "Systems",
}
# Shown only where there is an app.
OF_APPS = frozenset({"screen", "app_version"})
# What stands for an empty value, where "Unknown" would be wrong.
_EMPTY = {
    "source": "Direct or unknown",
    "entry_page": "No page",
    "app_version": "Not an app",
}
# A value that alone tells a reader nothing: what has no source, as in an app, is on this channel.
_SILENT = {"channel": "Direct"}
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure. `change` is text such as +12%; `verdict` better, worse or ''."""

    metric: Metric
    value: str
    withheld: bool
    change: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the chart; `value` and `before` are None where nothing may be shown."""

    label: str
    short: str
    value: float | None
    before: float | None
    open: bool


@dataclass(frozen=True, slots=True)
class Chart:
    metric: Metric
    points: list[Point]
    compared: bool

    @property
    def lines(self) -> list[spark.Line]:
        return spark.lines([point.value for point in self.points])


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table. `width` is the length of its bar, from 0 to 100."""

    label: str
    figure: int | None
    views: int | None
    width: str
    other: bool


@dataclass(frozen=True, slots=True)
class Panel:
    table: str
    heading: str
    unit: str
    lines: list[Line]
    with_views: bool
    more: bool
    says: bool  # some value is neither empty nor "(other)", nor what stands for both


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
class Page:
    """A site's page. `state` says which of its forms it takes:

    `empty` nothing was ever released; `elsewhere` not in this period, but up to `latest`;
    `withheld` days, but no figure that may be shown; `unconsented` page views without visitors,
    because nobody stated consent under an opt-in policy; `children` the same, because the site is
    for children; `full` otherwise.
    """

    site: Site
    period: Period
    state: str
    latest: date | None
    tiles: list[Tile]
    chart: Chart | None
    panels: list[Panel]
    silent: list[str]  # the headings of panels that would say nothing
    about: About | None
    earlier: date | None = None  # the first day with figures in the four weeks up to `latest`


def page(reading: Reading, site: Site, period: Period, metric: Metric, now: datetime) -> Page:
    """Everything on a site's page. Raises `ReleasesUnavailable`."""
    released = reading.days(site, date.min, period.last)
    here = [r for r in released if r.day >= period.first]
    if not here:
        later = reading.days(site, period.last, site.calendar.local_day(now))
        days = [r.day for r in released + later]
        if not days:
            return Page(site, period, "empty", None, [], None, [], [], None)
        latest = max(days)
        earlier = min(day for day in days if (latest - day).days < 28)
        return Page(site, period, "elsewhere", latest, [], None, [], [], None, earlier)
    totals = reading.totals(site, period.first, period.last)
    by_day = reading.by_day(site, period.first, period.last)
    about = _about(reading, site, period, here, by_day)
    state = _state(site, totals)
    if state == "withheld":
        return Page(site, period, state, here[-1].day, [], None, [], [], about)
    metrics = METRICS
    if state in ("unconsented", "children"):
        metric = BY_KEY["pageviews"]
        metrics = (metric,)
    panels = [panel(reading, site, period, table) for table in TABLES]
    compared = _comparable(period, released)
    pair = _compared(reading, site, period, here) if compared else (Figures(), Figures())
    return Page(
        site=site,
        period=period,
        state=state,
        latest=here[-1].day,
        tiles=[_tile(m, totals, *pair) for m in metrics],
        chart=_chart(reading, site, period, metric, by_day, here, compared, now),
        panels=[p for p in panels if p.says],
        silent=[p.heading for p in panels if not p.says and p.table not in OF_APPS],
        about=about,
    )


def panel(reading: Reading, site: Site, period: Period, table: str, limit: int = 9) -> Panel:
    """One table of a page, its largest values first. Raises `ReleasesUnavailable`."""
    found = reading.table(site, period.first, period.last, table, limit + 1)
    named = [(value, figures) for value, figures in found if value != OTHER]
    rows = named[:limit] + [(value, figures) for value, figures in found if value == OTHER]
    unit, of = _unit(table, [figures for _, figures in rows])
    longest = max((of(figures) or 0 for _, figures in rows), default=0) or 1
    return Panel(
        table=table,
        heading=TABLES[table],
        unit=unit,
        lines=[
            Line(
                label=_label(table, value),
                figure=of(figures),
                views=figures.pageviews,
                width=f"{100 * (of(figures) or 0) / longest:.2f}",
                other=value == OTHER,
            )
            for value, figures in rows
        ],
        with_views=table in ("page", "screen") and unit == "Visitors",
        more=len(named) > limit,
        says=any(value not in (UNKNOWN, _SILENT.get(table)) for value, _ in named),
    )


def _unit(table: str, figures: Sequence[Figures]) -> tuple[str, Callable[[Figures], int | None]]:
    """What a table counts: visitors, or views where nobody can be told apart."""
    if table == "event":
        return "Events", lambda f: f.events
    if any(f.visitors for f in figures):
        return "Visitors", lambda f: f.visitors
    return "Views", lambda f: f.pageviews


def _label(table: str, value: str) -> str:
    if value == OTHER:
        return OTHER
    if value == UNKNOWN:
        return _EMPTY.get(table, "Unknown")
    return country(value) if table == "country" else value


def _state(site: Site, totals: Figures) -> str:
    if totals.pageviews is None:
        return "withheld"
    if totals.visitors:
        return "full"
    if site.child_directed:
        return "children"
    return "unconsented" if site.policy == "opt-in" else "full"


def _comparable(period: Period, released: list[Released]) -> bool:
    """False where the comparison would mislead: today against a whole day, or with days before
    the first one that was measured."""
    if period.interval == "hour" and any(
        r.state == "open" for r in released if r.day == period.first
    ):
        return False
    return bool(released) and released[0].day <= period.before_first


def _compared(
    reading: Reading, site: Site, period: Period, here: list[Released]
) -> tuple[Figures, Figures]:
    """The two sides of the comparison. A day that is still open counts on neither, nor does its
    counterpart: half a day against a whole one would always look like a loss."""
    less = timedelta(days=1 if here[-1].state == "open" else 0)
    return (
        reading.totals(site, period.first, period.last - less),
        reading.totals(site, period.before_first, period.before_last - less),
    )


def _tile(metric: Metric, totals: Figures, now: Figures, before: Figures) -> Tile:
    value = metric.of(totals)
    change, verdict = _change(metric, metric.of(now), metric.of(before))
    return Tile(metric, metric.write(value), value is None, change, verdict)


def _change(metric: Metric, now: float | None, before: float | None) -> tuple[str, str]:
    """Text and verdict: per cent, or points where the figure is itself a share."""
    if now is None or before is None or (not before and metric.kind != "share"):
        return "", ""
    if metric.kind == "share":
        points = round(100 * (now - before))
        sign, words = points, f"{abs(points)} pts"
    else:
        percent = round(100 * (now - before) / before)
        sign, words = percent, f"{abs(percent):,}%"
    if not sign:
        return "unchanged", ""
    better = (sign > 0) == metric.more_is_better
    return f"{'↑' if sign > 0 else '↓'} {words}", "better" if better else "worse"


def _chart(
    reading: Reading,
    site: Site,
    period: Period,
    metric: Metric,
    by_day: list[tuple[date, Figures]],
    here: list[Released],
    compared: bool,
    now: datetime,
) -> Chart:
    open_days = {r.day for r in here if r.state == "open"}
    if period.interval == "hour":
        points = _hours(reading, site, period, metric, compared, now)
        return Chart(metric, points, compared)
    if period.interval == "month":
        points = [
            Point(
                label=f"{first:%B %Y}",
                short=f"{first:%b %Y}",
                value=metric.of(reading.totals(site, first, last)),
                before=None,
                open=any(first <= day <= last for day in open_days),
            )
            for first, last in periods.months(period.first, period.last)
        ]
        return Chart(metric, points, compared=False)
    values = {day: metric.of(figures) for day, figures in by_day}
    earlier: list[float | None] = []
    if compared:
        released = dict(reading.by_day(site, period.before_first, period.before_last))
        earlier = [
            metric.of(released.get(day, Figures()))
            for day in periods.days(period.before_first, period.before_last)
        ]
    points = [
        Point(
            label=f"{day:%A} {text.day(day)}",
            short=f"{day.day} {day:%b}",
            value=values.get(day),
            before=earlier[index] if index < len(earlier) else None,
            open=day in open_days,
        )
        for index, day in enumerate(periods.days(period.first, period.last))
    ]
    return Chart(metric, points, compared)


def _hours(
    reading: Reading, site: Site, period: Period, metric: Metric, compared: bool, now: datetime
) -> list[Point]:
    values = dict(reading.by_hour(site, period.first))
    earlier = dict(reading.by_hour(site, period.before_first)) if compared else {}
    calendar, zone = site.calendar, site.zone_on(period.first)
    today = calendar.local_day(now) == period.first
    return [
        Point(
            label=f"{hour:02}:00 – {hour:02}:59",
            short=f"{hour:02}:00",
            value=metric.of(values[hour]) if hour in values else None,
            before=metric.of(earlier[hour]) if hour in earlier else None,
            open=today and hour == now.astimezone(zone).hour,
        )
        for hour in periods.hours(calendar.start(period.first), calendar.end(period.first), zone)
    ]


def _about(
    reading: Reading,
    site: Site,
    period: Period,
    here: list[Released],
    by_day: list[tuple[date, Figures]],
) -> About:
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
    of = BY_KEY["visitors" if totals.visitors else "pageviews"].of
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
