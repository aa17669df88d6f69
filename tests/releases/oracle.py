"""Every table and every cross of a day, before disclosure, computed slowly and obviously.

Written from the rules in words (the head of releases/tables.py), apart from the SQL: plain rows in,
cells out. A cell is the list of what fell into it, and each figure is counted when it is asked for.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

IDLE = 30 * 60  # seconds
VIEWS = ("pageview", "screen")
OTHER = "(other)"


@dataclass(frozen=True)
class Dimension:
    """`of` takes a row and the site's zone. Of a visit it is taken from its first event, unless
    `taken` picks another of its events, or none.
    """

    of: Callable
    level: str = "visit"
    parent: str = ""
    filterable: bool = False
    purpose: str = "audience"
    taken: Callable = lambda events: events[0]


def column(name, **more):
    return Dimension(lambda row, zone: row[name], **more)


def versions(family):
    """'Chrome 120', or 'Chrome' where the version is not known."""
    return Dimension(
        lambda row, zone: f"{row[family]} {row[f'{family}_version']}".rstrip(), parent=family
    )


def viewed(position, **more):
    """The page or screen of the first (0) or last (-1) view; nobody knows it of a lone row."""

    def taken(events):
        seen = [row for row in events if is_view(row) and linked(row)]
        return seen[position] if seen else None

    return Dimension(lambda row, zone: row["page"] or row["screen"], taken=taken, **more)


def _hour(row, zone):
    return f"{datetime.fromtimestamp(row['time'], zone):%H}"


def _late(row, zone):
    arrived = datetime.fromtimestamp(row["received"], zone).date()
    return str(max(0, (arrived - date.fromisoformat(row["day"])).days))


DIMENSIONS = {
    "entry_page": viewed(0, filterable=True),
    "exit_page": viewed(-1),
    "source": column("source", filterable=True),
    "channel": column("channel", filterable=True),
    "referrer": column("referrer", parent="source"),
    "utm_source": column("utm_source", purpose="attribution"),
    "utm_medium": column("utm_medium", purpose="attribution"),
    "campaign": column("utm_campaign", purpose="attribution", filterable=True),
    "utm_content": column("utm_content", purpose="attribution"),
    "utm_term": column("utm_term", purpose="attribution"),
    "country": column("country", filterable=True),
    "region": Dimension(lambda row, zone: row["region"] or row["country"], parent="country"),
    "city": column("city", parent="region"),
    "language": column("language"),
    "device": column("device", filterable=True),
    "browser": column("browser", filterable=True),
    "browser_version": versions("browser"),
    "os": column("os", filterable=True),
    "os_version": versions("os"),
    "screen_size": column("screen_size"),
    "app": column("app"),
    "app_version": column("app_version", filterable=True),
    "app_build": column("app_build", parent="app_version"),
    "model": column("model"),
    "memory": column("memory", purpose="product"),
    "storage": column("storage", purpose="product"),
    "battery": column("battery", purpose="product"),
    "connection": column("connection", purpose="product"),
    "basis": column("basis", filterable=True),
    "page": column("page", level="event", filterable=True),
    "hostname": column("hostname", level="event"),
    "event": column("name", level="event", filterable=True),
    "screen": column("screen", level="event"),
    "hour": Dimension(_hour, level="event"),
    "late": Dimension(_late, level="alone"),
}


def with_properties(keys):
    """The dimensions of a site that allows these properties."""

    def of(key):
        return Dimension(lambda row, zone: row.get("props", {}).get(key, ""), level="event")

    return DIMENSIONS | {f"props:{key}": of(key) for key in keys}


def crosses(dimensions):
    """(D, F): every dimension by each filterable one but itself and what it is nested in."""

    def ancestors(name):
        parent = dimensions[name].parent
        return {parent, *ancestors(parent)} if parent else set()

    return [
        (name, by)
        for name, dimension in dimensions.items()
        for by in dimensions
        if dimensions[by].filterable
        and by not in {name, *ancestors(name)}
        and dimension.level != "alone"
    ]


def once(rows, day):
    """Each event id once, the first received winning, whichever neighbouring day it fell on."""
    near = [r for r in rows if abs((date.fromisoformat(r["day"]) - day).days) <= 1]
    first = {}
    for row in sorted(near, key=lambda r: (r["received"], r["day"], r["time"], int(r["visitor"]))):
        if not row.get("restricted"):
            first.setdefault(row["event_id"], row)
    return [row for row in first.values() if row["day"] == day.isoformat()]


def visits(rows):
    """Lists of rows, one list a visit, in order: at most half an hour between two of its rows.

    A session that the client states is a visit, however long its pauses.
    """
    by_visitor = defaultdict(list)
    for row in rows:
        by_visitor[row["visitor"], row["visit"]].append(row)
    found = []
    for (_, stated), own in by_visitor.items():
        own.sort(key=lambda r: (r["time"], r["event_id"]))
        visit = [own[0]]
        for row in own[1:]:
            if not stated and row["time"] - visit[-1]["time"] > IDLE:
                found.append(visit)
                visit = []
            visit.append(row)
        found.append(visit)
    return found


def linked(row):
    return row["visitor"] != "0"


def is_event(row):
    """Engagement says how long and how deep, and counts as nothing else."""
    return row["name"] != "engagement"


def is_view(row):
    return row["name"] in VIEWS


@dataclass
class Cell:
    """What fell into it: the rows that are events, and of each visit that they belong to the
    whole. `reports` are the rows of engagement.
    """

    rows: list = field(default_factory=list)
    whole: list = field(default_factory=list)
    reports: list = field(default_factory=list)

    def add(self, row, visit):
        if is_event(row):
            self.rows.append(row)
            if linked(row) and not (self.whole and self.whole[-1] is visit):
                self.whole.append(visit)
        elif linked(row):
            self.reports.append(row)

    @cached_property
    def _visitors(self):
        return {row["visitor"] for row in self.rows if linked(row)}

    @cached_property
    def _bounced(self):
        return [sum(map(is_event, visit)) == 1 for visit in self.whole]

    @property
    def visitors(self):
        return len(self._visitors)

    @property
    def visits(self):
        return len(self.whole)

    @property
    def pageviews(self):
        return sum(map(is_view, self.rows))

    @property
    def events(self):
        return len(self.rows)

    @property
    def linked_pageviews(self):
        return sum(is_view(row) for row in self.rows if linked(row))

    @property
    def unlinked(self):
        return sum(not linked(row) for row in self.rows)

    @property
    def bounces(self):
        return sum(self._bounced)

    @property
    def bounced_visitors(self):
        return len({v[0]["visitor"] for v, b in zip(self.whole, self._bounced, strict=True) if b})

    @property
    def staying_visitors(self):
        pairs = zip(self.whole, self._bounced, strict=True)
        return len({visit[0]["visitor"] for visit, bounced in pairs if not bounced})

    @property
    def duration(self):
        """Seconds."""
        return sum(visit[-1]["time"] - visit[0]["time"] for visit in self.whole)

    @property
    def longest(self):
        """The most seconds of one visitor."""
        return self._most((visit[0], visit[-1]["time"] - visit[0]["time"]) for visit in self.whole)

    @cached_property
    def _heard(self):
        """What those report who have an event here."""
        return [row for row in self.reports if row["visitor"] in self._visitors]

    @property
    def engagement(self):
        """Whole seconds."""
        return sum(row["engagement"] for row in self._heard) // 1000

    @property
    def engaged(self):
        return len({row["visitor"] for row in self._heard if row["engagement"]})

    @property
    def most_engaged(self):
        """Seconds begun, of one visitor."""
        return -(-self._most((row, row["engagement"]) for row in self._heard) // 1000)

    @staticmethod
    def _most(amounts):
        by_visitor = defaultdict(int)
        for row, amount in amounts:
            by_visitor[row["visitor"]] += amount
        return max(map(abs, by_visitor.values()), default=0)  # money can go back as well

    @cached_property
    def _deepest(self):
        deepest = defaultdict(int)
        for row in self._heard:
            deepest[row["visitor"]] = max(deepest[row["visitor"]], row["scroll"])
        return [depth for depth in deepest.values() if depth]

    @property
    def scroll(self):
        return sum(self._deepest)

    @property
    def scrolled(self):
        return len(self._deepest)

    @cached_property
    def _paid(self):
        """Currency → what each payment was of whom."""
        found = defaultdict(list)
        for row in self.rows:
            if linked(row) and row.get("currency"):
                found[row["currency"]].append((row, Decimal(row["revenue"])))
        return found

    @property
    def currency(self):
        """That of most payments; of as many the first by name."""
        return min(self._paid, key=lambda code: (-len(self._paid[code]), code), default="")

    @property
    def payments(self):
        return len(self._paid[self.currency])

    @property
    def payers(self):
        return len({row["visitor"] for row, _ in self._paid[self.currency]})

    @property
    def revenue(self):
        return sum(amount for _, amount in self._paid[self.currency])

    @property
    def most_paid(self):
        return self._most(self._paid[self.currency])


def singles(rows, day, timezone, properties=()):
    """(table, by, value) → Cell of a day, from the rows of a site as they were stored.

    `by` is the parent's value of a nested dimension.
    """
    dimensions = with_properties(properties)
    ways = [(name, dimension.parent, name) for name, dimension in dimensions.items()]
    return _cells(rows, day, timezone, dimensions, [("total", "", "total"), *ways])


def crossed(rows, day, timezone, shown, properties=()):
    """((D, F), (parent, D's value), F's value) → Cell. What `shown`, (table, by, value), does not
    name is one value "(other)"; of a nested dimension it is one for each of its parent's values.
    """
    dimensions = with_properties(properties)
    alone = {(table, value) for table, _, value in shown}

    def told(name, parent, value):
        above = dimensions[name].parent
        if (name, parent, value) in shown:
            return parent, value
        return (parent if above and (above, parent) in alone else "", OTHER)

    ways = [((d, by), by, d) for d, by in crosses(dimensions)]
    return _cells(rows, day, timezone, dimensions, ways, told)


def _cells(rows, day, timezone, dimensions, ways, told=None):
    """Key → Cell; `ways` are (table, column of `by`, column of `value`)."""
    zone = ZoneInfo(timezone)
    cells = defaultdict(Cell)
    people = [r for r in once(rows, day) if not r["bot"] and "audience" in r["purposes"]]
    things = visits([r for r in people if linked(r)]) + [[r] for r in people if not linked(r)]
    for thing in things:
        events = [row for row in thing if is_event(row)]
        about = _of_visit(events or thing, dimensions, zone) | {"total": "", "": ""}
        for row in thing:
            values = about | _of_row(row, dimensions, zone)
            if told:
                own = {
                    name: told(name, values[dimension.parent], values[name])
                    for name, dimension in dimensions.items()
                }
            for table, by, name in ways:
                key = (table, own[name], own[by][1]) if told else (table, values[by], values[name])
                cells[key].add(row, thing)
    return {key: cell for key, cell in cells.items() if cell.rows}


def machines(rows, day):
    """Kind → Cell of what machines made: every row of theirs is an event."""
    cells = defaultdict(Cell)
    for row in once(rows, day):
        if row["bot"] and "audience" in row["purposes"]:
            cells[row["bot"]].rows.append(row)
    return dict(cells)


def _value(dimension, row, zone):
    """'' where the row may not serve the dimension's purpose."""
    return dimension.of(row, zone) if row and dimension.purpose in row["purposes"] else ""


def _of_visit(events, dimensions, zone):
    visit_level = {n: d for n, d in dimensions.items() if d.level == "visit"}
    return {n: _value(d, d.taken(events), zone) for n, d in visit_level.items()}


def _of_row(row, dimensions, zone):
    return {n: _value(d, row, zone) for n, d in dimensions.items() if d.level != "visit"}
