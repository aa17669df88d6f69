"""People who may sign in: invited for a purpose, for a time, by a link that works once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, insert, select, update
from sqlalchemy.engine import Row as SqlRow

from control.database import people, recovery_codes, sessions, sign_in_links

ROLES = ("viewer", "analyst", "admin", "privacy-officer")
LINK_LIFE = timedelta(hours=24)


class PersonError(ValueError):
    """An invitation that cannot be: the message says what and why."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `until` is the last day (UTC) on which they may.

    `password` and `factor` say whether they have chosen a password, and set up a second factor.
    """

    id: int
    email: str
    role: str
    purpose: str
    until: date | None
    disabled: bool
    password: bool = False
    factor: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    """A person and the token of their one-time link, which is nowhere else: show it once."""

    person: Person
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Without the token: it opens a session."""
        return f"<Invitation of person {self.person.id}>"


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
            person = person_of(
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
            return tuple(person_of(row) for row in rows)

    def disable(self, email: str) -> Person:
        """Shuts a person out, of open sessions too. Raises `PersonError` if there is no such."""
        email = email.strip().lower()
        with self._engine.begin() as connection:
            connection.execute(update(people).where(people.c.email == email).values(disabled=True))
            row = connection.execute(select(people).where(people.c.email == email)).one_or_none()
            if row is None:
                raise PersonError(f"email: nobody was invited as {email}")
            person = person_of(row)
            for table in (sign_in_links, sessions):
                connection.execute(delete(table).where(table.c.person == person.id))
        return person

    def reset(self, email: str) -> Invitation:
        """Takes password, second factor and sessions from a person who lost them, and makes a
        one-time link. Raises `PersonError` if there is no such, or they are shut out.
        """
        person = self.by_email(email)
        if person is None:
            raise PersonError(f"email: nobody may sign in as {email}")
        with self._engine.begin() as connection:
            connection.execute(
                update(people)
                .where(people.c.id == person.id)
                .values(password=None, seed=None, seed_step=None)
            )
            for table in (sessions, recovery_codes):
                connection.execute(delete(table).where(table.c.person == person.id))
        return self.invite(person.email, person.role, person.purpose, person.until)

    def by_email(self, email: str) -> Person | None:
        """Who has this address, while they may sign in."""
        wanted = select(people).where(people.c.email == email.strip().lower())
        with self._engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        return person_of(row) if row is not None and allowed(row, self._now()) else None

    def by_id(self, number: int) -> Person | None:
        """Who has this number, while they may sign in."""
        with self._engine.connect() as connection:
            row = connection.execute(select(people).where(people.c.id == number)).one_or_none()
        return person_of(row) if row is not None and allowed(row, self._now()) else None

    def awaits(self, token: str) -> Person | None:
        """Whom a link is for, while it can be used; using it is `consume`."""
        with self._engine.connect() as connection:
            row = connection.execute(_link(digest(token))).one_or_none()
        now = self._now()
        if row is None or aware(row.expires_at) <= now or not allowed(row, now):
            return None
        return person_of(row)

    def consume(self, token: str) -> Person | None:
        """Whom a link is for, once. None where it is unknown, used, expired, or its person shut
        out. Of two requests at once one gets in.
        """
        key = digest(token)
        with self._engine.begin() as connection:
            row = connection.execute(_link(key)).one_or_none()
            used = connection.execute(delete(sign_in_links).where(sign_in_links.c.digest == key))
        now = self._now()
        if row is None or not used.rowcount or aware(row.expires_at) <= now:
            return None
        return person_of(row) if allowed(row, now) else None


def digest(token: str) -> str:
    """SHA-256 of a random token, as hexadecimal text: all that is kept of it."""
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


def _link(key: str) -> Select[Any]:
    return (
        select(people, sign_in_links.c.expires_at)
        .join(sign_in_links, sign_in_links.c.person == people.c.id)
        .where(sign_in_links.c.digest == key)
    )


def _void(connection: Connection, person: Person, now: datetime) -> None:
    """Removes the person's links, and everybody's that are over."""
    over = (sign_in_links.c.person == person.id) | (sign_in_links.c.expires_at <= now)
    connection.execute(delete(sign_in_links).where(over))


def allowed(row: SqlRow[Any], now: datetime) -> bool:
    """Whether the person of a row may sign in."""
    return not row.disabled and (row.until is None or now.date() <= row.until)


def aware(time: datetime) -> datetime:
    """SQLite keeps no time zone; what was stored is UTC."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def person_of(row: SqlRow[Any]) -> Person:
    """The person of a row of their table."""
    return Person(
        id=row.id,
        email=row.email,
        role=row.role,
        purpose=row.purpose,
        until=row.until,
        disabled=row.disabled,
        password=row.password is not None,
        factor=row.seed is not None,
    )
