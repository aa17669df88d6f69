"""Writes small MaxMind DB files for tests (format specification 2.0, maxmind.github.io/MaxMind-DB).

The tests need their own database because real ones are large or may not be copied here.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

_EMPTY = -1
_UINT16, _UINT32, _UINT64 = 5, 6, 9
_MARKER = b"\xab\xcd\xefMaxMind.com"


def write_mmdb(path: Path, records: Mapping[str, Mapping[str, Any]], version: int = 6) -> None:
    """One record per network in CIDR notation; IPv4 networks lie under ::/96 in an IPv6 tree."""
    nodes: list[list[int | bytes]] = [[_EMPTY, _EMPTY]]
    for cidr, record in records.items():
        _insert(nodes, _bits(cidr, version), _encode(record))
    data = bytearray()
    tree = bytearray()
    for node in nodes:
        for child in node:
            if isinstance(child, bytes):
                value = len(nodes) + 16 + len(data)
                data += child
            else:
                value = len(nodes) if child == _EMPTY else child
            tree += value.to_bytes(4, "big")
    metadata = {
        "binary_format_major_version": (_UINT16, 2),
        "binary_format_minor_version": (_UINT16, 0),
        "build_epoch": (_UINT64, 1_700_000_000),
        "database_type": "Test",
        "description": {"en": "Test"},
        "ip_version": (_UINT16, version),
        "languages": ["en"],
        "node_count": (_UINT32, len(nodes)),
        "record_size": (_UINT16, 32),
    }
    path.write_bytes(bytes(tree) + bytes(16) + bytes(data) + _MARKER + _encode(metadata))


def _bits(cidr: str, version: int) -> str:
    network = ip_network(cidr)
    bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
    return "0" * 96 + bits if version == 6 and network.version == 4 else bits


def _insert(nodes: list[list[int | bytes]], bits: str, record: bytes) -> None:
    at = 0
    for bit in bits[:-1]:
        child = nodes[at][int(bit)]
        assert not isinstance(child, bytes), "networks may not overlap"
        if child == _EMPTY:
            child = len(nodes)
            nodes[at][int(bit)] = child
            nodes.append([_EMPTY, _EMPTY])
        at = child
    nodes[at][int(bits[-1])] = record


def _encode(value: object) -> bytes:
    """A field of the data section; sizes below 29 only, or one extra byte up to 284."""
    match value:
        case str():
            raw = value.encode()
            return _control(2, len(raw)) + raw
        case int():
            return _encode((_UINT32, value))
        case (int(kind), int(number)):
            raw = number.to_bytes(8, "big").lstrip(b"\0")
            return _control(kind, len(raw)) + raw
        case Mapping():
            pairs = b"".join(_encode(key) + _encode(item) for key, item in value.items())
            return _control(7, len(value)) + pairs
        case list():
            return _control(11, len(value)) + b"".join(map(_encode, value))
    raise TypeError(type(value))


def _control(kind: int, size: int) -> bytes:
    bits, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind < 8:
        return bytes([kind << 5 | bits]) + more
    return bytes([bits, kind - 7]) + more
