"""Which days a page shows, and which it compares them with. Pure: today is handed in.

Days are the site's local days. `today` belongs to every period that reaches it, although it is
still open: a site that was set up this morning must not look empty.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards.words import N_

# What the menu offers, in its order.
CHOICES = {
    "day": N_("Today"),
    "yesterday": N_("Yesterday"),
    "7d": N_("Last 7 days"),
    "28d": N_("Last 28 days"),
    "30d": N_("Last 30 days"),
    "month": N_("This month"),
    "last-month": N_("Last month"),
    "year": N_("This year"),
    "12mo": N_("Last 12 months"),
}
# What a period may be set against.
COMPARED = {
    "previous": N_("Period before"),
    "year": N_("Year before"),
    "custom": N_("Days of your choice"),
    "none": N_("Nothing"),
}
# What a point of the chart may stand for, and how many days a period has for it: fewer points say
# nothing, more no longer stand apart.
INTERVALS = {"hour": (1, 7), "day": (2, 400), "week": (15, 2000), "month": (32, 2000)}
DEFAULT = "28d"
# Longer ranges are drawn by month: more points than this no longer tell days apart.
MOST_DAYS = 92
# Releases are kept for years, but one page draws no more than this.
MOST_YEARS = 5


class PeriodError(ValueError):
    """A choice that names no period: the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last` and the days they are compared with, all included."""

    key: str
    first: date
    last: date
    before_first: date
    before_last: date

    @property
    def interval(self) -> str:
        """What a point of the chart stands for: hour, day or month."""
        if self.first == self.last:
            return "hour"
        return "day" if (self.last - self.first).days < MOST_DAYS else "month"

    @property
    def length(self) -> int:
        """Days."""
        return (self.last - self.first).days + 1

    @property
    def intervals(self) -> list[str]:
        """What a point may stand for instead."""
        return [key for key, (few, many) in INTERVALS.items() if few <= self.length <= many]

    @property
    def query(self) -> dict[str, str]:
        """The parameters that lead back here."""
        if self.key == "custom":
            return {"period": "custom", "from": str(self.first), "to": str(self.last)}
        return {"period": self.key}


def choose(key: str, first: str, last: str, today: date) -> Period:
    """The period of a page's parameters; `first` and `last` count where `key` is custom.

    Raises `PeriodError`.
    """
    if key == "custom":
        return _custom(_day("from", first), _day("to", last), today)
    if key == "day":
        return _shifted(key, today, today)
    if key == "yesterday":
        return _shifted(key, today - timedelta(days=1), today - timedelta(days=1))
    if key in ("7d", "28d", "30d"):
        return _shifted(key, today - timedelta(days=int(key[:-1]) - 1), today)
    if key == "month":
        start = today.replace(day=1)
        return Period(key, start, today, _months(start, -1), _months(today, -1))
    if key == "last-month":
        start = _months(today.replace(day=1), -1)
        before = _months(start, -1)
        return Period(key, start, _end(start), before, _end(before))
    if key == "year":
        start = today.replace(month=1, day=1)
        return Period(key, start, today, _months(start, -12), _months(today, -12))
    if key == "12mo":
        start = _months(today.replace(day=1), -11)
        return Period(key, start, today, _months(start, -12), _months(today, -12))
    raise PeriodError(f"period: must be custom or one of {', '.join(CHOICES)}")


def compared(period: Period, mode: str, first: str, last: str) -> tuple[date, date] | None:
    """The days that a period is set against; `first` and `last` count where `mode` is custom.

    Raises `PeriodError`.
    """
    if mode == "none":
        return None
    if mode == "previous":
        return period.before_first, period.before_last
    if mode == "year":
        return _months(period.first, -12), _months(period.last, -12)
    if mode == "custom":
        start, end = _day("since", first), _day("until", last)
        if not timedelta() <= end - start < timedelta(days=366 * MOST_YEARS):
            raise PeriodError("since: must not be after until")
        return start, end
    raise PeriodError(f"compare: must be one of {', '.join(COMPARED)}")


def spans(interval: str, first: date, last: date) -> list[tuple[date, date]]:
    """The days, ISO weeks or months of a range, each as its first and last day within it."""
    if interval == "month":
        return list(months(first, last))
    if interval == "week":
        return list(weeks(first, last))
    return [(day, day) for day in days(first, last)]


def whole(interval: str, first: date, last: date) -> bool:
    """Whether a span is a week or month from its first day to its last."""
    if interval == "week":
        return (last - first).days == 6
    return interval != "month" or (first.day == 1 and last == _end(first))


def weeks(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The ISO weeks of a range, each as its first and last day within it."""
    while first <= last:
        end = min(first + timedelta(days=6 - first.weekday()), last)
        yield first, end
        first = end + timedelta(days=1)


def days(first: date, last: date) -> Iterator[date]:
    """Every day from `first` to `last`, both included."""
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The calendar months of a range, each as its first and last day within it."""
    start = first
    while start <= last:
        yield start, min(_end(start), last)
        start = _months(start.replace(day=1), 1)


def hours(start: datetime, end: datetime, zone: ZoneInfo) -> list[int]:
    """The hours on the wall of a local day: 0 to 23, less those that a change of the clocks or of
    the site's zone leaves out.

    An hour that comes twice is one hour here: releases count it so.
    """
    moment = start
    found: dict[int, None] = {}
    while moment < end:
        found[moment.astimezone(zone).hour] = None
        moment += timedelta(minutes=30)  # Lord Howe Island changes its clocks by half an hour
    return sorted(found)


def _custom(first: date, last: date, today: date) -> Period:
    if first > last:
        raise PeriodError("from: must not be after to")
    if first > today:
        raise PeriodError("from: must not be in the future")
    last = min(last, today)
    if last >= _months(first, 12 * MOST_YEARS):
        raise PeriodError(f"to: must be less than {MOST_YEARS} years after from")
    return _shifted("custom", first, last)


def _shifted(key: str, first: date, last: date) -> Period:
    """Compared with as many days just before."""
    length = timedelta(days=(last - first).days + 1)
    if first - date.min < length:
        raise PeriodError("from: too long ago")
    return Period(key, first, last, first - length, last - length)


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PeriodError(f"{name}: must be a day such as 2026-05-31") from None


def _months(day: date, by: int) -> date:
    """The same day of another month, or that month's last where it is shorter."""
    index = day.year * 12 + day.month - 1 + by
    if not date.min.year * 12 <= index < (date.max.year + 1) * 12:
        raise PeriodError("from: too far away")
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])
