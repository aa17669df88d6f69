"""Segments of two filters, broken down by every dimension that is crossed with both.

A segment's cell is one of a table of three dimensions, of which each filter's own cross is a
margin: beside 'iOS in Belgium' its part on mobiles tells the part on everything else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from control.definitions import Segment
from releases.beside import VALUES, Beside
from releases.crossing import Counts
from releases.disclosure import HUB, Cell, Figures, Published, publish, unseparated
from releases.disclosure.declared import MINE, REST, Grid, may_show_segment
from releases.scratch import quoted, template
from releases.tables import Dimension, crossed, of_events

Pair = tuple[str, str]  # a filter: a table and its value


class Segments:
    """The segments of one day, decided one after another."""

    def __init__(self, day: Beside) -> None:
        self._day = day
        # By dimension the columns that each segment shows.
        self._shown: dict[Segment, Mapping[str, frozenset[str]]] = {}

    def note(self, segment: Segment, suffix: str, version: int) -> None:
        """Takes what an earlier version shows for shown."""
        self._shown[segment] = {
            d.name: frozenset(self._day.values(d.name + suffix, version=version))
            for d in self._dimensions(segment)
        }

    def segment(self, segment: Segment, suffix: str) -> list[Published]:
        """Its cells; the tables' names are those of dimensions with the suffix."""
        (one, value), (other, other_value) = segment.filters
        dimensions = self._dimensions(segment)
        shown: dict[str, dict[str, Counts]] = {}
        if value in self._day.values(f"{one}|{other}", by=other_value):
            self._gather(segment, dimensions)
            for dimension in dimensions:
                shown[dimension.name] = self._breakdown(segment, dimension)
            self._day.tables.command(f"DROP TABLE {{scratch}}segment_{segment.id} SYNC")
        self._shown[segment] = {name: frozenset(cells) for name, cells in shown.items()}
        return [
            replace(self._publish(segment, name, column, counts), table=name + suffix, by="")
            for name, cells in shown.items()
            for column, counts in cells.items()
        ]

    def _dimensions(self, segment: Segment) -> list[Dimension]:
        """Those that are crossed with both filters. What is nested would need its parent's cells
        too and is left out.
        """
        named = {d.name: d for d in self._day.tables.dimensions}
        pinned = [named[name] for name, _ in segment.filters]
        return [
            d
            for d in self._day.tables.dimensions
            if not d.parent and all(crossed(d, each) for each in pinned)
        ]

    def _gather(self, segment: Segment, dimensions: Sequence[Dimension]) -> None:
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

    def _breakdown(self, segment: Segment, dimension: Dimension) -> dict[str, Counts]:
        """The shown cells of one dimension."""
        grids, counts = [], dict[str, Counts]()
        for pinned in segment.filters:
            others = self._beside(segment, pinned, dimension)
            counted = self._grid(segment, pinned, dimension, list(others))
            grids.append(
                Grid(
                    {pair: self._weighed(segment, dimension, c) for pair, c in counted.items()},
                    others,
                )
            )
            counts |= {str(column): c for (row, column), c in counted.items() if row == MINE}
        columns = {column for grid in grids for _, column in grid.cells if column is not HUB}
        hidden, known = self._elsewhere(segment, dimension, columns)
        table, by = _named(segment, dimension.name)

        def drawn(row: Any, column: Any) -> int:
            return self._day.threshold(table, str(column), by if row == MINE else f"{by}|{row}")

        may = may_show_segment(grids, hidden, known, drawn, self._day.tables.site.k)
        return {column: counts[column] for column in sorted(map(str, may))}

    def _beside(
        self, segment: Segment, pinned: Pair, dimension: Dimension
    ) -> dict[Pair, Collection[str]]:
        """What is shown of the segments that differ in the other filter's value alone, by that."""
        [(other, value)] = (each for each in segment.filters if each != pinned)
        return {
            theirs: shown[dimension.name]
            for each, shown in self._shown.items()
            for theirs in each.filters
            if pinned in each.filters
            and theirs[0] == other
            and theirs[1] != value
            and shown.get(dimension.name)
        }

    def _grid(
        self,
        segment: Segment,
        pinned: Pair,
        dimension: Dimension,
        others: Sequence[Pair],
    ) -> dict[tuple[Any, Any], Counts]:
        [(other, value)] = (each for each in segment.filters if each != pinned)
        statement = (
            template("segment_grid")
            .replace("{shown}", VALUES)
            .replace("{number}", str(segment.id))
            .replace("{other}", quoted(other))
            .replace("{pinned}", quoted(pinned[0]))
            .replace("{value}", quoted(dimension.name))
        )
        parameters = {
            "lines": [value, *(theirs for _, theirs in others)],
            "table": f"{dimension.name}|{pinned[0]}",
            "by": pinned[1],
        }
        rows: list[Any] = [REST, MINE, *others]
        return {
            (rows[line], column if told else HUB): Counts(*counts)
            for (line, told, column), counts in self._day.summed(
                statement, parameters, keys=3
            ).items()
        }

    def _elsewhere(
        self, segment: Segment, dimension: Dimension, columns: Collection[Any]
    ) -> tuple[set[Any], set[Any]]:
        """The columns whose cell another segment hides, and those whose cell another shows.

        'Mobile in Belgium, by system: iOS' is 'iOS in Belgium, by device: Mobile' too.
        """
        hidden: set[Any] = set()
        known: set[Any] = set()
        for found, shown in self._shown.items():
            if found.filters == segment.filters:
                seen = shown.get(dimension.name, frozenset())
                known |= seen
                hidden |= set(columns) - seen
            shared = set(found.filters) & set(segment.filters)
            if len(shared) == 1:
                [(name, value)] = set(segment.filters) - shared
                [(theirs, column)] = set(found.filters) - shared
                if theirs == dimension.name:
                    (known if value in shown.get(name, ()) else hidden).add(column)
        return hidden, known

    def _weighed(self, segment: Segment, dimension: Dimension, counts: Counts) -> Figures:
        table, _ = _named(segment, dimension.name)
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
