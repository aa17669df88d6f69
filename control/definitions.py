"""What analysts declare of a site: goals, funnels and segments, and who changed which when.

How many may be declared is limited, because every definition is one more view of the same people:
`LIVE` at a time, and `NEW` in any seven days. Taking one away frees its place and none of the seven
days' number; within a day it can be had back, since it is no new view. A definition never changes;
each addition, removal and return is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.engine import Row as SqlRow

from anonymize import url
from control.database import (
    definition_changes,
    definitions,
    released_days,
    released_definitions,
    sites,
)
from control.sites import Site

LIVE = 20
NEW = 5
WEEK = timedelta(days=7)
UNDO = timedelta(days=1)  # for how long a removal can be taken back
FEWEST_STEPS, MOST_STEPS = 2, 8
MOST_FILTERS = 2
COMMAND_LINE = "command line"
_NAME_LENGTH = 64
_TEXT_LENGTH = 2048  # of an event's name, a path or a value; none that is stored is longer

Kind = Literal["goal", "funnel", "segment"]


class DefinitionError(ValueError):
    """A definition that cannot be: the message says what and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """What an event is: one with an exact name, or one on a page at a path or below it.

    `/docs` is also `/docs/install`, and not `/docsify`; `/` is every page.
    """

    event: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, text: str) -> Step:
        """`/docs` is a path, everything else an event's name. Raises `DefinitionError`."""
        return cls(prefix=path(text)) if text.strip().startswith("/") else cls(event=event(text))

    def __str__(self) -> str:
        return self.event or self.prefix


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that the site wants people to do: one exact `event`, or pages below a `prefix`."""

    kind: ClassVar[Kind] = "goal"
    name: str
    event: str = ""
    prefix: str = ""
    id: int = 0

    @property
    def step(self) -> Step:
        return Step(self.event, self.prefix)


@dataclass(frozen=True, slots=True)
class Funnel:
    """Steps that people take within one visit, one after another, with anything between them."""

    kind: ClassVar[Kind] = "funnel"
    name: str
    steps: tuple[Step, ...]
    id: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """Views and visits with one or two values, each of a table (`releases.tables`)."""

    kind: ClassVar[Kind] = "segment"
    name: str
    filters: tuple[tuple[str, str], ...]
    id: int = 0

    @property
    def number(self) -> str:
        """By which tables and questions name it."""
        return str(self.id)


Definition = Goal | Funnel | Segment


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the record. `by` is a person's address, or the command line."""

    at: datetime
    by: str
    action: Literal["added", "removed", "restored"]
    definition: Definition


@dataclass(frozen=True, slots=True)
class Room:
    """How many more may be declared now, and when the next place of the seven days comes free;
    None while there is one."""

    live: int
    lately: int
    next_at: datetime | None

    @property
    def left(self) -> int:
        return max(0, min(LIVE - self.live, NEW - self.lately))


def event(text: str) -> str:
    """An event's exact name. Raises `DefinitionError`."""
    if not 0 < len(text) <= _TEXT_LENGTH or not text.isprintable() or text != text.strip():
        raise DefinitionError(f"event: {text!r} is not the name of an event")
    if text == "engagement":
        raise DefinitionError("event: 'engagement' says how long, and is no event of its own")
    return text


def path(text: str) -> str:
    """A path as pages have it, without the slash at its end. Raises `DefinitionError`."""
    text = text.strip()
    if not text.startswith("/") or len(text) > _TEXT_LENGTH or not text.isprintable():
        raise DefinitionError(f"path: {text!r} is not a path such as /docs")
    if "?" in text or "#" in text:
        raise DefinitionError(f"path: {text!r} has a query or fragment, which no page keeps")
    return url.clean_path(text).rstrip("/") or "/"


def goal(name: str, event_name: str | None = None, prefix: str | None = None) -> Goal:
    """Raises `DefinitionError`."""
    if (event_name is None) == (prefix is None):
        raise DefinitionError("goal: either an event or a path")
    if prefix is not None:
        return Goal(_name(name), prefix=path(prefix))
    return Goal(_name(name), event=event(event_name or ""))


def funnel(name: str, steps: Sequence[str]) -> Funnel:
    """Steps as `Step.of` takes them. Raises `DefinitionError`."""
    if not FEWEST_STEPS <= len(steps) <= MOST_STEPS:
        raise DefinitionError(f"step: {FEWEST_STEPS} to {MOST_STEPS} steps, not {len(steps)}")
    return Funnel(_name(name), tuple(map(Step.of, steps)))


def segment(name: str, filters: Sequence[tuple[str, str]]) -> Segment:
    """Pairs of a table that others are crossed with and one of its values, whatever their order.

    Whoever calls has made sure that there are such tables. Raises `DefinitionError`.
    """
    tables = {table for table, _ in filters}
    if not 1 <= len(filters) <= MOST_FILTERS or len(tables) < len(filters):
        raise DefinitionError(f"filter: one or two, each of another dimension, not {len(filters)}")
    for table, value in filters:
        if len(value) > _TEXT_LENGTH or not (value == "" or value.isprintable()):
            raise DefinitionError(f"filter: {value!r} is not a value of {table}")
    return Segment(_name(name), tuple(sorted(filters)))


def _name(text: str) -> str:
    if not 0 < len(text) <= _NAME_LENGTH or not text.isprintable() or text != text.strip():
        raise DefinitionError(f"name: {text!r} is not a name of 1 to {_NAME_LENGTH} letters")
    return text


class Definitions:
    """The definitions in the control database."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._now = now

    def add(self, site: Site, wanted: Definition, by: str = COMMAND_LINE) -> Definition:
        """The definition with its number. Raises `DefinitionError` where the name is taken, the
        same is declared already, or the site has no place for another.
        """
        body, now = _body(wanted), self._now()
        with self._engine.begin() as connection:
            self._alone(connection, site)
            self._check(connection, site, wanted, now)
            added = connection.execute(
                insert(definitions).values(
                    site=site.id, kind=wanted.kind, name=wanted.name, body=body, created_at=now
                )
            )
            key = added.inserted_primary_key
            if key is None:
                raise RuntimeError("the control database gave no number")
            _record(connection, site, int(key[0]), "added", wanted, by, now)
        return _definition(int(key[0]), wanted.kind, wanted.name, body)

    def remove(self, site: Site, kind: Kind, name: str, by: str = COMMAND_LINE) -> Definition:
        """What was removed. Raises `DefinitionError` where there is none of this name."""
        here = definitions.c
        with self._engine.begin() as connection:
            found = self._live(connection, site, here.kind == kind, here.name == name)
            if not found:
                known = ", ".join(
                    each.name for each in self._live(connection, site, here.kind == kind)
                )
                raise DefinitionError(f"name: no {kind} {name!r}. There are: {known or 'none'}")
            now = self._now()
            connection.execute(
                update(definitions).where(here.id == found[0].id).values(removed_at=now)
            )
            _record(connection, site, found[0].id, "removed", found[0], by, now)
        return found[0]

    def restore(self, site: Site, number: int, by: str = COMMAND_LINE) -> Definition:
        """Takes a removal of the last day back. Raises `DefinitionError` where there is none, its
        name was given away, or its place.
        """
        now = self._now()
        with self._engine.begin() as connection:
            self._alone(connection, site)
            found = next((d for d in self._removed(connection, site, now) if d.id == number), None)
            if found is None:
                raise DefinitionError("undo: only what was removed within a day can be had back")
            self._check_place(connection, site, found)
            here = definitions.c
            connection.execute(update(definitions).where(here.id == number).values(removed_at=None))
            _forget_stale(connection, site, number)
            _record(connection, site, number, "restored", found, by, now)
        return found

    def removed(self, site: Site) -> list[Definition]:
        """Those that `restore` may take back, the last first."""
        with self._engine.connect() as connection:
            return self._removed(connection, site, self._now())

    def room(self, site: Site) -> Room:
        """How many more may be declared now."""
        now = self._now()
        with self._engine.connect() as connection:
            number, oldest = self._lately(connection, site, now)
            live = len(self._live(connection, site))
        return Room(live, number, _utc(oldest) + WEEK if number >= NEW else None)

    def live(self, site: Site) -> list[Definition]:
        """All that are declared, the oldest first."""
        with self._engine.connect() as connection:
            return self._live(connection, site)

    def ever(self, site: Site) -> list[Definition]:
        """Those that were removed too: what was released of them may have been kept."""
        with self._engine.connect() as connection:
            query = select(definitions).where(definitions.c.site == site.id)
            return [_of(row) for row in connection.execute(query.order_by(definitions.c.id))]

    def goals(self, site: Site) -> list[Goal]:
        return [found for found in self.live(site) if isinstance(found, Goal)]

    def funnels(self, site: Site) -> list[Funnel]:
        return [found for found in self.live(site) if isinstance(found, Funnel)]

    def segments(self, site: Site) -> list[Segment]:
        return [found for found in self.live(site) if isinstance(found, Segment)]

    def goal(self, site: Site, name: str) -> Goal | None:
        """The goal of this name: an alias of its event, or a value of the table `goal`."""
        return next((goal for goal in self.goals(site) if goal.name == name), None)

    def changes(self, site: Site) -> list[Change]:
        """The record, the oldest entry first."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(definition_changes)
                .where(definition_changes.c.site == site.id)
                .order_by(definition_changes.c.id)
            ).all()
        return [
            Change(
                _utc(row.at),
                row.by,
                row.action,
                _definition(row.definition, row.kind, row.name, row.body),
            )
            for row in rows
        ]

    def _alone(self, connection: Connection, site: Site) -> None:
        """One at a time for a site: two could both see the last free place."""
        connection.execute(select(sites.c.id).where(sites.c.id == site.id).with_for_update())

    def _check(self, connection: Connection, site: Site, wanted: Definition, now: datetime) -> None:
        self._check_place(connection, site, wanted)
        number, oldest = self._lately(connection, site, now)
        if number >= NEW:
            raise DefinitionError(
                f"{wanted.kind}: {NEW} definitions were added to {site.domain} within seven days,"
                f" the most; the next may be on {_utc(oldest) + WEEK:%Y-%m-%d %H:%M} UTC"
            )

    def _check_place(self, connection: Connection, site: Site, wanted: Definition) -> None:
        live = self._live(connection, site)
        for found in live:
            if found.name == wanted.name:
                raise DefinitionError(f"name: there is a {found.kind} {found.name!r} already")
            if (found.kind, _body(found)) == (wanted.kind, _body(wanted)):
                raise DefinitionError(f"{wanted.kind}: {found.name!r} is the same")
        if len(live) >= LIVE:
            raise DefinitionError(
                f"{wanted.kind}: {site.domain} has {LIVE} definitions, the most; remove one first"
            )

    def _lately(self, connection: Connection, site: Site, now: datetime) -> tuple[int, Any]:
        """How many were added within seven days, and when the oldest of them."""
        change = definition_changes.c
        lately = (change.site == site.id) & (change.action == "added") & (change.at > now - WEEK)
        row = connection.execute(select(func.count(), func.min(change.at)).where(lately)).one()
        return int(row[0]), row[1]

    def _removed(self, connection: Connection, site: Site, now: datetime) -> list[Definition]:
        here = definitions.c
        lately = select(definitions).where(here.site == site.id, here.removed_at > now - UNDO)
        return [_of(row) for row in connection.execute(lately.order_by(here.removed_at.desc()))]

    def _live(self, connection: Connection, site: Site, *which: Any) -> list[Definition]:
        query = select(definitions).where(
            definitions.c.site == site.id, definitions.c.removed_at.is_(None), *which
        )
        return [_of(row) for row in connection.execute(query.order_by(definitions.c.id))]


def _forget_stale(connection: Connection, site: Site, number: int) -> None:
    """Days that were released anew meanwhile went without it: what it has of them is of other
    rows, and their difference would tell of these.
    """
    had, day = released_definitions.c, released_days.c
    same = (day.site == site.id) & (day.day == had.day) & (day.digest == had.digest)
    same &= day.state == had.state
    connection.execute(
        delete(released_definitions).where(
            had.definition == number, ~select(day.day).where(same).exists()
        )
    )


def _record(
    connection: Connection,
    site: Site,
    number: int,
    action: str,
    what: Definition,
    by: str,
    at: datetime,
) -> None:
    connection.execute(
        insert(definition_changes).values(
            site=site.id, definition=number, action=action, kind=what.kind, name=what.name,
            body=_body(what), by=by, at=at,
        )
    )  # fmt: skip


def _body(what: Definition) -> dict[str, Any]:
    """All but the name, as it is kept."""
    match what:
        case Goal():
            return {"event": what.event} if what.event else {"path": what.prefix}
        case Funnel():
            return {"steps": [str(step) for step in what.steps]}
        case Segment():
            return {"filters": [list(pair) for pair in what.filters]}


def _of(row: SqlRow[Any]) -> Definition:
    return _definition(row.id, row.kind, row.name, row.body)


def _definition(number: int, kind: str, name: str, body: dict[str, Any]) -> Definition:
    match kind:
        case "goal":
            return Goal(name, body.get("event", ""), body.get("path", ""), number)
        case "funnel":
            return Funnel(name, tuple(map(Step.of, body["steps"])), number)
        case _:
            return Segment(name, tuple((table, value) for table, value in body["filters"]), number)


def _utc(stored: datetime) -> datetime:
    """SQLite returns the UTC that was stored without saying so."""
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)
