"""Keeps every version of an open day, plants visitors on a page, and waits for one more to come.

The versions are those that the release job makes as its clock ticks, while rows arrive.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from control.database import released_days
from releases.tables import LIVE
from tests.attackers import active
from tests.attackers.town import Town, row
from tests.releases.world import World

PAGE = "/alone"
TICKS = (5, 30, 35, 60)


@dataclass(frozen=True)
class Seen:
    """Between which two versions the page's figures moved, in minutes of the clock, and how often
    the site's totals moved since the page's figures were last computed."""

    after: int
    until: int
    totals: int


def watch(
    world: World,
    start: datetime,
    comes: int,
    others: int,
    *,
    hold: bool,
    ticks: Sequence[int] = TICKS,
) -> Seen | None:
    """What shows that somebody comes to the page so many minutes after the full hour `start`.

    The attacker's own visitors are there before. `others` come to other pages, evenly over the
    hour. `ticks` are the minutes of which the versions are compared.
    """
    people = iter(enumerate(Town(200).people))
    planted = active.by_the_rounding(world.site.k, "open")
    coming = [(0, "/", next(people)) for _ in range(60)]
    coming += [(0, PAGE, next(people)) for _ in range(planted)]
    coming += [(60 * n // others, "/", next(people)) for n in range(others)]
    coming.append((comes, PAGE, next(people)))
    page, total = None, None
    last = computed = totals = 0
    for tick in ticks:
        world.now = start + timedelta(minutes=tick)
        _arrive(world, start, [each for each in coming if last <= each[0] < tick])
        last = tick
        seen, whole = _look(world, hold=hold)
        totals += whole != total
        if page is not None and seen != page:
            return Seen(computed, tick, totals)
        if page is None or not hold or tick // 60 != computed // 60:
            computed, totals = tick, 0
        page, total = seen, whole
    return None


def _arrive(world: World, start: datetime, coming: Iterable[tuple[int, str, Any]]) -> None:
    rows = [
        row(world.site.id, start.date(), int(start.timestamp()) + 60 * at, number, 0, person,
            "pageview", page)
        for at, page, (number, person) in coming
    ]  # fmt: skip
    if rows:
        world.load(rows)


def _look(world: World, *, hold: bool) -> tuple[list[Any], list[Any]]:
    """What is shown of the page, and of the day as a whole."""
    list(world.job().run(hold=hold))
    with world.control.connect() as connection:
        version = connection.execute(select(released_days.c.version)).scalar_one()
    cells = world.store.query_rows(
        "SELECT table, by, value, * EXCEPT version FROM cells"
        " WHERE version = {version:UInt32} ORDER BY ALL",
        {"version": version},
    )
    return [c for c in cells if (c[0], c[2]) == ("page", PAGE)], [c for c in cells if c[0] in LIVE]
