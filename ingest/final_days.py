"""Which days of a site are final: no row may join them, since their release is never redone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta

from sqlalchemy import Engine, select

from control.database import released_days
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
    """The final days that a live event may fall on, read again after `ttl` seconds.

    Within the late window only an import makes a day final.
    """

    def __init__(
        self,
        control: Engine,
        late: timedelta,
        today: Callable[[], date],
        ttl: float = 5.0,
    ) -> None:
        self._control = control
        self._reach = late + timedelta(days=2)  # local days and the window's own edge
        self._today = today
        self._ttl = ttl
        self._held: dict[int, tuple[float, frozenset[str]]] = {}

    def __call__(self, site: Site) -> frozenset[str]:
        now = time.monotonic()
        held = self._held.get(site.id)
        if held is None or now - held[0] >= self._ttl:
            days = final_days(self._control, site, self._today() - self._reach)
            held = self._held[site.id] = (now, days)
        return held[1]
