"""The scratch tables of one site's day: its rows once, its visits, and what happened in them.

    with scratch(store, site, day) as tables:
        tables.query("SELECT country, count() FROM {scratch}visits GROUP BY country")

`releases/sql/scratch.sql` has the columns: `{scratch}once` (the day's rows, each event once),
`{scratch}touches` (one row an event) and `{scratch}visits` (one row a visit), in which every
dimension of releases/tables.py is a column of its name, in backquotes. They hold pseudonyms, are
dropped when the block ends, and `drop_leftovers` drops those of a process that was killed. Whoever
opens one holds the lease "release", so that nobody else's are ever dropped.

Visitors are numbered slice by slice, each slice about `SLICE_ROWS` rows, so that memory is bounded
whatever the size of the day. The slices of a query may be taken apart too: all rows of a visitor
have one `slice`.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from control.sites import Site
from releases.tables import EVENT_DIMENSIONS, VISIT_DIMENSIONS, Dimension, property_dimension
from store import sql
from store.clickhouse import Store, StoreError

PREFIX = "scratch_"
SLICE_ROWS = 1_250_000
# A day of fewer rows lies in memory, in tables that cost next to nothing to make and to drop.
_SMALL_ROWS = 50_000
_ON_DISK = re.compile(r"ENGINE = MergeTree ORDER BY (\([^)]*\)|\w+)")
# To plan for several threads, or to compile, takes longer than so few rows take.
_SMALL_SETTINGS = {
    "max_threads": 1,
    "compile_expressions": 0,
    "compile_aggregate_expressions": 0,
    "compile_sort_description": 0,
}
# Ids looked at together when searching for repeated ones.
_IDS = 8_000_000
_SAMPLE = 4096
_ENCODER = msgspec.json.Encoder()
_MOST_VISITORS = 2**128 - 1
_MOST_PERSONS = 2**32
_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Scratch:
    """What a computation of a day asks. `{scratch}` in a statement stands for the tables' prefix;
    `site`, `day` and `timezone` are bound besides the parameters given.
    """

    store: Store
    site: Site
    day: date
    prefix: str
    slices: int
    rows: int  # of the day and its neighbours, repeated ones included
    alive: Callable[[], None]

    @property
    def small(self) -> bool:
        return self.slices == 1 and self.rows < _SMALL_ROWS

    @property
    def event_dimensions(self) -> tuple[Dimension, ...]:
        """Those of the site: its allow-listed properties included."""
        return EVENT_DIMENSIONS + tuple(map(property_dimension, self.site.properties))

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        return VISIT_DIMENSIONS + self.event_dimensions

    def query(
        self, statement: str, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        self.alive()
        return self.store.query_rows(self._named(statement), self._bound(parameters), self._how)

    def command(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.alive()
        self.store.command(self._named(statement), self._bound(parameters), self._how)

    def insert(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Puts rows into `{scratch}table`."""
        lines = _ENCODER.encode_lines(list(rows))
        if lines:
            self.store.insert_lines(self.prefix + table, [lines], secrets.token_hex(8))

    def _named(self, statement: str) -> str:
        if self.small:
            statement = _ON_DISK.sub("ENGINE = Memory", statement)
        return statement.replace("{scratch}", self.prefix)

    @property
    def _how(self) -> Mapping[str, Any]:
        return _SMALL_SETTINGS if self.small else {}

    def _bound(self, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        mine = {"site": self.site.id, "day": self.day, "timezone": self.site.zone_on(self.day).key}
        return mine | dict(parameters or {})


@contextlib.contextmanager
def scratch(
    store: Store,
    site: Site,
    day: date,
    slice_rows: int = SLICE_ROWS,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[Scratch]:
    """Makes the tables of a day and drops them. Raises the store's exceptions.

    `alive` is called before every statement: to renew the lease, or to raise where it is lost.
    """
    [(around, rows, unlinked, sample)] = store.query_rows(
        "SELECT count(), countIf(day = {day:Date} AND visitor != 0) AS linked,"
        " countIf(day = {day:Date} AND visitor = 0) AS unlinked,"
        " arraySort(groupArraySampleIf({sample:UInt32}, 1)"
        "(visitor, day = {day:Date} AND visitor != 0))"
        " FROM events WHERE site = {site:UInt32}"
        " AND day BETWEEN {day:Date} - 1 AND {day:Date} + 1 AND restricted = 0",
        {"sample": _SAMPLE, "site": site.id, "day": day},
    )
    bounds = _bounds(sample, max(1, -(-int(rows) // slice_rows)))
    prefix = f"{PREFIX}{secrets.token_hex(6)}_"
    tables = Scratch(store, site, day, prefix, len(bounds) - 1, int(around), alive)
    try:
        _make(tables, bounds, unlinked=bool(unlinked))
        yield tables
    finally:
        with contextlib.suppress(StoreError):  # what is left is dropped before the next day
            _drop(store, tables.prefix)


def drop_leftovers(store: Store) -> None:
    """Drops what a killed process left. Only for the holder of the lease "release"."""
    _drop(store, PREFIX)


def quoted(name: str) -> str:
    """A dimension's name as the name of a column."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def valued(dimension: Dimension) -> str:
    """A dimension's expression over a row; '' of a row that may not serve its purpose."""
    if dimension.purpose == "audience":
        return dimension.expression
    return f"if(has(purposes, '{dimension.purpose}'), {dimension.expression}, '')"


@cache
def template(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def _make(tables: Scratch, bounds: Sequence[int], *, unlinked: bool) -> None:
    for statement in sql.split(
        template("scratch")
        .replace("{site}", str(tables.site.id))
        .replace("{day}", tables.day.isoformat())
        .replace("{touch_columns}", _columns(tables.event_dimensions))
        .replace("{visit_columns}", _columns(VISIT_DIMENSIONS))
    ):
        tables.command(statement)
    _remove_repeated(tables)
    # Sorting takes one thread: two slices at once take two.
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        slices = enumerate(pairwise(bounds))
        for _ in threads.map(lambda each: _number(tables, each[0], *each[1]), slices):
            pass
    for name in ("touches_unlinked", "visits_unlinked") if unlinked else ():
        tables.command(_filled(name, tables), {"slices": tables.slices})


def _number(tables: Scratch, number: int, first: int, end: int) -> None:
    """Numbers the visitors and visits of a slice."""
    persons = number * (_MOST_PERSONS // tables.slices)
    place = {"slice": number, "first": first, "last": end - 1, "persons": persons}
    tables.command(_filled("touches", tables), place)
    tables.command(_filled("visits", tables), place)


def _remove_repeated(tables: Scratch) -> None:
    parts = max(1, -(-tables.rows // _IDS))
    for part in range(parts):
        tables.command(template("repeated"), {"parts": parts, "part": part})
    if not tables.query("SELECT 1 FROM {scratch}repeated LIMIT 1"):
        return
    for part in range(parts):
        tables.command(template("kept"), {"parts": parts, "part": part})


def _filled(name: str, tables: Scratch) -> str:
    """A statement of `releases/sql` with the site's dimensions in it."""
    of_event = tables.event_dimensions
    of_visit = [d for d in VISIT_DIMENSIONS if d.taken == "first"]
    return (
        template(name)
        .replace("{touch_expressions}", _expressions(of_event))
        .replace("{touch_names}", ", ".join(quoted(d.name) for d in of_event))
        .replace("{visit_expressions}", _expressions(of_visit))
        .replace("{visit_names}", ", ".join(quoted(d.name) for d in VISIT_DIMENSIONS))
    )


def _expressions(dimensions: Sequence[Dimension]) -> str:
    return ",\n            ".join(f"{valued(d)} AS {quoted(d.name)}" for d in dimensions)


def _columns(dimensions: Sequence[Dimension]) -> str:
    return ",\n    ".join(f"{quoted(d.name)} LowCardinality(String)" for d in dimensions)


def _bounds(sample: Sequence[int], slices: int) -> list[int]:
    """Where slices of equal size begin, and where the last ends, from a sorted sample."""
    inner = {int(sample[len(sample) * n // slices]) for n in range(1, slices)}
    return [1, *sorted(inner - {0, 1}), _MOST_VISITORS + 1]


def _drop(store: Store, prefix: str) -> None:
    found = store.query_rows(
        "SELECT name FROM system.tables"
        " WHERE database = currentDatabase() AND startsWith(name, {prefix:String})"
        " ORDER BY engine = 'View' DESC",
        {"prefix": prefix},
    )
    if found:
        names = ", ".join(quoted(str(name)) for (name,) in found)
        store.command(f"DROP TABLE IF EXISTS {names} SYNC")
