"""When weeks are released: once, when all their days are final."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, Engine, insert, select

from control.database import released_days, released_weeks
from control.sites import Site
from releases.disclosure import Threshold
from releases.weeks import compute_week, days_of
from store.clickhouse import Store


@dataclass(frozen=True, slots=True)
class DueWeek:
    """A week of a site, by its Monday: of each released day the version, and its rows' digest."""

    site: Site
    monday: date
    versions: dict[date, int]
    digests: dict[date, int]


class WeekJob:
    """What the release job does about weeks, while it holds the lease.

    `new_version` gives the number of a new version, `digest` that of the rows that a day has.
    """

    def __init__(
        self,
        store: Store,
        control: Engine,
        new_version: Callable[[Site, date], int],
        digest: Callable[[Site, date], int],
    ) -> None:
        self._store = store
        self._control = control
        self._new_version = new_version
        self._digest = digest

    def due(self, sites: Iterable[Site], past: Callable[[Site, date], bool]) -> list[DueWeek]:
        """The weeks to compute, oldest first. `past` says whether a day without rows stays so."""
        days, weeks = released_days.c, released_weeks.c
        with self._control.connect() as connection:
            done = {
                (row.site, row.week) for row in connection.execute(select(weeks.site, weeks.week))
            }
            pointers = connection.execute(
                select(days.site, days.day, days.version, days.state, days.digest)
            ).all()
        by_week = defaultdict(list)
        for row in pointers:
            monday = row.day - timedelta(days=row.day.weekday())
            if (row.site, monday) not in done:
                by_week[row.site, monday].append(row)
        known = {site.id: site for site in sites}
        found = []
        for (number, monday), rows in sorted(by_week.items(), key=lambda week: week[0][::-1]):
            site = known.get(number)
            if site is None or any(row.state != "final" for row in rows):
                continue
            released = {row.day for row in rows}
            if all(day in released or past(site, day) for day in days_of(monday)):
                versions = {row.day: row.version for row in rows}
                found.append(DueWeek(site, monday, versions, {row.day: row.digest for row in rows}))
        return found

    def compute(self, due: DueWeek, threshold: Threshold, alive: Callable[[], None]) -> int:
        """Computes and writes a week; returns its version."""
        version = self._new_version(due.site, due.monday)
        compute_week(
            self._store,
            due.site,
            due.monday,
            due.versions,
            threshold,
            version,
            untouched=all(
                self._digest(due.site, day) == digest for day, digest in due.digests.items()
            ),
            alive=alive,
        )
        return version

    def point(self, connection: Connection, due: DueWeek, version: int, at: datetime) -> None:
        """Shows the version."""
        values = {"site": due.site.id, "week": due.monday, "version": version, "computed_at": at}
        connection.execute(insert(released_weeks).values(**values))
