"""The reading side of releases: all that dashboards, the stats API and exports can see.

Names no table but `cells`, and of it only the versions that the control database points to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, func, select

from control.database import released_days
from control.sites import Site
from releases.tables import OTHER
from store.clickhouse import Store, StoreRefused, StoreUnavailable

UNKNOWN = "(unknown)"


class ReleasesUnavailable(Exception):
    """The store cannot be reached or answered with an error; what was collected is safe."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over the shown cells of a range of days; None: withheld or not measured.

    `visitors` over several days is the sum of daily visitors. `duration` is in seconds. The
    denominators of each average count only the days on which its numerator may be shown.
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

    @property
    def views_per_visit(self) -> float | None:
        return _ratio(self.linked_pageviews, self.linked_visits)

    @property
    def bounce_rate(self) -> float | None:
        """From 0 to 1."""
        rate = _ratio(self.bounces, self.bounce_visits)
        return None if rate is None else min(rate, 1.0)  # both are rounded, each by itself

    @property
    def visit_duration(self) -> float | None:
        """Seconds, on average."""
        return _ratio(self.duration, self.duration_visits)


@dataclass(frozen=True, slots=True)
class Released:
    """A day that has been released: open, provisional or final, and when it was computed."""

    day: date
    state: str
    computed_at: datetime


_FIGURES = """
    sum(visitors), sum(visits), sum(pageviews), sum(events),
    sum(linked_pageviews), sumIf(visits, linked_pageviews IS NOT NULL),
    sum(bounces), sumIf(visits, bounces IS NOT NULL),
    sum(duration), sumIf(visits, duration IS NOT NULL)
"""
_SHOWN = """
    FROM cells
    WHERE site = {site:UInt32} AND table = {table:String} AND period = 'day' AND by = ''
      AND day BETWEEN {first:Date} AND {last:Date}
      AND version IN {versions:Array(UInt32)}
"""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How many days of a site are in each state, and when the newest was computed (UTC)."""

    open: int
    provisional: int
    final: int
    computed_at: datetime | None


class Reading:
    """Answers from releases alone. Every method raises `ReleasesUnavailable`."""

    def __init__(self, store: Store, control: Engine) -> None:
        self._store = store
        self._control = control

    def days(self, site: Site, first: date, last: date) -> list[Released]:
        """The released days from `first` to `last`, both included, oldest first."""
        return [
            Released(row.day, row.state, row.computed_at.replace(tzinfo=UTC))
            for row in self._pointers(site, first, last)
        ]

    def newest(self) -> datetime | None:
        """When the newest release of any site was computed."""
        with self._control.connect() as connection:
            newest = connection.execute(select(func.max(released_days.c.computed_at))).scalar()
        return newest.replace(tzinfo=UTC) if newest else None

    def freshness(self, site: Site) -> Freshness:
        days = self.days(site, date.min, date.max)
        states = [day.state for day in days]
        return Freshness(
            open=states.count("open"),
            provisional=states.count("provisional"),
            final=states.count("final"),
            computed_at=max((day.computed_at for day in days), default=None),
        )

    def totals(self, site: Site, first: date, last: date) -> Figures:
        rows = self._read(f"SELECT {_FIGURES} {_SHOWN}", site, first, last, "total")
        return _figures(rows[0]) if rows else Figures()

    def by_day(self, site: Site, first: date, last: date) -> list[tuple[date, Figures]]:
        """Each released day with its figures; a day on which nothing may be shown has none."""
        sql = f"SELECT day, {_FIGURES} {_SHOWN} GROUP BY day"
        shown = {row[0]: _figures(row[1:]) for row in self._read(sql, site, first, last, "total")}
        return [
            (released.day, shown.get(released.day, Figures()))
            for released in self.days(site, first, last)
        ]

    def by_hour(self, site: Site, day: date) -> list[tuple[int, Figures]]:
        """The shown local hours of one day."""
        sql = (
            f"SELECT value, {_FIGURES} {_SHOWN} AND value != '{OTHER}'"
            " GROUP BY value ORDER BY value"
        )
        return [(int(row[0]), _figures(row[1:])) for row in self._read(sql, site, day, day, "hour")]

    def table(
        self, site: Site, first: date, last: date, table: str, limit: int = 10
    ) -> list[tuple[str, Figures]]:
        """The largest values of a declared table, "(other)" last. No value is `UNKNOWN`."""
        sql = (
            f"SELECT value, {_FIGURES} {_SHOWN} GROUP BY value ORDER BY value = '{OTHER}',"
            " coalesce(sum(visitors), 0) DESC, sum(pageviews) DESC, sum(events) DESC, value"
        )
        rows = self._read(sql, site, first, last, table)
        other = [row for row in rows if row[0] == OTHER]
        named = [row for row in rows if row[0] != OTHER][:limit]
        return [(row[0] or UNKNOWN, _figures(row[1:])) for row in named + other]

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

    def _pointers(self, site: Site, first: date, last: date) -> list[Any]:
        with self._control.connect() as connection:
            return list(
                connection.execute(
                    select(released_days)
                    .where(
                        released_days.c.site == site.id,
                        released_days.c.day.between(first, last),
                    )
                    .order_by(released_days.c.day)
                )
            )

    def _read(
        self, sql: str, site: Site, first: date, last: date, table: str
    ) -> list[tuple[Any, ...]]:
        versions = [row.version for row in self._pointers(site, first, last)]
        if not versions:
            return []
        parameters = {
            "site": site.id, "first": first, "last": last, "table": table, "versions": versions,
        }  # fmt: skip
        try:
            return self._store.query_rows(sql, parameters)
        except (StoreUnavailable, StoreRefused) as error:
            raise ReleasesUnavailable(str(error)) from error


def _figures(row: tuple[Any, ...]) -> Figures:
    return Figures(*(None if n is None else int(n) for n in row))


def _ratio(numerator: int | None, denominator: int | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None
