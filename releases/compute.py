"""One day of one site: from rows to published cells. Idempotent; keeps nothing between runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import asdict
from datetime import date
from functools import cache
from pathlib import Path

import msgspec

from control.sites import Site
from releases.disclosure import (
    Cell,
    Key,
    Published,
    Threshold,
    fits,
    publish,
    separable,
    split,
    to_demote,
    unseparated,
)
from releases.tables import KINDS, OTHER, TABLES, Kind, Table, of_kind
from store.clickhouse import Store

_ENCODER = msgspec.json.Encoder()
_KIND_OF: dict[str, Kind] = {table.name: table.kind for table in TABLES}
# What is hidden of these is merged into "(other)", because their totals are published.
MERGED: Set[Kind] = {"visit", "event"}


def compute_day(
    store: Store,
    site: Site,
    day: date,
    state: str,
    threshold: Threshold,
    new_version: Callable[[], int],
) -> int:
    """Computes, discloses and writes a day under a new version, which it returns.

    Nothing shows the version until the control database points to it. The shown cells are written
    first, so that "(other)" can be computed exactly as everything that is not among them; where
    that remainder is too small the next smallest cell joins it and the day is written anew.
    """
    cells = _cells(store, site, day)
    apart = separable(cells, threshold)
    if not apart:
        cells = [unseparated(cell) for cell in cells]
    demoted: frozenset[Key] = frozenset()
    while True:
        version = new_version()
        shown, hidden = split(cells, threshold, demoted)
        _write(store, site, day, version, [publish(c, threshold, state) for c in shown], "shown")
        kinds = {_KIND_OF[cell.table] for cell in hidden}
        others = _others(store, site, day, version, kinds & MERGED)
        if not apart:
            others = [unseparated(cell) for cell in others]
        more = to_demote(shown, others, threshold)
        if not more:
            break
        demoted |= more
    fitting = [
        publish(cell, threshold, state)
        for cell in others
        if fits(cell, threshold(cell.table, OTHER)) and any(c.table == cell.table for c in shown)
    ]
    _write(store, site, day, version, fitting, "other")
    return version


def _cells(store: Store, site: Site, day: date) -> list[Cell]:
    return [cell for kind in KINDS for cell in _query(store, kind, site, day)]


def _others(store: Store, site: Site, day: date, version: int, kinds: Set[Kind]) -> list[Cell]:
    """What is not among the shown cells of this version, merged into one cell a table."""
    return [cell for kind in sorted(kinds) for cell in _query(store, kind, site, day, version)]


def _query(
    store: Store, kind: Kind, site: Site, day: date, version: int | None = None
) -> list[Cell]:
    cells = []
    for purpose in sorted({table.purpose for table in of_kind(kind)}):
        tables = tuple(table for table in of_kind(kind) if table.purpose == purpose)
        rows = store.query_rows(
            _sql(kind, tables, merged=version is not None),
            {
                "site": site.id,
                "day": day,
                "timezone": site.zone_on(day).key,
                "purpose": purpose,
                "version": version or 0,
            },
        )
        cells += [Cell(str(row[0]), str(row[1]), *(int(n) for n in row[2:])) for row in rows]
    return cells


@cache
def _sql(kind: Kind, tables: tuple[Table, ...], *, merged: bool) -> str:
    """The kind's statement for these tables; merged: all that this version does not show."""
    template = (Path(__file__).parent / "sql" / f"{kind}.sql").read_text()
    pairs = ", ".join(f"('{table.name}', toString({table.expression}))" for table in tables)
    restriction = "1"
    if merged:
        template = template.replace("pair.2 AS value", f"'{OTHER}' AS value")
        restriction = (
            "(pair.1, pair.2) NOT IN (SELECT table, value FROM cells"
            " WHERE site = {site:UInt32} AND period = 'day' AND day = {day:Date}"
            " AND version = {version:UInt32})"
        )
    return template.replace("{pairs}", pairs).replace("{restriction}", restriction)


def _write(
    store: Store, site: Site, day: date, version: int, cells: Sequence[Published], part: str
) -> None:
    if not cells:
        return
    lines = b"".join(
        _ENCODER.encode(
            {"site": site.id, "period": "day", "day": day.isoformat(), "version": version}
            | asdict(c)
        )
        + b"\n"
        for c in cells
    )
    store.insert_lines("cells", [lines], token=f"cells-{site.id}-{day}-{version}-{part}")
