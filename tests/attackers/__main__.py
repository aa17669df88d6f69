"""Runs the attackers on sites of several sizes and prints what they learn.

python -m tests.attackers            sites of 20, 200 and 20,000 visitors a day; a quarter hour
python -m tests.attackers --short    sites of 20 and 200
"""

import argparse
import tempfile
from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from pathlib import Path

from tests.attackers import active, hidden, informed, passive, three
from tests.attackers.release import View, publisher
from tests.attackers.town import ALONE, Town, week

MONDAY = date(2026, 11, 16)
K = 10
AFTERNOON = 15 * 3600
VARIANTS = ("published", "unrounded", "floor", "off")


def floored(view, k):
    """What a plain floor would show: every figure of a group of k, and nothing hidden besides."""
    return View((key, figures) for key, figures in view.items() if figures.get("visitors", 0) >= k)


def passive_claims(publisher, day):
    """(attack, variant) to its claims, and the day's cells unrounded. The variants: as published;
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
    return found, view


def three_together(publisher, day, triples=three.TRIPLES, most=30):
    """Variant to the widths of hidden cells of at most `most` cells of each three crosses."""
    k, rows = publisher.site.k, list(day.rows(publisher.site.id))
    seen = {
        "unrounded": publisher.release(day.day, rows),
        "floor": floored(publisher.release(day.day, rows, disclose=False), k),
    }
    return {
        variant: [w for names in triples for w in three.widths(view, day.truth, k, names, most)]
        for variant, view in seen.items()
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


def table(title: str, head: Iterable, rows: Iterable[Iterable]) -> None:
    print(f"\n{title}\n\n| {' | '.join(map(str, head))} |\n|{' --- |' * len(list(head))}")
    for row in rows:
        print(f"| {' | '.join(f'{c:,}' if isinstance(c, int) else str(c) for c in row)} |")


def report(sizes, hidden_sizes, home):
    learned, people, together, weeks = [], [], [], {}
    for visitors in sizes:
        day = Town(visitors).day(MONDAY)
        with publisher(home / f"{visitors}", K) as published:
            found, view = passive_claims(published, day)
            found |= looks(published, day, view)
            days = weeks[K, visitors] = whole_week(published, visitors)
            if visitors <= 2000:
                together += _together(visitors, three_together(published, day))
        found["weeks", "unrounded"] = passive.weeks(days, K)
        found["weeks", "off"] = passive.weeks(days, K, disclose=False)
        learned += [
            (visitors, attack, *(_claims(found.get((attack, variant))) for variant in VARIANTS))
            for attack in ("read", "subtract", "solve", "looks", "weeks")
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
        ("k", "told by", "posted", "sure if there", "sure and wrong", "right"),
        _asked(),
    )
    table(
        f"Whom it can ask about, and what who knows all but one can say (k = {K})",
        ("visitors", "came", "alone with a value", "alone with two", "all but one", "unrounded"),
        people,
    )
    table("Share of the traffic that is hidden", HIDDEN, _hidden(hidden_sizes, home, weeks))


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
        report(sizes, (200,) if short else (200, 2000, 20_000), Path(home))


if __name__ == "__main__":
    main()
