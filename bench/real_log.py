"""A real access log's days: what is released of them beside a plain count of its lines.

The plain count parses the log by itself and counts with sets and dictionaries; of the product it
uses what cleans a path, names a source and knows a machine, so that both sides speak of the same
things. Days are UTC's.
"""

from __future__ import annotations

import gzip
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import delete, update

from anonymize.agent import Agents
from anonymize.keys import EphemeralKeys
from anonymize.referrer import classify
from anonymize.url import clean
from config.settings import load
from control.database import released_days, sites
from control.sites import Site
from ingest.collector import Collector
from operate.import_log import plain, publish, replay
from operate.jobs import await_notice, catch_up, release_due
from operate.services import Services, build, now
from releases.reading import UNKNOWN, Figures
from releases.tables import OTHER
from spool.importing import Import
from store.clickhouse import hosting

LOG = Path(__file__).parents[2] / "shared" / "data" / "apache_access.log.gz"
DOMAIN = "semicomplete.com"
TOP = 10
# `1` is no floor: every cell has a person, or ten views without a pseudonym.
FLOORS = (1, 10)

_LINE = re.compile(
    r'(?P<address>\S+) \S+ \S+ \[(?P<time>[^]]+)\] "GET (?P<path>/[^ ?]*)(?P<query>\S*) HTTP/1\.\d"'
    r' (?:2\d\d|304) \S+ "(?P<referrer>[^"]*)" "(?P<agent>.*)"'
)
_PART = re.compile(
    r"\.(?:css|js|json|xml|xsl|rss|atom|txt|ico|png|jpe?g|gif|svg|woff|ttf|swf)$", re.I
)
_FILE = re.compile(r"\.(?:pdf|docx?|zip|t?gz|bz2|rpm|deb|jar|exe|iso|tar|avi|mp[34]|ogg)$", re.I)
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")  # as Apache writes a byte that is not ASCII
_IDLE = 30 * 60


@dataclass(frozen=True, slots=True, repr=False)
class View:
    """One page view or download of the log. `time` in Unix seconds."""

    visitor: tuple[str, str]
    time: int
    page: str
    source: str
    download: bool


@dataclass(repr=False)
class Count:
    """A day's plain figures: `visitors` of each value as sets, until they are counted."""

    visitors: set[tuple[str, str]] = field(default_factory=set)
    visits: int = 0
    pageviews: int = 0
    pages: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    page_views: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    sources: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))


def views(log: Path) -> Iterator[View]:
    """The lines that are somebody's view of a page."""
    agents = Agents()
    with gzip.open(log, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            found = _LINE.match(line)
            if found is None or _PART.search(found["path"]):
                continue
            agent = "" if found["agent"] == "-" else found["agent"]
            page = clean(f"https://{DOMAIN}{found['path']}{found['query']}")
            assert page is not None
            referrer = _ESCAPE.sub(lambda x: chr(int(x[1], 16)), found["referrer"])
            referral = classify(
                referrer.removeprefix("-") or None, DOMAIN, page.campaign, page.paid_click
            )
            if agents.classify(agent, sdk=False).bot or referral.spam:
                continue
            moment = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z")
            network = found["address"].rpartition(".")[0]  # all of this log's are IPv4
            yield View(
                (network, agent), int(moment.timestamp()), page.path,
                referral.source, bool(_FILE.search(found["path"])),
            )  # fmt: skip


def plain_count(log: Path) -> dict[date, Count]:
    """Visitors are agents of a /24 on a day; more than 30 minutes of nothing end a visit."""
    days: dict[date, Count] = defaultdict(Count)
    last: dict[tuple[date, tuple[str, str]], int] = {}
    for view in sorted(views(log), key=lambda view: view.time):
        day = datetime.fromtimestamp(view.time, UTC).date()
        count, who = days[day], view.visitor
        if view.time - last.get((day, who), -_IDLE - 1) > _IDLE:
            count.visits += 1
            count.sources[view.source].add(who)
        last[day, who] = view.time
        count.visitors.add(who)
        count.pages[view.page].add(who)
        if not view.download:
            count.pageviews += 1
            count.page_views[view.page] += 1
    return dict(sorted(days.items()))


class Day(NamedTuple):
    """A released day: its totals, and the figures of every shown page and source."""

    total: Figures
    pages: Mapping[str, Figures]
    sources: Mapping[str, Figures]


def imported(home: Path, log: Path) -> tuple[Services, Site]:
    """An import of the log into an empty home, published and waiting to be loaded."""
    services = build(load({"DISCREET_HOME": str(home)}))
    site = services.sites.add(DOMAIN, "UTC", "exempt", "US", k=3)
    with Import(services.settings.spool) as rows, log.open("rb") as file:
        collector = Collector(
            rows, EphemeralKeys(services.keys), services.geo, services.agents,
            late=None, final_days=lambda _: frozenset(),
        )  # fmt: skip
        report = replay(plain(file), site, collector, now())
        publish(services, rows, {site: report.days})
    return services, site


def released(home: Path, log: Path, floors: tuple[int, ...]) -> dict[int, dict[date, Day]]:
    """The log's days as they are released with each floor in turn (below 3 no site may have)."""
    services, site = imported(home, log)
    found = {}
    with hosting(services.settings) as store:
        await_notice(services)
        catch_up(services, store)
        for k in floors:
            with services.control.begin() as connection:
                connection.execute(delete(released_days))
                connection.execute(update(sites).values(k=k))
            services.sites.forget()
            release_due(services)
            found[k] = _days(services, site)
    services.control.dispose()
    return found


def _days(services: Services, site: Site) -> dict[date, Day]:
    reading = services.reading

    def table(day: date, name: str) -> dict[str, Figures]:
        rows = reading.table(site, day, day, name, limit=10_000)
        return {"" if value == UNKNOWN else value: f for value, f in rows if value != OTHER}

    return {
        shown.day: Day(
            reading.totals(site, shown.day, shown.day),
            table(shown.day, "page"),
            table(shown.day, "source"),
        )
        for shown in reading.days(site, date.min, date.max)
    }


def main(log: Path = LOG) -> None:
    print("## A real log\n")
    if not log.exists():
        print(f"{log.name} is not on this machine.\n")
        return
    counts = plain_count(log)
    with tempfile.TemporaryDirectory() as folder:
        days = released(Path(folder), log, FLOORS)
    print(
        "Visitors (views for pages) by plain count · without a floor · with k = 10; – is hidden.\n"
    )
    for day, count in counts.items():
        shown = [days[k][day] for k in FLOORS]
        print(f"### {day}\n\n| | plain | no floor | k = 10 |\n|---|---|---|---|")
        for name in ("visitors", "visits", "pageviews"):
            exact = getattr(count, name)
            figures = [getattr(each.total, name) for each in shown]
            _line(name, len(exact) if isinstance(exact, set) else exact, *figures)
        for page in sorted(count.pages, key=lambda p: (-len(count.pages[p]), p))[:TOP]:
            _line(
                f"`{page}`", f"{len(count.pages[page])} ({count.page_views[page]})",
                *(_both(each.pages.get(page)) for each in shown),
            )  # fmt: skip
        for source in sorted(count.sources, key=lambda s: (-len(count.sources[s]), s))[:TOP]:
            figures = [each.sources.get(source) for each in shown]
            _line(source or "(none)", len(count.sources[source]),
                  *(f.visitors if f else None for f in figures))  # fmt: skip
        print()


def _both(figures: Figures | None) -> str | None:
    return figures and f"{figures.visitors} ({figures.pageviews})"


def _line(*cells: object) -> None:
    print("| " + " | ".join("–" if cell is None else str(cell) for cell in cells) + " |")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
