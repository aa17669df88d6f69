"""How figures and days read: plain functions, used by the templates as filters."""

from __future__ import annotations

from datetime import date

# What stands where a figure is withheld or was not measured.
NOTHING = "–"


def count(n: int | None) -> str:
    """12,345; from a million on 1.23M, because the last digits say nothing there."""
    if n is None:
        return NOTHING
    return f"{n / 1e6:.2f}M" if n >= 1_000_000 else f"{n:,}"


def decimal(x: float | None) -> str:
    return NOTHING if x is None else f"{x:.1f}"


def share(x: float | None) -> str:
    """A ratio from 0 to 1 as per cent."""
    return NOTHING if x is None else f"{x:.0%}"


def duration(seconds: float | None) -> str:
    """42s, 3m 05s, 1h 02m."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def day(value: date) -> str:
    """21 Nov 2026."""
    return f"{value.day} {value:%b %Y}"


def span(first: date, last: date) -> str:
    """3 Nov 2026; 3 – 9 Nov 2026; 28 Oct – 9 Nov 2026; 28 Dec 2025 – 9 Jan 2026."""
    if first == last:
        return day(first)
    if first.year != last.year:
        return f"{day(first)} – {day(last)}"
    if first.month != last.month:
        return f"{first.day} {first:%b} – {day(last)}"
    return f"{first.day} – {day(last)}"
