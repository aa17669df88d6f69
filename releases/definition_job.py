"""When definitions are computed: with their day, and back over days that were released before them.

A day's release takes all live definitions with it. A new definition is computed of every released
day whose rows are all still there as its release counted them: where some were erased since, or
have expired, it would say by its difference from the release what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Engine, delete, insert, select

from control.database import released_days, released_definitions
from control.definitions import Definition, Definitions
from control.sites import Site
from releases.compute import write
from releases.definitions import cells
from releases.disclosure import Threshold
from releases.scratch import Scratch, scratch
from releases.wording import has_figures
from store.clickhouse import Store

# A day of which nothing will ever be shown.
_NEVER = 0


@dataclass(frozen=True, slots=True)
class Pointer:
    """A version of a definition's day, as `released_definitions` has it."""

    definition: int
    day: date
    version: int
    state: str
    digest: int


@dataclass(frozen=True, slots=True)
class Behind:
    """A released day, and the definitions that it has no version of."""

    site: Site
    day: date
    version: int
    state: str
    digest: int
    definitions: tuple[Definition, ...]


class DefinitionJob:
    """What the release job does about definitions, while it holds the lease.

    `new_version` gives the number of a new version; `digest` that of what is stored of a day.
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
        self._definitions = Definitions(control)
        self._new_version = new_version
        self._digest = digest

    def with_day(
        self, tables: Scratch, version: int, state: str, digest: int, threshold: Threshold
    ) -> list[Pointer]:
        """Computes and writes the live definitions beside the release of a day."""
        live = [d for d in self._definitions.live(tables.site) if has_figures(d)]
        now = Behind(tables.site, tables.day, version, state, digest, tuple(live))
        return self._computed(tables, now, threshold) if live else []

    def behind(self, sites: Iterable[Site]) -> list[Behind]:
        """The days that lack a definition, the newest first."""
        found = [behind for site in sites for behind in self._behind(site)]
        return sorted(found, key=lambda behind: (behind.day, behind.site.id), reverse=True)

    def compute(
        self, behind: Behind, threshold: Threshold, alive: Callable[[], None]
    ) -> list[Pointer]:
        """Computes and writes what a day lacks. Nothing where its rows are not what they were: a
        final day's never will be again, another is released anew.
        """
        if self._digest(behind.site, behind.day) == behind.digest:
            with scratch(self._store, behind.site, behind.day, alive=alive) as tables:
                return self._computed(tables, behind, threshold)
        if behind.state != "final":
            return []
        return [_pointer(behind, definition, _NEVER) for definition in behind.definitions]

    def point(self, connection: Connection, pointers: Iterable[Pointer], at: datetime) -> None:
        """Shows the versions."""
        here = released_definitions.c
        for pointer in pointers:
            same = (here.definition == pointer.definition) & (here.day == pointer.day)
            connection.execute(delete(released_definitions).where(same))
            connection.execute(
                insert(released_definitions).values(
                    definition=pointer.definition,
                    day=pointer.day,
                    version=pointer.version,
                    state=pointer.state,
                    digest=pointer.digest,
                    computed_at=at,
                )
            )

    def _behind(self, site: Site) -> list[Behind]:
        live = [d for d in self._definitions.live(site) if has_figures(d)]
        if not live:
            return []
        known = self._pointers(live)
        with self._control.connect() as connection:
            days = connection.execute(
                select(released_days).where(released_days.c.site == site.id)
            ).all()
        found = []
        for row in days:
            lacking = tuple(d for d in live if (d.id, row.day) not in known)
            if lacking:
                found.append(Behind(site, row.day, row.version, row.state, row.digest, lacking))
        return found

    def _pointers(
        self, definitions: Sequence[Definition], day: date | None = None
    ) -> dict[tuple[int, date], int]:
        """The versions that there are, by definition and day."""
        here = released_definitions.c
        wanted = select(here.definition, here.day, here.version).where(
            here.definition.in_([d.id for d in definitions])
        )
        if day is not None:
            wanted = wanted.where(here.day == day)
        with self._control.connect() as connection:
            return {(row.definition, row.day): row.version for row in connection.execute(wanted)}

    def _computed(self, tables: Scratch, behind: Behind, threshold: Threshold) -> list[Pointer]:
        others = [
            d
            for d in self._definitions.ever(behind.site)
            if has_figures(d) and d not in behind.definitions
        ]
        known = self._pointers(others, behind.day)
        released = [
            (d, known[d.id, behind.day]) for d in others if known.get((d.id, behind.day), _NEVER)
        ]
        pointers = []
        for definition, shown in cells(
            tables, behind.version, behind.state, threshold, behind.definitions, released
        ):
            version = self._new_version(behind.site, behind.day)
            write(self._store, behind.site, "day", behind.day, version, shown)
            pointers.append(_pointer(behind, definition, version))
        return pointers


def _pointer(behind: Behind, definition: Definition, version: int) -> Pointer:
    return Pointer(definition.id, behind.day, version, behind.state, behind.digest)
