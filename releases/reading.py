"""The reading side of releases: all that dashboards, the stats API and exports can see.

Names no table but `cells`, and of it only the versions that the control database points to. A range
of whole days is answered by the released ISO weeks that lie within it and by the days around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Engine, func, select

from control.database import (
    definitions,
    realtime,
    released_days,
    released_definitions,
    released_spans,
    released_weeks,
)
from control.sites import Site
from releases.tables import COHORT_WEEKS, OTHER
from store.clickhouse import Store, StoreRefused, StoreUnavailable

UNKNOWN = "(unknown)"
_WEEK = timedelta(days=7)
# A figure of the last minutes that is older than this says nothing of now.
_STALE = timedelta(minutes=15)
_LATELY = timedelta(minutes=35)  # six whole windows, and the one that is not over

Span = Literal["week", "month"]
Key = Literal["table", "day", Span, "by", "value"]


class ReleasesUnavailable(Exception):
    """The store cannot be reached or answered with an error; what was collected is safe."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over the shown cells of a range of days; None: withheld, not measured or not asked.

    `visitors` over several days is the sum of daily visitors. `duration` and `engagement` are in
    seconds, `scroll` is the sum of percentages. The denominators of each average count only the
    cells in which its numerator may be shown. `revenue` of cells in different currencies is None.
    `unique_visitors` are those of `Reading.uniques`, and no measure of a question.
    """

    visitors: int | None = None
    visits: int | None = None
    pageviews: int | None = None
    events: int | None = None
    linked_pageviews: int | None = None
    linked_visits: int | None = None
    bounces: int | None = None
    bounce_visits: int | None = None
    duration: int | None = None
    duration_visits: int | None = None
    engagement: int | None = None
    engaged: int | None = None
    scroll: int | None = None
    scrolled: int | None = None
    revenue: Decimal | None = None
    payments: int | None = None
    currency: str | None = None
    unique_visitors: int | None = None

    @property
    def views_per_visit(self) -> float | None:
        return _ratio(self.linked_pageviews, self.linked_visits)

    @property
    def bounce_rate(self) -> float | None:
        """From 0 to 1."""
        return _share(self.bounces, self.bounce_visits)

    @property
    def visit_duration(self) -> float | None:
        """Seconds, on average."""
        return _ratio(self.duration, self.duration_visits)

    @property
    def engagement_time(self) -> float | None:
        """Seconds visible and focused, on average over visitors."""
        return _ratio(self.engagement, self.engaged)

    @property
    def scroll_depth(self) -> float | None:
        """Per cent of a page, on average over visitors."""
        depth = _ratio(self.scroll, self.scrolled)
        return None if depth is None else min(depth, 100.0)

    @property
    def average_revenue(self) -> Decimal | None:
        if self.revenue is None or not self.payments:
            return None
        return self.revenue / self.payments


@dataclass(frozen=True, slots=True)
class Released:
    """A day that has been released: open, provisional or final, and when it was computed."""

    day: date
    state: str
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class Now:
    """The tier of visitors in the five minutes before `until`: `0`, `<10`, `10`, `20` …"""

    until: datetime
    tier: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """How many days of a site are in each state, and when the newest was computed (UTC)."""

    open: int
    provisional: int
    final: int
    computed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Values:
    """Which values of a column count: these, or those that contain one of these.

    `negated`: all others. "(other)" contains nothing, since nobody knows what was merged into it.
    """

    wanted: tuple[str, ...]
    contains: bool = False
    negated: bool = False
    cased: bool = True


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to one released table, over days from `first` to `last`, both included; or to
    several that are released together, which the key `table` tells apart: those `also` named.

    `keys` say what the rows of the answer stand for: `value` and `by` are the columns of `cells`;
    `day` is a local day, `week` its first day within the range, `month` the first of the month.
    `measures` are fields of `Figures`. `order` names keys, measures or averages, each with whether
    it descends; what is withheld comes after everything else, and "(other)" after that (before
    all where `other_first`). `limit` 0: all rows.
    """

    table: str
    first: date
    last: date
    keys: tuple[Key, ...] = ()
    by: tuple[Values, ...] = ()
    value: tuple[Values, ...] = ()
    measures: tuple[str, ...] = ("visitors", "visits", "pageviews", "events")
    order: tuple[tuple[str, bool], ...] = ()
    limit: int = 0
    offset: int = 0
    other_first: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """`key` has one element for each of the question's keys: a date or a text."""

    key: tuple[Any, ...]
    figures: Figures


@dataclass(frozen=True, slots=True)
class Found:
    """The rows asked for, how many there are without the limit, and whether "(other)" is one.

    `cells` counts what was added up, `units` the released weeks and days that were looked at.
    """

    rows: list[Row]
    total: int
    merged: bool
    cells: int
    units: int


# What is added up, by the field of `Figures`. Every name is a column of `cells` too: the columns
# are named through the table so that no sum is taken for one.
_SUMS: Mapping[str, str] = {
    **{
        name: f"sum(c.{name})"
        for name in (
            "visitors", "visits", "pageviews", "events", "linked_pageviews", "bounces", "duration",
            "engagement", "scroll", "payments",
        )
    },
    "linked_visits": "sumIf(c.visits, c.linked_pageviews IS NOT NULL)",
    "bounce_visits": "sumIf(c.visits, c.bounces IS NOT NULL)",
    "duration_visits": "sumIf(c.visits, c.duration IS NOT NULL)",
    "engaged": "sumIf(c.engaged, c.engagement IS NOT NULL)",
    "scrolled": "sumIf(c.scrolled, c.scroll IS NOT NULL)",
    "revenue": "if(uniqExactIf(c.currency, c.revenue IS NOT NULL) = 1, sum(c.revenue), NULL)",
    "currency": "if(uniqExactIf(c.currency, c.revenue IS NOT NULL) = 1,"
    " anyIf(c.currency, c.revenue IS NOT NULL), NULL)",
}  # fmt: skip
_AVERAGES: Mapping[str, str] = {
    "views_per_visit": "linked_pageviews / linked_visits",
    "bounce_rate": "bounces / bounce_visits",
    "visit_duration": "duration / duration_visits",
    "engagement_time": "engagement / engaged",
    "scroll_depth": "scroll / scrolled",
    "average_revenue": "toFloat64(revenue) / payments",
}
_KEYS: Mapping[Key, str] = {
    "table": "c.table",
    "day": "c.day",
    "week": "greatest(toMonday(c.day), {first:Date})",
    "month": "toStartOfMonth(c.day)",
    "by": "c.by",
    "value": "c.value",
}
# What a page asks for of each table.
_OF_PAGES = tuple(field.name for field in fields(Figures))[:10]
_BY_VISITORS = (("visitors", True), ("pageviews", True), ("events", True), ("value", False))


@dataclass(frozen=True, slots=True)
class Reached:
    """Visitors who got to a funnel's step, over the days that show it; None where no day does.

    A step is hidden on other days than the one before it, so what it is compared with are the
    visitors of the first step (`of_first`) and of the one before (`of_before`) on the same days.
    """

    days: int
    visitors: int | None
    of_first: int | None
    of_before: int | None

    @property
    def conversion_rate(self) -> float | None:
        """Of the first step, from 0 to 1."""
        return _share(self.visitors, self.of_first)

    @property
    def step_rate(self) -> float | None:
        """Of the step before, from 0 to 1."""
        return _share(self.visitors, self.of_before)


class Reading:
    """Answers from releases alone. Every method raises `ReleasesUnavailable`."""

    def __init__(self, store: Store, control: Engine) -> None:
        self._store = store
        self._control = control

    def days(self, site: Site, first: date, last: date) -> list[Released]:
        """The released days from `first` to `last`, both included, oldest first."""
        return [
            Released(row.day, row.state, row.computed_at.replace(tzinfo=UTC))
            for row in self._days(site, first, last)
        ]

    def newest(self) -> datetime | None:
        """When the newest release of any site was computed."""
        with self._control.connect() as connection:
            newest = connection.execute(select(func.max(released_days.c.computed_at))).scalar()
        return newest.replace(tzinfo=UTC) if newest else None

    def oldest_day(self, site: Site) -> date | None:
        with self._control.connect() as connection:
            return connection.execute(
                select(func.min(released_days.c.day)).where(released_days.c.site == site.id)
            ).scalar()

    def freshness(self, site: Site, first: date = date.min, last: date = date.max) -> Freshness:
        days = self.days(site, first, last)
        states = [day.state for day in days]
        return Freshness(
            open=states.count("open"),
            provisional=states.count("provisional"),
            final=states.count("final"),
            computed_at=max((day.computed_at for day in days), default=None),
        )

    def realtime(self, site: Site, now: datetime) -> str | None:
        """The tier of the last closed five minutes; None where none was computed lately."""
        newest = next(reversed(self.lately(site, now)), None)
        return newest.tier if newest and now - newest.until <= _STALE else None

    def lately(self, site: Site, now: datetime) -> list[Now]:
        """The tiers of the closed five minutes within the last half hour, the oldest first."""
        here = realtime.c
        wanted = select(realtime).where(here.site == site.id).order_by(here.until)
        with self._control.connect() as connection:
            found = [Now(r.until.replace(tzinfo=UTC), r.tier) for r in connection.execute(wanted)]
        return [each for each in found if now - each.until < _LATELY]

    def find(self, site: Site, ask: Ask) -> Found:
        """The rows that answer a question, in its order."""
        days, weeks = self._units(site, ask)
        if not days and not weeks:
            return Found([], 0, merged=False, cells=0, units=0)
        parameters: dict[str, Any] = {
            "site": site.id, "tables": [ask.table, *ask.also],
            "first": ask.first, "last": ask.last,
            "days": days, "weeks": weeks, "other": OTHER,
        }  # fmt: skip
        sql = _statement(ask, parameters)
        rows = self._query(sql, parameters)
        width = len(ask.keys)
        total, merged, cells = rows[0][-3:] if rows else (0, 0, 0)
        return Found(
            [Row(tuple(row[:width]), _figures(ask.measures, row[width:-3])) for row in rows],
            total=int(total),
            merged=bool(merged),
            cells=int(cells),
            units=len(days) + len(weeks),
        )

    def totals(self, site: Site, first: date, last: date) -> Figures:
        found = self.find(site, Ask("total", first, last, measures=_OF_PAGES))
        return found.rows[0].figures if found.rows else Figures()

    def by_day(self, site: Site, first: date, last: date) -> list[tuple[date, Figures]]:
        """Each released day with its figures; a day on which nothing may be shown has none."""
        found = self.find(site, Ask("total", first, last, ("day",), measures=_OF_PAGES))
        shown = {row.key[0]: row.figures for row in found.rows}
        return [
            (released.day, shown.get(released.day, Figures()))
            for released in self.days(site, first, last)
        ]

    def by_hour(self, site: Site, day: date) -> list[tuple[int, Figures]]:
        """The shown local hours of one day."""
        ask = Ask("hour", day, day, ("value",), measures=_OF_PAGES, order=(("value", False),))
        rows = self.find(site, ask).rows
        return [(int(row.key[0]), row.figures) for row in rows if row.key[0] != OTHER]

    def table(
        self, site: Site, first: date, last: date, table: str, limit: int = 10
    ) -> list[tuple[str, Figures]]:
        """The largest values of a declared table, "(other)" last. No value is `UNKNOWN`."""
        ask = Ask(
            table, first, last, ("value",),
            measures=_OF_PAGES, order=_BY_VISITORS, limit=limit + 1, other_first=True,
        )  # fmt: skip
        rows = [(row.key[0], row.figures) for row in self.find(site, ask).rows]
        named = [(value or UNKNOWN, figures) for value, figures in rows if value != OTHER]
        return named[:limit] + [(value, figures) for value, figures in rows if value == OTHER]

    def coverage(self, site: Site, first: date, last: date) -> dict[str, int]:
        """Views by the basis on which they were measured, and the events of bots."""
        by_basis = {
            value: figures.pageviews or 0
            for value, figures in self.table(site, first, last, "basis")
            if value != OTHER
        }
        bots = sum(f.events or 0 for _, f in self.table(site, first, last, "bot"))
        return by_basis | ({"bots": bots} if bots else {})

    def dropped(self, site: Site, first: date, last: date) -> dict[str, int]:
        """Events that left no row, by reason."""
        rows = self.table(site, first, last, "dropped", limit=100)
        return {value: figures.events or 0 for value, figures in rows}

    def uniques(self, site: Site, period: Span, first: date, last: date) -> list[tuple[date, int]]:
        """Distinct visitors of the basis consent in each week or month (`period`) that begins
        within the days, where they may be shown: the span's first day, and how many.
        """
        rows = self._followed(site, "uniques", period, first, last)
        return sorted((day, visitors) for day, _, _, visitors in rows)

    def cohorts(self, site: Site, first: date, last: date) -> dict[date, dict[int, int]]:
        """Of the weeks that begin within the days, by their Monday: how many visitors were new, and
        of them how many came so many weeks later. What may not be shown is left out.
        """
        found: dict[date, dict[int, int]] = {}
        longest = timedelta(weeks=COHORT_WEEKS)
        for _, by, age, visitors in self._followed(site, "cohort", "week", first, last + longest):
            monday = date.fromisoformat(by)
            if first <= monday <= last:
                found.setdefault(monday, {})[int(age)] = visitors
        return {monday: dict(sorted(found[monday].items())) for monday in sorted(found)}

    def funnel(self, site: Site, number: int, steps: int, first: date, last: date) -> list[Reached]:
        """The steps of a funnel, summed over the days that show them."""
        ask = Ask(f"funnel:{number}", first, last, ("day", "value"), measures=("visitors",))
        shown: dict[int, dict[date, int]] = {step: {} for step in range(1, steps + 1)}
        for row in self.find(site, ask).rows:
            shown[int(row.key[1])][row.key[0]] = row.figures.visitors or 0
        return [_reached(shown, step) for step in shown]

    def defined_days(self, site: Site, number: int, first: date, last: date) -> int:
        """Of how many days a definition has been computed, whatever of it may be shown."""
        here = released_definitions.c
        wanted = (
            select(func.count())
            .select_from(released_definitions.join(definitions))
            .where(
                definitions.c.site == site.id,
                here.definition == number,
                here.day.between(first, last),
            )
        )
        with self._control.connect() as connection:
            return int(connection.execute(wanted).scalar_one())

    def _followed(
        self, site: Site, table: str, period: str, first: date, last: date
    ) -> list[tuple[Any, ...]]:
        """(first day, by, value, visitors) of the cells of spans that begin within the days."""
        here = released_spans.c
        wanted = select(here.version).where(
            here.site == site.id, here.period == period, here.first.between(first, last)
        )
        with self._control.connect() as connection:
            versions = list(connection.execute(wanted).scalars())
        return self._query(
            "SELECT day, by, value, visitors FROM cells WHERE site = {site:UInt32}"
            " AND table = {table:String} AND period = {period:String}"
            " AND version IN {versions:Array(UInt32)}",
            {"site": site.id, "table": table, "period": period, "versions": versions},
        )

    def _query(self, sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        try:
            return self._store.query_rows(sql, parameters, _SETTINGS)
        except (StoreUnavailable, StoreRefused) as error:
            raise ReleasesUnavailable(str(error)) from error

    def _units(self, site: Site, ask: Ask) -> tuple[list[int], list[int]]:
        """The versions to add up: of weeks that lie within one row's days, and of other days."""
        weeks: dict[date, int] = {}
        if (defined := _DEFINED.search(ask.table)) is not None:
            return self._defined(site, ask, defined["kind"], defined["number"]), []
        if "day" not in ask.keys and (ask.last - ask.first) >= _WEEK - timedelta(days=1):
            spans = _months(ask.first, ask.last) if "month" in ask.keys else [(ask.first, ask.last)]
            mondays = {monday for span in spans for monday in whole_weeks(*span)}
            weeks = {
                row.week: row.version
                for row in self._weeks(site, ask.first, ask.last)
                if row.week in mondays
            }
        days = [
            row.version
            for row in self._days(site, ask.first, ask.last)
            if row.day - timedelta(days=row.day.weekday()) not in weeks
        ]
        return days, list(weeks.values())

    def _defined(self, site: Site, ask: Ask, kind: str, number: str | None) -> list[int]:
        """The versions of what analysts declared: each definition has a pointer of its own."""
        wanted = (
            select(released_definitions.c.version)
            .join(definitions, definitions.c.id == released_definitions.c.definition)
            .where(
                definitions.c.site == site.id,
                definitions.c.kind == kind,
                definitions.c.removed_at.is_(None),
                released_definitions.c.day.between(ask.first, ask.last),
            )
        )
        if number is not None:
            wanted = wanted.where(definitions.c.id == int(number))
        with self._control.connect() as connection:
            return list(connection.execute(wanted).scalars())

    def _days(self, site: Site, first: date, last: date) -> Sequence[Any]:
        with self._control.connect() as connection:
            return connection.execute(
                select(released_days)
                .where(released_days.c.site == site.id, released_days.c.day.between(first, last))
                .order_by(released_days.c.day)
            ).all()

    def _weeks(self, site: Site, first: date, last: date) -> Sequence[Any]:
        with self._control.connect() as connection:
            return connection.execute(
                select(released_weeks).where(
                    released_weeks.c.site == site.id, released_weeks.c.week.between(first, last)
                )
            ).all()


# The tables of definitions: all goals that are a path's prefix, one segment's, one funnel's.
_DEFINED = re.compile(r"(?:\A|\|)(?P<kind>goal|segment|funnel)(?::(?P<number>\d+))?\Z")
# One thread reads what one answer needs faster than several could be started.
_SETTINGS = {"max_threads": 1}


def whole_weeks(first: date, last: date) -> Iterator[date]:
    """The Mondays of the ISO weeks that lie between two days, both included."""
    monday = first + timedelta(days=-first.weekday() % 7)
    while monday + _WEEK - timedelta(days=1) <= last:
        yield monday
        monday += _WEEK


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The calendar months of a range, each as its first and last day within it."""
    while first <= last:
        after = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield first, min(after - timedelta(days=1), last)
        first = after


def _statement(ask: Ask, parameters: dict[str, Any]) -> str:
    """The question as SQL. Texts go into `parameters`; all else comes from the tables above."""
    keys = [f"{_KEYS[key]} AS key_{key}" for key in ask.keys]
    sums = [f"{_SUMS[name]} AS {name}" for name in ask.measures]
    conditions = list(_conditions("by", ask.by, parameters))
    conditions += _conditions("value", ask.value, parameters)
    merged = " OR ".join(f"key_{k} = {{other:String}}" for k in ask.keys if k in ("by", "value"))
    order = [f"({merged}) {'DESC' if ask.other_first else 'ASC'}"] if merged else []
    for name, descending in ask.order:
        expression = _AVERAGES.get(name, f"key_{name}" if name in ask.keys else name)
        order.append(f"{expression} {'DESC' if descending else 'ASC'} NULLS LAST")
    order += [f"key_{key}" for key in ask.keys]
    return " ".join(
        (
            "SELECT", ", ".join([*keys, *sums]),
            ", count() OVER () AS total_rows,",
            f"max({merged}) OVER ()" if merged else "0", "AS merged,",
            "sum(count()) OVER () AS cells_read",
            "FROM cells AS c",
            "WHERE c.site = {site:UInt32} AND c.table IN {tables:Array(String)}",
            "AND c.day BETWEEN {first:Date} AND {last:Date}",
            "AND (c.period = 'day' AND c.version IN {days:Array(UInt32)}",
            "OR c.period = 'week' AND c.version IN {weeks:Array(UInt32)})",
            *(f"AND {condition}" for condition in conditions),
            "GROUP BY " + ", ".join(f"key_{key}" for key in ask.keys) if keys else "",
            "HAVING count() > 0",
            "ORDER BY " + ", ".join(order) if order else "",
            f"LIMIT {ask.limit} OFFSET {ask.offset}" if ask.limit else "",
        )
    )  # fmt: skip


def _conditions(
    column: str, several: Iterable[Values], parameters: dict[str, Any]
) -> Iterator[str]:
    for number, values in enumerate(several):
        name = f"{column}_{number}"
        parameters[name] = list(values.wanted if values.cased else map(str.lower, values.wanted))
        text = f"c.{column}" if values.cased else f"lowerUTF8(c.{column})"
        if values.contains:
            condition = (
                f"(c.{column} != {{other:String}} AND multiSearchAny({text},"
                f" {{{name}:Array(String)}}))"
            )
        else:
            condition = f"{text} IN {{{name}:Array(String)}}"
        yield f"NOT {condition}" if values.negated else condition


def _figures(measures: Sequence[str], row: Sequence[Any]) -> Figures:
    figures: dict[str, Any] = {
        name: n if n is None or name in _NO_COUNTS else int(n)
        for name, n in zip(measures, row, strict=True)
    }
    return Figures(**figures)


def _reached(shown: Mapping[int, Mapping[date, int]], step: int) -> Reached:
    days = shown[step]
    if not days:
        return Reached(0, None, None, None)
    before = shown.get(step - 1, days)

    def sum_of(others: Mapping[date, int]) -> int:
        return sum(others.get(day, 0) for day in days)

    return Reached(len(days), sum_of(days), sum_of(shown[1]), sum_of(before))


def _share(part: int | None, whole: int | None) -> float | None:
    rate = _ratio(part, whole)
    return None if rate is None else min(rate, 1.0)  # both are rounded, each by itself


_NO_COUNTS = ("revenue", "currency")


def _ratio(numerator: int | None, denominator: int | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None
