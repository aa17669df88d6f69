"""One day of one site: from rows to published cells. Idempotent; keeps nothing between runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import date
from itertools import chain

import msgspec

from control.sites import Site
from releases import shown
from releases.disclosure import Published, Threshold
from releases.scratch import Scratch, scratch, template
from releases.tables import LIVE
from store.clickhouse import Store

_ENCODER = msgspec.json.Encoder()


def compute_day(
    store: Store,
    site: Site,
    day: date,
    state: str,
    threshold: Threshold,
    version: int,
    alive: Callable[[], None] = lambda: None,
    then: Callable[[Scratch], None] = lambda _: None,
    held: int | None = None,
) -> None:
    """Computes, discloses and writes a day under a new version.

    Nothing shows the version until the control database points to it. `alive` is called before
    every statement; what it raises ends the computation. `then` is handed the scratch tables when
    the day is written. `held` is an earlier version of an open day, of which all but the tables
    `LIVE` are kept; nothing is handed on then.
    """
    with scratch(store, site, day, alive=alive) as tables:
        alone = shown.one_way(tables, threshold)
        cells = shown.published(alone, threshold, state)
        if held is not None:
            write(store, site, "day", day, version, (c for c in cells if c.table in LIVE))
            _keep(store, site, day, held, version)
            return
        cells = chain(cells, shown.crosses(tables, alone, threshold, state))
        write(store, site, "day", day, version, cells)
        then(tables)


def holds_tables(store: Store, site: Site, day: date, version: int) -> bool:
    """Whether a version shows anything besides the tables `LIVE`."""
    found = "SELECT 1 FROM ({held}) LIMIT 1".replace("{held}", template("held"))
    return bool(store.query_rows(found, _held(site, day, version)))


def _keep(store: Store, site: Site, day: date, held: int, version: int) -> None:
    """Gives what an earlier version shows to a new one, but for the tables `LIVE`."""
    kept = template("held").replace("*", "* REPLACE ({new:UInt32} AS version)", 1)
    store.command(f"INSERT INTO cells {kept}", _held(site, day, held) | {"new": version})


def _held(site: Site, day: date, version: int) -> dict[str, object]:
    return {"site": site.id, "day": day, "version": version, "live": sorted(LIVE)}


def write(
    store: Store, site: Site, period: str, day: date, version: int, cells: Iterable[Published]
) -> None:
    """Puts the cells of a version into the released zone, where nothing shows them yet."""
    head = _ENCODER.encode(
        {"site": site.id, "period": period, "day": day.isoformat(), "version": version}
    )
    written = b"".join(
        head[:-1] + b"," + _ENCODER.encode(_known(cell))[1:] + b"\n" for cell in cells
    )
    if written:
        store.insert_lines("cells", [written], token=f"cells-{site.id}-{period}-{day}-{version}")


def _known(cell: Published) -> dict[str, object]:
    """Its figures without those that are withheld: nulls take ClickHouse longer than numbers."""
    names = _OF_CROSSES if "|" in cell.table else _FIGURES
    figures = [(name, getattr(cell, name)) for name in names]
    return {name: figure for name, figure in figures if figure is not None}


_FIGURES = tuple(field.name for field in fields(Published))
# No averages, no sums.
_OF_CROSSES = ("table", "by", "value", "visitors", "visits", "pageviews", "events")
