"""Sessions, kept at the server: whoever is signed in, on which browsers, until when.

A browser holds 128 random bits in a signed cookie, the database their SHA-256. Ending a session
here ends it wherever its cookie is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine, Select, delete, insert, select, update

from accounts.people import Person, allowed, aware, digest, person_of
from control.database import people, sessions


class Life(NamedTuple):
    """How long a session lasts without being used, and at most."""

    idle: timedelta
    whole: timedelta


# NIST SP 800-63B-4, 2.1.3 and 2.2.3: thirty days at the first level of assurance; a day, and an
# hour without use, at the second, which roles need that can change what is kept of people.
# By whether they do (`Person.strict`).
LIVES = {
    True: Life(timedelta(hours=1), timedelta(days=1)),
    False: Life(timedelta(hours=8), timedelta(days=30)),
}
LONGEST = LIVES[False].whole
# That a session is in use is written down once a minute, not at every request.
_NOTED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person, as Flask-Login wants one. `began_at` is when they last proved who they
    are; `token` is what their browser's cookie holds.
    """

    token: str = field(repr=False)
    person: Person
    began_at: datetime
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return self.token

    def at(self, domain: str) -> Session:
        """With the person as far as a site is concerned."""
        return replace(self, person=self.person.at(domain))


@dataclass(frozen=True, slots=True)
class Seen:
    """A session as its person may see it. `number` names it in a form and opens nothing."""

    number: str
    browser: str
    began_at: datetime
    used_at: datetime


class Sessions:
    """The sessions in the control database. What a cookie holds is the token of `begin`."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._now = now

    def begin(self, person: Person, browser: str) -> str:
        """Returns a new session's token; sessions that are over, of anybody, are removed."""
        now = self._now()
        token = secrets.token_urlsafe(16)
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.began_at < now - LONGEST))
            connection.execute(
                insert(sessions).values(
                    digest=digest(token),
                    person=person.id,
                    browser=browser[:64],
                    began_at=now,
                    used_at=now,
                )
            )
        return token

    def of(self, token: str) -> Session | None:
        """The session of a token, while it lasts and its person may sign in."""
        key, now = digest(token), self._now()
        with self._engine.connect() as connection:
            row = connection.execute(_joined().where(sessions.c.digest == key)).one_or_none()
            person = allowed(person_of(connection, row, now)) if row is not None else None
        if row is None or person is None or not _lasts(row, person, now):
            return None
        if now - aware(row.used_at) >= _NOTED:
            with self._engine.begin() as connection:
                connection.execute(
                    update(sessions).where(sessions.c.digest == key).values(used_at=now)
                )
        return Session(token, person, aware(row.began_at))

    def all_of(self, person: Person) -> tuple[Seen, ...]:
        """A person's sessions that last, the one used last first."""
        now = self._now()
        wanted = _joined().where(people.c.id == person.id).order_by(sessions.c.used_at.desc())
        with self._engine.connect() as connection:
            return tuple(
                Seen(_number(row.digest), row.browser, aware(row.began_at), aware(row.used_at))
                for row in connection.execute(wanted)
                if _lasts(row, person, now)
            )

    def end(self, person: Person, number: str) -> bool:
        """Ends one of a person's sessions by its number; False where they have no such."""
        with self._engine.begin() as connection:
            mine = select(sessions.c.digest).where(sessions.c.person == person.id)
            for key in connection.execute(mine).scalars().all():
                if _number(key) == number:
                    connection.execute(delete(sessions).where(sessions.c.digest == key))
                    return True
        return False

    def end_one(self, session: Session) -> None:
        """Ends a session, wherever its cookie is."""
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == digest(session.token)))

    def end_all(self, person: Person, but: Session | None = None) -> int:
        """Ends a person's sessions, but for one. Returns how many."""
        kept = digest(but.token) if but else ""
        mine = (sessions.c.person == person.id) & (sessions.c.digest != kept)
        with self._engine.begin() as connection:
            return connection.execute(delete(sessions).where(mine)).rowcount


def number_of(session: Session) -> str:
    """By which a person's own list names this session."""
    return _number(digest(session.token))


def _number(key: str) -> str:
    """Part of the digest's digest: from it nobody gets to what the cookie or the table holds."""
    return digest(key)[:12]


def _joined() -> Select[Any]:
    return select(
        people,
        sessions.c.digest,
        sessions.c.browser,
        sessions.c.began_at,
        sessions.c.used_at,
    ).join(sessions, sessions.c.person == people.c.id)


def _lasts(row: Any, person: Person, now: datetime) -> bool:
    life = LIVES[person.strict]
    return now - aware(row.used_at) < life.idle and now - aware(row.began_at) < life.whole
