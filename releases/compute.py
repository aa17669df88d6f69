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
from releases.scratch import Scratch, scratch
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
) -> None:
    """Computes, discloses and writes a day under a new version.

    Nothing shows the version until the control database points to it. `alive` is called before
    every statement; what it raises ends the computation. `then` is handed the scratch tables when
    the day is written.
    """
    with scratch(store, site, day, alive=alive) as tables:
        alone = shown.one_way(tables, threshold)
        cells = chain(
            shown.published(alone, threshold, state),
            shown.crosses(tables, alone, threshold, state),
        )
        write(store, site, "day", day, version, cells)
        then(tables)


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
