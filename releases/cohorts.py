"""Who comes back: distinct visitors of whole weeks and months, and weekly retention.

Of the basis consent alone: only there does a pseudonym outlive its day. Both are computed once,
when every day of the span is final, from the rows that then exist.

    uniques    period week or month; `visitors` are distinct over the span
    cohort     period week; by: the Monday of the cohort's week; value: its age in weeks

A visitor is new in a week when none of the four weeks before has seen them, also when they came
long before that; and stays in the cohort of the week in which they were last new. So who comes in a
week belongs to one cohort at most. Rows of `LIFETIME` reach back far enough for
ages to `COHORT_WEEKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Literal, NamedTuple

from anonymize.event import Basis
from anonymize.matrix import LIFETIME
from control.sites import Site
from releases.disclosure import Published, Threshold
from releases.disclosure.declared import Cohort, may_show_uniques, rounded, shown_cohorts
from releases.scratch import template
from releases.tables import COHORT_WEEKS
from store.clickhouse import Store

Period = Literal["week", "month"]

AWAY = 4  # weeks without a visit that make somebody new again
_WINDOW = AWAY + COHORT_WEEKS + 1
_KEPT = timedelta(days=LIFETIME[Basis.CONSENT])
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
# Rows whose visitors are gathered together; pseudonyms are spread evenly over all numbers.
_TOGETHER = 2_000_000
_MOST_VISITORS = 2**128 - 1


class Span(NamedTuple):
    """A whole ISO week or calendar month."""

    period: Period
    first: date

    @property
    def last(self) -> date:
        if self.period == "week":
            return self.first + _WEEK - _DAY
        return (self.first + timedelta(days=31)).replace(day=1) - _DAY

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(n) for n in range((self.last - self.first).days + 1)]


def complete(first: date, today: date) -> bool:
    """Whether no row of a day, and so of no later one, has expired."""
    return today < first + _KEPT


def spans(today: date) -> Iterator[Span]:
    """The spans of which every row still exists, the oldest first; the last may not be over."""
    first = today - _KEPT + _DAY
    monday = first + timedelta(days=-first.weekday() % 7)
    while monday <= today:
        yield Span("week", monday)
        monday += _WEEK
    month = first if first.day == 1 else Span("month", first.replace(day=1)).last + _DAY
    while month <= today:
        yield Span("month", month)
        month = Span("month", month).last + _DAY


def cells(
    store: Store,
    site: Site,
    span: Span,
    today: date,
    threshold: Threshold,
    alive: Callable[[], None] = lambda: None,
) -> list[Published]:
    """What may be shown of a span. `threshold` is drawn for it; `alive` as in `compute_day`."""
    everybody = _Visitors(store, site, alive)
    people, found = _uniques(everybody, span, threshold)
    if span.period == "week" and people:
        found += _cohorts(everybody, span, today, threshold)
    return found


def _uniques(everybody: _Visitors, span: Span, threshold: Threshold) -> tuple[int, list[Published]]:
    counted = everybody.uniques(span, _parts(span))
    floor = threshold("uniques", span.period)
    if not may_show_uniques(counted.people, counted.parts, counted.several, floor):
        return counted.people, []
    return counted.people, [_published("uniques", "", "", counted.people)]


def _parts(span: Span) -> list[int]:
    """The days of the span as bits, and of a month the whole weeks in it."""
    days = [1 << n for n in range(len(span.days))]
    weeks = [
        sum(days[n : n + 7])
        for n, day in enumerate(span.days)
        if day.weekday() == 0 and n + 7 <= len(days)
    ]
    return days + (weeks if span.period == "month" else [])


def _cohorts(
    everybody: _Visitors, span: Span, today: date, threshold: Threshold
) -> list[Published]:
    came = everybody.weeks(span.first - (_WINDOW - 1) * _WEEK, span.last)
    found = {
        age: cohort
        for age, cohort in cohorts(came).items()
        if complete(span.first - (age + AWAY) * _WEEK, today)
    }
    people = sum(n for weeks, n in came.items() if weeks >> (_WINDOW - 1) & 1)

    def cohort_of(age: int) -> str:
        return (span.first - age * _WEEK).isoformat()

    shown = shown_cohorts(found, people, lambda age: threshold("cohort", str(age), cohort_of(age)))
    return [
        _published("cohort", cohort_of(age), str(age), found[age].back) for age in sorted(shown)
    ]


def cohorts(came: Mapping[int, int]) -> dict[int, Cohort]:
    """Each cohort by its age in the last week.

    `came` has how many visitors came in exactly these weeks: as bits, the first week the lowest.
    """
    last = _WINDOW - 1
    sizes, back = (
        dict.fromkeys(range(COHORT_WEEKS + 1), 0),
        dict.fromkeys(range(COHORT_WEEKS + 1), 0),
    )
    for weeks, visitors in came.items():
        ages = [age for age in range(COHORT_WEEKS + 1) if _new(weeks, last - age)]
        for age in ages:
            sizes[age] += visitors
        if ages and weeks >> last & 1:
            back[min(ages)] += visitors
    return {age: Cohort(sizes[age], back[age]) for age in sizes}


def _new(weeks: int, week: int) -> bool:
    """Whether a visitor came in the week, and in none of those before it in which they would count
    as having been there."""
    before = (1 << AWAY) - 1 << week - AWAY
    return bool(weeks >> week & 1) and not weeks & before


class _Uniques(NamedTuple):
    people: int
    several: int
    parts: list[int]


class _Visitors:
    """The visitors of a site on the basis consent, counted range by range of pseudonyms."""

    def __init__(self, store: Store, site: Site, alive: Callable[[], None]) -> None:
        self._store = store
        self._site = site
        self._alive = alive

    def uniques(self, span: Span, parts: list[int]) -> _Uniques:
        people, several, of_parts = 0, 0, [0] * len(parts)
        by_day = "dateDiff('day', {first:Date}, day)"
        for row in self._ask("uniques", by_day, span.first, span.last, {"parts": parts}):
            people += int(row[0])
            several += int(row[1])
            of_parts = [n + int(more) for n, more in zip(of_parts, row[2] or of_parts, strict=True)]
        return _Uniques(people, several, of_parts)

    def weeks(self, first: date, last: date) -> dict[int, int]:
        """How many came in exactly which weeks, as bits."""
        came: dict[int, int] = {}
        by_week = "intDiv(dateDiff('day', {first:Date}, day), 7)"
        for weeks, visitors in self._ask("cohorts", by_week, first, last, {}):
            came[int(weeks)] = came.get(int(weeks), 0) + int(visitors)
        return came

    def _ask(
        self, name: str, period: str, first: date, last: date, more: Mapping[str, Any]
    ) -> Iterator[tuple[Any, ...]]:
        given = {"site": self._site.id, "first": first, "last": last, **more}
        [(rows,)] = self._store.query_rows(
            "SELECT count() FROM events WHERE site = {site:UInt32}"
            " AND day BETWEEN {first:Date} AND {last:Date} AND basis = 'consent'",
            given,
        )
        statement = template(name).replace("{came}", template("came").replace("{period}", period))
        parts = -(-int(rows) // _TOGETHER)
        bounds = [n * _MOST_VISITORS // parts for n in range(parts)] + [_MOST_VISITORS]
        for part in range(parts):
            self._alive()
            yield from self._store.query_rows(
                statement, {**given, "from": bounds[part] + 1, "to": bounds[part + 1]}
            )


def _published(table: str, by: str, value: str, visitors: int) -> Published:
    return Published(
        table=table,
        by=by,
        value=value,
        visitors=rounded(visitors, "final"),
        visits=None,
        pageviews=None,
        events=None,
        linked_pageviews=None,
        bounces=None,
        duration=None,
    )
