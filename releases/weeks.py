"""ISO weeks of a site, released once: what the days show, and of some values what they hide.

A week's cell is the sum of what its days show of a value, plus what they hide of it where
disclosure lets the week tell that. Every value that a day shows has a cell of the week, so that a
reader adds up weeks or days and never both. What is hidden is counted from the rows once more, and
only while they are the rows that the days were released from: else a week less its days would be
whoever was erased in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from control.sites import Site
from releases import counting
from releases.compute import write
from releases.disclosure import (
    Cell,
    DayTable,
    Figures,
    Published,
    Threshold,
    publish,
    unseparated,
    week,
)
from releases.scratch import scratch, template
from releases.tables import APART, DIMENSIONS, OTHER, TOTAL, of_events, property_dimension
from store.clickhouse import Store

# Values of a day that are looked at: smaller ones than the largest so many are told by no week.
_MOST_VALUES = 50_000

Key = tuple[str, str, str]
_PARENT = {d.name: d.parent for d in DIMENSIONS if d.parent}
_COUNTS = ("visitors", "visits", "pageviews", "events")


def days_of(monday: date) -> list[date]:
    return [monday + timedelta(days=n) for n in range(7)]


def compute_week(
    store: Store,
    site: Site,
    monday: date,
    versions: Mapping[date, int],
    threshold: Threshold,
    version: int,
    *,
    untouched: bool,
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Computes and writes a week under a new version, from the shown versions of its days.

    `untouched` says that the rows of every day are still those that it was released from.
    """
    names = [TOTAL, *(d.name for d in DIMENSIONS), *_property_names(site)]
    here = {"site": site.id, "monday": monday, "versions": list(versions.values())}
    shown = _shown(store, here, names) if untouched else {}
    told: dict[Key, dict[date, Cell]] = {}
    if untouched:
        exact = _exact(store, site, versions, shown, alive)
        told = _told(exact, shown, monday, site.k, threshold)
    alive()
    sums = _sums(store, here, [*names, *APART])
    cells = _with_remainders(sums, told, shown, threshold)
    write(store, site, "week", monday, version, cells)
    alive()
    _write_crosses(store, here, version)


def _property_names(site: Site) -> list[str]:
    return [property_dimension(key).name for key in site.properties]


def _shown(
    store: Store, here: Mapping[str, Any], names: Sequence[str]
) -> dict[date, dict[Key, tuple[int | None, ...]]]:
    """What each day's tables of one dimension show."""
    shown: dict[date, dict[Key, tuple[int | None, ...]]] = defaultdict(dict)
    for day, table, by, value, *counts in store.query_rows(
        template("week_days"), {**here, "tables": list(names)}
    ):
        shown[day][table, by, value] = tuple(counts)
    return shown


def _exact(
    store: Store,
    site: Site,
    versions: Mapping[date, int],
    shown: Mapping[date, Mapping[Key, Sequence[int | None]]],
    alive: Callable[[], None],
) -> dict[date, dict[Key, Cell]]:
    """Each day's tables of one dimension, counted again."""
    exact = {}
    for day in versions:
        with scratch(store, site, day, alive=alive) as tables:
            cells = counting.singles(tables, 0, _MOST_VALUES)
        total = shown.get(day, {}).get((TOTAL, "", ""))
        if total and total[0] is None:  # the day tells nobody's visits apart
            cells = [unseparated(cell) for cell in cells]
        exact[day] = {(cell.table, cell.by, cell.value): cell for cell in cells}
    return exact


def _told(
    exact: Mapping[date, Mapping[Key, Cell]],
    shown: Mapping[date, Mapping[Key, Sequence[int | None]]],
    monday: date,
    k: int,
    threshold: Threshold,
) -> dict[Key, dict[date, Cell]]:
    """Of the values that the week may tell, what each day that hides them hides."""
    told: dict[Key, dict[date, Cell]] = {}
    groups = {(table, by) for cells in exact.values() for table, by, _ in cells}
    by_group = {day: _grouped(cells) for day, cells in exact.items()}
    for table, by in groups:
        of_days = [by_group.get(day, {}).get((table, by), {}) for day in days_of(monday)]
        tables = [
            DayTable(
                {value: _figures(cell) for value, cell in cells.items()},
                {v for v in cells if v != OTHER and (table, by, v) in shown.get(day, ())},
                _summed(table, by, shown.get(day, ())),
            )
            for day, cells in zip(days_of(monday), of_days, strict=True)
        ]
        for value in week(tables, _drawn(threshold, table, by), k):
            hidden = {
                day: cells[str(value)]
                for day, cells, seen in zip(days_of(monday), of_days, tables, strict=True)
                if value in cells and value not in seen.shown
            }
            if hidden:
                told[table, by, str(value)] = hidden
    return told


def _grouped(cells: Mapping[Key, Cell]) -> dict[tuple[str, str], dict[str, Cell]]:
    groups: dict[tuple[str, str], dict[str, Cell]] = defaultdict(dict)
    for (table, by, value), cell in cells.items():
        groups[table, by][value] = cell
    return groups


def _figures(cell: Cell) -> Figures:
    shows = cell.events if of_events(cell.table) else cell.pageviews
    return Figures(cell.visitors, cell.unlinked, shows)


def _summed(table: str, by: str, shown: Iterable[Key]) -> bool:
    """Whether a day shows what a table's or a group's cells add up to."""
    parent = _PARENT.get(table)
    if parent is None:
        return (TOTAL, "", "") in shown
    return any(name == parent and value == by for name, _, value in shown)


def _drawn(threshold: Threshold, table: str, by: str) -> Callable[[Any], int]:
    # A client's own text that reads "(other)" is no value, whatever stands behind it.
    return lambda value: _NEVER if value == OTHER else threshold(table, value, by)


_NEVER = 2**63


def _sums(store: Store, here: Mapping[str, Any], names: Sequence[str]) -> dict[Key, Published]:
    statement = template("week_sums").replace("{which}", '"table" IN {tables:Array(String)}')
    rows = store.query_rows(statement, {**here, "tables": list(names)})
    cells = [Published(*row) for row in rows]
    return {(cell.table, cell.by, cell.value): cell for cell in cells}


def _with_remainders(
    sums: Mapping[Key, Published],
    told: Mapping[Key, Mapping[date, Cell]],
    shown: Mapping[date, Mapping[Key, Sequence[int | None]]],
    threshold: Threshold,
) -> list[Published]:
    """The sums, and what the week tells besides; that leaves "(other)" where its days show one."""
    cells = dict(sums)
    for (table, by, value), hidden in told.items():
        key, other = (table, by, value), (table, by, OTHER)
        part = publish(_added(hidden.values()), threshold, "final")
        none: dict[str, Any] = dict.fromkeys(_COUNTS)
        whole = cells.get(key, replace(part, **none))
        # Averages are of the days that show them, their denominators now of more.
        cells[key] = replace(
            _combined(whole, part, 1), linked_pageviews=None, bounces=None, duration=None
        )
        if other in cells and all(other in shown.get(day, ()) for day in hidden):
            cells[other] = _combined(cells[other], part, -1)
    return list(cells.values())


def _added(cells: Iterable[Cell]) -> Cell:
    first, *others = cells
    for cell in others:
        sums = {name: getattr(first, name) + getattr(cell, name) for name in _COUNTS}
        first = replace(first, **sums, unlinked=first.unlinked + cell.unlinked)
    return first


def _combined(cell: Published, part: Published, sign: int) -> Published:
    """The counts of the one and (or without) those of the other; none are below zero."""
    counts: dict[str, Any] = {}
    for name in _COUNTS:
        own, more = getattr(cell, name), getattr(part, name)
        if more is not None and (own is not None or sign > 0):
            counts[name] = max(0, (own or 0) + sign * more)
    return replace(cell, **counts)


def _write_crosses(store: Store, here: Mapping[str, Any], version: int) -> None:
    """Crosses are summed where they lie: of them a week tells what its days show, and no more."""
    sums = template("week_sums").replace("{which}", _CROSSES)
    store.command(template("week_crosses").replace("{sums}", sums), {**here, "version": version})


# Of the declared dimensions: what analysts define has versions of its own.
_CROSSES = "position(c.\"table\", '|') > 0 AND position(c.\"table\", '|segment:') = 0"
