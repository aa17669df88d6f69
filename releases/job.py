"""When a day is computed: open and provisional days when rows came or went, final days once.

A day is open while it lasts, provisional for the late window after it, then final: released once
more and never computed again, because two versions of one day would differ by exactly the person
who left. Days that an operator's import filled are final as soon as they are loaded.

Of an open day the clock renews the totals whenever it looks, and all tables once an hour, so that
whoever keeps every version learns no more of when somebody came than the final day tells.

Definitions are computed with each day and, once the days are done, back over those that were
released before them; then ISO weeks, and weeks and months of followed visitors, when all their days
are final.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from time import monotonic

from sqlalchemy import Connection, Engine, delete, insert, select

from control.database import imported_days, metadata, release_runs, released_days
from control.leases import Lease
from control.sites import Site, Sites
from releases.cohorts import Span
from releases.compute import compute_day, holds_tables
from releases.definition_job import Behind, DefinitionJob, Pointer
from releases.disclosure import Threshold, thresholds
from releases.scratch import Scratch, drop_leftovers
from releases.span_job import SpanJob
from releases.week_job import DueWeek, WeekJob
from store.clickhouse import Store, StoreRefused

# Open and provisional days are looked at on this clock, aligned to the hour.
REFRESH = timedelta(minutes=5)
# After the late window, for what was accepted in its last moment and is still being loaded.
SETTLE = timedelta(hours=1)
# After a day that an import filled is known as such and over, until every web process has closed it
# (ingest/final_days.py): what these accept meanwhile is loaded and counted before it is final.
NOTICE = timedelta(seconds=3)
_RENEW_SECONDS = 10
# How long a run may spend on what is no day of its own: open days wait meanwhile.
_AFTERWARDS_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Due:
    """A day to compute, the state it then has, and a digest of the rows it has now."""

    site: Site
    day: date
    state: str
    digest: int


class ReleaseJob:
    """Computes what is due. `threshold_key` is the secret of the cells' thresholds (32 bytes)."""

    def __init__(
        self,
        store: Store,
        control: Engine,
        sites: Sites,
        threshold_key: bytes,
        clock: Callable[[], datetime],
        late: timedelta,
    ) -> None:
        self._store = store
        self._control = control
        self._sites = sites
        self._key = threshold_key
        self._clock = clock
        self._late = late
        self._definitions = DefinitionJob(store, control, self._new_version, self._digest)
        self._weeks = WeekJob(store, control, self._new_version, self._digest)
        self._spans = SpanJob(store, control, self._new_version)

    def due(self, loaded: datetime | None = None, only: Site | None = None) -> list[Due]:
        """The days to compute now, newest first: those are looked at most.

        `loaded` is the moment up to which everything accepted is in the store (now unless given):
        a day becomes final only when nothing of it can still be on its way.
        """
        now = self._clock()
        loaded = min(now, loaded or now)
        released = self._released()
        imported = self._imported()
        days = []
        for site, day, digest in self._stored(only):
            pointer = released.get((site.id, day))
            if pointer is not None and pointer.state == "final":
                continue
            imported_at = imported.get((site.id, day))
            if imported_at is not None and self._noticed(site, day, imported_at) > now >= (
                site.calendar.end(day)
            ):
                continue  # it would be computed twice within seconds
            state = self.state(site, day, now, loaded, imported_at)
            if pointer is None or pointer.digest != digest or pointer.state != state:
                days.append(Due(site, day, state, digest))
        return sorted(days, key=lambda due: (-due.day.toordinal(), due.site.id))

    def state(
        self,
        site: Site,
        day: date,
        now: datetime,
        loaded: datetime,
        imported_at: datetime | None = None,
    ) -> str:
        """`imported_at` is when an import of the day was published, after it was written."""
        ends = site.calendar.end(day)
        if now < ends:
            return "open"
        if imported_at is None:
            last = ends + self._late + SETTLE
        else:
            last = self._noticed(site, day, imported_at)
        return "final" if loaded > last else "provisional"

    def until_noticed(self) -> timedelta:
        """How long until every day that an import has filled by now is closed everywhere."""
        now = self._clock()
        last = max((at for at in self._imported().values() if at <= now), default=now - NOTICE)
        return max(last + NOTICE - now, timedelta())

    def _noticed(self, site: Site, day: date, imported_at: datetime) -> datetime:
        return max(site.calendar.end(day), imported_at) + NOTICE

    def run(
        self, loaded: datetime | None = None, only: Site | None = None, *, hold: bool = False
    ) -> Iterator[Due]:
        """Computes what is due, as `due` says, yielding each day once it is shown.

        One runner at a time: while somebody else holds the lease there is nothing to do. `hold` is
        for the clock: an open day's tables wait until an hour of it has passed, its totals do not.
        """
        lease = Lease(self._control, "release")
        if not lease.take():
            return
        try:
            drop_leftovers(self._store)
            for due in self.due(loaded, only):
                if not self._release(due, lease, self._kept(due) if hold else None):
                    return
                yield due
            self._afterwards(loaded, only, lease)
        finally:
            lease.give()

    def behind(self, loaded: datetime | None = None, only: Site | None = None) -> int:
        """How much besides days is left to compute: days of new definitions, weeks, spans."""
        sites = self._which(only)
        return (
            len(self._definitions.behind(sites))
            + len(self._due_weeks(sites, loaded))
            + len(self._due_spans(sites, loaded))
        )

    def _kept(self, due: Due) -> _Pointer | None:
        """The version whose tables an open day keeps until the clock's next hour.

        None where it shows none yet. It keeps its digest too: so the day stays due, and what is
        declared meanwhile is not computed of other rows than the tables.
        """
        if due.state != "open":
            return None
        pointer = self._released().get((due.site.id, due.day))
        if pointer is None or pointer.state != "open":
            return None
        if _hour(pointer.computed_at) != _hour(self._clock().replace(tzinfo=None)):
            return None
        shows = holds_tables(self._store, due.site, due.day, pointer.version)
        return pointer if shows else None

    def _release(self, due: Due, lease: Lease, kept: _Pointer | None) -> bool:
        """False where the lease ran out: another runner may have shown a newer version since."""
        alive = _Alive(self._control, lease)
        threshold = self._threshold(due.site, due.day.isoformat())
        version = self._new_version(due.site, due.day)
        pointers: list[Pointer] = []

        def definitions(tables: Scratch) -> None:
            pointers.extend(
                self._definitions.with_day(tables, version, due.state, due.digest, threshold)
            )

        try:
            alive.now()
            compute_day(
                self._store, due.site, due.day, due.state, threshold, version, alive, definitions,
                held=kept.version if kept else None,
            )  # fmt: skip
        except _LeaseLost:
            return False
        except StoreRefused:
            with self._control.begin() as connection:
                if lease.keep(connection):
                    raise
            return False  # who has the lease now has dropped the tables that this worked in
        here = (released_days.c.site == due.site.id) & (released_days.c.day == due.day)
        at = self._told_at(due)
        with self._control.begin() as connection:
            if not lease.keep(connection):
                return False
            connection.execute(delete(released_days).where(here))
            connection.execute(
                insert(released_days).values(
                    site=due.site.id,
                    day=due.day,
                    version=version,
                    state=due.state,
                    digest=kept.digest if kept else due.digest,
                    computed_at=at.replace(tzinfo=None),
                )
            )
            self._definitions.point(connection, pointers, at)
        return True

    def _told_at(self, due: Due) -> datetime:
        """When a day was computed, as it may be told: of a provisional day by the day alone.

        Whoever looks would else see to five minutes when somebody's events came late, or when
        somebody was erased.
        """
        now = self._clock()
        if due.state != "provisional":
            return now
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return max(today, due.site.calendar.end(due.day).astimezone(UTC))

    def _afterwards(self, loaded: datetime | None, only: Site | None, lease: Lease) -> None:
        """New definitions, weeks and spans, as many as there is time for; the next run goes on."""
        alive = _Alive(self._control, lease)
        until = monotonic() + _AFTERWARDS_SECONDS
        try:
            for compute in self._left(self._which(only), loaded, alive):
                if monotonic() > until:
                    return
                alive.now()
                show = compute()
                with self._control.begin() as connection:
                    if not lease.keep(connection):
                        return
                    show(connection)
        except _LeaseLost:
            return

    def _left(
        self, sites: Sequence[Site], loaded: datetime | None, alive: _Alive
    ) -> Iterator[Callable[[], Callable[[Connection], None]]]:
        """What is no day of its own: each is computed when called, and returns how to show it."""
        for behind in self._definitions.behind(sites):
            yield partial(self._define, behind, alive)
        for due in self._due_weeks(sites, loaded):
            yield partial(self._release_week, due, alive)
        for site, span in self._due_spans(sites, loaded):
            yield partial(self._follow, site, span, alive)

    def _define(self, behind: Behind, alive: _Alive) -> Callable[[Connection], None]:
        threshold = self._threshold(behind.site, behind.day.isoformat())
        pointers = self._definitions.compute(behind, threshold, alive)
        return lambda connection: self._definitions.point(connection, pointers, self._clock())

    def _release_week(self, due: DueWeek, alive: _Alive) -> Callable[[Connection], None]:
        threshold = self._threshold(due.site, f"week {due.monday}")
        version = self._weeks.compute(due, threshold, alive)
        return lambda connection: self._weeks.point(connection, due, version, self._clock())

    def _follow(self, site: Site, span: Span, alive: _Alive) -> Callable[[Connection], None]:
        threshold = self._threshold(site, f"{span.period} {span.first}")
        today = site.calendar.local_day(self._clock())
        version = self._spans.compute(site, span, today, threshold, alive)
        return lambda connection: self._spans.point(connection, site, span, version, self._clock())

    def _due_weeks(self, sites: Sequence[Site], loaded: datetime | None) -> list[DueWeek]:
        return self._weeks.due(sites, self._past(loaded))

    def _due_spans(self, sites: Sequence[Site], loaded: datetime | None) -> list[tuple[Site, Span]]:
        return self._spans.due(sites, self._clock(), self._past(loaded))

    def _past(self, loaded: datetime | None) -> Callable[[Site, date], bool]:
        """Whether a day that no row has fallen on will be without rows for good."""
        now = self._clock()
        until = min(now, loaded or now)
        return lambda site, day: self.state(site, day, now, until) == "final"

    def sweep(self) -> None:
        """Deletes the cells of versions that are no longer shown.

        Those above every version that is shown may be in the making.
        """
        shown = set()
        with self._control.connect() as connection:
            for name, pointers in metadata.tables.items():
                if name.startswith("released_"):
                    shown |= set(connection.execute(select(pointers.c.version)).scalars())
        versions = [row[0] for row in self._store.query_rows("SELECT DISTINCT version FROM cells")]
        stale = [v for v in versions if v not in shown and v < max(shown, default=0)]
        if stale:
            self._store.delete("cells", "version IN {versions:Array(UInt32)}", {"versions": stale})

    def _new_version(self, site: Site, day: date) -> int:
        with self._control.begin() as connection:
            result = connection.execute(
                insert(release_runs).values(
                    site=site.id, day=day, started_at=self._clock().replace(tzinfo=None)
                )
            )
            key = result.inserted_primary_key
        if key is None:
            raise RuntimeError("the control database gave no version number")
        return int(key[0])

    def _threshold(self, site: Site, when: str) -> Threshold:
        return thresholds(self._key, site.id, when, site.k)

    def _which(self, only: Site | None) -> list[Site]:
        return [site for site in self._sites.all() if only in (None, site)]

    def _released(self) -> dict[tuple[int, date], _Pointer]:
        with self._control.connect() as connection:
            return {
                (row.site, row.day): _Pointer(row.version, row.state, row.digest, row.computed_at)
                for row in connection.execute(select(released_days))
            }

    def _imported(self) -> dict[tuple[int, date], datetime]:
        with self._control.connect() as connection:
            return {
                (row.site, row.day): row.imported_at.replace(tzinfo=UTC)
                for row in connection.execute(select(imported_days))
            }

    def _stored(self, only: Site | None) -> list[tuple[Site, date, int]]:
        """Days with a digest of their rows."""
        sites = {site.id: site for site in self._which(only)}
        rows = self._store.query_rows(_digests(""))
        return [(sites[s], day, int(n)) for s, day, n in rows if s in sites]

    def _digest(self, site: Site, day: date) -> int:
        """The digest of one day's rows; 0 where there are none."""
        here = "AND site = {site:UInt32} AND day = {day:Date}"
        rows = self._store.query_rows(_digests(here), {"site": site.id, "day": day})
        return int(rows[0][2]) if rows else 0


def _digests(here: str) -> str:
    return _DIGESTS.replace("{here}", here)


# Of each day: numbers of rows alone would miss an erasure of as many as came late.
_DIGESTS = (
    "SELECT site, day, reinterpretAsInt64(sum(n)) FROM ("
    " SELECT site, day, sum(cityHash64(event_id)) AS n"
    " FROM events WHERE restricted = 0 {here} GROUP BY site, day"
    " UNION ALL SELECT site, day, sum(n) FROM tallies WHERE 1 {here} GROUP BY site, day"
    ") GROUP BY site, day"
)


@dataclass(frozen=True, slots=True)
class _Pointer:
    version: int
    state: str
    digest: int
    computed_at: datetime  # UTC, without its zone


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


class _LeaseLost(Exception):
    """Somebody else may be computing by now."""


class _Alive:
    """Renews a lease while a long day is computed, every few seconds at most."""

    def __init__(self, control: Engine, lease: Lease) -> None:
        self._control = control
        self._lease = lease
        self._next = 0.0

    def __call__(self) -> None:
        """Raises `_LeaseLost`."""
        if monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        with self._control.begin() as connection:
            if not self._lease.keep(connection):
                raise _LeaseLost
        self._next = monotonic() + _RENEW_SECONDS
