"""Geography comes from any MaxMind-format file, and its lack stops nothing."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from anonymize.geo import NOWHERE, Geo, Location, open_geo
from anonymize.ip import locate
from tests.anonymize.mmdb import write_mmdb

LONDON = {
    "city": {"names": {"de": "London", "en": "London"}},
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "WSM"}],
}


@pytest.fixture
def geo(tmp_path: Path) -> Geo:
    path = tmp_path / "geo.mmdb"
    write_mmdb(
        path,
        {
            "81.2.69.0/24": LONDON,
            "67.43.156.0/24": {"country": {"iso_code": "BT"}},
            "89.160.20.112/28": {"country_code": "SE"},
            "2001:218::/32": {"country_code": "jp"},
            "198.51.100.0/25": {"country_code": "ZZ"},
            "198.51.100.128/25": {"country_code": "Atlantis", "city": "Poseidonis"},
            "203.0.113.0/24": {"country": {"iso_code": 7}, "subdivisions": "none", "city": []},
        },
    )
    return open_geo(path)


@pytest.mark.parametrize(
    ("address", "location"),
    [
        pytest.param("81.2.69.142", Location("GB", "GB-ENG", "London"), id="MaxMind's shape"),
        pytest.param("67.43.156.1", Location("BT"), id="country alone"),
        pytest.param("89.160.20.113", Location("SE"), id="the flat shape of the CC0 databases"),
        pytest.param("2001:218::1", Location("JP"), id="IPv6"),
        pytest.param("10.0.0.1", NOWHERE, id="no record"),
        pytest.param("198.51.100.1", NOWHERE, id="the code for unknown"),
        pytest.param("198.51.100.200", NOWHERE, id="no ISO code"),
        pytest.param("203.0.113.9", NOWHERE, id="a record of unexpected types"),
    ],
)
def test_an_address_is_found_in_either_shape(geo: Geo, address: str, location: Location) -> None:
    assert geo.problem == ""
    assert geo.lookup(ip_address(address)) == location
    assert locate(address, geo)[1:] == location


def test_a_missing_file_is_no_geography_and_says_why(tmp_path: Path) -> None:
    geo = open_geo(tmp_path / "none.mmdb")
    assert geo.problem.endswith("none.mmdb does not exist")
    assert geo.lookup(ip_address("81.2.69.142")) == NOWHERE


@pytest.mark.parametrize("content", [b"", b"not a database", b"\0" * 4096], ids=len)
def test_a_corrupt_file_is_no_geography_and_says_why(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mmdb"
    path.write_bytes(content)
    geo = open_geo(path)
    assert "cannot be read" in geo.problem
    assert geo.lookup(ip_address("81.2.69.142")) == NOWHERE


def test_a_directory_is_no_geography(tmp_path: Path) -> None:
    assert open_geo(tmp_path).problem


def test_a_file_corrupt_inside_gives_nowhere_and_no_exception(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON})
    content = path.read_bytes()
    start = content.index(b"iso_code") - 40
    path.write_bytes(content[:start] + b"\xff" * 80 + content[start + 80 :])
    assert open_geo(path).lookup(ip_address("81.2.69.142")) == NOWHERE


def test_an_ipv6_address_in_a_database_of_ipv4_is_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "v4.mmdb"
    write_mmdb(path, {"81.2.69.0/24": LONDON}, version=4)
    geo = open_geo(path)
    assert geo.lookup(ip_address("81.2.69.142")).country == "GB"
    assert geo.lookup(ip_address("2001:218::1")) == NOWHERE
