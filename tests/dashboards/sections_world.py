"""What the pages beside the overview are read from: a site with a website and an app, and others.

The clock is that of `tests.dashboards.world`: Sunday 22 November 2026, 15:20 in Brussels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import count

from sqlalchemy import delete, insert

from control.database import realtime, released_days, released_definitions, released_spans
from control.definitions import Definitions, funnel, goal, segment
from control.sites import Site
from tests.dashboards.world import NOW, TODAY, World

Row = tuple[str, str, str, dict[str, object]]  # table, by, value, figures
RIDES, WEB, NEW, CHILDREN = (
    "rides.example.com", "web.example.com", "new.example.com", "children.example.com",
)  # fmt: skip
DAYS = 32
MONDAY = date(2026, 10, 19)
_VERSIONS = count(1000)


def fill(made: World) -> None:
    """A month of a site with everything, some of one with pages alone, and one without any."""
    cells = _Cells()
    rides = made.sites.add(RIDES, "Europe/Brussels", "exempt", "BE")
    rides = made.sites.set(rides, properties=("lcp", "cls", "plan"), excluded_paths=("/preview/",))
    web = made.sites.add(WEB, "Europe/Copenhagen", "opt-in", "DK")
    made.sites.add(NEW, "Europe/Brussels", "opt-in", "BE")
    children = made.sites.add(CHILDREN, "Europe/Brussels", "exempt", "BE")
    made.sites.set(children, child_directed=True)
    for back in range(DAYS):
        day = TODAY - timedelta(days=back)
        release(made, cells, rides, day, state(back), list(_of_rides(back)))
        if back < 5:
            release(made, cells, web, day, state(back), _of_web())
    declared = Definitions(made.control, lambda: NOW - timedelta(days=30))
    declared.add(rides, goal("Bought", event_name="Purchase"))
    docs = declared.add(rides, goal("Read the manual", prefix="/docs"))
    buy = declared.add(rides, funnel("Buy", ["/shop", "Add to cart", "Purchase"]))
    phones = segment("Belgian phones", [("country", "BE"), ("device", "Mobile")])
    phones_id = declared.add(rides, phones).id
    for back in range(1, DAYS):
        day = TODAY - timedelta(days=back)
        define(made, cells, rides, docs.id, day, [("goal", "", "Read the manual", _did(40))])
        steps = [100, 60] if back % 2 else [100, 60, 30]
        rows = [(f"funnel:{buy.id}", "", str(n), {"visitors": v}) for n, v in enumerate(steps, 1)]
        define(made, cells, rides, buy.id, day, rows)
        of_phones: Row = (f"page|segment:{phones_id}", "", "/shop", _visits(20))
        define(made, cells, rides, phones_id, day, [of_phones])
    for number in range(4):
        first = MONDAY + timedelta(weeks=number)
        cohorts: list[Row] = [
            ("cohort", str(first - timedelta(weeks=age)), str(age), {"visitors": n})
            for age, n in ((0, 200), (1, 50), (2, 20))
            if age <= number
        ]
        span(made, cells, rides, "week", first, [("uniques", "", "", {"visitors": 640}), *cohorts])
    span(made, cells, rides, "month", date(2026, 10, 1), [("uniques", "", "", {"visitors": 1900})])
    made.store.insert_lines("cells", cells.lines, "sections")


def state(back: int) -> str:
    return "open" if back == 0 else "provisional" if back <= 7 else "final"


def _of_rides(back: int) -> Iterable[Row]:
    yield "total", "", "", _visits(300)
    yield "hour", "", "12", _visits(30)
    yield "app", "", "", _visits(180)
    yield "app", "", "Rides", _visits(120)
    newest = "3.10.0" if back < 20 else "3.9.1"
    yield "app_version", "", "", _visits(180)
    yield "app_version", "", "3.9.1", _visits(40 if back < 20 else 100)
    if back < 20:
        yield "app_version", "", newest, _visits(60)
    yield "app_version", "", "(other)", _visits(20)
    yield "screen", "", "", _visits(180)
    yield "screen", "", "Home", _visits(110)
    yield "screen", "", "Map", _visits(40)
    yield (
        "event",
        "",
        "Purchase",
        _did(25) | {"revenue": "500.00", "payments": 25, "currency": "EUR"},
    )
    yield "event", "", "pageview", _did(200)
    yield "event|app_version", "3.9.1", "screen", _did(90)
    yield "model|app_version", "3.9.1", "", _visits(30)
    yield "model|app_version", "3.9.1", "Pixel 8", _visits(15)
    yield "model|app_version", "3.9.1", "(other)", _visits(15)
    yield "memory|app_version", "3.9.1", "16+ GB", _visits(15)
    yield "memory|app_version", "3.9.1", "<2 GB", _visits(20)
    yield "page", "", "/shop", _visits(90)
    yield "page", "", "(other)", _visits(10)
    yield "country", "", "BE", _visits(150)
    yield "device", "", "Mobile", _visits(150)
    yield "country|device", "Mobile", "BE", _visits(45)
    yield "device|country", "BE", "Mobile", _visits(45)
    yield "basis", "", "consent", _visits(130)
    yield "basis", "", "exempt", _visits(150)
    yield "basis", "", "none", _views(200)
    yield "bot", "", "bot", {"events": 120}
    yield "bot", "", "prefetch", {"events": 30}
    yield "dropped", "", "objected", {"events": 45}
    yield "late", "", "0", _visits(280)
    yield "late", "", "1", _visits(20)
    yield "props:lcp", "", "good", _did(80)
    yield "props:lcp", "", "needs-improvement", _did(15)
    yield "props:lcp", "", "poor", _did(10)
    yield "props:cls", "", "good", _did(60)
    yield "props:cls", "", "needs-improvement", _did(10)
    yield "props:cls", "", "poor", _did(30)
    yield "props:lcp|page", "/shop", "good", _did(40)
    yield "props:lcp|page", "/shop", "needs-improvement", _did(10)
    yield "props:lcp|page", "/shop", "poor", _did(15)
    yield "props:lcp|page", "/help", "good", _did(15)


def _of_web() -> list[Row]:
    return [
        ("total", "", "", _views(400)),
        ("app", "", "", _views(400)),
        ("basis", "", "none", _views(400)),
    ]


def _visits(visitors: int) -> dict[str, object]:
    return {
        "visitors": visitors,
        "visits": visitors,
        "pageviews": 4 * visitors,
        "linked_pageviews": 3 * visitors,
        "duration": 90 * visitors,
    }


def _views(pageviews: int) -> dict[str, object]:
    return {"pageviews": pageviews}


def _did(visitors: int) -> dict[str, object]:
    return {"visitors": visitors, "visits": visitors, "events": 2 * visitors}


class _Cells:
    """Cells on their way into the store: all at once, since each insert costs as much as many."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def add(self, site: Site, period: str, day: date, rows: Iterable[Row]) -> int:
        """The version under which they are shown."""
        version = next(_VERSIONS)
        head = {"site": site.id, "day": str(day), "version": version, "period": period}
        self.lines += [
            json.dumps(head | {"table": table, "by": by, "value": value} | figures).encode() + b"\n"
            for table, by, value, figures in rows
        ]
        return version


_PUT = {"digest": 0, "computed_at": datetime(2026, 11, 22, 14, 15)}  # noqa: DTZ001  stored as UTC


def release(
    made: World, cells: _Cells, site: Site, day: date, state: str, rows: Iterable[Row]
) -> None:
    version = cells.add(site, "day", day, rows)
    values = {"site": site.id, "day": day, "version": version, "state": state} | _PUT
    with made.control.begin() as connection:
        connection.execute(insert(released_days).values(**values))


def define(
    made: World, cells: _Cells, site: Site, number: int, day: date, rows: Iterable[Row]
) -> None:
    version = cells.add(site, "day", day, rows)
    values = {"definition": number, "day": day, "version": version, "state": "final"} | _PUT
    with made.control.begin() as connection:
        connection.execute(insert(released_definitions).values(**values))


def span(
    made: World, cells: _Cells, site: Site, period: str, first: date, rows: Iterable[Row]
) -> None:
    version = cells.add(site, period, first, rows)
    with made.control.begin() as connection:
        connection.execute(
            insert(released_spans).values(
                site=site.id, period=period, first=first, version=version,
                computed_at=_PUT["computed_at"],
            )
        )  # fmt: skip


def tell(made: World, site: Site, tiers: dict[int, str]) -> None:
    """The tiers of windows that ended so many minutes ago, as seen from 15:20, and no other."""
    with made.control.begin() as connection:
        connection.execute(delete(realtime))
        for minutes, tier in tiers.items():
            until = (NOW - timedelta(minutes=minutes)).astimezone(UTC).replace(tzinfo=None)
            connection.execute(insert(realtime).values(site=site.id, until=until, tier=tier))
