"""Funnels, paths' goals, segments and cohorts before disclosure, computed slowly and obviously.

Written from the rules in words, apart from the SQL: plain rows in, people out.
"""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from tests.releases import oracle


def people(rows, day):
    """The rows of a day that count, each event once: those of persons who may be measured."""
    return [r for r in oracle.once(rows, day) if not r["bot"] and "audience" in r["purposes"]]


def events(rows, day):
    return [row for row in people(rows, day) if oracle.is_event(row)]


def under(page, path):
    """/docs is /docs and everything in it; / is every page."""
    return page.split("/")[1:][: len(parts(path))] == parts(path) if page else False


def parts(path):
    return [part for part in path.split("/") if part]


def matches(row, step):
    """`step` is a path if it starts with a slash, else an event's name."""
    return under(row["page"], step) if step.startswith("/") else row["name"] == step


def path(rows, day, prefix):
    """(visitors, events without a pseudonym, views) on pages at a path and below it."""
    found = [row for row in events(rows, day) if under(row["page"], prefix)]
    return (
        len({row["visitor"] for row in found if oracle.linked(row)}),
        sum(not oracle.linked(row) for row in found),
        sum(map(oracle.is_view, found)),
    )


def funnel(rows, day, steps):
    """How many visitors took the first, the first two, … of the steps within one visit."""
    got = [set() for _ in steps]
    for visit in oracle.visits([row for row in people(rows, day) if oracle.linked(row)]):
        taken = 0
        for row in visit:
            if taken < len(steps) and oracle.is_event(row) and matches(row, steps[taken]):
                got[taken].add(row["visitor"])
                taken += 1
    return [len(visitors) for visitors in got]


def values(rows, day, timezone):
    """(row, visit, {dimension: value}) of each event, its visit's attributes included."""
    zone = ZoneInfo(timezone)

    def value(dimension, row):
        allowed = row and dimension.purpose in row["purposes"]
        return dimension.of(row, zone) if allowed else ""

    counted = people(rows, day)
    visits = oracle.visits([r for r in counted if oracle.linked(r)])
    for visit in visits + [[r] for r in counted if not oracle.linked(r)]:
        own = [row for row in visit if oracle.is_event(row)]
        for row in own:
            yield (
                row,
                visit,
                {
                    name: value(
                        dimension, dimension.taken(own) if dimension.level == "visit" else row
                    )
                    for name, dimension in oracle.DIMENSIONS.items()
                },
            )


def counts(found):
    """(visitors, visits, views, events, events without a pseudonym) of (row, visit) pairs."""
    known = [(row, visit) for row, visit in found if oracle.linked(row)]
    return (
        len({row["visitor"] for row, _ in known}),
        len({id(visit) for _, visit in known}),
        sum(oracle.is_view(row) for row, _ in found),
        len(found),
        sum(not oracle.linked(row) for row, _ in found),
    )


def consenting(rows, first, last):
    """Visitor → the days on which they came on the basis consent: events counted once over these
    days and one on either side.
    """
    near = [
        row for row in rows
        if first - timedelta(1) <= date.fromisoformat(row["day"]) <= last + timedelta(1)
    ]  # fmt: skip
    near.sort(key=lambda r: (r["received"], r["day"], r["time"], int(r["visitor"])))
    came, seen = {}, set()
    for row in near:
        if row.get("restricted") or row["event_id"] in seen:
            continue
        seen.add(row["event_id"])
        day = date.fromisoformat(row["day"])
        if (
            first <= day <= last
            and row["basis"] == "consent"
            and not row["bot"]
            and "audience" in row["purposes"]
            and oracle.is_event(row)
            and oracle.linked(row)
        ):
            came.setdefault(row["visitor"], set()).add(day)
    return came


def cohorts(came, monday):
    """Age in weeks → (size, how many came in the week of `monday`), of visitors' days."""
    sizes, back = dict.fromkeys(range(7), 0), dict.fromkeys(range(7), 0)
    for days in came.values():
        weeks = {(monday - (day - timedelta(day.weekday()))).days // 7 for day in days}
        new = [age for age in range(7) if age in weeks and not weeks & set(range(age + 1, age + 5))]
        for age in new:
            sizes[age] += 1
        if 0 in weeks and new:
            back[new[0]] += 1
    return {age: (sizes[age], back[age]) for age in sizes}
