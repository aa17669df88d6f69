"""Device facts in buckets: coarse enough that no combination singles a device out."""

from __future__ import annotations

from bisect import bisect_right

from anonymize.scrub import cut, scrub

MODEL_LENGTH = 60  # characters; `SAMSUNG-SM-N900A` has 16

_GIB = 1024**3

# Upper bounds (exclusive) and names of the buckets between them.
_MEMORY = (
    [2 * _GIB, 4 * _GIB, 8 * _GIB, 16 * _GIB],
    ["<2 GB", "2–4 GB", "4–8 GB", "8–16 GB", "16+ GB"],
)
_STORAGE = (
    [32 * _GIB, 64 * _GIB, 128 * _GIB, 256 * _GIB],
    ["<32 GB", "32–64 GB", "64–128 GB", "128–256 GB", "256+ GB"],
)
_BATTERY = ([0.2, 0.5, 0.8], ["<20 %", "20–50 %", "50–80 %", "80–100 %"])
# CSS pixels; the widths at which layouts change.
_WIDTH = (
    [576, 768, 992, 1200, 1600, 2000],
    ["<576", "576–767", "768–991", "992–1199", "1200–1599", "1600–1999", "2000+"],
)
_CONNECTIONS = {"wifi": "Wi-Fi", "cellular": "Cellular", "ethernet": "Ethernet", "none": "Offline"}


def _bucket(
    table: tuple[list[float], list[str]] | tuple[list[int], list[str]], value: float
) -> str:
    bounds, names = table
    return names[bisect_right(bounds, value)]


def model(name: str | None) -> str:
    """The model as its maker names it, scrubbed and cut."""
    return cut(scrub(name or ""), MODEL_LENGTH)


def memory(total: int | None) -> str:
    """Bucket of the device's memory; `total` in bytes."""
    return _bucket(_MEMORY, total) if total and total > 0 else ""


def storage(total: int | None, os: str) -> str:
    """Bucket of the device's storage, in bytes; never from iOS, whose rules forbid sending it."""
    return _bucket(_STORAGE, total) if total and total > 0 and os != "iOS" else ""


def battery(level: float | None) -> str:
    """Bucket of the charge, from 0 to 1."""
    return _bucket(_BATTERY, level) if level is not None and 0 <= level <= 1 else ""


def screen_size(width: int | None) -> str:
    """Bucket of the display's width in CSS pixels."""
    return _bucket(_WIDTH, width) if width and 0 < width <= 20_000 else ""


def connection(kind: str | None) -> str:
    """Wi-Fi, Cellular, Ethernet or Offline; anything else is nothing."""
    return _CONNECTIONS.get((kind or "").lower(), "")
