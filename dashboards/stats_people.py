"""Funnels and retention over the stats API: who goes on, and who comes back.

Neither is a table that a question could group and filter, so each has an address of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import msgspec

from control.definitions import Funnel
from control.sites import Site
from dashboards.stats_answer import Meta, meta, moments, table
from dashboards.stats_language import StatsError
from releases.reading import Reached, Reading
from releases.tables import COHORT_WEEKS

PARAMETERS = ("site_id", "date_range")


class Stretch(msgspec.Struct):
    """The question as it was understood, its days as moments of the site's time."""

    site_id: str
    date_range: list[str]


class Step(msgspec.Struct):
    """One step of a funnel over the `days` that show it, and its visitors in per cent of those of
    the first step and of the one before on the same days. Null: withheld.
    """

    step: str
    visitors: int | None
    conversion_rate: float | None
    step_rate: float | None
    days: int


class FunnelResult(msgspec.Struct):
    id: int
    name: str
    steps: list[Step]


class Funnels(msgspec.Struct):
    results: list[FunnelResult]
    meta: Meta
    query: Stretch


class Cohort(msgspec.Struct):
    """People who were new in the week that begins on `week`, on the basis consent.

    `returned` says how many of them came one, two … weeks later, `retention` the same in per cent.
    Null: withheld, or not over yet.
    """

    week: date
    new_visitors: int | None
    returned: list[int | None]
    retention: list[float | None]


class Retention(msgspec.Struct):
    results: list[Cohort]
    meta: Meta
    query: Stretch


def date_range(parameters: Mapping[str, str]) -> str | list[str]:
    """What `stats_language.days` takes: `28d`, or two days with a comma. Raises `StatsError`."""
    for name in parameters:
        if name not in PARAMETERS:
            raise StatsError(name, f"no parameter; there are {', '.join(PARAMETERS)}")
    asked = parameters.get("date_range", "")
    if not asked:
        raise StatsError("date_range", "is needed: 28d, or two days such as 2026-05-01,2026-05-31")
    return asked.split(",") if "," in asked else asked


def funnels(
    reading: Reading, site: Site, declared: Sequence[Funnel], first: date, last: date
) -> Funnels:
    """Raises `ReleasesUnavailable`."""
    results = []
    for funnel in declared:
        reached = reading.funnel(site, funnel.id, len(funnel.steps), first, last)
        steps = [_step(str(step), it) for step, it in zip(funnel.steps, reached, strict=True)]
        results.append(FunnelResult(funnel.id, funnel.name, steps))
    days = len(reading.days(site, first, last))
    suppressed = any(step.days < days for funnel in results for step in funnel.steps)
    return Funnels(
        results, meta(reading, site, first, last, suppressed), _stretch(site, first, last)
    )


def retention(reading: Reading, site: Site, first: date, last: date) -> Retention:
    """The cohorts of the weeks that begin within the days. Raises `ReleasesUnavailable`."""
    found = reading.cohorts(site, first, last)
    mondays = [
        first + timedelta(n) for n in range(-first.weekday() % 7, (last - first).days + 1, 7)
    ]
    known = max((monday + timedelta(weeks=max(found[monday])) for monday in found), default=None)
    results = [_cohort(monday, found.get(monday, {})) for monday in mondays]
    # What the newest week that shows anything could have shown of each cohort.
    suppressed = known is not None and any(
        cohort.week + timedelta(weeks=age) <= known and figure is None
        for cohort in results
        for age, figure in enumerate([cohort.new_visitors, *cohort.returned])
    )
    return Retention(
        results, meta(reading, site, first, last, suppressed), _stretch(site, first, last)
    )


def funnels_as_csv(found: Funnels) -> str:
    """A row a step."""
    header = ("funnel", "step", "visitors", "conversion_rate", "step_rate", "days")
    rows = (
        (funnel.name, it.step, it.visitors, it.conversion_rate, it.step_rate, it.days)
        for funnel in found.results
        for it in funnel.steps
    )
    return table(header, rows)


def retention_as_csv(found: Retention) -> str:
    """A row a cohort."""
    later = [f"returned_{age}" for age in range(1, COHORT_WEEKS + 1)]
    rows = ((str(it.week), it.new_visitors, *it.returned) for it in found.results)
    return table(("week", "new_visitors", *later), rows)


def _step(name: str, reached: Reached) -> Step:
    return Step(
        name,
        reached.visitors,
        _per_cent(reached.conversion_rate),
        _per_cent(reached.step_rate),
        reached.days,
    )


def _cohort(monday: date, by_age: Mapping[int, int]) -> Cohort:
    new = by_age.get(0)
    returned = [by_age.get(age) for age in range(1, COHORT_WEEKS + 1)]
    return Cohort(monday, new, returned, list(_shares(returned, new)))


def _shares(returned: Sequence[int | None], new: int | None) -> Iterator[float | None]:
    for n in returned:
        yield None if n is None or not new else _per_cent(min(n / new, 1.0))


def _per_cent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _stretch(site: Site, first: date, last: date) -> Stretch:
    return Stretch(site.domain, moments(site, first, last))
