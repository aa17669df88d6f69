"""Runs the attackers on sites of several sizes and prints what they learn.

python -m tests.attackers            sites of 20, 200 and 20,000 visitors a day; a quarter hour
python -m tests.attackers --short    sites of 20 and 200
"""

import argparse
import tempfile
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from config.settings import load
from store.clickhouse import hosting
from store.migrate import migrate
from tests.attackers import (
    active,
    followed,
    hidden,
    informed,
    insider,
    passive,
    ranges,
    three,
    watching,
)
from tests.attackers.release import View, publisher
from tests.attackers.town import ALONE, Town, week
from tests.releases.world import World

MONDAY = date(2026, 11, 16)
K = 10
AFTERNOON = 15 * 3600
VARIANTS = ("published", "unrounded", "floor", "off")


def floored(view, k):
    """What a plain floor would show: every figure of a group of k, and nothing hidden besides."""
    return View((key, figures) for key, figures in view.items() if figures.get("visitors", 0) >= k)


def passive_claims(publisher, day):
    """(attack, variant) to its claims, and variant to the day's cells. The variants: as published;
    as if the attacker had undone all rounding; under a floor alone; everything shown.
    """
    k = publisher.site.k
    rows = list(day.rows(publisher.site.id))
    view = publisher.release(day.day, rows)
    everything = publisher.release(day.day, rows, disclose=False)
    seen = dict(
        zip(VARIANTS, (view.rounded(), view, floored(everything, k), everything), strict=True)
    )
    found = {
        (attack.__name__, variant): attack(seen[variant], day.truth, k)
        for attack, variants in (
            (passive.read, VARIANTS),
            (passive.subtract, VARIANTS),
            (passive.solve, ("unrounded", "floor")),
        )
        for variant in variants
    }
    return found, seen


def three_together(seen, day, triples=three.TRIPLES, most=8):
    """Variant to the widths of hidden cells of at most `most` cells of each three crosses."""
    return {
        variant: [
            w for names in triples for w in three.widths(seen[variant], day.truth, K, names, most)
        ]
        for variant in ("unrounded", "floor")
    }


def looks(publisher, day, final):
    """The open day, again after five minutes, the day with one person erased, the final day."""
    erased = {number: visit for number, visit in day.visits.items() if number != min(day.visits)}
    versions = [
        ("open", {n: v for n, v in day.visits.items() if v[1] < AFTERNOON}),
        ("open", {n: v for n, v in day.visits.items() if v[1] < AFTERNOON + 300}),
        ("provisional", erased),
    ]
    site, k = publisher.site.id, publisher.site.k
    seen = [
        (publisher.release(day.day, day.rows(site, people), state), people)
        for state, people in versions
    ]
    found = {("looks", "published"): passive.Claims(), ("looks", "unrounded"): passive.Claims()}
    for (before, some), (after, more) in pairwise([*seen, (final, day.visits)]):
        truths = day.cells(some), day.cells(more)
        rounded = before.rounded(), after.rounded()
        found["looks", "unrounded"] += passive.looks(before, after, *truths, k)
        found["looks", "published"] += passive.looks(*rounded, *truths, k)
    return found


def whole_week(publisher, visitors):
    days = [Town(visitors).day(day) for day in week(MONDAY)]
    return [(publisher.release(day.day, day.rows(publisher.site.id)), day.truth) for day in days]


def insider_claims(publisher, day, number=3):
    """Variant to the claims of an analyst, after so many weeks of declaring."""
    k, declared = publisher.site.k, insider.weeks(number)
    wanted = [each for week in declared for each in week]
    rows = list(day.rows(publisher.site.id))
    everything = publisher.declare(day.day, rows, declared, disclose=False)
    seen = {
        "unrounded": publisher.declare(day.day, rows, declared),
        "floor": floored(everything, k),
        "off": everything,
    }
    return {
        ("insider", variant): insider.subtract(view, wanted, day, k)
        for variant, view in seen.items()
    }


def followed_claims(publisher, visitors):
    """Variant to the claims of who subtracts unique visitors and cohorts."""
    k, came = publisher.site.k, followed.coming(visitors, MONDAY - timedelta(weeks=followed.WEEKS))
    everything = followed.release(publisher, came, disclose=False)
    seen = {
        "unrounded": followed.release(publisher, came, disclose=True),
        "floor": {what: each for what, each in everything.items() if each[0] >= k},
        "off": everything,
    }
    return {("followed", variant): followed.subtract(shown, k) for variant, shown in seen.items()}


def range_claims(store, home, visitors):
    """Variant to the claims of who subtracts every run of days from every other."""
    world = World(store, home, datetime(2026, 11, 23, 12, tzinfo=UTC), "UTC", K)
    days = ranges.release(world, visitors, MONDAY)
    exactly = ranges.exactly(days)
    seen = {
        "unrounded": ranges.ask(world, days),
        "floor": {what: n for what, n in exactly.items() if n >= K},
        "off": exactly,
    }
    return {
        ("ranges", variant): ranges.subtract(answers, days, K) for variant, answers in seen.items()
    }


def table(title: str, head: Iterable, rows: Iterable[Iterable]) -> None:
    print(f"\n{title}\n\n| {' | '.join(map(str, head))} |\n|{' --- |' * len(list(head))}")
    for row in rows:
        print(f"| {' | '.join(f'{c:,}' if isinstance(c, int) else str(c) for c in row)} |")


def report(sizes, hidden_sizes, home):
    learned, people, together, weeks = [], [], [], {}
    for visitors in sizes:
        day = Town(visitors).day(MONDAY)
        with publisher(home / f"{visitors}", K) as published:
            found, seen = passive_claims(published, day)
            view = seen["unrounded"]
            found |= looks(published, day, view)
            days = weeks[K, visitors] = whole_week(published, visitors)
            found |= insider_claims(published, day)
            found |= followed_claims(published, visitors)
            if visitors <= 2000:
                together += _together(visitors, three_together(seen, day))
                found |= range_claims(published.store, home / f"ranges-{visitors}", visitors)
        found["weeks", "unrounded"] = passive.weeks(days, K)
        found["weeks", "off"] = passive.weeks(days, K, disclose=False)
        learned += [
            (visitors, attack, *(_claims(found.get((attack, variant))) for variant in VARIANTS))
            for attack in ATTACKS
        ]
        people.append(_people(visitors, day, view))
    table(
        f"Sees everything published (k = {K}): right of claims made, certain; guessed",
        ("visitors", "attack", "as published", "rounding undone", "a floor alone", "all shown"),
        learned,
    )
    table(
        f"Solves three crosses together (k = {K}): hidden cells left less than k wide",
        ("visitors", "what is shown", "cells tried", "narrower than k", "narrowest"),
        together,
    )
    table(
        "Also posts visitors and asks whether somebody else is in a cell",
        ("k", "told by", "posted", "sure if there", "sure and wrong", "right if it must guess"),
        _asked(),
    )
    table(
        "Keeps every version of an open day: in which minutes its page's next visitor came",
        ("the day's tables are", "others come", "seen between", "moves of the totals"),
        _watched(home),
    )
    table(
        "Watches the tier of people now, at a site where nobody else is (k = 10)",
        ("planted", "sure of one who stays 5 minutes", "30 minutes", "sure and wrong"),
        _now(),
    )
    table(
        f"Whom it can ask about, and what who knows all but one can say (k = {K})",
        ("visitors", "came", "alone with a value", "alone with two", "all but one", "unrounded"),
        people,
    )
    table("Share of the traffic that is hidden", HIDDEN, _hidden(hidden_sizes, home, weeks))


ATTACKS = ("read", "subtract", "solve", "looks", "weeks", "ranges", "insider", "followed")
VARIANT_NAMES = {"unrounded": "as published, rounding undone", "floor": "a floor alone"}
HIDDEN = ("k", "visitors", "one dimension, by day", "by week", "crosses")


def _claims(claims):
    if claims is None:
        return "–"
    certain = f"{claims.certain_right:,}/{claims.certain:,}"
    guessed = f"; {claims.guessed_right:,}/{claims.guessed:,}" if claims.guessed else ""
    return f"{certain}{guessed}"


def _together(visitors, widths):
    for shown, found in widths.items():
        least = f"{min(found):.0f}" if found else "–"
        yield visitors, VARIANT_NAMES[shown], len(found), sum(w < K for w in found), least


def _people(visitors, day, view):
    known = informed.one_of_all(view.rounded(), day), informed.one_of_all(view, day)
    return (
        visitors,
        len(day.visits),
        len(active.alone(day.truth)),
        len(active.alone_in_two(day.truth, ALONE)) if visitors <= 2000 else "–",
        *(f"{c.certain_right:,} of {c.looked:,}" for c in known),
    )


def _asked():
    for k in (10, 5):
        for by, planted, state in (
            ("the lowest line", active.by_the_line(k), "final"),
            ("rounding to 5", active.by_the_rounding(k), "final"),
            ("rounding to 10, then erased", active.by_the_rounding(k, "open"), "open"),
        ):
            sure, wrong, right = active.ask(planted, k, state)
            yield k, by, planted, f"{sure:.0%}", wrong, f"{right:.0%}"
        views = active.views_by_the_rounding(k)
        yield (
            k,
            "views of one sender without a pseudonym",
            views,
            f"{active.ask_views(views, k):.0%}",
            0,
            "–",
        )


def _watched(home):
    with hosting(load({"DISCREET_HOME": str(home / "watched")})) as store:
        migrate(store)
        for n, (hold, others) in enumerate(((False, 24), (True, 24), (True, 0))):
            start = datetime(2026, 11, 20, 10, tzinfo=UTC)
            world = World(store, home / f"watched-{n}", start, "UTC", K)
            seen = watching.watch(world, start, 32, others, hold=hold)
            how = "computed once an hour" if hold else "computed every five minutes"
            minutes = f"{seen.after} and {seen.until} (came at 32)"
            yield how, others, minutes, seen.totals


def _now():
    for planted in (0, 9, 14, 19):
        (once, wrong), (long, never) = (active.ask_now(planted, K, n) for n in (1, 6))
        yield planted, f"{once:.0%}", f"{long:.0%}", wrong + never


def _hidden(sizes, home, weeks):
    for k in (10, 5):
        for visitors in sizes:
            days = weeks.get((k, visitors))
            if days is None:
                with publisher(home / f"hidden-{k}-{visitors}", k) as published:
                    days = whole_week(published, visitors)
            alone, crossed = hidden.by_day(days)
            shares = alone, hidden.by_week(days, k), crossed
            yield k, visitors, *(f"{share:.1%}" for share in shares)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="sites of 20 and 200 visitors alone")
    short = parser.parse_args().short
    with tempfile.TemporaryDirectory() as home:
        sizes = (20, 200) if short else (20, 200, 20_000)
        report(sizes, (20, 200) if short else (20, 200, 2000, 20_000), Path(home))


if __name__ == "__main__":
    main()
