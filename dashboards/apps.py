"""What the page about a site's apps says: who uses them, in which versions, on which devices.

An app's sessions are visits, its users visitors, its screens views. Where a site has a website too,
tables without an app's name of their own are read crossed with its version, which only apps have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from control.sites import Site
from dashboards import text
from dashboards.breakdown import Breakdown, Wanted, breakdowns
from dashboards.course import Course, Point, course
from dashboards.period import Period
from dashboards.words import N_
from releases.reading import Ask, Figures, Reading, Span, Values
from releases.tables import OTHER

NAMED = (Values(("",), negated=True),)
_WEEKS, _MONTHS = 12, 6
_MEMORY = ("<2 GB", "2–4 GB", "4–8 GB", "8–16 GB", "16+ GB")
_STORAGE = ("<32 GB", "32–64 GB", "64–128 GB", "128–256 GB", "256+ GB")
_BATTERY = ("<20 %", "20–50 %", "50–80 %", "80–100 %")
_CONSENT = N_("Known of people who consented.")
_PRODUCT = N_("Known of people who agreed to product improvement.")

# The tables about screens, events and devices, in the page's order.
_TABLES = (
    Wanted(
        "screens",
        "screen",
        N_("Screens"),
        N_("Users who saw a screen, on each day that they did."),
    ),
    Wanted("events", "event", N_("Events"), N_("How often each event happened."), "events"),
    Wanted("models", "model", N_("Models"), _CONSENT),
    Wanted("systems", "os_version", N_("Systems"), _CONSENT),
    Wanted("memory", "memory", N_("Memory"), _PRODUCT, ordered=_MEMORY),
    Wanted(
        "storage",
        "storage",
        N_("Storage"),
        N_("Known of people who agreed to product improvement, and never of iOS."),
        ordered=_STORAGE,
    ),
    Wanted("connection", "connection", N_("Connection"), _PRODUCT),
    Wanted("battery", "battery", N_("Battery"), _PRODUCT, ordered=_BATTERY),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure, what it counts exactly, and of when it is."""

    name: str
    value: str
    help: str
    when: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an app: its users and sessions, and its share of the newest day or week."""

    name: str
    users: int | None
    sessions: int | None
    length: str
    screens: str
    share: float | None


@dataclass(frozen=True, slots=True)
class Apps:
    """`state` is none (no app was ever seen here), elsewhere (not in this period) or full.
    `mixed`: the site has visits outside of apps too, which distinct users include.
    """

    state: str
    mixed: bool = False
    tiles: tuple[Tile, ...] = ()
    active: Course | None = None
    weeks: Course | None = None
    months: Course | None = None
    adoption: Course | None = None
    versions: tuple[Version, ...] = ()
    tables: tuple[Breakdown, ...] = ()


def apps(reading: Reading, site: Site, period: Period, today: date) -> Apps:
    """Raises `ReleasesUnavailable`."""
    names = _apps(reading, site, period.first, period.last)
    if not any(name for name in names):
        year = _apps(reading, site, today - timedelta(days=365), today)
        return Apps("elsewhere" if any(name for name in year) else "none")
    mixed = "" in names
    active, weeks, months, adoption = (
        draw(reading, site, period, today) for draw in COURSES.values()
    )
    whole = _whole(reading, site, period)
    return Apps(
        state="full",
        mixed=mixed,
        tiles=tuple(_tiles(whole, active, weeks, months)),
        active=active,
        weeks=weeks,
        months=months,
        adoption=adoption,
        versions=tuple(_versions(reading, site, period, adoption)),
        tables=tuple(
            found
            for found in breakdowns(
                reading, site, period, [_of_apps(wanted, mixed) for wanted in _TABLES]
            )
            if found.lines
        ),
    )


def table(reading: Reading, site: Site, period: Period, key: str) -> Breakdown | None:
    """One of the page's tables; None where there is none of this key."""
    wanted = next((wanted for wanted in _TABLES if wanted.key == key), None)
    if wanted is None:
        return None
    mixed = "" in _apps(reading, site, period.first, period.last)
    return breakdowns(reading, site, period, [_of_apps(wanted, mixed)])[0]


def _active(reading: Reading, site: Site, period: Period, _today: date) -> Course:
    return _named(reading, site, period, "app")


def _weeks(reading: Reading, site: Site, _period: Period, today: date) -> Course:
    return _distinct(reading, site, "week", today - timedelta(weeks=_WEEKS), today)


def _months(reading: Reading, site: Site, _period: Period, today: date) -> Course:
    return _distinct(reading, site, "month", today - timedelta(days=31 * _MONTHS), today)


def _adoption(reading: Reading, site: Site, period: Period, _today: date) -> Course:
    return _named(reading, site, period, "app_version", shares=True, order=natural)


COURSES: Mapping[str, Callable[[Reading, Site, Period, date], Course]] = {
    "active": _active, "weeks": _weeks, "months": _months, "versions": _adoption,
}  # fmt: skip


def _named(reading: Reading, site: Site, period: Period, table: str, **how: Any) -> Course:
    """Users of what has a name; views where nobody can be told apart."""
    found = course(
        reading, site, period, table, lambda f: f.visitors, lambda name: name or None, **how
    )
    if found.says:
        return found
    return course(
        reading, site, period, table, lambda f: f.pageviews, lambda name: name or None, **how
    )


def natural(version: str) -> list[Any]:
    """Sorts 3.10 after 3.9."""
    return [int(part) if n % 2 else part for n, part in enumerate(re.split(r"(\d+)", version))]


def _apps(reading: Reading, site: Site, first: date, last: date) -> dict[str, Figures]:
    """Figures by the name of an app, '' for what is none."""
    found = reading.find(site, Ask("app", first, last, ("value",)))
    return {str(row.key[0]): row.figures for row in found.rows if row.key[0] != OTHER}


def _of_apps(wanted: Wanted, mixed: bool) -> Wanted:
    if not mixed or wanted.table == "screen":
        return wanted
    return replace(wanted, table=f"{wanted.table}|app_version", by=NAMED)


def _whole(reading: Reading, site: Site, period: Period) -> Figures:
    """All apps together."""
    measures = (
        "visitors", "visits", "pageviews", "linked_pageviews", "linked_visits", "duration",
        "duration_visits",
    )  # fmt: skip
    ask = Ask("app", period.first, period.last, value=NAMED, measures=measures)
    rows = reading.find(site, ask).rows
    return rows[0].figures if rows else Figures()


def _distinct(reading: Reading, site: Site, span: Span, first: date, last: date) -> Course:
    found = reading.uniques(site, span, first, last)
    points = tuple(
        Point(
            f"{day:%B %Y}" if span == "month" else text.span(day, day + timedelta(days=6)),
            f"{day:%b}" if span == "month" else f"{day.day} {day:%b}",
            (visitors,),
        )
        for day, visitors in found
    )
    return Course((N_("Users"),), points, span)


def _tiles(whole: Figures, active: Course, weeks: Course, months: Course) -> Iterable[Tile]:
    over = [point.total for point in active.points if point.total and not point.soft]
    daily = active.interval == "day" and over
    if daily:
        yield Tile(
            N_("Users a day"),
            text.count(round(sum(over) / len(over))),
            N_("Distinct users of a day, on average over the days that are final."),
        )
    else:
        yield Tile(
            N_("Users, summed"),
            text.count(whole.visitors),
            N_(
                "Sum of daily users: somebody who comes on three days counts three times, because "
                "nobody is recognised from one day to the next."
            ),
        )
    for name, span in ((N_("Users a week"), weeks), (N_("Users a month"), months)):
        newest = span.newest
        yield Tile(
            name,
            text.count(newest.total if newest else None),
            N_(
                "Distinct people over the whole of it, of those who consented alone: nobody else "
                "is recognised on another day. Known once all its days are final."
            ),
            newest.label if newest else "",
        )
    yield Tile(
        N_("Sessions"),
        text.count(whole.visits),
        N_("A session ends after 30 minutes without a sign of life, and with its day."),
    )
    yield Tile(
        N_("Session length"),
        text.duration(whole.visit_duration),
        N_("From the first to the last event of a session, on average."),
    )
    yield Tile(
        N_("Screens a session"),
        text.decimal(whole.views_per_visit),
        N_("Screens that belong to a session, divided by sessions."),
    )


def _versions(reading: Reading, site: Site, period: Period, adoption: Course) -> Iterable[Version]:
    """The newest version first."""
    measures = (
        "visitors", "visits", "linked_pageviews", "linked_visits", "duration", "duration_visits",
    )  # fmt: skip
    ask = Ask("app_version", period.first, period.last, ("value",), measures=measures)
    rows = {str(row.key[0]): row.figures for row in reading.find(site, ask).rows if row.key[0]}
    newest = adoption.newest
    lately = dict(zip(adoption.parts, newest.values, strict=True)) if newest else {}
    for name in sorted(rows, key=lambda n: (n != OTHER, natural(n)), reverse=True):
        figures, now = rows[name], lately.get(name)
        yield Version(
            name,
            figures.visitors,
            figures.visits,
            text.duration(figures.visit_duration),
            text.decimal(figures.views_per_visit),
            now / newest.total if newest and now is not None else None,
        )
