"""A figure over time: points with what they are compared with, as a table and as a drawing.

What may not be shown is None and leaves a gap, never a zero. The drawing is plain SVG in shares of
its box, so it is there before any script and needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from control.annotations import Annotation
from dashboards import period as periods
from dashboards import text
from dashboards.look import Asking, Look
from dashboards.measures import Metric
from dashboards.stats_language import StatsError
from releases.reading import Figures, Reading, Released
from releases.tables import OTHER

# The box of the lines; it is stretched to the room that there is.
WIDTH, HEIGHT = 1000.0, 100.0
_LINES = 4  # of the grid, about
_NAMED = 7  # points that are named below the drawing, at most
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_CLOCK = (1, 2, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
MEASURES = (
    "visitors", "visits", "pageviews", "events", "linked_pageviews", "linked_visits", "bounces",
    "bounce_visits", "duration", "duration_visits",
)  # fmt: skip

Cells = Mapping[Any, Figures]


@dataclass(frozen=True, slots=True)
class Point:
    """`state`: final, provisional, open, or partial (a week or month that the period cuts off).
    `first` is its first day; `before` belongs to `other`, the point compared with.
    """

    label: str
    short: str
    first: date
    value: float | None
    other: str
    before: float | None
    state: str
    notes: tuple[Annotation, ...]

    @property
    def unfinished(self) -> bool:
        return self.state in ("open", "partial")


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid or a named point: where, in per cent, and its text."""

    at: str
    text: str
    anchor: str = "middle"
    minor: bool = False  # left out where there is little room


@dataclass(frozen=True, slots=True)
class Chart:
    """`refused` says why there is none: the question is not published so."""

    metric: Metric
    interval: str
    points: list[Point]
    compared: bool
    refused: str = ""

    @property
    def says(self) -> bool:
        return any(point.value is not None for point in self.points)

    @property
    def states(self) -> set[str]:
        return {point.state for point in self.points}

    @property
    def grid(self) -> list[Tick]:
        """From the bottom to the top."""
        top, step = self._scale()
        return [
            Tick(_per_cent(1 - n * step / top), self._axis(n * step))
            for n in range(round(top / step) + 1)
        ]

    def _axis(self, value: float) -> str:
        if self.metric.kind == "count" and value >= 1000:
            return f"{text.decimal(value / 1000).removesuffix('0').rstrip('.,')}k"
        if self.metric.kind == "decimal" and value == int(value):
            return text.count(int(value))
        return self.metric.write(value)

    def _scale(self) -> tuple[float, float]:
        """The value at the top of the drawing, and from one line to the next."""
        values = [v for p in self.points for v in (p.value, p.before) if v is not None]
        most = max(values, default=0) or 1
        if self.metric.kind == "duration":
            step: float = next((s for s in _CLOCK if s * _LINES >= most), 3600)
        else:
            power = 1.0
            while power * 10 * _LINES < most:
                power *= 10
            while power * _LINES >= most * 10:
                power /= 10
            step = next((s * power for s in _STEPS if s * power * _LINES >= most), 10 * power)
            if self.metric.kind == "count":
                step = max(round(step), 1)
        lines = 1
        while lines * step < most:
            lines += 1
        return lines * step, step

    @property
    def names(self) -> list[Tick]:
        """The points that are named below the drawing."""
        last = len(self.points) - 1
        stride = max(1, -(-(last + 1) // _NAMED))
        places = list(range(0, last + 1, stride))
        found = []
        for number, place in enumerate(places):
            at = self.x(place)
            anchor = "start" if place == 0 and last else "end" if place == last else "middle"
            found.append(Tick(_per_cent(at), self.points[place].short, anchor, number % 2 == 1))
        return found

    def x(self, place: int) -> float:
        """Where a point stands, from 0 to 1."""
        last = len(self.points) - 1
        return place / last if last else 0.5

    @property
    def shut(self) -> list[str]:
        """The line of what is finished, in its stretches."""
        return self._stretches([None if p.unfinished else p.value for p in self.points])

    @property
    def open(self) -> list[str]:
        """The line to what is unfinished, drawn with dashes."""
        points = self.points
        near = [
            p.value
            if p.unfinished
            or (i + 1 < len(points) and points[i + 1].unfinished)
            or (i and points[i - 1].unfinished)
            else None
            for i, p in enumerate(points)
        ]
        return self._stretches(near)

    @property
    def earlier(self) -> list[str]:
        return self._stretches([p.before for p in self.points])

    @property
    def shapes(self) -> list[str]:
        """What lies below the line."""
        return [
            f"{line} {line.split()[-1].split(',')[0]},{HEIGHT:.0f}"
            f" {line.split()[0].split(',')[0]},{HEIGHT:.0f}"
            for line in self._stretches([p.value for p in self.points])
        ]

    @property
    def dots(self) -> list[tuple[str, str]]:
        """Points between two gaps, which no line would show."""
        values = [p.value for p in self.points]
        top = self._scale()[0]
        return [
            (_per_cent(self.x(i)), _per_cent(1 - value / top))
            for i, value in enumerate(values)
            if value is not None
            and (i == 0 or values[i - 1] is None)
            and (i + 1 == len(values) or values[i + 1] is None)
        ]

    @property
    def provisional(self) -> list[tuple[str, str]]:
        """From where to where late events may still come: start and width."""
        half = 0.5 / max(len(self.points) - 1, 1)
        found: list[list[float]] = []
        for place, point in enumerate(self.points):
            if point.state != "provisional":
                continue
            start, end = max(self.x(place) - half, 0.0), min(self.x(place) + half, 1.0)
            if found and start <= found[-1][1] + 1e-9:
                found[-1][1] = end
            else:
                found.append([start, end])
        return [(_per_cent(start), _per_cent(end - start)) for start, end in found]

    @property
    def marks(self) -> list[tuple[str, Point]]:
        """Where points with notes stand."""
        return [(_per_cent(self.x(i)), point) for i, point in enumerate(self.points) if point.notes]

    def _stretches(self, values: Sequence[float | None]) -> list[str]:
        """SVG's point lists of what lies between gaps, two points and more each."""
        found: list[list[str]] = [[]]
        top = self._scale()[0]
        for place, value in enumerate(values):
            if value is None:
                found.append([])
            else:
                found[-1].append(f"{WIDTH * self.x(place):.1f},{HEIGHT * (1 - value / top):.2f}")
        return [" ".join(stretch) for stretch in found if len(stretch) > 1]


def _per_cent(share: float) -> str:
    return f"{100 * share:.2f}%"


def chart(
    reading: Reading,
    asking: Asking,
    look: Look,
    metric: Metric,
    released: Sequence[Released],
    notes: Sequence[Annotation],
    now: datetime,
    *,
    comparable: bool,
) -> Chart:
    """`released` are the period's days. Raises `ReleasesUnavailable`."""
    try:
        if look.interval == "hour":
            return _by_hour(reading, asking, look, metric, notes, now, comparable=comparable)
        return _by_span(reading, asking, look, metric, released, notes, comparable=comparable)
    except StatsError as error:
        return Chart(metric, look.interval, [], compared=False, refused=str(error))


def _by_span(
    reading: Reading,
    asking: Asking,
    look: Look,
    metric: Metric,
    released: Sequence[Released],
    notes: Sequence[Annotation],
    *,
    comparable: bool,
) -> Chart:
    """By day, week or month."""
    interval = look.interval
    here = periods.spans(interval, look.period.first, look.period.last)
    values = _cells(reading, asking, look, f"time:{interval}", here[0][0], here[-1][1])
    others: list[tuple[date, date]] = []
    before: Cells = {}
    if comparable and look.against:
        others = periods.spans(interval, *look.against)
        before = _cells(reading, asking, look, f"time:{interval}", *look.against)
    states = {r.day: r.state for r in released}
    points = []
    for place, (first, last) in enumerate(here):
        other = others[place] if place < len(others) else None
        points.append(
            Point(
                label=_name(interval, first, last),
                short=text.dated(first, "MMM y" if interval == "month" else "d MMM"),
                first=first,
                value=_value(metric, values, _key(interval, first)),
                other=_name(interval, *other) if other else "",
                before=_value(metric, before, _key(interval, other[0])) if other else None,
                state=_state(interval, first, last, states),
                notes=tuple(note for note in notes if first <= note.day <= last),
            )
        )
    return Chart(metric, interval, points, compared=bool(others))


def _state(interval: str, first: date, last: date, states: Mapping[date, str]) -> str:
    inside = {states.get(day, "") for day in periods.days(first, last)}
    if "open" in inside:
        return "open"
    if not periods.whole(interval, first, last):
        return "partial"
    return "provisional" if "provisional" in inside else "final"


def _name(interval: str, first: date, last: date) -> str:
    if interval == "month":
        name = text.dated(first, "MMMM y")
        return name if periods.whole(interval, first, last) else f"{name}: {text.span(first, last)}"
    if interval == "week":
        return text.span(first, last)
    return f"{text.dated(first, 'EEEE')} {text.day(first)}"


def _key(interval: str, first: date) -> date:
    """As `releases.reading.Ask` names a span."""
    return first.replace(day=1) if interval == "month" else first


def _by_hour(
    reading: Reading,
    asking: Asking,
    look: Look,
    metric: Metric,
    notes: Sequence[Annotation],
    now: datetime,
    *,
    comparable: bool,
) -> Chart:
    values = _cells(reading, asking, look, "time:hour", look.period.first, look.period.last)
    before: Cells = {}
    others: list[tuple[date, int]] = []
    if comparable and look.against:
        before = _cells(reading, asking, look, "time:hour", *look.against)
        others = list(_hours(look, *look.against))
    here = now.astimezone(look.site.zone_on(look.today))
    single = look.period.length == 1
    points = []
    for place, (day, hour) in enumerate(_hours(look, look.period.first, look.period.last)):
        other = others[place] if place < len(others) else None
        clock, weekday = f"{hour:02}:00 – {hour:02}:59", text.dated(day, "EEE d MMM")
        is_open = day == look.today and hour == here.hour
        points.append(
            Point(
                label=clock if single else f"{weekday}, {clock}",
                short=f"{hour:02}:00" if single else weekday,
                first=day,
                value=_value(metric, values, (day, hour)),
                other=f"{text.dated(other[0], 'EEE d MMM')}, {other[1]:02}:00" if other else "",
                before=_value(metric, before, other) if other else None,
                state="open" if is_open else "final",
                notes=tuple(n for n in notes if n.day == day and hour == 0),
            )
        )
    return Chart(metric, "hour", points, compared=bool(others))


def _hours(look: Look, first: date, last: date) -> list[tuple[date, int]]:
    """The hours on the wall of each day."""
    calendar = look.site.calendar
    return [
        (day, hour)
        for day in periods.days(first, last)
        for hour in periods.hours(calendar.start(day), calendar.end(day), look.site.zone_on(day))
    ]


def _cells(
    reading: Reading, asking: Asking, look: Look, time: str, first: date, last: date
) -> dict[Any, Figures]:
    """The figures by day, or by day and hour. Raises `StatsError`."""
    plan = asking.plan(time, first=first, last=last)
    ask = replace(plan.ask, measures=MEASURES, limit=0, order=())
    found: dict[Any, Figures] = {}
    for row in reading.find(look.site, ask).rows:
        key = row.key[0]
        if time == "time:hour":
            if row.key[1] == OTHER:
                continue
            key = (row.key[0], int(row.key[1]))
        found[key] = row.figures
    return found


def _value(metric: Metric, cells: Cells, key: Any) -> float | None:
    figures = cells.get(key)
    return None if figures is None else metric.of(figures)
