"""When weeks and months of followed visitors are computed: once, when all their days are final."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime

from sqlalchemy import Connection, Engine, insert, select

from control.database import released_days, released_spans
from control.sites import Site
from releases import cohorts
from releases.cohorts import Span
from releases.compute import write
from releases.disclosure import Threshold
from store.clickhouse import Store


class SpanJob:
    """What the release job does about spans, while it holds the lease.

    `new_version` gives the number of a new version.
    """

    def __init__(
        self, store: Store, control: Engine, new_version: Callable[[Site, date], int]
    ) -> None:
        self._store = store
        self._control = control
        self._new_version = new_version

    def due(
        self,
        sites: Iterable[Site],
        now: datetime,
        past: Callable[[Site, date], bool],
    ) -> list[tuple[Site, Span]]:
        """The spans to compute, oldest first. `past` says whether a day without rows stays so."""
        here, days = released_spans.c, released_days.c
        with self._control.connect() as connection:
            done = {
                (row.site, row.period, row.first)
                for row in connection.execute(select(here.site, here.period, here.first))
            }
            states = {
                (row.site, row.day): row.state
                for row in connection.execute(select(days.site, days.day, days.state))
            }

        def final(site: Site, day: date) -> bool:
            state = states.get((site.id, day))
            return past(site, day) if state is None else state == "final"

        return [
            (site, span)
            for site in sites
            for span in cohorts.spans(site.calendar.local_day(now))
            if (site.id, *span) not in done
            and any((site.id, day) in states for day in span.days)
            and all(final(site, day) for day in span.days)
        ]

    def compute(
        self, site: Site, span: Span, today: date, threshold: Threshold, alive: Callable[[], None]
    ) -> int:
        """Computes and writes a span; returns its version."""
        version = self._new_version(site, span.first)
        shown = cohorts.cells(self._store, site, span, today, threshold, alive)
        write(self._store, site, span.period, span.first, version, shown)
        return version

    def point(
        self, connection: Connection, site: Site, span: Span, version: int, at: datetime
    ) -> None:
        """Shows the version."""
        values = {"site": site.id, "period": span.period, "first": span.first}
        connection.execute(insert(released_spans).values(**values, version=version, computed_at=at))
