"""Segments of two filters, broken down by every dimension that is crossed with both.

A segment's cell is one of a table of three dimensions, of which each filter's own cross is a
margin: beside 'iOS in Belgium' its part on mobiles tells the part on everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from control.definitions import Segment
from releases.beside import VALUES, Beside
from releases.crossing import Counts
from releases.disclosure import HUB, Cell, Figures, Published, publish, unseparated
from releases.disclosure.declared import MINE, REST, Grid, may_show_segment
from releases.scratch import quoted, template
from releases.tables import Dimension, of_events, segmented

Pair = tuple[str, str]  # a filter: a table and its value
Shown = Mapping[str, frozenset[str]]  # by dimension
Counted = dict[tuple[Any, Any], Counts]

# Branches of one statement: fewer round trips for the many small days, and little memory.
_TOGETHER = 8


class Segments:
    """The segments of one day, decided one after another."""

    def __init__(self, day: Beside) -> None:
        self._day = day
        # By dimension the columns that each segment shows.
        self._shown: dict[Segment, Shown] = {}

    def note(self, segment: Segment, shown: Shown) -> None:
        """Takes what an earlier version shows for shown."""
        self._shown[segment] = shown

    def segment(self, segment: Segment, suffix: str) -> list[Published]:
        """Its cells; the tables' names are those of dimensions with the suffix."""
        (one, value), (other, other_value) = segment.filters
        shown: dict[str, dict[str, Counts]] = {}
        if value in self._day.values(f"{one}|{other}", by=other_value):
            dimensions = self.dimensions(segment)
            self.gather(segment, dimensions)
            grids = [self.grids(segment, pin, dimensions) for pin in segment.filters]
            self._day.tables.command(f"DROP TABLE {{scratch}}segment_{segment.id} SYNC")
            for name in grids[0]:
                shown[name] = self._may_show(segment, name, [grid[name] for grid in grids])
        self._shown[segment] = {name: frozenset(cells) for name, cells in shown.items()}
        return [
            replace(self._publish(segment, name, column, counts), table=name + suffix, by="")
            for name, cells in shown.items()
            for column, counts in cells.items()
        ]

    def dimensions(self, segment: Segment) -> list[Dimension]:
        """Those that it is broken down by."""
        named = {d.name: d for d in self._day.tables.dimensions}
        pinned = [named[name] for name, _ in segment.filters]
        return [d for d in self._day.tables.dimensions if segmented(d, pinned)]

    def gather(self, segment: Segment, dimensions: Sequence[Dimension]) -> None:
        """Makes the table that the segment's grids are counted in."""
        tables = self._day.tables
        (one, value), (other, other_value) = segment.filters
        names = [*(d.name for d in dimensions), one, other]
        of_visits = [d.name for d in tables.dimensions if d.level == "visit"]
        statement = (
            template("segment_rows")
            .replace("{columns}", ", ".join(map(quoted, names)))
            .replace("{visit_columns}", ", ".join(map(quoted, of_visits)))
            .replace("{first}", quoted(one))
            .replace("{second}", quoted(other))
        )
        name = f"{{scratch}}segment_{segment.id}"
        for part in range(tables.slices):
            head = f"INSERT INTO {name}"
            if not part:
                head = f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY slice AS"
            tables.command(
                f"{head} {statement}",
                {"slice": part, "first_value": value, "second_value": other_value},
            )

    def grids(
        self, segment: Segment, pin: Pair, dimensions: Sequence[Dimension]
    ) -> dict[str, Counted]:
        """For each dimension exact counts of the rows and columns of `disclosure.declared.Grid`."""
        [(other, value)] = (each for each in segment.filters if each != pin)
        others = list(self._beside(segment, pin))
        rows: list[Any] = [REST, MINE, *others]
        found: dict[str, Counted] = {dimension.name: {} for dimension in dimensions}
        for first in range(0, len(dimensions), _TOGETHER):
            batch = dimensions[first : first + _TOGETHER]
            branches = " UNION ALL ".join(
                template("segment_grid")
                .replace("{shown}", VALUES.replace("{table:", f"{{table_{n}:"))
                .replace("{dimension}", str(n))
                .replace("{number}", str(segment.id))
                .replace("{other}", quoted(other))
                .replace("{pinned}", quoted(pin[0]))
                .replace("{value}", quoted(dimension.name))
                for n, dimension in enumerate(batch)
            )
            tables = {f"table_{n}": f"{d.name}|{pin[0]}" for n, d in enumerate(batch)}
            given = {"lines": [value, *(theirs for _, theirs in others)], "by": pin[1]}
            counted = self._day.summed(branches, given | tables, keys=4)
            for (n, line, told, column), counts in counted.items():
                found[batch[n].name][rows[line], column if told else HUB] = Counts(*counts)
        return found

    def _may_show(
        self, segment: Segment, name: str, counted: Sequence[Counted]
    ) -> dict[str, Counts]:
        """The cells of one dimension that may be shown."""
        grids = [
            Grid(
                {pair: self._weighed(segment, name, counts) for pair, counts in grid.items()},
                {other: shown.get(name, ()) for other, shown in self._beside(segment, pin).items()},
            )
            for pin, grid in zip(segment.filters, counted, strict=True)
        ]
        mine = {c: counts for grid in counted for (row, c), counts in grid.items() if row == MINE}
        hidden, known = self._elsewhere(segment, name, mine)
        table, by = _named(segment, name)

        def drawn(row: Any, column: Any) -> int:
            return self._day.threshold(table, str(column), by if row == MINE else f"{by}|{row}")

        may = may_show_segment(grids, hidden, known, drawn, self._day.tables.site.k)
        return {column: mine[column] for column in sorted(map(str, may))}

    def _beside(self, segment: Segment, pin: Pair) -> dict[Pair, Shown]:
        """What is shown of the segments that differ in the other filter's value alone, by that."""
        [(other, value)] = (each for each in segment.filters if each != pin)
        return {
            theirs: shown
            for each, shown in self._shown.items()
            for theirs in each.filters
            if pin in each.filters and theirs[0] == other and theirs[1] != value
            if any(shown.values())
        }

    def _elsewhere(
        self, segment: Segment, name: str, columns: Iterable[Any]
    ) -> tuple[set[Any], set[Any]]:
        """The columns whose cell another segment hides, and those whose cell another shows.

        'Mobile in Belgium, by system: iOS' is 'iOS in Belgium, by device: Mobile' too.
        """
        hidden: set[Any] = set()
        known: set[Any] = set()
        for found, shown in self._shown.items():
            if found.filters == segment.filters:
                known |= shown.get(name, frozenset())
                hidden |= set(columns) - known
            shared = set(found.filters) & set(segment.filters)
            if len(shared) == 1:
                [(other, value)] = set(segment.filters) - shared
                [(theirs, column)] = set(found.filters) - shared
                if theirs == name:
                    (known if value in shown.get(other, ()) else hidden).add(column)
        return hidden, known

    def _weighed(self, segment: Segment, name: str, counts: Counts) -> Figures:
        table, _ = _named(segment, name)
        views = counts.events if of_events(table) else counts.pageviews
        return self._day.told_apart(Figures(counts.visitors, counts.unlinked, views))

    def _publish(self, segment: Segment, name: str, column: str, counts: Counts) -> Published:
        table, by = _named(segment, name)
        cell = Cell(
            table=table,
            by=by,
            value=column,
            visitors=counts.visitors,
            visits=counts.visits,
            pageviews=counts.pageviews,
            events=counts.events,
            linked_pageviews=0,
            bounces=0,
            duration=0,
            unlinked=counts.unlinked,
            bounced_visitors=0,
            staying_visitors=0,
        )
        day = self._day
        return publish(cell if day.apart else unseparated(cell), day.threshold, day.state)


def _named(segment: Segment, dimension: str) -> tuple[str, str]:
    """The table of three dimensions and the two values that its cells lie under."""
    names = [dimension, *(name for name, _ in segment.filters)]
    return "|".join(names), "|".join(value for _, value in segment.filters)
