"""How figures and days read in the reader's language: plain functions, used as filters too."""

from __future__ import annotations

from datetime import date
from functools import cache

from babel import Locale
from babel.dates import format_date
from flask_babel import get_locale, gettext

# What stands where a figure is withheld or was not measured.
NOTHING = "–"


def locale() -> Locale:
    """The reader's, English where nobody reads."""
    return get_locale() or _english()


@cache
def _english() -> Locale:
    return Locale("en")


@cache
def _signs(locale: Locale) -> tuple[str, str, str]:
    """What groups thousands, what stands before decimals, and before the sign of per cent."""
    signs = locale.number_symbols["latn"]
    before = locale.percent_formats[None].pattern.partition("%")[0].lstrip("#,0.")
    return signs["group"], signs["decimal"], before


def _written(n: float, pattern: str) -> str:
    group, point, _ = _signs(locale())
    return format(n, pattern).translate({ord(","): group, ord("."): point})


def count(n: int | None) -> str:
    """12,345; from a million on 1.23M, because the last digits say nothing there."""
    if n is None:
        return NOTHING
    return f"{_written(n / 1e6, '.2f')}M" if n >= 1_000_000 else _written(n, ",")


def decimal(x: float | None) -> str:
    return NOTHING if x is None else _written(x, ".1f")


def share(x: float | None) -> str:
    """A ratio from 0 to 1 as per cent."""
    return NOTHING if x is None else f"{100 * x:.0f}{_signs(locale())[2]}%"


def depth(x: float | None) -> str:
    """Per cent of a page."""
    return share(None if x is None else x / 100)


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


def of_kind(kind: str, value: float | None) -> str:
    """A figure as its kind reads: count, decimal, share, depth or duration."""
    if kind == "count":
        return count(None if value is None else round(value))
    return {"decimal": decimal, "share": share, "depth": depth, "duration": duration}[kind](value)


@cache
def _dated(value: date, pattern: str, locale: Locale) -> str:
    return format_date(value, pattern, locale)


def dated(value: date, pattern: str) -> str:
    """A day by a pattern of the CLDR: `d MMM`, `EEEE`, `MMMM y`."""
    return _dated(value, pattern, locale())


def day(value: date) -> str:
    """21 Nov 2026."""
    return dated(value, "d MMM y")


def span(first: date, last: date) -> str:
    """3 Nov 2026; 3 – 9 Nov 2026; 28 Oct – 9 Nov 2026; 28 Dec 2025 – 9 Jan 2026."""
    if first == last:
        return day(first)
    if first.year != last.year:
        return f"{day(first)} – {day(last)}"
    if first.month != last.month:
        return f"{dated(first, 'd MMM')} – {day(last)}"
    return f"{first.day} – {day(last)}"


def change(now: float | None, before: float | None, kind: str) -> tuple[int, str]:
    """Its sign and its words: per cent, or points where the figure is itself a share; 0 and ''
    where there is nothing to compare.
    """
    if now is None or before is None or (not before and kind != "share"):
        return 0, ""
    if kind == "share":
        points = round(100 * (now - before))
        sign, words = points, gettext("%(n)s pts", n=abs(points))
    else:
        sign = round(100 * (now - before) / before)
        words = f"{_written(abs(sign), ',')}{_signs(locale())[2]}%"
    if not sign:
        return 0, gettext("unchanged")
    return sign, f"{'↑' if sign > 0 else '↓'} {words}"
