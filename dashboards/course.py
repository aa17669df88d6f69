"""How figures change over time: points by parts, as a table and as the columns drawn from it.

Pure but for the reading of releases. A part is a value of a declared table, such as a version of an
app; what may not be shown is None and leaves a gap, never a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from control.sites import Site
from dashboards import period as periods
from dashboards import text
from dashboards.period import Period
from releases.reading import Ask, Figures, Key, Reading, Values
from releases.tables import OTHER

# More columns than this no longer stand apart: longer periods are drawn by week, then by month.
_MOST_DAYS = 45
_MOST_WEEKS = 30
# The box of a drawing; it is stretched to the width that there is.
WIDTH = 600.0
HEIGHT = 100.0
_GAP = 0.22  # of a column's place
_WIDEST = WIDTH / 9  # a few columns are no walls

Measure = Callable[[Figures], int | None]


@dataclass(frozen=True, slots=True)
class Point:
    """What one column stands for. `soft`: its days may still change."""

    label: str
    short: str
    values: tuple[int | None, ...]
    soft: bool = False

    @property
    def total(self) -> int:
        return sum(value or 0 for value in self.values)


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of the drawing: of which part (by number), where, and what it says."""

    part: int
    x: str
    y: str
    width: str
    height: str
    says: str
    soft: bool


@dataclass(frozen=True, slots=True)
class Course:
    """Points in order of time, each with a value for each of the `parts`.

    `shares`: columns are drawn equally high, each part as its share; else by their sum.
    """

    parts: tuple[str, ...]
    points: tuple[Point, ...]
    interval: str
    shares: bool = False

    @property
    def top(self) -> int:
        """What the highest column stands for."""
        return max((point.total for point in self.points), default=0)

    @property
    def says(self) -> bool:
        return self.top > 0

    @property
    def newest(self) -> Point | None:
        """The last point that says anything."""
        return next((point for point in reversed(self.points) if point.total), None)

    @property
    def blocks(self) -> list[Block]:
        place = WIDTH / max(len(self.points), 1)
        width = min(place * (1 - _GAP), _WIDEST)
        found = []
        for number, point in enumerate(self.points):
            whole = point.total if self.shares else self.top
            ground = HEIGHT
            for part, value in enumerate(point.values):
                if not value or not whole:
                    continue
                height = HEIGHT * value / whole
                ground -= height
                found.append(
                    Block(
                        part,
                        f"{number * place + (place - width) / 2:.2f}",
                        f"{ground:.2f}",
                        f"{width:.2f}",
                        f"{height:.2f}",
                        self._told(point, part, value),
                        point.soft,
                    )
                )
        return found

    def _told(self, point: Point, part: int, value: int) -> str:
        share = f" ({text.share(value / point.total)})" if self.shares else ""
        name = f"{self.parts[part]}: " if len(self.parts) > 1 else ""
        return f"{point.label}: {name}{text.count(value)}{share}"

    def depth(self, part: int) -> int:
        """From 0 to 5: how deep a part's colour is where the parts have an order of their own."""
        named = sum(name != OTHER for name in self.parts)
        return round(5 * part / (named - 1)) if named > 1 else 4

    @property
    def ticks(self) -> list[str]:
        """The first point, the last and one between them, for the axis."""
        names = [point.short for point in self.points]
        if len(names) < 3:
            return names
        return [names[0], names[len(names) // 2], names[-1]]


def course(
    reading: Reading,
    site: Site,
    period: Period,
    table: str,
    measure: Measure,
    wanted: Callable[[str], str | None],
    *,
    by: tuple[Values, ...] = (),
    most: int = 6,
    rest: str = OTHER,
    shares: bool = False,
    order: Callable[[str], Any] | None = None,
    measures: tuple[str, ...] = ("visitors", "pageviews", "events"),
) -> Course:
    """A declared table over a period, its largest values as parts and all others as the last one.

    `wanted` names a value, or says None for one that is left out; `order` sorts the parts, which
    else stand by size. Raises `ReleasesUnavailable`.
    """
    interval = interval_of(period)
    key: Key = interval
    found = reading.find(
        site, Ask(table, period.first, period.last, (key, "value"), by=by, measures=measures)
    )
    sums: dict[str, int] = {}
    cells: dict[tuple[date, str], int] = {}
    for row in found.rows:
        day, value = row.key
        name = rest if value == OTHER else wanted(value)
        number = measure(row.figures)
        if name is None or number is None:
            continue
        cells[day, name] = cells.get((day, name), 0) + number
        sums[name] = sums.get(name, 0) + number
    others = sums.pop(rest, 0)
    largest = sorted(sums, key=lambda name: (-sums[name], name))[:most]
    if order is not None:
        largest.sort(key=order)
    parts = (*largest, rest) if others or len(sums) > len(largest) else tuple(largest)
    points = []
    for start, last, soft in spans(reading, site, period):
        shown = {name: number for (day, name), number in cells.items() if day == start}
        left = [number for name, number in shown.items() if name not in largest]
        values = [shown.get(name) for name in largest]
        if len(parts) > len(largest):
            values.append(sum(left) if left else None)
        points.append(Point(*names(interval, start, last), tuple(values), soft))
    return Course(parts, tuple(points), interval, shares)


def interval_of(period: Period) -> Key:
    """What a column stands for: day, week or month."""
    length = (period.last - period.first).days + 1
    if length <= _MOST_DAYS:
        return "day"
    return "week" if length <= 7 * _MOST_WEEKS else "month"


def spans(reading: Reading, site: Site, period: Period) -> list[tuple[date, date, bool]]:
    """The days, weeks or months of a period, each with whether its figures may still change."""
    changing = {r.day for r in reading.days(site, period.first, period.last) if r.state != "final"}
    return [
        (first, last, any(day in changing for day in periods.days(first, last)))
        for first, last in _spans(interval_of(period), period.first, period.last)
    ]


def _spans(interval: Key, first: date, last: date) -> list[tuple[date, date]]:
    if interval == "day":
        return [(day, day) for day in periods.days(first, last)]
    if interval == "month":
        return [(max(start.replace(day=1), first), end) for start, end in _months(first, last)]
    found = []
    while first <= last:
        end = min(first + timedelta(days=6 - first.weekday()), last)
        found.append((first, end))
        first = end + timedelta(days=1)
    return found


def _months(first: date, last: date) -> Sequence[tuple[date, date]]:
    return list(periods.months(first, last))


def names(interval: str, first: date, last: date) -> tuple[str, str]:
    """A point's name, whole and short."""
    if interval == "month":
        return f"{first:%B %Y}", f"{first:%b %Y}"
    if interval == "week":
        return text.span(first, last), f"{first.day} {first:%b}"
    return f"{first:%a} {text.day(first)}", f"{first.day} {first:%b}"
