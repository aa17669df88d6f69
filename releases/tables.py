"""The declared tables: every question that a dashboard may ask, and the purpose it serves.

What is not declared here cannot be shown. How a day is counted:

- Counted are rows without a machine (`bot`) and without a restriction, each event id once, that
  may serve audience measurement. A dimension of another purpose sees of a row that does not carry
  that purpose the empty value: the row stays in the day's total, so that no difference of two
  tables tells who refused, and what the purpose was refused for is never read.
- A row without a pseudonym belongs to no visit and stands for itself.
- A visit's rows follow each other within 30 minutes, or carry the session that the client stated;
  it ends with its day. Its attributes are those of its first event; `entry_page` and `exit_page`
  are the page, or else the screen, of its first and last view ('' without views, and for rows
  without a pseudonym: nobody knows where those began).
- `engagement` rows report time and scrolling. They keep a visit going and lengthen it, but are no
  event: they make no visit, no visitor and no cell. What they report counts in a cell in which
  their visitor has an event too.
- `page` and `hostname` cover every event, not views alone; events without a page are its cell ''.
- Every dimension is a partition: each row falls into exactly one of its cells, '' included.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

Level = Literal["visit", "event", "alone"]
Taken = Literal["first", "first view", "last view"]


class Dimension(NamedTuple):
    """One table of its own, crossed with every filterable one.

    `name` is the table's, `contract` the stats API's. `expression` is SQL over the columns of
    `events`; of a visit it is taken from the row that `taken` says. `level` "alone" has no
    crosses. A nested dimension has a `parent`: its cells carry the parent's value in `by`, and the
    same value under two parents is two cells. `purpose` is what a row must carry for its value.
    """

    name: str
    contract: str
    level: Level
    expression: str
    parent: str = ""
    filterable: bool = False
    purpose: str = "audience"
    taken: Taken = "first"


def _version(family: str, version: str) -> str:
    return f"trimRight(concat({family}, ' ', {version}))"


_VIEWED = "if(page != '', page, screen)"
_F = True

VISIT_DIMENSIONS: tuple[Dimension, ...] = (
    Dimension("entry_page", "visit:entry_page", "visit", _VIEWED, "", _F, taken="first view"),
    Dimension("exit_page", "visit:exit_page", "visit", _VIEWED, taken="last view"),
    Dimension("source", "visit:source", "visit", "source", "", _F),
    Dimension("channel", "visit:channel", "visit", "channel", "", _F),
    Dimension("referrer", "visit:referrer", "visit", "referrer", "source"),
    # Which campaign brought a visit is attribution (docs/basis.md, Purposes).
    Dimension("utm_source", "visit:utm_source", "visit", "utm_source", purpose="attribution"),
    Dimension("utm_medium", "visit:utm_medium", "visit", "utm_medium", purpose="attribution"),
    Dimension(
        "campaign", "visit:utm_campaign", "visit", "utm_campaign", "", _F, purpose="attribution"
    ),
    Dimension("utm_content", "visit:utm_content", "visit", "utm_content", purpose="attribution"),
    Dimension("utm_term", "visit:utm_term", "visit", "utm_term", purpose="attribution"),
    Dimension("country", "visit:country", "visit", "country", "", _F),
    Dimension("region", "visit:region", "visit", "if(region != '', region, country)", "country"),
    Dimension("city", "visit:city", "visit", "city", "region"),
    Dimension("language", "visit:language", "visit", "language"),
    Dimension("device", "visit:device", "visit", "device", "", _F),
    Dimension("browser", "visit:browser", "visit", "browser", "", _F),
    Dimension(
        "browser_version", "visit:browser_version", "visit",
        _version("browser", "browser_version"), "browser",
    ),
    Dimension("os", "visit:os", "visit", "os", "", _F),
    Dimension("os_version", "visit:os_version", "visit", _version("os", "os_version"), "os"),
    Dimension("screen_size", "visit:screen", "visit", "screen_size"),
    Dimension("app", "app:name", "visit", "app"),
    Dimension("app_version", "app:version", "visit", "app_version", "", _F),
    Dimension("app_build", "app:build", "visit", "app_build", "app_version"),
    Dimension("model", "device:model", "visit", "model"),
    # The state of somebody's hardware is no part of measuring an audience.
    Dimension("memory", "device:memory", "visit", "memory", purpose="product"),
    Dimension("storage", "device:storage", "visit", "storage", purpose="product"),
    Dimension("battery", "device:battery", "visit", "battery", purpose="product"),
    Dimension("connection", "device:connection", "visit", "connection", purpose="product"),
    Dimension("basis", "consent:basis", "visit", "basis", "", _F),
)  # fmt: skip

EVENT_DIMENSIONS: tuple[Dimension, ...] = (
    Dimension("page", "event:page", "event", "page", "", _F),
    Dimension("hostname", "event:hostname", "event", "hostname"),
    Dimension("event", "event:name", "event", "name", "", _F),
    Dimension("screen", "app:screen", "event", "screen"),
    Dimension(
        "hour", "time:hour", "event", "formatDateTime(toTimeZone(time, {timezone:String}), '%H')"
    ),
    # How many whole local days after their own an event arrived: '0' to the late window's last.
    Dimension(
        "late", "", "alone", "toString(greatest(0, toDate(received, {timezone:String}) - day))"
    ),
)

DIMENSIONS: tuple[Dimension, ...] = VISIT_DIMENSIONS + EVENT_DIMENSIONS

# Machines and refusals: events that no person's table counts, each with one table of its own.
APART = ("bot", "dropped")

# An allow-listed property is a dimension `props:KEY`.
PROPERTY = "props:"


def property_dimension(key: str) -> Dimension:
    """The dimension of a property that the site allows; `key` becomes a literal of SQL."""
    literal = key.replace("\\", "\\\\").replace("'", "\\'")
    name = PROPERTY + key
    return Dimension(name, f"event:{name}", "event", f"props['{literal}']")


@cache
def of_events(table: str) -> bool:
    """Whether a table's cells show `events`; all others show `pageviews`, and none shows both."""
    return any(part in ("event", *APART) or part.startswith(PROPERTY) for part in table.split("|"))


def ancestors(dimension: Dimension, among: tuple[Dimension, ...] = DIMENSIONS) -> set[str]:
    """The names of its parent, and of the parent's parent."""
    parents = {d.name: d.parent for d in among}
    found: set[str] = set()
    name = dimension.parent
    while name:
        found.add(name)
        name = parents.get(name, "")
    return found


def crossed(first: Dimension, second: Dimension) -> bool:
    """Whether two dimensions are crossed, in this orientation: `first` among `second`'s values."""
    return (
        second.filterable
        and first.name != second.name
        and "alone" not in (first.level, second.level)
        and second.name not in ancestors(first)
    )


def segmented(dimension: Dimension, filters: Iterable[Dimension]) -> bool:
    """Whether a segment of several filters is broken down by a dimension: one crossed with each.

    What is nested would need its parent's cells too and is left out.
    """
    return not dimension.parent and all(crossed(dimension, each) for each in filters)


Kind = Literal["visit", "event", "bot", "tally"]


class Table(NamedTuple):
    """One declared table. `expression` is SQL over the columns of its kind."""

    name: str
    kind: Kind
    expression: str
    purpose: str = "audience"


TABLES: tuple[Table, ...] = (
    # A visit's attributes are those of its first event. A view without a visit stands for itself.
    Table("total", "visit", "''"),
    Table("source", "visit", "source"),
    Table("channel", "visit", "channel"),
    Table("country", "visit", "country"),
    Table("device", "visit", "device"),
    Table("browser", "visit", "browser"),
    Table("os", "visit", "os"),
    Table("app_version", "visit", "app_version"),
    Table("basis", "visit", "basis"),
    Table("entry_page", "visit", "entry_page"),
    Table("hour", "event", "formatDateTime(toTimeZone(time, {timezone:String}), '%H')"),
    Table("page", "event", "page"),
    Table("screen", "event", "screen"),
    Table("event", "event", "name"),
    Table("bot", "bot", "bot"),
    Table("dropped", "tally", "reason"),
)

OTHER = "(other)"
TOTAL = "total"
# Tables of an open day that every version computes anew; all others are computed once an hour.
LIVE = frozenset({TOTAL, "hour"})

# For how many weeks after their first it is told how many of a cohort came (releases/cohorts.py).
COHORT_WEEKS = 6


def of_kind(kind: Kind) -> tuple[Table, ...]:
    return tuple(table for table in TABLES if table.kind == kind)


KINDS: tuple[Kind, ...] = ("visit", "event", "bot", "tally")
