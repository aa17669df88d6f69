"""What may be asked: dimensions, metrics and filters, and the released table that answers each.

A question names up to two dimensions, in its groups and its filters together, since tables of one
dimension and crosses of two are published and nothing finer. What is not declared is refused, and
the refusal says what is possible. Pure: definitions and days are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

from control.definitions import Definitions, Goal, Segment
from control.sites import Site
from dashboards.stats_language import Filter, Query, StatsError, compared, days, filters
from releases.reading import Ask, Key, Span, Values
from releases.tables import (
    DIMENSIONS,
    OTHER,
    Dimension,
    crossed,
    of_events,
    property_dimension,
    segmented,
)

TIMES: dict[str, Key] = {"time:day": "day", "time:week": "week", "time:month": "month"}
HOUR = "time:hour"
GOAL = "event:goal"
SEGMENT = "segment"
# Distinct visitors of a whole week or month, of people who consented.
UNIQUE = "unique_visitors"
# What stands for an empty value, in Plausible's words.
NOT_SET = "(not set)"
EMPTY = {"visit:source": "Direct / None"}


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure by the contract's name. `measures` are the sums that it is made of.

    `where` says in which tables it is published: everywhere; views or events (no table shows
    both); in tables of one dimension (alone); of a visit's dimension (visit), of the page (page) or
    of the event (event) alone; beside a goal (goal); with any dimension (share); of whole weeks and
    months (span).
    """

    name: str
    measures: tuple[str, ...]
    where: str = "everywhere"
    share: bool = False  # a percentage: two of them differ by points


METRICS = {
    metric.name: metric
    for metric in (
        Metric("visitors", ("visitors",)),
        Metric(UNIQUE, (), "span"),
        Metric("visits", ("visits",)),
        Metric("pageviews", ("pageviews",), "views"),
        Metric("events", ("events",), "events"),
        Metric("views_per_visit", ("linked_pageviews", "linked_visits"), "visit"),
        Metric("bounce_rate", ("bounces", "bounce_visits"), "visit", share=True),
        Metric("visit_duration", ("duration", "duration_visits"), "visit"),
        Metric("engagement_time", ("engagement", "engaged"), "alone"),
        Metric("time_on_page", ("engagement", "engaged"), "page"),
        Metric("scroll_depth", ("scroll", "scrolled"), "page"),
        Metric("percentage", ("visitors",), "share", share=True),
        Metric("conversion_rate", ("visitors",), "goal", share=True),
        Metric("total_revenue", ("revenue", "currency"), "event"),
        Metric("average_revenue", ("revenue", "payments", "currency"), "event"),
    )
}
_ORDERED_AS = {
    "time_on_page": "engagement_time",
    "percentage": "visitors",
    "conversion_rate": "visitors",
    "total_revenue": "revenue",
}
_WHERE = {
    "views": "is published without a dimension of events; with one, ask for events",
    "events": "is published with event:name, event:goal and event:props:*; otherwise ask for"
    " pageviews",
    "alone": "is published of one dimension at a time, never of two crossed",
    "visit": "belongs to visits: it is published without a dimension or with one of visit:*, app:*,"
    " device:* and consent:basis, never of two crossed",
    "page": "is published with event:page alone",
    "event": "is published with event:goal or event:name alone",
    "goal": "needs event:goal among the dimensions or filters",
    "share": "needs a dimension that is not time",
    "span": "is published of whole weeks and months: it needs time:week or time:month as the only"
    " dimension, and no filter",
}


@dataclass(frozen=True, slots=True)
class Column:
    """Where a dimension that was asked for stands in the key of a row, and how it reads.

    `time` is day, week, month, hour (a day, and in the next element its hour) or ''. `empty` stands
    for an empty value; `goals` translates the names of events.
    """

    at: int
    time: str = ""
    empty: str = NOT_SET
    goals: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """A question that can be answered.

    `ask` is a question to one released table, `also` a second one whose rows join its: goals that
    are a path's prefix. `wholes` are what a metric's percentages are of, by its name: their keys
    are the first `times` elements of the rows' keys. `spans` is week or month where distinct
    visitors of these are asked for.
    """

    query: Query
    filters: tuple[Filter, ...]
    ask: Ask
    also: Ask | None
    spans: Span | None
    wholes: Mapping[str, Ask]
    times: int
    columns: tuple[Column, ...]
    metrics: tuple[Metric, ...]
    order: tuple[tuple[str, str], ...]
    compared: tuple[date, date] | None
    crossed: bool


@dataclass(slots=True)
class _Axis:
    """A dimension of a question, in its groups, its filters or both."""

    contract: str
    dimension: Dimension
    grouped: bool = False
    values: list[Values] = field(default_factory=list)

    @property
    def pinned(self) -> bool:
        return any(not (v.contains or v.negated) for v in self.values)


class _Shape(NamedTuple):
    """A released table and the dimensions of its two columns, '' where there is none."""

    table: str
    by: str
    value: str


# Goals that are a path's prefix have a table of their own, crossed with nothing.
_PATH_GOALS = Dimension("goal", GOAL, "alone", "")


def plan(
    query: Query, site: Site, today: date, oldest: date | None, definitions: Definitions
) -> Plan:
    """Raises `StatsError`."""
    return _Planner(query, site, today, oldest, definitions).plan()


def dimensions(site: Site) -> dict[str, Dimension]:
    """Every dimension of a site by the contract's name, the properties that it allows included."""
    declared = (*DIMENSIONS, *(property_dimension(key) for key in site.properties))
    return {d.contract: d for d in declared if d.contract and d.level != "alone"}


class _Planner:
    def __init__(
        self, query: Query, site: Site, today: date, oldest: date | None, definitions: Definitions
    ) -> None:
        self.query = query
        self.first, self.last = days("date_range", query.date_range, today, oldest)
        self.declared = dimensions(site)
        self.site, self.definitions = site, definitions
        self.segment: Segment | None = None
        self.axes: dict[str, _Axis] = {}
        self.path_goals = False

    @cached_property
    def goals(self) -> dict[str, Goal]:
        return {goal.name: goal for goal in self.definitions.goals(self.site)}

    @cached_property
    def segments(self) -> dict[str, Segment]:
        return {segment.number: segment for segment in self.definitions.segments(self.site)}

    def plan(self) -> Plan:
        times = self._time()
        for name in self.query.dimensions:
            if not name.startswith("time"):
                self._axis("dimensions", name).grouped = True
                if name == GOAL:
                    self._narrow_to_goals()
        conditions = filters(self.query)
        for condition in conditions:
            self._condition(condition)
        shape, values = self._answered_by(list(self.axes.values()))
        metrics = tuple(self._metric(name, shape, values, times) for name in self.query.metrics)
        keys, columns = self._columns(times, shape)
        order = self._order()
        ask = Ask(
            shape.table, self.first, self.last, keys,
            by=values.get(shape.by, ()),
            value=values.get(shape.value, ()),
            measures=tuple(dict.fromkeys(m for metric in metrics for m in metric.measures)),
            order=tuple(self._sorted_by(order, columns, keys)),
            limit=self.query.pagination.limit,
            offset=self.query.pagination.offset,
        )  # fmt: skip
        return Plan(
            query=self.query,
            filters=conditions,
            ask=ask,
            also=self._also(ask, shape),
            spans=_span(times) if any(m.name == UNIQUE for m in metrics) else None,
            wholes={m.name: self._whole(m, times) for m in metrics if m.name in _OF_A_WHOLE},
            times=len(times) + ("hour" in self.axes),
            columns=columns,
            metrics=metrics,
            order=order,
            compared=compared(self.query, self.first, self.last),
            crossed=bool(shape.by) and "|" in shape.table,
        )

    def _time(self) -> tuple[Key, ...]:
        """The keys of time; an hour is a day's, and a dimension of the tables besides."""
        asked = [name for name in self.query.dimensions if name.startswith("time")]
        if len(asked) > 1:
            raise StatsError("dimensions", "one dimension of time at most")
        if not asked:
            if self.query.include.time_labels:
                raise StatsError("include.time_labels", "needs a dimension of time")
            return ()
        name = asked[0]
        if name == "time":
            length = (self.last - self.first).days
            name = "time:hour" if not length else "time:day" if length < 92 else "time:month"
        if name == HOUR:
            axis = self.axes["hour"] = _Axis(HOUR, self.declared[HOUR], grouped=True)
            axis.values.append(Values((OTHER,), negated=True))
            return ("day",)
        if name not in TIMES:
            raise StatsError("dimensions", f"{name!r} is none of time, {HOUR}, {', '.join(TIMES)}")
        return (TIMES[name],)

    def _axis(self, field: str, name: str) -> _Axis:
        dimension = self.declared["event:name"] if name == GOAL else self.declared.get(name)
        if dimension is None or dimension.name == "hour":
            known = ", ".join([*sorted(self.declared.keys() - {HOUR}), GOAL])
            raise StatsError(field, f"{name!r} is not published; dimensions are {known}")
        return self.axes.setdefault(dimension.name, _Axis(name, dimension))

    def _narrow_to_goals(self) -> None:
        events = tuple(goal.event for goal in self.goals.values() if goal.event)
        self.axes["event"].values.append(Values(events))
        self.path_goals = any(goal.prefix for goal in self.goals.values())

    def _condition(self, condition: Filter) -> None:
        if condition.dimension == SEGMENT:
            self._in_segment(condition)
            return
        if condition.dimension.startswith("time"):
            raise StatsError("filters", "time is no filter: set date_range")
        wanted = condition.clauses
        if condition.dimension == GOAL:
            wanted = self._events_of(condition)
            self.path_goals = False  # named are goals of events alone
            if not wanted:
                return
        axis = self._axis("filters", condition.dimension)
        if condition.negated and not axis.grouped:
            raise StatsError(
                "filters",
                f"{condition.operator} on {condition.dimension} needs it among the dimensions too:"
                " the rows that it leaves out are known, the people behind the rest are not",
            )
        wanted = tuple("" if value == _empty(condition.dimension) else value for value in wanted)
        axis.values.append(Values(wanted, condition.contains, condition.negated, condition.cased))

    def _events_of(self, condition: Filter) -> tuple[str, ...]:
        """A goal of one exact event is that event's cell under another name."""
        unknown = [name for name in condition.clauses if name not in self.goals]
        if unknown or condition.operator != "is":
            known = ", ".join(sorted(self.goals)) or "none"
            raise StatsError("filters", f"event:goal takes is and the names of goals: {known}")
        found = [self.goals[name] for name in condition.clauses]
        if any(goal.prefix for goal in found):
            if (
                len(found) > 1
                or len(filters(self.query)) > 1
                or "hour" in self.axes
                or any(not name.startswith("time") for name in self.query.dimensions)
            ):
                raise StatsError("filters", _alone(found))
            wanted = [Values((found[0].name,))]
            self.axes["goal"] = _Axis(GOAL, _PATH_GOALS, values=wanted)
            return ()
        return tuple(goal.event for goal in found)

    def _in_segment(self, condition: Filter) -> None:
        segment = self.segments.get(condition.clauses[0])
        several = len(condition.clauses) > 1 or self._named().count(SEGMENT) > 1
        if segment is None or condition.operator != "is" or several:
            known = ", ".join(sorted(self.segments, key=int)) or "none"
            raise StatsError("filters", f"segment takes is and one segment's number: {known}")
        if len(segment.filters) == 1:  # it is that filter, and has no tables of its own
            self.axes |= {axis.dimension.name: axis for axis in self._own(segment)}
        else:
            self.segment = segment

    def _own(self, segment: Segment) -> list[_Axis]:
        """A segment's filters as dimensions of the question."""
        by_name = {d.name: d for d in self.declared.values()}
        axes = []
        for name, value in segment.filters:
            dimension = by_name[name]
            axis = self.axes.get(name, _Axis(dimension.contract, dimension))
            axes.append(replace(axis, values=[*axis.values, Values((value,))]))
        return axes

    def _answered_by(self, axes: list[_Axis]) -> tuple[_Shape, dict[str, tuple[Values, ...]]]:
        """The table that is published of these dimensions, and what is wanted of each."""
        segment = self.segment
        if segment is None:
            shape = self._shape(axes)
        elif axes:
            shape = self._shape_of_segment(segment, axes)
        else:
            axes = self._own(segment)
            shape = self._shape(axes)
        return shape, {axis.dimension.name: tuple(axis.values) for axis in axes}

    def _shape(self, axes: Sequence[_Axis]) -> _Shape:
        """Raises `StatsError` for dimensions that are not published together."""
        if not axes:
            return _Shape("total", "", "")
        if len(axes) == 1:
            return _Shape(axes[0].dimension.name, "", axes[0].dimension.name)
        if len(axes) > 2:
            raise StatsError(
                "dimensions",
                "at most two in dimensions and filters together (time:hour is one of them): "
                + ", ".join(axis.contract for axis in axes)
                + ". A segment declares two filters that are then published with every dimension",
            )
        # A cross is sorted by the column `by`: best where that one is pinned to a value.
        one, other = sorted(axes, key=lambda axis: axis.pinned)
        for value, by in ((one, other), (other, one)):
            if value.dimension.parent == by.dimension.name:
                return _Shape(value.dimension.name, by.dimension.name, value.dimension.name)
            if crossed(value.dimension, by.dimension):
                name = f"{value.dimension.name}|{by.dimension.name}"
                return _Shape(name, by.dimension.name, value.dimension.name)
        possible = sorted(
            d.contract
            for d in self.declared.values()
            if crossed(d, one.dimension)
            or crossed(one.dimension, d)
            or one.dimension.name == d.parent
            or one.dimension.parent == d.name
        )
        raise StatsError(
            "dimensions",
            f"{one.contract} is not published together with {other.contract}, but with"
            f" {', '.join(possible)}",
        )

    def _shape_of_segment(self, segment: Segment, axes: Sequence[_Axis]) -> _Shape:
        by_name = {d.name: d for d in self.declared.values()}
        inside = [by_name[name] for name, _ in segment.filters]
        wanted = axes[0].dimension
        # Goals are events, but of a segment only those would be there that are one exact event.
        if len(axes) > 1 or axes[0].contract == GOAL or not segmented(wanted, inside):
            possible = sorted(d.contract for d in by_name.values() if segmented(d, inside))
            raise StatsError(
                "dimensions",
                f"{' and '.join(axis.contract for axis in axes)} are not published of segment"
                f" {segment.number} ({segment.name}); it goes with one of {', '.join(possible)}",
            )
        return _Shape(f"{wanted.name}|{SEGMENT}:{segment.number}", "", wanted.name)

    def _metric(
        self, name: str, shape: _Shape, dimensions: Iterable[str], times: tuple[Key, ...]
    ) -> Metric:
        metric = METRICS.get(name)
        if metric is None:
            raise StatsError("metrics", f"{name!r} is none of {', '.join(METRICS)}")
        parts = shape.table.split("|")
        alone = len(parts) == 1
        inside = [table for table, _ in self.segment.filters] if self.segment else []
        events = shape.table == "goal" or of_events("|".join([*dimensions, *inside]))
        levels = {axis.dimension.level for axis in self.axes.values()}
        possible = {
            "everywhere": True,
            "views": not events,
            "events": events,
            "alone": alone and shape.table != "goal",
            "visit": alone and levels <= {"visit"},
            "page": shape.table == "page",
            "event": shape.table == "event",
            "goal": GOAL in self._named(),
            "share": any(axis.grouped and axis.contract != HOUR for axis in self.axes.values()),
            "span": shape.table == "total" and _span(times) is not None,
        }
        if not possible[metric.where]:
            raise StatsError("metrics", f"{name} {_WHERE[metric.where]}")
        return metric

    def _named(self) -> list[str]:
        return [*self.query.dimensions, *(f.dimension for f in filters(self.query))]

    def _columns(
        self, times: tuple[Key, ...], shape: _Shape
    ) -> tuple[tuple[Key, ...], tuple[Column, ...]]:
        """The keys of the rows, those of time first, and where each dimension stands in them."""
        places: dict[str, Key] = {shape.value: "value", shape.by: "by"}
        keys: list[Key] = [*times]
        if "hour" in self.axes:
            keys.append(places["hour"])
        columns = []
        for name in self.query.dimensions:
            if name.startswith("time"):
                columns.append(Column(0, "hour" if "hour" in self.axes else times[0]))
                continue
            dimension = self._axis("dimensions", name).dimension
            goals = self.goals.values() if name == GOAL else ()
            names = {goal.event: goal.name for goal in goals if goal.event}
            columns.append(Column(len(keys), empty=_empty(name), goals=names))
            keys.append(places[dimension.name])
        return tuple(keys), tuple(columns)

    def _order(self) -> tuple[tuple[str, str], ...]:
        """As asked, or by time, then by the first metric."""
        if self.query.order_by is None:
            time = [(n, "asc") for n in self.query.dimensions if n.startswith("time")]
            if time and len(self.query.dimensions) == 1:
                return tuple(time)
            return (*time, (self.query.metrics[0], "desc"))
        for name, direction in self.query.order_by:
            if name not in (*self.query.metrics, *self.query.dimensions):
                raise StatsError("order_by", f"{name!r} is neither a metric nor a dimension asked")
            if direction not in ("asc", "desc"):
                raise StatsError("order_by", f"{direction!r} is neither asc nor desc")
        return tuple(self.query.order_by)

    def _sorted_by(
        self,
        order: Iterable[tuple[str, str]],
        columns: Sequence[Column],
        keys: Sequence[Key],
    ) -> Iterator[tuple[str, bool]]:
        for name, direction in order:
            if name in METRICS:
                yield _ORDERED_AS.get(name, name), direction == "desc"
                continue
            column = columns[self.query.dimensions.index(name)]
            yield keys[column.at], direction == "desc"
            if column.time == "hour":
                yield keys[column.at + 1], direction == "desc"

    def _also(self, ask: Ask, shape: _Shape) -> Ask | None:
        if not self.path_goals:
            return None
        paths = [goal for goal in self.goals.values() if goal.prefix]
        if shape.table != "event":
            raise StatsError("dimensions", _alone(paths))
        names = tuple(goal.name for goal in paths)
        return replace(ask, table="goal", value=(Values(names), *ask.value[1:]))

    def _whole(self, metric: Metric, times: tuple[Key, ...]) -> Ask:
        """What a percentage is of: the same question without its groups, or without the goal."""
        kept = [
            axis
            for axis in self.axes.values()
            if axis.contract == HOUR
            or not (
                axis.grouped
                or (metric.name == "conversion_rate" and axis.dimension.name in ("event", "goal"))
            )
        ]
        shape, values = self._answered_by(kept)
        hour: tuple[Key, ...] = ()
        if "hour" in self.axes:
            hour = ("by" if shape.by == "hour" else "value",)
        return Ask(
            shape.table, self.first, self.last, (*times, *hour),
            by=values.get(shape.by, ()),
            value=values.get(shape.value, ()),
            measures=("visitors",),
        )  # fmt: skip


_OF_A_WHOLE = ("percentage", "conversion_rate")


def _alone(paths: Iterable[Goal]) -> str:
    names = ", ".join(repr(goal.name) for goal in paths)
    return (
        f"goals of paths ({names}) are published with nothing but days, weeks and months; what goes"
        " with more are goals of one event, named in a filter event:goal"
    )


def _span(times: tuple[Key, ...]) -> Span | None:
    return next((key for key in times if key in ("week", "month")), None)


def _empty(contract: str) -> str:
    return EMPTY.get(contract, NOT_SET)
