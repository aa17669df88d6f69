"""Answers a planned question out of releases, in the shape of Plausible's Stats API v2.

To Plausible's fields it adds `meta.disclosure` (what was withheld, and how coarse the figures are)
and `meta.freshness` (how many of the days asked for are final). A figure that may not be shown is
null; a row that may not be shown is not there, and `suppressed` says so.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from control.sites import Site
from dashboards import period
from dashboards.stats_language import Include, months_back
from dashboards.stats_plan import UNIQUE, Metric, Plan
from releases.reading import Ask, Figures, Found, Reading, Row, Span, Values

# What counts are rounded to (docs/disclosure.md): coarser while a day can still change.
ROUNDED_FINAL, ROUNDED_CHANGING = 5, 10
_OF_SEVERAL_DAYS = (
    "The sum of daily visitors: somebody who comes on three days counts three times, because nobody"
    " is recognised from one day to the next."
)
_OF_SEVERAL_VALUES = (
    "The sum over several values: somebody who was counted under two of them counts twice."
)
_OF_CONSENT = (
    "Distinct visitors of a whole week or month, of people who consented alone: nobody else is"
    " recognised from one day to the next. Known once every day of it is final."
)
Value = float | int | dict[str, Any] | None


class Comparison(msgspec.Struct):
    """The same row in the days compared with; `change` is in per cent, of shares in points."""

    dimensions: list[str]
    metrics: list[Any]
    change: list[float | None]


class Result(msgspec.Struct, omit_defaults=True):
    dimensions: list[str]
    metrics: list[Any]
    comparison: Comparison | None = None


class Disclosure(msgspec.Struct):
    """At least `k` persons stand behind every cell. `suppressed`: something of what was asked for
    is hidden or merged into "(other)"; of a cross nobody can tell, so there it is always true.
    """

    k: int
    suppressed: bool
    rounded_to: int


class Days(msgspec.Struct):
    final: int
    provisional: int
    open: int
    missing: int


class Freshness(msgspec.Struct):
    computed_at: datetime | None
    days: Days


class Warned(msgspec.Struct):
    code: str
    warning: str


class Meta(msgspec.Struct, omit_defaults=True):
    disclosure: Disclosure
    freshness: Freshness
    imports_included: bool | None = None
    metric_warnings: dict[str, Warned] = {}
    time_labels: list[str] | None = None
    total_rows: int | None = None


class Asked(msgspec.Struct, omit_defaults=True):
    """The question as it was understood, its days as moments of the site's time."""

    site_id: str
    metrics: list[str]
    date_range: list[str]
    filters: list[Any]
    dimensions: list[str]
    order_by: list[tuple[str, str]]
    include: Include
    pagination: Any
    comparison_date_range: list[str] | None = None


class Answer(msgspec.Struct):
    results: list[Result]
    meta: Meta
    query: Asked


def answer(reading: Reading, site: Site, plan: Plan) -> Answer:
    """Raises `ReleasesUnavailable`."""
    found = _find(reading, site, plan, plan.ask)
    results = _results(reading, site, plan, found.rows, plan.ask)
    if plan.compared is not None:
        results = _with_comparison(reading, site, plan, found.rows, results)
    return Answer(results, _meta(reading, site, plan, found, results), _asked(site, plan))


def as_csv(answer: Answer) -> str:
    """The results as a table, one column a dimension and a metric. Money stands as its number."""
    rows = (
        [*row.dimensions, *(n["value"] if isinstance(n, dict) else n for n in row.metrics)]
        for row in answer.results
    )
    return table([*answer.query.dimensions, *answer.query.metrics], rows)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """RFC 4180; None is empty. A text that a spreadsheet would take for a formula gets a quote
    before it (OWASP, CSV injection): it may be a stranger's.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    for row in rows:
        writer.writerow(
            f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
            for cell in row
        )
    return out.getvalue()


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _find(reading: Reading, site: Site, plan: Plan, ask: Ask) -> Found:
    """What lies in two tables is little, so it is put in order here."""
    whole = replace(ask, order=(), limit=0, offset=0)
    if plan.spans is not None:
        return _in_order(_with_uniques(reading, site, plan.spans, whole), ask)
    if plan.also is None:
        return reading.find(site, ask)
    one = reading.find(site, whole)
    other = reading.find(
        site, replace(plan.also, first=ask.first, last=ask.last, order=(), limit=0, offset=0)
    )
    both = Found(
        one.rows + other.rows,
        total=one.total + other.total,
        merged=one.merged or other.merged,
        cells=one.cells + other.cells,
        units=one.units,
    )
    return _in_order(both, ask)


def _with_uniques(reading: Reading, site: Site, spans: Span, ask: Ask) -> Found:
    """Adds the distinct visitors of whole weeks or months, also where nothing else is shown."""
    found = reading.find(site, ask)
    shown = {row.key[0]: row.figures for row in found.rows}
    whole = {
        first: visitors
        for first, visitors in reading.uniques(site, spans, ask.first, ask.last)
        if _end(spans, first) <= ask.last
    }
    rows = [
        Row((day,), replace(shown.get(day, Figures()), unique_visitors=whole.get(day)))
        for day in sorted(shown.keys() | whole.keys())
    ]
    return replace(found, rows=rows, total=len(rows))


def _end(spans: Span, first: date) -> date:
    """The last day of the week or month."""
    after = months_back(first, -1) if spans == "month" else first + timedelta(weeks=1)
    return after - timedelta(days=1)


def _in_order(found: Found, ask: Ask) -> Found:
    """The part of the rows that was asked for."""
    rows = list(found.rows)
    for name, descending in reversed(ask.order):
        rows.sort(key=_sorted_by(ask, name, descending), reverse=descending)
    end = ask.offset + ask.limit if ask.limit else None
    return replace(found, rows=rows[ask.offset : end])


def _sorted_by(ask: Ask, name: str, descending: bool) -> Callable[[Row], tuple[bool, Any]]:
    """What is withheld comes last in either direction."""

    def key(row: Row) -> tuple[bool, Any]:
        value = row.key[ask.keys.index(name)] if name in ask.keys else getattr(row.figures, name)
        return ((value is None) != descending, 0 if value is None else value)

    return key


def _results(
    reading: Reading, site: Site, plan: Plan, rows: Sequence[Row], ask: Ask
) -> list[Result]:
    wholes = {
        name: {
            row.key: row.figures.visitors
            for row in reading.find(site, replace(whole, first=ask.first, last=ask.last)).rows
        }
        for name, whole in plan.wholes.items()
    }
    if not rows and not plan.columns:
        rows = [Row((), Figures())]
    return [
        Result(_labels(plan, row), [_value(m, row, plan, wholes) for m in plan.metrics])
        for row in rows
    ]


def _labels(plan: Plan, row: Row) -> list[str]:
    labels = []
    for column in plan.columns:
        value = row.key[column.at]
        if column.time == "hour":
            labels.append(f"{value} {row.key[column.at + 1]}:00:00")
        else:
            text = str(value) or column.empty
            labels.append(column.goals.get(text, text))
    return labels


def _value(
    metric: Metric, row: Row, plan: Plan, wholes: Mapping[str, Mapping[Any, int | None]]
) -> Value:
    figures = row.figures
    if metric.name in wholes:
        whole = wholes[metric.name].get(row.key[: plan.times])
        if figures.visitors is None or not whole:
            return None
        return round(min(100 * figures.visitors / whole, 100.0), 1)
    return _VALUES[metric.name](figures)


def _rounded(value: float | None, digits: int) -> float | int | None:
    if value is None:
        return None
    return round(value, digits) if digits else round(value)


def _money(amount: Any, currency: str | None) -> dict[str, Any] | None:
    if amount is None or currency is None:
        return None
    text = f"{currency} {amount:,.2f}"
    return {"value": round(float(amount), 2), "currency": currency, "short": text, "long": text}


_VALUES: Mapping[str, Callable[[Figures], Value]] = {
    "visitors": lambda f: f.visitors,
    "unique_visitors": lambda f: f.unique_visitors,
    "visits": lambda f: f.visits,
    "pageviews": lambda f: f.pageviews,
    "events": lambda f: f.events,
    "views_per_visit": lambda f: _rounded(f.views_per_visit, 2),
    "bounce_rate": lambda f: _rounded(None if f.bounce_rate is None else 100 * f.bounce_rate, 1),
    "visit_duration": lambda f: _rounded(f.visit_duration, 0),
    "engagement_time": lambda f: _rounded(f.engagement_time, 0),
    "time_on_page": lambda f: _rounded(f.engagement_time, 0),
    "scroll_depth": lambda f: _rounded(f.scroll_depth, 0),
    "total_revenue": lambda f: _money(f.revenue, f.currency),
    "average_revenue": lambda f: _money(f.average_revenue, f.currency),
}


def _with_comparison(
    reading: Reading, site: Site, plan: Plan, rows: Sequence[Row], results: list[Result]
) -> list[Result]:
    """Each row beside the same values, or the point as far into the days compared with."""
    first, last = plan.compared or (plan.ask.first, plan.ask.last)
    ask = replace(plan.ask, first=first, last=last, limit=0, offset=0)
    if rows and "value" in ask.keys and not plan.times:
        place = ask.keys.index("value")
        shown = Values(tuple({row.key[place] for row in rows}))
        ask = replace(ask, value=(*ask.value, shown))
    before = _find(reading, site, plan, ask).rows
    found = dict(
        zip((row.key for row in before), _results(reading, site, plan, before, ask), strict=False)
    )
    moved = _moved(plan, first, last)
    compared = []
    # Without dimensions there is one result, whatever was found.
    answered = rows if rows or plan.columns else [Row((), Figures())]
    for row, result in zip(answered, results, strict=True):
        key = (moved.get(row.key[0], date.min), *row.key[1:]) if plan.times else row.key
        other = found.get(key) or Result(
            _labels(plan, Row(key, Figures())), [None] * len(plan.metrics)
        )
        change = [
            _change(metric, new, old)
            for metric, new, old in zip(plan.metrics, result.metrics, other.metrics, strict=True)
        ]
        compared.append(
            Result(
                result.dimensions,
                result.metrics,
                Comparison(other.dimensions, other.metrics, change),
            )
        )
    return compared


def _moved(plan: Plan, first: date, last: date) -> dict[date, date]:
    """The points of time of the question's days, and those as far into the other days."""
    if not plan.times:
        return {}
    here = _points(plan, plan.ask.first, plan.ask.last)
    return dict(zip(here, _points(plan, first, last), strict=False))


def _points(plan: Plan, first: date, last: date) -> list[date]:
    """The days that the points of a series are named after, as `releases.reading.Ask` says."""
    name = plan.ask.keys[0]
    if name == "week":
        return sorted(
            {max(day - timedelta(day.weekday()), first) for day in period.days(first, last)}
        )
    if name == "month":
        return sorted({day.replace(day=1) for day in period.days(first, last)})
    return list(period.days(first, last))


def _change(metric: Metric, new: Any, old: Any) -> float | None:
    if isinstance(new, dict):
        new = new["value"]
    if isinstance(old, dict):
        old = old["value"]
    if new is None or old is None:
        return None
    if metric.share:
        return float(round(new - old, 1))
    return float(round(100 * (new - old) / old)) if old else None


def _meta(
    reading: Reading, site: Site, plan: Plan, found: Found, results: Sequence[Result]
) -> Meta:
    ask = plan.ask
    total = found.total
    if plan.query.include.total_rows and not found.rows and ask.offset:
        total = reading.find(site, replace(ask, limit=1, offset=0)).total
    include = plan.query.include
    of_days = meta(reading, site, ask.first, ask.last, _suppressed(plan, found, results))
    return msgspec.structs.replace(
        of_days,
        imports_included=False if include.imports else None,
        metric_warnings=_warnings(plan),
        time_labels=_time_labels(site, plan) if include.time_labels else None,
        total_rows=total if include.total_rows else None,
    )


def meta(reading: Reading, site: Site, first: date, last: date, suppressed: bool) -> Meta:
    """What is said of every answer over these days."""
    fresh = reading.freshness(site, first, last)
    released = fresh.open + fresh.provisional + fresh.final
    return Meta(
        disclosure=Disclosure(
            k=site.k,
            suppressed=suppressed,
            rounded_to=ROUNDED_CHANGING if fresh.open or fresh.provisional else ROUNDED_FINAL,
        ),
        freshness=Freshness(
            fresh.computed_at,
            Days(fresh.final, fresh.provisional, fresh.open, (last - first).days + 1 - released),
        ),
    )


def _suppressed(plan: Plan, found: Found, results: Sequence[Result]) -> bool:
    if plan.crossed or found.merged or (plan.ask.table == "total" and found.cells < found.units):
        return True
    return any(value is None for row in results for value in row.metrics)


def _warnings(plan: Plan) -> dict[str, Warned]:
    found = {UNIQUE: Warned("consent", _OF_CONSENT)} if plan.spans is not None else {}
    if any(metric.name == "visitors" for metric in plan.metrics) and (texts := _sums(plan)):
        found["visitors"] = Warned("sum", " ".join(texts))
    return found


def _sums(plan: Plan) -> list[str]:
    """What the sums of visitors count twice."""
    texts = []
    if plan.ask.first != plan.ask.last and not {"day", "hour"} & {c.time for c in plan.columns}:
        texts.append(_OF_SEVERAL_DAYS)
    grouped = plan.ask.keys
    columns = (("by", plan.ask.by), ("value", plan.ask.value))
    if any(
        name not in grouped and any(v.contains or len(v.wanted) > 1 for v in wanted)
        for name, wanted in columns
    ):
        texts.append(_OF_SEVERAL_VALUES)
    return texts


def _time_labels(site: Site, plan: Plan) -> list[str]:
    points = _points(plan, plan.ask.first, plan.ask.last)
    if any(column.time == "hour" for column in plan.columns):
        return [f"{day} {hour:02}:00:00" for day in points for hour in _hours(site, day)]
    return [str(day) for day in points]


def _hours(site: Site, day: date) -> list[int]:
    calendar = site.calendar
    return period.hours(calendar.start(day), calendar.end(day), calendar.zone_on(day))


def _asked(site: Site, plan: Plan) -> Asked:
    query = plan.query
    return Asked(
        site_id=site.domain,
        metrics=query.metrics,
        date_range=moments(site, plan.ask.first, plan.ask.last),
        filters=query.filters,
        dimensions=query.dimensions,
        order_by=list(plan.order),
        include=query.include,
        pagination=query.pagination,
        comparison_date_range=moments(site, *plan.compared) if plan.compared else None,
    )


def moments(site: Site, first: date, last: date) -> list[str]:
    """The first and the last second of the days, with their offsets (ISO 8601)."""
    calendar = site.calendar
    return [
        calendar.start(first).astimezone(calendar.zone_on(first)).isoformat(),
        (calendar.end(last) - timedelta(seconds=1)).astimezone(calendar.zone_on(last)).isoformat(),
    ]
