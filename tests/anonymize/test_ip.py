"""An address is located as a whole and leaves as a network of at least 256 hosts, or not at all."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.geo import IPAddress, Location
from anonymize.ip import NOWHERE, Place, locate, truncate

LONDON = Location("GB", "GB-ENG", "London")


class Recorder:
    """A geography that remembers what it was asked."""

    problem = ""

    def __init__(self) -> None:
        self.asked: list[IPAddress] = []

    def lookup(self, address: IPAddress) -> Location:
        self.asked.append(address)
        return LONDON


@pytest.mark.parametrize(
    ("address", "network"),
    [
        pytest.param("203.0.113.77", "203.0.113.0", id="IPv4 keeps 24 bits"),
        pytest.param("2001:db8:abcd:1234::1", "2001:db8:abcd::", id="IPv6 keeps 48 bits"),
        pytest.param("2001:DB8:ABCD:1234::1", "2001:db8:abcd::", id="upper case"),
        pytest.param("::ffff:203.0.113.77", "203.0.113.0", id="IPv4-mapped"),
        pytest.param("::ffff:cb00:714d", "203.0.113.0", id="IPv4-mapped in hexadecimal"),
        pytest.param("2002:cb00:714d::1", "203.0.113.0", id="6to4"),
        pytest.param("2001:0:4136:e378:8000:63bf:34ff:8eb2", "203.0.113.0", id="Teredo"),
        pytest.param("64:ff9b::cb00:714d", "203.0.113.0", id="NAT64"),
        pytest.param("64:ff9b::203.0.113.77", "203.0.113.0", id="NAT64 in dotted form"),
        pytest.param("203.0.113.77:51234", "203.0.113.0", id="IPv4 with a port"),
        pytest.param("[2001:db8:abcd::7]", "2001:db8:abcd::", id="brackets"),
        pytest.param("[2001:db8:abcd::7]:443", "2001:db8:abcd::", id="brackets and a port"),
        pytest.param("[::ffff:203.0.113.77]:443", "203.0.113.0", id="mapped in brackets"),
        pytest.param("fe80::1%eth0", "fe80::", id="zone id"),
        pytest.param("[fe80::1%25eth0]:80", "fe80::", id="zone id as in a URL"),
        pytest.param("::1", "::", id="loopback"),
    ],
)
def test_an_address_is_unwrapped_and_truncated(address: str, network: str) -> None:
    assert truncate(address) == network
    assert locate(address, Recorder()).prefix == ip_address(network).packed


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        " ",
        "-",
        "unknown",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "0x7f.1",
        "0x7f.0.0.1",
        "2130706433",
        "01.02.03.04",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.4\n",
        "1.2.3.4\0",
        "1.2.3.4/24",
        "1.2.3.4%eth0",
        "1.2.3.4:",
        "1.2.3.4:http",
        "1.2.3.4:123456",
        "1.2.3.4:\u0661",
        "\u0661.2.3.4",
        "1.2.3.4, 5.6.7.8",
        "[1.2.3.4]",
        "[::1",
        "[::1]443",
        "[::1]:",
        "[]",
        "::1]",
        ":::",
        "1::2::3",
        "2001:db8::12345",
        "::ffff:1.2.3",
        "\ud800",
    ],
)
def test_what_is_not_exactly_one_address_fails_closed(address: str | None) -> None:
    geo = Recorder()
    assert locate(address, geo) == NOWHERE == Place(None, "", "", "")
    assert truncate(address) == ""
    assert geo.asked == []


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("203.0.113.77", IPv4Address("203.0.113.77")),
        ("2002:cb00:714d::1", IPv4Address("203.0.113.77")),
        ("2001:0:4136:e378:8000:63bf:34ff:8eb2", IPv4Address("203.0.113.77")),
        ("2001:db8:abcd:1234::1", IPv6Address("2001:db8:abcd:1234::1")),
    ],
)
def test_geography_is_looked_up_from_the_whole_unwrapped_address(
    address: str, asked: IPAddress
) -> None:
    geo = Recorder()
    assert locate(address, geo)[1:] == LONDON
    assert geo.asked == [asked]


@given(st.ip_addresses(v=4))
def test_every_wrapping_of_an_ipv4_address_gives_its_own_network(address: IPv4Address) -> None:
    packed = address.packed
    inverted = bytes(byte ^ 0xFF for byte in packed)
    wrapped = [
        bytes(10) + b"\xff\xff" + packed,
        bytes.fromhex("0064ff9b0000000000000000") + packed,
        bytes.fromhex("2002") + packed + bytes(10),
        bytes.fromhex("200100004136e378800063bf") + inverted,
    ]
    expected = ip_network((address, 24), strict=False).network_address.packed
    assert locate(str(address), Recorder()).prefix == expected
    for whole in wrapped:
        assert locate(socket.inet_ntop(socket.AF_INET6, whole), Recorder()).prefix == expected


@given(st.ip_addresses())
def test_nothing_but_the_truncated_network_comes_out(address: IPAddress) -> None:
    prefix = locate(str(address), Recorder()).prefix
    assert prefix is not None
    kept = 3 if len(prefix) == 4 else 6
    assert len(prefix) in (4, 16)
    assert not any(prefix[kept:])
    assert locate(socket.inet_ntop(
        socket.AF_INET if len(prefix) == 4 else socket.AF_INET6, prefix
    ), Recorder()).prefix == prefix  # fmt: skip


@given(st.text() | st.from_regex(r"[\[\]0-9a-fA-F:.%x]{0,45}", fullmatch=True))
def test_no_text_makes_it_raise(text: str) -> None:
    place = locate(text, Recorder())
    assert (place.prefix is None) == (place == NOWHERE)
