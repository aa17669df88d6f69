"""Asks for every run of days and subtracts: a period and the one before, weeks and months by days.

All of the reading side is one statement over the released weeks and days (releases/reading.py):
pages, the stats API with its comparisons, and CSV show what it finds.
"""

from datetime import date, timedelta
from itertools import product
from unittest.mock import patch

from releases.disclosure import ROUNDING
from releases.reading import Ask, Reading
from tests.attackers.passive import Claims
from tests.attackers.town import Day, Town, week
from tests.releases.world import World

TABLES = ("country", "browser", "channel", "language", "page")
Answers = dict[tuple[date, date, str, str], int]


def release(world: World, visitors: int, monday: date) -> list[Day]:
    """A week of a town in final days, and the week above them, unrounded."""
    days = [Town(visitors).day(day) for day in week(monday)]
    for day in days:
        world.load(list(day.rows(world.site.id)))
    world.now += timedelta(days=30)
    with patch.dict(ROUNDING, dict.fromkeys(ROUNDING, 1)):
        list(world.job().run())
    return days


def ask(world: World, days: list[Day]) -> Answers:
    """Visitors of each value of each table, in every run of these days."""
    reading = Reading(world.store, world.control)
    found = {}
    for first, last in product((day.day for day in days), repeat=2):
        for table in TABLES if first <= last else ():
            asked = Ask(table, first, last, ("value",), measures=("visitors",))
            for row in reading.find(world.site, asked).rows:
                if row.figures.visitors is not None:
                    found[first, last, table, row.key[0]] = row.figures.visitors
    return found


def exactly(days: list[Day]) -> Answers:
    """What would be answered if days showed everything of at least k, and ranges were counted
    anew: the sum of what everybody did."""
    found: Answers = {}
    for first, last in product(days, repeat=2):
        for table in TABLES if first.day <= last.day else ():
            within = [day for day in days if first.day <= day.day <= last.day]
            for value in {value for day in within for value in day.truth[table]}:
                found[first.day, last.day, table, value] = sum(
                    len(day.truth[table][value]) for day in within
                )
    return found


def subtract(answers: Answers, days: list[Day], k: int) -> Claims:
    """Every range less the same without its first or without its last day."""
    claims = Claims()
    of_days = {day.day: day.truth for day in days}
    for (first, last, table, value), n in answers.items():
        if first == last:
            continue
        for without, inner in (
            (last, (first, last - timedelta(days=1))),
            (first, (first + timedelta(days=1), last)),
        ):
            less = answers.get((*inner, table, value))
            if less is not None:
                people = len(of_days[without][table][value])
                claims.claim((first, last, table, value), n - less, n - less, people, k)
    return claims
