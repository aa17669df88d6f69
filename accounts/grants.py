"""Authorisations: a role, at one site or at every site, for a purpose, by somebody, for a time.

One that is over, or was not reviewed in time, is worth nothing from the next request on. A person
holds one role at a time in each place: another takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.engine import Row as SqlRow

from control.database import grants, people, sites

# Strongest first, where one has to be named.
ROLES = ("admin", "privacy-officer", "analyst", "viewer")
# Those who can change what is kept of people, or read it.
STRICT = frozenset({"admin", "privacy-officer"})
# Half a year: ISO 27002 (5.18) asks for reviews "at regular intervals", and oftener for the strong.
REVIEW = timedelta(days=182)
EVERYWHERE = ""
_SCOPES = {True: "all", False: "site"}


class PersonError(ValueError):
    """An invitation or authorisation that cannot be: the message says what and why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An authorisation to be given. `domain` is a site's, or `EVERYWHERE`; `until` the last day
    (UTC), None where only reviews end it.
    """

    role: str
    purpose: str
    until: date | None = None
    domain: str = EVERYWHERE
    by: str = "command line"


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorisation. `number` names it in a form and opens nothing."""

    number: int
    email: str
    role: str
    domain: str
    purpose: str
    granted_by: str
    granted_at: datetime
    until: date | None
    review_by: date

    @property
    def last_day(self) -> date:
        """The last day (UTC) on which it holds."""
        return min(self.until or self.review_by, self.review_by)

    def covers(self, domain: str) -> bool:
        """Whether it holds at this site."""
        return self.domain in (EVERYWHERE, domain)


def check(wanted: Wanted, today: date) -> None:
    """Raises `PersonError`."""
    if wanted.role not in ROLES:
        raise PersonError(f"role: {wanted.role!r} is none of {', '.join(ROLES)}")
    if not wanted.purpose.strip() or len(wanted.purpose) > 500:
        raise PersonError("purpose: say in 1 to 500 characters what the person needs the data for")
    if wanted.until is not None and wanted.until < today:
        raise PersonError(f"until: {wanted.until} is over")


def give(connection: Connection, person: int, wanted: Wanted, now: datetime) -> None:
    """In the place of what the person held at the same site, or everywhere. Raises `PersonError`,
    also where nobody would be left to administer every site.
    """
    check(wanted, now.date())
    site = None
    if wanted.domain != EVERYWHERE:
        named = select(sites.c.id).where(sites.c.domain == wanted.domain)
        site = connection.execute(named).scalar_one_or_none()
        if site is None:
            raise PersonError(f"site: there is no {wanted.domain}")
    with _never_the_last(connection, now):
        connection.execute(delete(grants).where(grants.c.person == person, grants.c.site.is_(site)))
        connection.execute(
            insert(grants).values(
                person=person,
                scope=_SCOPES[site is None],
                site=site,
                role=wanted.role,
                purpose=wanted.purpose.strip(),
                granted_by=wanted.by,
                granted_at=now,
                until=wanted.until,
                review_by=(now + REVIEW).date(),
            )
        )


def renew(connection: Connection, number: int, now: datetime) -> None:
    """Somebody has looked at it, and it is still needed."""
    connection.execute(
        update(grants).where(grants.c.number == number).values(review_by=(now + REVIEW).date())
    )


def withdraw(connection: Connection, now: datetime, *numbers: int) -> None:
    """Raises `PersonError` where nobody would be left to administer every site."""
    with _never_the_last(connection, now):
        connection.execute(delete(grants).where(grants.c.number.in_(numbers)))


def of_person(connection: Connection, person: int) -> tuple[Grant, ...]:
    """All that a person was given and nobody has withdrawn, strongest first."""
    rows = connection.execute(_joined().where(grants.c.person == person))
    return tuple(sorted(map(_grant, rows), key=lambda grant: ROLES.index(grant.role)))


def every(connection: Connection) -> tuple[Grant, ...]:
    """All that nobody has withdrawn, by e-mail address and domain, over or not."""
    rows = connection.execute(_joined().order_by(people.c.email, sites.c.domain, grants.c.number))
    return tuple(map(_grant, rows))


def lasting(found: tuple[Grant, ...], now: datetime) -> tuple[Grant, ...]:
    """Those that hold now."""
    return tuple(grant for grant in found if now.date() <= grant.last_day)


@contextmanager
def _never_the_last(connection: Connection, now: datetime) -> Iterator[None]:
    """Somebody who administers every site is left, if there was somebody."""
    before = _administrators(connection, now, lock=True)
    yield
    if before and not _administrators(connection, now):
        raise PersonError("role: this would take away the last administrator of every site")


def _administrators(connection: Connection, now: datetime, *, lock: bool = False) -> int:
    """How many there are. With `lock` two at once cannot each remove the other."""
    today = now.date()
    wanted = (
        select(grants.c.number)
        .join(people, people.c.id == grants.c.person)
        .where(
            grants.c.role == "admin",
            grants.c.scope == _SCOPES[True],
            grants.c.review_by >= today,
            func.coalesce(grants.c.until, today) >= today,
            ~people.c.disabled,
        )
    )
    if lock:
        wanted = wanted.with_for_update()
    return len(connection.execute(wanted).all())


def _joined() -> Select[tuple[object, ...]]:
    return (
        select(grants, people.c.email, sites.c.domain)
        .join(people, people.c.id == grants.c.person)
        .join(sites, sites.c.id == grants.c.site, isouter=True)
    )


def _grant(row: SqlRow[tuple[object, ...]]) -> Grant:
    at = row.granted_at
    return Grant(
        number=row.number,
        email=row.email,
        role=row.role,
        domain=row.domain or EVERYWHERE,
        purpose=row.purpose,
        granted_by=row.granted_by,
        granted_at=at if at.tzinfo else at.replace(tzinfo=UTC),
        until=row.until,
        review_by=row.review_by,
    )
