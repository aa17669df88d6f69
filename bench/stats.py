"""Milliseconds of the stats API's reports over twelve months; bytes of releases and of rows.

Two services run side by side, each with one site: a small one with a million events a year behind
its releases, and a large one with a hundred million. The releases are made directly, in the tables
that `releases.tables` declares: values are popular by Zipf's law, a cell is there on the days on
which at least ten to fifteen persons stand behind it. Both are asked in turns, over HTTP, through
the whole application, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import insert

from accounts.tokens import Tokens
from config.settings import load
from control.database import open_control, released_days, released_weeks
from control.sites import Site, Sites
from operate import demo
from operate.jobs import catch_up
from operate.services import build, now
from releases.reading import whole_weeks
from releases.tables import DIMENSIONS, OTHER, Dimension, crossed, of_events
from store.clickhouse import Store, hosting
from tests.service import Service

DAYS = 365
ROUNDS = 3
# Visitors a day of a site with so many events a year: six events each.
SITES = {"1 M": 450, "100 M": 45_000}
# Of each dimension how many values there are, how steeply they fall, persons for each visitor.
SHAPES: dict[str, tuple[int, float, float]] = {
    "page": (20_000, 1.0, 3.0), "entry_page": (20_000, 1.05, 1), "exit_page": (20_000, 1.05, 1),
    "source": (500, 1.3, 1), "channel": (12, 0.9, 1), "referrer": (800, 1.3, 1),
    "utm_source": (60, 1.5, 1), "utm_medium": (12, 1.5, 1), "campaign": (200, 1.5, 1),
    "utm_content": (200, 1.8, 1), "utm_term": (300, 1.8, 1), "country": (180, 1.4, 1),
    "region": (900, 1.2, 1), "city": (8_000, 1.1, 1), "language": (150, 1.4, 1),
    "device": (4, 1.0, 1), "browser": (20, 1.4, 1), "browser_version": (200, 1.2, 1),
    "os": (10, 1.1, 1), "os_version": (80, 1.2, 1), "screen_size": (8, 0.7, 1), "app": (3, 1.0, 1),
    "app_version": (30, 1.6, 1), "app_build": (60, 1.5, 1), "model": (600, 1.2, 1),
    "memory": (8, 0.8, 1), "storage": (8, 0.8, 1), "battery": (5, 0.3, 1),
    "connection": (4, 1.0, 1), "basis": (3, 0.5, 1), "hostname": (4, 2.0, 1),
    "event": (60, 1.4, 2.5), "screen": (40, 1.2, 1.5), "hour": (24, 0.3, 1.3), "late": (8, 3.0, 1),
}  # fmt: skip
FEWEST = 9  # persons of a cell that is there on some days


@dataclass
class Subject:
    """One service with its site, and the latencies of each kind of report in milliseconds."""

    name: str
    service: Service
    token: str
    session: requests.Session = field(default_factory=requests.Session)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, kind: str, query: dict[str, Any]) -> None:
        query = {"site_id": "example.com"} | query
        began = time.perf_counter()
        response = self.session.post(
            f"{self.service.origin}/api/v2/query",
            json=query,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        self.took[kind].append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, (query, response.text)


def main() -> None:
    last = datetime.now(UTC).date() - timedelta(days=1)
    first = last - timedelta(days=DAYS - 1)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {
            name: _fill(Path(folder) / name.replace(" ", ""), visitors, first, last)
            for name, visitors in SITES.items()
        }
        subjects = [_start(Path(folder), name) for name in SITES]
        try:
            _measure(subjects, first, last)
        finally:
            for subject in subjects:
                subject.service.stop()
        rows, row_bytes = _event_rows(Path(folder) / "demo")
    _print(subjects, sizes, rows, row_bytes)


def _start(folder: Path, name: str) -> Subject:
    service = Service(folder / name.replace(" ", ""), WEB_CONCURRENCY="1")
    control = open_control(service.settings.control_url)
    site = Sites(control).by_domain("example.com")
    assert site is not None
    token = Tokens(control).add(site, "stats:read").text
    control.dispose()
    service.start("worker", "web")
    return Subject(name, service, token)


def _measure(subjects: list[Subject], first: date, last: date) -> None:
    for number in range(ROUNDS):
        for kind, query in _reports(first, last):
            for subject in subjects:
                if not number and not subject.took[kind]:
                    subject.ask("first", query)  # what a process does once, and is told apart
                subject.ask(kind, query)


def _reports(first: date, last: date) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every report; of those that are one question alone, each ten times."""
    for _ in range(10):
        yield from _overviews(first, last)
    yield from _tables(first, last)


def _overviews(first: date, last: date) -> Iterator[tuple[str, dict[str, Any]]]:
    year: dict[str, Any] = {"date_range": [str(first), str(last)]}
    month = {"date_range": [str(last - timedelta(days=29)), str(last)]}
    counts = ["visitors", "visits", "pageviews"]
    rates = ["views_per_visit", "bounce_rate", "visit_duration"]
    yield "totals", year | {"metrics": counts + rates}
    compared = {"include": {"comparisons": {"mode": "year_over_year"}}}
    yield "totals, compared", year | {"metrics": counts + rates} | compared
    for name in ("day", "week", "month"):
        yield f"series by {name}", year | {"metrics": counts, "dimensions": [f"time:{name}"]}
    yield "thirty days by hour", month | {"metrics": counts, "dimensions": ["time:hour"]}


def _tables(first: date, last: date) -> Iterator[tuple[str, dict[str, Any]]]:
    year: dict[str, Any] = {"date_range": [str(first), str(last)]}
    known = [d for d in DIMENSIONS if d.level != "alone" and d.name != "hour"]
    page = {"pagination": {"limit": 100}}
    for dimension in known:
        table = {"metrics": _counts(dimension.name), "dimensions": [dimension.contract]}
        yield "table of a dimension", year | page | table
    for dimension in known:
        for by in known:
            if crossed(dimension, by):
                chosen = {"filters": [["is", by.contract, [f"{by.name}-0"]]]}
                metrics = _counts(f"{dimension.name}|{by.name}")
                table = {"metrics": metrics, "dimensions": [dimension.contract]}
                yield "table among a filter", year | page | table | chosen
    for by in known:
        if by.filterable:
            chosen = {"filters": [["is", by.contract, [f"{by.name}-0"]]]}
            series = {"metrics": _counts(by.name), "dimensions": ["time:day"]}
            yield "series by day of a filter", year | series | chosen


def _counts(table: str) -> list[str]:
    return ["visitors", "visits", "events" if of_events(table) else "pageviews"]


def _fill(home: Path, visitors: int, first: date, last: date) -> tuple[int, int]:
    """Writes the releases of every day and week. Returns how many cells and bytes they are."""
    settings = load({"DISCREET_HOME": str(home)})
    control = open_control(settings.control_url)
    site = Sites(control).add("example.com", "Europe/Brussels", "exempt", "BE")
    with hosting(settings) as store:
        catch_up(build(settings), store)
        store.command(
            "CREATE TABLE shape (table LowCardinality(String), by String, value String, n Float64)"
            " ENGINE = Memory"
        )
        store.insert_lines("shape", _template(visitors), "shape")
        _days(store, site, first, last)
        mondays = list(whole_weeks(first, last))
        weeks = {"monday": mondays[0], "end": mondays[-1] + timedelta(days=7), "days": DAYS}
        store.command(_WEEKS, {"site": site.id} | weeks)
        store.command("DROP TABLE shape SYNC")
        [(cells, size)] = store.query_rows(
            "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts"
            " WHERE database = currentDatabase() AND table = 'cells' AND active"
        )
    with control.begin() as connection:
        common = {"site": site.id, "computed_at": datetime.now(UTC)}
        for number in range(DAYS):
            day = first + timedelta(days=number)
            state = "provisional" if (last - day).days < 8 else "final"
            connection.execute(
                insert(released_days).values(
                    day=day, version=number + 1, state=state, digest=1, **common
                )
            )
        for number, monday in enumerate(mondays):
            connection.execute(
                insert(released_weeks).values(week=monday, version=DAYS + number + 1, **common)
            )
    control.dispose()
    return int(cells), int(size)


def _template(visitors: int) -> Iterator[bytes]:
    """Every cell that a day may have, with the persons behind it on an ordinary one."""

    def line(table: str, by: str, value: str, persons: float) -> bytes:
        shape = {"table": table, "by": by, "value": value, "n": min(persons, visitors)}
        return json.dumps(shape).encode() + b"\n"

    def cells(d: Dimension, persons: float) -> Iterator[tuple[str, float]]:
        for rank, part in enumerate(shares[d.name]):
            if persons * part < FEWEST:
                return
            yield f"{rank:02}" if d.name == "hour" else f"{d.name}-{rank}", persons * part

    shares = {d.name: _shares(*SHAPES[d.name][:2]) for d in DIMENSIONS}
    yield line("total", "", "", visitors)
    for d in DIMENSIONS:
        yield line(d.name, "", OTHER, visitors / 10)
        for value, persons in cells(d, visitors * SHAPES[d.name][2]):
            yield line(d.name, "", value, persons)
        for by in DIMENSIONS:
            if crossed(d, by):
                weight = max(SHAPES[d.name][2], SHAPES[by.name][2])
                for by_value, among in cells(by, visitors * weight):
                    for value, persons in cells(d, among):
                        yield line(f"{d.name}|{by.name}", by_value, value, persons)


def _shares(values: int, steepness: float) -> list[float]:
    weights = [1 / (rank + 1) ** steepness for rank in range(values)]
    whole = sum(weights)
    return [weight / whole for weight in weights]


def _days(store: Store, site: Site, first: date, last: date) -> None:
    """Eleven months as they lie after a while, merged, and the last thirty days one by one."""
    settled = last - timedelta(days=30)
    start = first
    while start <= settled:
        end = min(start + timedelta(days=29), settled)
        _insert(store, site, first, start, end)
        start = end + timedelta(days=1)
    store.command("OPTIMIZE TABLE cells FINAL")
    for number in range(30):
        day = settled + timedelta(days=number + 1)
        _insert(store, site, first, day, day)


def _insert(store: Store, site: Site, first: date, start: date, end: date) -> None:
    store.command(
        _SQL,
        {
            "site": site.id, "first": first, "start": start,
            "days": (end - start).days + 1,
        },
    )  # fmt: skip


_SQL = """
INSERT INTO cells (site, period, day, version, table, by, value, visitors, visits, pageviews,
    events, linked_pageviews, bounces, duration)
SELECT
    {site:UInt32}, 'day', day, day - {first:Date} + 1, table, by, value,
    seen, intDiv(seen * 6, 25) * 5, if(of_events, NULL, seen * 3), if(of_events, seen * 3, NULL),
    if(alone, seen * 3, NULL), if(alone, intDiv(seen * 2, 25) * 5, NULL), if(alone, seen * 60, NULL)
FROM
(
    SELECT
        {start:Date} + number AS day, table, by, value,
        cityHash64(table, by, value, day) AS chance,
        n * (0.7 + 0.6 * (chance % 1000) / 1000) AS persons,
        toUInt32(round(persons / 5) * 5) AS seen,
        match(table, 'event|props:') AS of_events, position(table, '|') = 0 AS alone
    FROM shape CROSS JOIN numbers({days:UInt32}) AS numbers
)
WHERE persons >= 10 + intDiv(chance, 1000) % 6
"""

# Weeks as `releases.whole_weeks` completes them, all in one go.
_WEEKS = """
INSERT INTO cells (site, period, day, version, table, by, value, visitors, visits, pageviews,
    events, linked_pageviews, bounces, duration)
SELECT
    site, 'week', toMonday(day) AS monday,
    {days:UInt32} + 1 + intDiv(monday - {monday:Date}, 7), table, by, value,
    sum(visitors), sum(visits), sum(pageviews), sum(events),
    sum(linked_pageviews), sum(bounces), sum(duration)
FROM cells
WHERE site = {site:UInt32} AND period = 'day' AND day >= {monday:Date} AND day < {end:Date}
GROUP BY site, table, period, by, monday, value
SETTINGS optimize_aggregation_in_order = 1
"""


def _event_rows(home: Path) -> tuple[int, int]:
    """The demo's events as they lie in the store: how many, and their bytes."""
    settings = load({"DISCREET_HOME": str(home)})
    services = build(settings)
    demo.fill(services, demo._sites(services), now())
    with hosting(settings) as store:
        catch_up(services, store)
        store.command("OPTIMIZE TABLE events FINAL")
        [(rows, size)] = store.query_rows(
            "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts"
            " WHERE database = currentDatabase() AND table = 'events' AND active"
        )
    return int(rows), int(size)


def _print(
    subjects: list[Subject], sizes: dict[str, tuple[int, int]], rows: int, row_bytes: int
) -> None:
    small, large = subjects
    print("## Reading releases (`bench/stats.py`)\n")
    print(
        "| report over twelve months | of it | 1 M: p50 | p95 | 100 M: p50 | p95 | ratio of p95 |"
    )
    print("|---|---|---|---|---|---|---|")
    kinds = [kind for kind in small.took if kind != "first"]
    for kind in [*kinds, "all"]:
        both = [
            [ms for k in kinds for ms in s.took[k]] if kind == "all" else s.took[kind]
            for s in (small, large)
        ]
        (a, b), (c, d) = ((statistics.median(ms), _p95(ms)) for ms in both)
        print(f"| {kind} | {len(both[0])} | {a:.0f} | {b:.0f} | {c:.0f} | {d:.0f} | {d / b:.2f} |")
    print("\n| | cells a year | MB a year | bytes a cell | bytes an event behind it |")
    print("|---|---|---|---|---|")
    for name, (cells, size) in sizes.items():
        events = int(name.split()[0]) * 1_000_000
        print(
            f"| {name} | {cells:,} | {size / 1e6:,.0f} | {size / cells:.1f} | {size / events:.1f} |"
        )
    print(f"\nA stored event row: {row_bytes / rows:.0f} bytes ({rows:,} rows of the demo)\n")


def _p95(ms: list[float]) -> float:
    return statistics.quantiles(ms, n=20)[-1] if len(ms) > 1 else ms[0]


if __name__ == "__main__":
    main()
