"""What happens to an address: located as a whole, then truncated. None leaves this module whole.

IPv4 keeps 24 bits, IPv6 keeps 48: what a provider typically gives a site, never a household.
An IPv6 address that only wraps an IPv4 one is unwrapped first; its first 48 bits would else be the
same for everybody (mapped, Teredo, NAT64) or hold the IPv4 address in full (6to4).
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from anonymize.geo import Geo

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
_NAT64 = bytes.fromhex("0064ff9b") + bytes(8)  # 64:ff9b::/96, RFC 6052
_TEREDO = bytes.fromhex("20010000")  # 2001::/32, RFC 4380: the client's address, inverted, is last
_6TO4 = bytes.fromhex("2002")  # 2002::/16, RFC 3056: the address follows


class Place(NamedTuple):
    """What is left of an address.

    `prefix` is the truncated network in canonical form, 4 bytes (/24) or 16 (/48) in network order
    with the rest zero; None where the address could not be parsed. Texts are '' where unknown.
    """

    prefix: bytes | None = None
    country: str = ""
    region: str = ""
    city: str = ""


NOWHERE = Place()


def locate(address: str | None, geo: Geo) -> Place:
    """The place of a client's address as text. Fails closed: what cannot be parsed is nowhere."""
    packed = _parse(address)
    if packed is None:
        return NOWHERE
    whole = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return Place(_prefix(packed), *geo.lookup(whole))


def truncated(address: str | None) -> bytes | None:
    """The truncated address as in `Place`; None if unparsable."""
    packed = _parse(address)
    return None if packed is None else _prefix(packed)


def truncate(address: str | None) -> str:
    """The truncated address as text, `203.0.113.0` or `2001:db8:abcd::`; '' if unparsable."""
    packed = _parse(address)
    if packed is None:
        return ""
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, _prefix(packed))


def _prefix(packed: bytes) -> bytes:
    return packed[:3] + b"\0" if len(packed) == 4 else packed[:6] + bytes(10)


def _parse(address: str | None) -> bytes | None:
    """4 or 16 bytes, IPv4 unwrapped; None for whatever is not exactly one address.

    `inet_pton` takes four decimal octets only (POSIX), where `inet_aton` would read `0x7f.1`.
    """
    if not address:
        return None
    host = _without_port(address)
    try:
        if ":" in host:
            return _unwrap(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))
        return socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return None


def _without_port(address: str) -> str:
    """Strips what some proxies append or wrap: `192.0.2.1:443`, `[2001:db8::1]:443`.

    Returns '' where the port or the brackets are malformed.
    """
    if address[0] == "[":
        host, bracket, port = address[1:].partition("]")
        if not bracket or ":" not in host:
            return ""
        return host if not port or _is_port(port) else ""
    host, colon, port = address.partition(":")
    if not colon or ":" in port:
        return address
    return host if _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    digits = text[1:]
    return text[0] == ":" and len(digits) <= 5 and digits.isascii() and digits.isdigit()


def _unwrap(packed: bytes) -> bytes:
    if packed.startswith((_MAPPED, _NAT64)):
        return packed[12:]
    if packed.startswith(_6TO4):
        return packed[2:6]
    if packed.startswith(_TEREDO):
        return bytes(byte ^ 0xFF for byte in packed[12:])
    return packed
