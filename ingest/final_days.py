"""Which days of a site take no row any more: their release is never redone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta

from sqlalchemy import Engine, select

from control.database import imported_days, released_days
from control.sites import Site


def final_days(control: Engine, site: Site, since: date = date.min) -> frozenset[str]:
    """The final days of a site from `since` on, as YYYY-MM-DD."""
    here = (
        (released_days.c.site == site.id)
        & (released_days.c.state == "final")
        & (released_days.c.day >= since)
    )
    with control.connect() as connection:
        return frozenset(
            day.isoformat() for day in connection.scalars(select(released_days.c.day).where(here))
        )


class RecentFinalDays:
    """The days that are closed to a live event, read again after `ttl` seconds.

    Besides final days those over that an import has filled: within the late window only an import
    makes a day final, and `releases.job.NOTICE` later than this can know. An event that is accepted
    meanwhile is loaded before the day is computed, and so is counted. `ttl` is less than that.
    """

    def __init__(
        self,
        control: Engine,
        late: timedelta,
        clock: Callable[[], datetime],
        ttl: float = 1.0,
    ) -> None:
        self._control = control
        self._reach = late + timedelta(days=2)  # local days and the window's own edge
        self._clock = clock
        self._ttl = ttl
        self._held: dict[int, tuple[float, frozenset[str]]] = {}

    def __call__(self, site: Site) -> frozenset[str]:
        now = time.monotonic()
        held = self._held.get(site.id)
        if held is None or now - held[0] >= self._ttl:
            held = self._held[site.id] = (now, self._closed(site))
        return held[1]

    def _closed(self, site: Site) -> frozenset[str]:
        moment = self._clock()
        since = moment.date() - self._reach
        here = (imported_days.c.site == site.id) & (imported_days.c.day >= since)
        with self._control.connect() as connection:
            imported = connection.scalars(select(imported_days.c.day).where(here)).all()
        over = {day.isoformat() for day in imported if site.calendar.end(day) <= moment}
        return final_days(self._control, site, since) | over
