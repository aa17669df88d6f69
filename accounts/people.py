"""People who may sign in: invited for a purpose, for a time, by a link that works once.

Whoever consumes a link gets a session that is bound to it: the session names the link's digest,
and every request looks it up. So signing out, disabling a person or the end of their time ends
the session itself, not just one browser's copy of its cookie.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.engine import Row as SqlRow

from control.database import people, sign_in_links

ROLES = ("viewer", "analyst", "admin", "privacy-officer")
LINK_LIFE = timedelta(hours=24)
# A link comes from an operator, by hand; a shorter session would teach people to ask for standing
# links. Disabling a person ends it at once.
SESSION_LIFE = timedelta(days=30)


class PersonError(ValueError):
    """An invitation that cannot be: the message says what and why."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `until` is the last day (UTC) on which they may."""

    id: int
    email: str
    role: str
    purpose: str
    until: date | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """A person and the token of their one-time link, which is nowhere else: show it once."""

    person: Person
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Without the token: it opens a session."""
        return f"<Invitation of person {self.person.id}>"


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person, as Flask-Login wants one. `digest` is that of the consumed link."""

    digest: str
    person: Person
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return self.digest


class People:
    """The people in the control database."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._now = now

    def invite(self, email: str, role: str, purpose: str, until: date | None = None) -> Invitation:
        """Adds the person, or renews what is known of them, and makes a one-time link.

        Links made before and not used are void. Raises `PersonError` for a bad value.
        """
        now = self._now()
        email = email.strip().lower()
        _check(email, role, purpose, until, now.date())
        values = {"role": role, "purpose": purpose.strip(), "until": until, "disabled": False}
        # 128 random bits: nothing to guess, so no slow hash is needed (OWASP ASVS 4.0, 2.9).
        token = secrets.token_urlsafe(16)
        expires_at = now + LINK_LIFE
        with self._engine.begin() as connection:
            found = connection.execute(
                update(people).where(people.c.email == email).values(**values)
            )
            if not found.rowcount:
                connection.execute(insert(people).values(email=email, created_at=now, **values))
            person = _person(
                connection.execute(select(people).where(people.c.email == email)).one()
            )
            _void(connection, person, now)
            connection.execute(
                insert(sign_in_links).values(
                    digest=digest(token), person=person.id, expires_at=expires_at
                )
            )
        return Invitation(person, token, expires_at)

    def all(self) -> tuple[Person, ...]:
        """Everybody, by e-mail address."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(people).order_by(people.c.email))
            return tuple(_person(row) for row in rows)

    def disable(self, email: str) -> Person:
        """Shuts a person out, of open sessions too. Raises `PersonError` if there is no such."""
        email = email.strip().lower()
        with self._engine.begin() as connection:
            connection.execute(update(people).where(people.c.email == email).values(disabled=True))
            row = connection.execute(select(people).where(people.c.email == email)).one_or_none()
            if row is None:
                raise PersonError(f"email: nobody was invited as {email}")
            person = _person(row)
            connection.execute(delete(sign_in_links).where(sign_in_links.c.person == person.id))
        return person

    def awaits(self, token: str) -> bool:
        """True while the link can be used; using it is `sign_in`."""
        with self._engine.connect() as connection:
            row = connection.execute(_link(digest(token))).one_or_none()
        now = self._now()
        return row is not None and row.used_at is None and _fresh(row, now) and _allowed(row, now)

    def sign_in(self, token: str) -> Session | None:
        """Consumes the link. None where it is unknown, used, expired, or its person shut out.

        The update names what it expects to find, so that of two requests at once one gets in.
        """
        now = self._now()
        key = digest(token)
        with self._engine.begin() as connection:
            consumed = connection.execute(
                update(sign_in_links)
                .where(
                    sign_in_links.c.digest == key,
                    sign_in_links.c.used_at.is_(None),
                    sign_in_links.c.expires_at > now,
                )
                .values(used_at=now)
            )
            if consumed.rowcount != 1:
                return None
            row = connection.execute(_link(key)).one()
        return Session(key, _person(row)) if _allowed(row, now) else None

    def session(self, key: str) -> Session | None:
        """The session of a consumed link, while it lasts and its person may sign in."""
        with self._engine.connect() as connection:
            row = connection.execute(_link(key)).one_or_none()
        now = self._now()
        if row is None or row.used_at is None or not _allowed(row, now):
            return None
        if now - _aware(row.used_at) >= SESSION_LIFE:
            return None
        return Session(key, _person(row))

    def sign_out(self, session: Session) -> None:
        """Ends the session wherever its cookie is."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(sign_in_links).where(sign_in_links.c.digest == session.digest)
            )


def digest(token: str) -> str:
    """SHA-256 of a link's token, as hexadecimal text: all that is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _check(email: str, role: str, purpose: str, until: date | None, today: date) -> None:
    local, at, domain = email.rpartition("@")
    if not (local and at and domain) or len(email) > 254 or any(c.isspace() for c in email):
        raise PersonError("email: not an address such as ada@example.com")
    if role not in ROLES:
        raise PersonError(f"role: {role!r} is none of {', '.join(ROLES)}")
    if not purpose.strip() or len(purpose) > 500:
        raise PersonError("purpose: say in 1 to 500 characters what the person needs the data for")
    if until is not None and until < today:
        raise PersonError(f"until: {until} is over")


def _link(key: str):  # type: ignore[no-untyped-def]  # SQLAlchemy's type spells out every column
    return (
        select(people, sign_in_links.c.expires_at, sign_in_links.c.used_at)
        .join(sign_in_links, sign_in_links.c.person == people.c.id)
        .where(sign_in_links.c.digest == key)
    )


def _void(connection: Connection, person: Person, now: datetime) -> None:
    """Removes the person's links that were never used, and everybody's that are long over."""
    connection.execute(
        delete(sign_in_links).where(
            sign_in_links.c.person == person.id, sign_in_links.c.used_at.is_(None)
        )
    )
    connection.execute(
        delete(sign_in_links).where(sign_in_links.c.expires_at < now - LINK_LIFE - SESSION_LIFE)
    )


def _fresh(row: SqlRow[tuple[object, ...]], now: datetime) -> bool:
    return _aware(row.expires_at) > now


def _allowed(row: SqlRow[tuple[object, ...]], now: datetime) -> bool:
    return not row.disabled and (row.until is None or now.date() <= row.until)


def _aware(time: datetime) -> datetime:
    """SQLite keeps no time zone; what was stored is UTC."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _person(row: SqlRow[tuple[object, ...]]) -> Person:
    return Person(
        id=row.id,
        email=row.email,
        role=row.role,
        purpose=row.purpose,
        until=row.until,
        disabled=row.disabled,
    )
