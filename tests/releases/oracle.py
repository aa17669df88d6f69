"""The same figures as releases/sql, computed slowly and obviously, from plain dictionaries."""

from collections import defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

IDLE = 30 * 60
VIEWS = ("pageview", "screen")
VISIT_TABLES = ("source", "channel", "country", "device", "browser", "os", "app_version", "basis")


def once(rows, day):
    """Each event id once, the first received winning, whichever neighbouring day it fell on."""
    first = {}
    for row in sorted(rows, key=lambda r: (r["received"], r["day"], r["time"], int(r["visitor"]))):
        first.setdefault(row["event_id"], row)
    return [row for row in first.values() if row["day"] == day]


def visits(rows):
    """Lists of rows, one list a visit, in order."""
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


def tables(rows, day, timezone):
    """(table, value) → (visitors, visits, pageviews, events, linked views, bounces, seconds)."""
    people = [r for r in once(rows, day) if not r["bot"] and "audience" in r["purposes"]]
    linked = [r for r in people if r["visitor"] != "0"]
    unlinked = [r for r in people if r["visitor"] == "0"]
    cells = defaultdict(lambda: [set(), 0, 0, 0, 0, 0, 0])

    def add(table, value, visitor, visit, views, events, linked_views, bounce, seconds):
        cell = cells[table, value]
        if visitor:
            cell[0].add(visitor)
        for position, amount in enumerate((visit, views, events, linked_views, bounce, seconds)):
            cell[position + 1] += amount

    for visit in visits(linked):
        views = sum(r["name"] in VIEWS for r in visit)
        events = sum(r["name"] != "engagement" for r in visit)
        seconds = visit[-1]["time"] - visit[0]["time"]
        entry = next((r["page"] or r["screen"] for r in visit if r["name"] in VIEWS), "")
        values = {"total": "", "entry_page": entry} | {t: visit[0][t] for t in VISIT_TABLES}
        for table, value in values.items():
            who = visit[0]["visitor"]
            add(table, value, who, 1, views, events, views, int(events == 1), seconds)
    for row in unlinked:
        views, events = int(row["name"] in VIEWS), int(row["name"] != "engagement")
        for table, value in ({"total": ""} | {t: row[t] for t in VISIT_TABLES}).items():
            add(table, value, None, 0, views, events, 0, 0, 0)

    counted = [r for r in linked if r["name"] != "engagement"]
    for visit in visits(counted):
        seen = set()
        for row in visit:
            for table, value in _of_event(row, timezone):
                view = int(row["name"] in VIEWS)
                new = int((table, value) not in seen)
                seen.add((table, value))
                add(table, value, row["visitor"], new, view, 1, view, 0, 0)
    for row in unlinked:
        if row["name"] != "engagement":
            for table, value in _of_event(row, timezone):
                add(table, value, None, 0, int(row["name"] in VIEWS), 1, 0, 0, 0)
    return {name: (len(cell[0]), *cell[1:]) for name, cell in cells.items()}


def _of_event(row, timezone):
    hour = datetime.fromtimestamp(row["time"], ZoneInfo(timezone)).strftime("%H")
    yield "hour", hour
    yield "event", row["name"]
    if row["name"] == "pageview":
        yield "page", row["page"]
    if row["name"] == "screen":
        yield "screen", row["screen"]
