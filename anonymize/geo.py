"""Where an address lies: a look-up in a MaxMind-format database, or nowhere."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple, Protocol

import maxminddb

IPAddress = IPv4Address | IPv6Address


class Location(NamedTuple):
    """Each part is '' where unknown."""

    country: str = ""  # ISO 3166-1 alpha-2
    region: str = ""  # ISO 3166-2, country and subdivision: GB-ENG
    city: str = ""  # English name


NOWHERE = Location()


class Geo(Protocol):
    """`problem` says why there is no geography, '' when there is; the caller logs and shows it."""

    @property
    def problem(self) -> str: ...

    def lookup(self, address: IPAddress) -> Location:
        """Never raises, and keeps nothing of the address."""
        ...


class NoGeography:
    """Stands in where the database is missing or corrupt: everything else goes on working."""

    def __init__(self, problem: str) -> None:
        self.problem = problem

    def lookup(self, address: IPAddress) -> Location:
        return NOWHERE


class MaxMind:
    """A memory-mapped database: safe to share over a fork, with its pages shared too.

    Replace the file by renaming another over it and restart; writing into it is not safe.
    """

    problem = ""

    def __init__(self, reader: maxminddb.Reader) -> None:
        self._get = reader.get

    def lookup(self, address: IPAddress) -> Location:
        try:
            return _location(self._get(address))
        except (ValueError, maxminddb.InvalidDatabaseError):
            # An IPv6 address in a database of IPv4, or a corrupt record.
            return NOWHERE


def open_geo(path: Path) -> Geo:
    """Opens any MaxMind-format file. Never raises: what is wrong stands in `problem`."""
    try:
        return MaxMind(maxminddb.open_database(path))
    except FileNotFoundError:
        return NoGeography(f"{path} does not exist")
    except (OSError, ValueError, maxminddb.InvalidDatabaseError):
        return NoGeography(f"{path} cannot be read as a MaxMind-format database")


def _location(record: object) -> Location:
    """Reads MaxMind's own shape, and the flat `{"country_code": "BE"}` of the CC0 databases."""
    if not isinstance(record, dict):
        return NOWHERE
    country = _code(record.get("country_code") or _field(record.get("country"), "iso_code"))
    if not country:
        return NOWHERE
    subdivisions = record.get("subdivisions")
    region = _field(subdivisions[0], "iso_code") if isinstance(subdivisions, list) else ""
    city = _field(_field(record.get("city"), "names"), "en")
    return Location(
        country,
        f"{country}-{region}" if isinstance(region, str) and region else "",
        city if isinstance(city, str) else "",
    )


def _field(record: object, key: str) -> object:
    return record.get(key, "") if isinstance(record, dict) else ""


def _code(value: object) -> str:
    """'ZZ' is the user-assigned code that databases write for "unknown"."""
    if isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha():
        return "" if value.upper() == "ZZ" else value.upper()
    return ""
