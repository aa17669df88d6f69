"""The sites and apps that are measured, as every other room sees them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypedDict, Unpack
from zoneinfo import ZoneInfo, available_timezones

from hashids import Hashids
from sqlalchemy import Column, ColumnElement, Connection, Engine, delete, insert, select, update
from sqlalchemy.engine import Row as SqlRow

from anonymize.calendar import ALWAYS, Calendar, Zones
from anonymize.event import Purpose
from control.database import site_timezones, sites

POLICIES = ("opt-in", "exempt")
_PUBLIC = Hashids(salt="discreet/site", min_length=6)
# A change of zone leaves a day alone that ends within this time: every process reads it first.
_NOTICE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Site:
    """One website or app.

    `policy` says what holds when a person has stated no choice: `opt-in` (nothing personal) or
    `exempt` (audience measurement without consent, where law allows). `timezone` is the one in
    force when the site was read, `zones` all of them (see `anonymize.calendar`). `k` is the
    smallest number of persons a published cell may stand for. `categories` are the site's own
    names of consent categories with the purpose that each stands for, by name. A `child_directed`
    site keeps counts only, whatever anybody stated. `properties` are the keys of events'
    properties that are kept, and a site with `city` asks for people's cities, both of those who
    consented. What is excluded is written as `anonymize.exclusion` compares it.
    """

    id: int
    domain: str
    write_key: str
    timezone: str
    policy: str
    country: str
    k: int
    categories: tuple[tuple[str, Purpose], ...] = ()
    child_directed: bool = False
    zones: Zones = ()
    properties: tuple[str, ...] = ()
    city: bool = False
    excluded_networks: tuple[str, ...] = ()
    excluded_hosts: tuple[str, ...] = ()
    excluded_paths: tuple[str, ...] = ()

    @property
    def public_id(self) -> str:
        """Short number for people to read out; no secret."""
        return str(_PUBLIC.encode(self.id))

    @property
    def calendar(self) -> Calendar:
        """The site's local days, past and to come."""
        return Calendar(self.zones) if self.zones else Calendar.of(self.timezone)

    def zone_on(self, day: date) -> ZoneInfo:
        """The zone by whose clocks a local day ends, and by which its hours are told."""
        return self.calendar.zone_on(day)


class SiteError(ValueError):
    """A setting of a site that cannot be: the message says which and why."""


def check(domain: str, timezone: str, policy: str, country: str, k: int) -> str:
    """Returns the domain normalised; raises `SiteError` naming the bad setting."""
    domain = domain.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, port = domain.partition(":")
    labels = host.split(".")
    if (
        not domain
        or len(domain) > 253
        or (port and not port.isdigit())
        or any(
            not label
            or len(label) > 63
            or not label.isascii()
            or not label.replace("-", "").replace("_", "").isalnum()
            for label in labels
        )
    ):
        raise SiteError(f"domain: {domain!r} is not a host name such as example.com")
    if timezone not in available_timezones():
        raise SiteError(f"timezone: {timezone!r} is not an IANA time zone such as Europe/Brussels")
    if policy not in POLICIES:
        raise SiteError(f"policy: {policy!r} is neither of {', '.join(POLICIES)}")
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        raise SiteError(f"country: {country!r} is not an ISO 3166-1 code such as BE")
    if k < 3:
        raise SiteError(f"k: {k} is below 3, the least that hides anybody")
    return domain


class Changes(TypedDict, total=False):
    """The settings of a site that can be changed."""

    timezone: str
    policy: str
    country: str
    k: int
    categories: Mapping[str, str]
    child_directed: bool
    properties: Sequence[str]
    city: bool
    excluded_networks: Sequence[str]
    excluded_hosts: Sequence[str]
    excluded_paths: Sequence[str]


_LISTS: tuple[Literal["properties", "excluded_networks", "excluded_hosts", "excluded_paths"], ...]
_LISTS = ("properties", "excluded_networks", "excluded_hosts", "excluded_paths")
_NAME_LENGTH = 64  # of a category or a property's key
_MOST = 50  # categories, keys of properties, exclusions of each kind


def check_properties(keys: Sequence[str]) -> None:
    """Keys of properties. Raises `SiteError`."""
    for key in keys:
        if not 0 < len(key) <= _NAME_LENGTH or not key.isprintable():
            raise SiteError(f"property: {key!r} is not a key of 1 to {_NAME_LENGTH} letters")


def check_categories(categories: Mapping[str, str]) -> None:
    """Names of consent categories, each with a purpose. Raises `SiteError`."""
    if len(categories) > _MOST:
        raise SiteError(f"category: more than {_MOST} names")
    for name, purpose in categories.items():
        if not 0 < len(name) <= _NAME_LENGTH or not name.isprintable():
            raise SiteError(f"category: {name!r} is not a name of 1 to {_NAME_LENGTH} letters")
        if purpose not in set(Purpose):
            raise SiteError(f"category: {purpose!r} is neither of {', '.join(Purpose)}")


class Sites:
    """Sites in the control database. Reads are cached for `ttl` seconds on the collector's path."""

    def __init__(
        self,
        engine: Engine,
        ttl: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._ttl = ttl
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._all: tuple[Site, ...] = ()
        self._by_key: dict[str, Site] = {}
        self._by_domain: dict[str, Site] = {}

    def add(self, domain: str, timezone: str, policy: str, country: str, k: int = 10) -> Site:
        """Raises `SiteError` for a bad setting or a domain that exists already."""
        domain = check(domain, timezone, policy, country.upper(), k)
        with self._engine.begin() as connection:
            if connection.execute(select(sites.c.id).where(sites.c.domain == domain)).first():
                raise SiteError(f"domain: {domain} exists already")
            added = connection.execute(
                insert(sites).values(
                    domain=domain,
                    write_key=secrets.token_hex(16),
                    policy=policy,
                    country=country.upper(),
                    k=k,
                    created_at=self._now(),
                )
            ).inserted_primary_key
            assert added is not None  # noqa: S101  the database gives every site a number
            connection.execute(
                insert(site_timezones).values(site=added[0], from_day=ALWAYS, timezone=timezone)
            )
        self.forget()
        site = self.by_domain(domain)
        assert site is not None  # noqa: S101  just inserted in a committed transaction
        return site

    def set(self, site: Site, **changes: Unpack[Changes]) -> Site:
        """Changes what is named; a list given replaces the whole of it. Raises `SiteError`.

        A new `timezone` holds from the day after the site's current one. Another on the same day
        takes its place, and the one in force cancels it.
        """
        timezone = changes.pop("timezone", None)
        new: Changes = {
            "policy": site.policy,
            "country": site.country,
            "k": site.k,
            "categories": dict(site.categories),
            "child_directed": site.child_directed,
            "properties": site.properties,
            "city": site.city,
            "excluded_networks": site.excluded_networks,
            "excluded_hosts": site.excluded_hosts,
            "excluded_paths": site.excluded_paths,
            **changes,
        }
        new["country"] = new["country"].upper()
        check(site.domain, timezone or site.timezone, new["policy"], new["country"], new["k"])
        check_categories(new["categories"])
        check_properties(new["properties"])
        for name in _LISTS:
            new[name] = sorted(set(new[name]))
            if len(new[name]) > _MOST:
                raise SiteError(f"{name.replace('_', ' ')}: more than {_MOST}")
        with self._engine.begin() as connection:
            connection.execute(update(sites).where(sites.c.id == site.id).values(**new))
            if timezone is not None:
                self._change_zone(connection, site.id, timezone)
        self.forget()
        changed = self.by_domain(site.domain)
        assert changed is not None  # noqa: S101  the row cannot have gone in between
        return changed

    def _change_zone(self, connection: Connection, site: int, timezone: str) -> None:
        here = site_timezones.c.site == site
        calendar = Calendar(_zones(connection, here)[site])
        today = calendar.local_day(self._now() + _NOTICE)
        connection.execute(delete(site_timezones).where(here, site_timezones.c.from_day > today))
        if timezone != calendar.zone_on(today).key:
            connection.execute(
                insert(site_timezones).values(
                    site=site, from_day=today + timedelta(days=1), timezone=timezone
                )
            )

    def remove(self, site: Site) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(sites).where(sites.c.id == site.id))
        self.forget()

    def all(self) -> tuple[Site, ...]:
        self._refresh()
        return self._all

    def by_write_key(self, key: str) -> Site | None:
        return self._find(sites.c.write_key, key, lambda: self._by_key.get(key))

    def by_domain(self, domain: str) -> Site | None:
        name = domain.strip().lower()
        return self._find(sites.c.domain, name, lambda: self._by_domain.get(name))

    def _find(
        self, column: Column[str], value: str, known: Callable[[], Site | None]
    ) -> Site | None:
        """Asks the database whether what isn't known was added a moment ago: clients take the
        refusal of a key for final.
        """
        self._refresh()
        found = known()
        if found is None:
            with self._engine.connect() as connection:
                added = connection.execute(select(sites.c.id).where(column == value)).first()
            if added:
                self.forget()
                self._refresh()
                found = known()
        return found

    def forget(self) -> None:
        """Makes the next read go to the database."""
        self._read_at = float("-inf")

    def _refresh(self) -> None:
        if self._clock() - self._read_at < self._ttl:
            return
        with self._lock:
            if self._clock() - self._read_at < self._ttl:
                return
            with self._engine.connect() as connection:
                rows = connection.execute(select(sites).order_by(sites.c.domain)).all()
                zones = _zones(connection)  # without a site that was removed in between
            now = self._now()
            self._all = tuple(_site(row, zones[row.id], now) for row in rows if row.id in zones)
            self._by_key = {site.write_key: site for site in self._all}
            self._by_domain = {site.domain: site for site in self._all}
            self._read_at = self._clock()


def _zones(connection: Connection, *which: ColumnElement[bool]) -> dict[int, Zones]:
    """The zones of each site, the latest first."""
    found: dict[int, Zones] = {}
    latest_first = select(site_timezones).where(*which).order_by(site_timezones.c.from_day.desc())
    for row in connection.execute(latest_first):
        found[row.site] = (*found.get(row.site, ()), (row.from_day, row.timezone))
    return found


def _site(row: SqlRow[tuple[object, ...]], zones: Zones, now: datetime) -> Site:
    return Site(
        id=row.id,
        domain=row.domain,
        write_key=row.write_key,
        timezone=Calendar(zones).zone_at(now).key,
        zones=zones,
        policy=row.policy,
        country=row.country,
        k=row.k,
        categories=tuple(
            (name, Purpose(purpose)) for name, purpose in sorted(row.categories.items())
        ),
        child_directed=row.child_directed,
        properties=tuple(row.properties),
        city=row.city,
        excluded_networks=tuple(row.excluded_networks),
        excluded_hosts=tuple(row.excluded_hosts),
        excluded_paths=tuple(row.excluded_paths),
    )
