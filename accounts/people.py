"""People who may sign in: invited by a link that works once, as long as they hold a role."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, insert, select, update
from sqlalchemy.engine import Row as SqlRow

from accounts import grants
from accounts.grants import STRICT, Grant, Wanted
from accounts.grants import PersonError as PersonError
from control.database import people, recovery_codes, sessions, sign_in_links

LINK_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `grants` are those that hold now, strongest first; at a site's page
    those that hold there. Without any they may not sign in.

    `password` and `factor` say whether they have chosen a password, and set up a second factor;
    `strict`, whether one of their roles anywhere needs one.
    """

    id: int
    email: str
    disabled: bool
    grants: tuple[Grant, ...]
    strict: bool
    password: bool = False
    factor: bool = False

    @property
    def role(self) -> str:
        """The strongest role that they hold here, '' where they hold none."""
        return self.grants[0].role if self.grants else ""

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(grant.role for grant in self.grants)

    def at(self, domain: str) -> Person:
        """The person as far as a site is concerned."""
        return replace(self, grants=tuple(grant for grant in self.grants if grant.covers(domain)))


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

    def invite(
        self,
        email: str,
        role: str,
        purpose: str,
        until: date | None = None,
        *,
        domain: str = grants.EVERYWHERE,
        by: str = "command line",
    ) -> Invitation:
        """Adds the person, or lets them in again, gives them a role, and makes a one-time link.

        Links made before and not used are void. Raises `PersonError` for a bad value.
        """
        now = self._now()
        email = _address(email)
        wanted = Wanted(role, purpose, until, domain, by)
        with self._engine.begin() as connection:
            known = people.c.email == email
            found = connection.execute(update(people).where(known).values(disabled=False))
            if not found.rowcount:
                connection.execute(insert(people).values(email=email, created_at=now))
            number = connection.execute(select(people.c.id).where(known)).scalar_one()
            grants.give(connection, number, wanted, now)
            return _invited(connection, number, now)

    def grant(self, email: str, wanted: Wanted) -> Person:
        """Gives somebody a role. Raises `PersonError` if there is no such person, or they are shut
        out: those are invited.
        """
        now = self._now()
        with self._engine.begin() as connection:
            row = self._known(connection, email)
            if row.disabled:
                raise PersonError(f"email: {row.email} is shut out; invite them again")
            grants.give(connection, row.id, wanted, now)
            return person_of(connection, row, now)

    def renew(self, *numbers: int) -> None:
        """Notes that authorisations were looked at and are still needed."""
        with self._engine.begin() as connection:
            for number in numbers:
                grants.renew(connection, number, self._now())

    def withdraw(self, *numbers: int) -> None:
        """Raises `PersonError` where nobody would be left to administer every site."""
        with self._engine.begin() as connection:
            grants.withdraw(connection, self._now(), *numbers)

    def granted(self, email: str = "") -> tuple[Grant, ...]:
        """Every authorisation, over or not, or those of one person."""
        with self._engine.connect() as connection:
            found = grants.every(connection)
        name = email.strip().lower()
        return tuple(grant for grant in found if not name or grant.email == name)

    def all(self) -> tuple[Person, ...]:
        """Everybody, by e-mail address."""
        now = self._now()
        with self._engine.connect() as connection:
            rows = connection.execute(select(people).order_by(people.c.email)).all()
            return tuple(person_of(connection, row, now) for row in rows)

    def disable(self, email: str) -> Person:
        """Shuts a person out, of open sessions too, and withdraws what they were given.

        Raises `PersonError` if there is no such, or nobody else administers every site.
        """
        now = self._now()
        with self._engine.begin() as connection:
            row = self._known(connection, email)
            held = grants.of_person(connection, row.id)
            grants.withdraw(connection, now, *(grant.number for grant in held))
            connection.execute(update(people).where(people.c.id == row.id).values(disabled=True))
            for table in (sign_in_links, sessions):
                connection.execute(delete(table).where(table.c.person == row.id))
            return person_of(connection, self._known(connection, email), now)

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
            return _invited(connection, person.id, self._now())

    def by_email(self, email: str) -> Person | None:
        """Who has this address, while they may sign in."""
        return self._one(select(people).where(people.c.email == email.strip().lower()))

    def by_id(self, number: int) -> Person | None:
        """Who has this number, while they may sign in."""
        return self._one(select(people).where(people.c.id == number))

    def awaits(self, token: str) -> Person | None:
        """Whom a link is for, while it can be used; using it is `consume`."""
        return self._one(_link(digest(token), self._now()))

    def consume(self, token: str) -> Person | None:
        """Whom a link is for, once. None where it is unknown, used, expired, or its person may not
        sign in. Of two requests at once one gets in.
        """
        key, now = digest(token), self._now()
        with self._engine.begin() as connection:
            row = connection.execute(_link(key, now)).one_or_none()
            used = connection.execute(delete(sign_in_links).where(sign_in_links.c.digest == key))
            if row is None or not used.rowcount:
                return None
            return allowed(person_of(connection, row, now))

    def _one(self, wanted: Select[Any]) -> Person | None:
        with self._engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
            return allowed(person_of(connection, row, self._now())) if row is not None else None

    def _known(self, connection: Connection, email: str) -> SqlRow[Any]:
        email = email.strip().lower()
        row = connection.execute(select(people).where(people.c.email == email)).one_or_none()
        if row is None:
            raise PersonError(f"email: nobody was invited as {email}")
        return row


def digest(token: str) -> str:
    """SHA-256 of a random token, as hexadecimal text: all that is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _address(text: str) -> str:
    email = text.strip().lower()
    local, at, domain = email.rpartition("@")
    if not (local and at and domain) or len(email) > 254 or any(c.isspace() for c in email):
        raise PersonError("email: not an address such as ada@example.com")
    return email


def _invited(connection: Connection, number: int, now: datetime) -> Invitation:
    """With a new link: those before it, and everybody's that are over, are removed."""
    here = sign_in_links.c
    connection.execute(
        delete(sign_in_links).where((here.person == number) | (here.expires_at <= now))
    )
    # 128 random bits: nothing to guess, so no slow hash is needed (OWASP ASVS 4.0, 2.9).
    token = secrets.token_urlsafe(16)
    expires_at = now + LINK_LIFE
    connection.execute(
        insert(sign_in_links).values(digest=digest(token), person=number, expires_at=expires_at)
    )
    row = connection.execute(select(people).where(people.c.id == number)).one()
    return Invitation(person_of(connection, row, now), token, expires_at)


def _link(key: str, now: datetime) -> Select[Any]:
    return (
        select(people)
        .join(sign_in_links, sign_in_links.c.person == people.c.id)
        .where(sign_in_links.c.digest == key, sign_in_links.c.expires_at > now)
    )


def allowed(person: Person) -> Person | None:
    """The person, if they may sign in."""
    return person if person.grants and not person.disabled else None


def aware(time: datetime) -> datetime:
    """SQLite keeps no time zone; what was stored is UTC."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def person_of(connection: Connection, row: SqlRow[Any], now: datetime) -> Person:
    """The person of a row of their table, with what they hold."""
    held = grants.lasting(grants.of_person(connection, row.id), now)
    return Person(
        id=row.id,
        email=row.email,
        disabled=row.disabled,
        grants=held,
        strict=any(grant.role in STRICT for grant in held),
        password=row.password is not None,
        factor=row.seed is not None,
    )
