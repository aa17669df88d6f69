"""Subtracts what is told of people over weeks: unique visitors, cohorts, and the days they share.

Of the basis consent alone, where a pseudonym outlives its day. Every number is of a set of people;
where one set lies within another, their difference is a claim.
"""

import dataclasses
import random
from datetime import date, timedelta
from unittest.mock import patch

from releases import cohorts
from releases.cohorts import Span
from releases.disclosure import ROUNDING, thresholds
from tests.attackers.passive import Claims
from tests.attackers.release import KEY, Publisher
from tests.attackers.town import PURPOSES

WEEKS = 11
_WEEK = timedelta(days=7)
Came = dict[date, set[int]]
# What is shown of a set: its size, and who is in it.
Sets = dict[tuple[object, ...], tuple[int, frozenset[int]]]


def coming(people: int, first: date, seed: int = 1) -> Came:
    """Who came on each day of eleven weeks; some weekly, some now and then."""
    chance = random.Random(seed)
    came: Came = {first + timedelta(n): set() for n in range(7 * WEEKS)}
    for who in range(people):
        often = chance.choice([0.02, 0.05, 0.3, 0.9])
        for week in range(WEEKS):
            if chance.random() < often:
                for _ in range(chance.choice([1, 1, 1, 2])):
                    came[first + week * _WEEK + timedelta(chance.randrange(7))].add(who)
    return came


def release(publisher: Publisher, came: Came, *, disclose: bool) -> Sets:
    """Everything shown of weeks, months and days, unrounded; of days what is large enough."""
    site, k = publisher.site, publisher.site.k if disclose else 1
    publisher.put([_row(site.id, day, who) for day, people in came.items() for who in people])
    first, last = min(came), max(came)
    spans = [Span("week", first + n * _WEEK) for n in range(WEEKS)]
    month = (first + timedelta(days=31)).replace(day=1)
    spans.append(Span("month", month))
    shown: Sets = {}
    with patch.dict(ROUNDING, dict.fromkeys(ROUNDING, 1)):
        for span in spans:
            threshold = thresholds(KEY, site.id, f"{span.period} {span.first}", k)
            for cell in cohorts.cells(
                publisher.store,
                dataclasses.replace(site, k=k),
                span,
                last,
                threshold if disclose else (lambda *_: 1),
            ):
                key = (cell.table, span, cell.by, cell.value)
                who = _who(came, span)
                if cell.table == "cohort":
                    who &= _new(came, date.fromisoformat(cell.by))
                    who -= _newer(came, date.fromisoformat(cell.by), span.first)
                shown[key] = cell.visitors or 0, who
    for day, people in came.items():
        if len(people) >= k:
            shown["day", day, "", ""] = len(people), frozenset(people)
    return shown


def subtract(shown: Sets, k: int) -> Claims:
    """Sets that lie within others by what they mean, and who of a week came on several days."""
    claims = Claims()
    for outer, (whole, everybody) in shown.items():
        for inner, (part, some) in shown.items():
            if inner != outer and _within(inner, outer):
                claims.claim((inner, outer), whole - part, whole - part, len(everybody - some), k)
        if outer[0] == "uniques":
            span = outer[1]
            assert isinstance(span, Span)
            rest, who = whole, everybody
            for inner, (part, some) in shown.items():
                if inner[0] == "cohort" and inner[1] == span:
                    rest, who = rest - part, who - some
            claims.claim((outer, "in no shown cohort"), rest, rest, len(who), k)
    return claims


def _within(inner: tuple[object, ...], outer: tuple[object, ...]) -> bool:
    (kind, one, *_), (other_kind, span, *_) = inner, outer
    if other_kind == "cohort" and kind == "cohort":  # who came back, of those who were new
        return inner[2] == outer[2] and outer[3] == "0" and inner[3] != "0"
    if other_kind != "uniques" or not isinstance(span, Span):
        return False
    days = {one} if isinstance(one, date) else set(one.days) if isinstance(one, Span) else set()
    return days <= set(span.days)


def _who(came: Came, span: Span) -> frozenset[int]:
    return frozenset().union(*(came.get(day, set()) for day in span.days))


def _new(came: Came, monday: date) -> frozenset[int]:
    """Who came in a week and in none of the four before."""
    before = [_who(came, Span("week", monday - n * _WEEK)) for n in range(1, cohorts.AWAY + 1)]
    return _who(came, Span("week", monday)).difference(*before)


def _newer(came: Came, monday: date, last: date) -> frozenset[int]:
    """Who was new again later, up to a week."""
    weeks = range(1, (last - monday) // _WEEK + 1)
    return frozenset().union(*(_new(came, monday + n * _WEEK) for n in weeks))


def _row(site: int, day: date, who: int) -> dict[str, object]:
    noon = int((day - date(1970, 1, 1)).total_seconds()) + 43_200
    return {
        "site": site, "day": str(day), "time": noon, "received": noon, "basis": "consent",
        "event_id": (who + 1) * 100_000 + day.toordinal() % 100_000, "purposes": PURPOSES,
        "expires": "2100-01-15", "visitor": str(who + 1), "name": "pageview", "page": "/",
    }  # fmt: skip
