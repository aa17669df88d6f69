"""Also posts visitors of its own, with the write key that every page shows, and erases them again.

It asks whether somebody has a value, or two values together, that nobody else has: it posts so many
visitors of its own with them that one more would tip what is published, and looks.
"""

import random
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

from releases.disclosure import (
    ROUNDING,
    UNLINKED_PER_PERSON,
    Cell,
    fits,
    publish,
    thresholds,
)
from releases.realtime import Counted, tier

NOBODY = Cell("page|browser", "/", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
KEY = b"t" * 32


def published(people, value, day, k, state="final", disclose=True):
    """The visitors that a cell of so many people shows, None where it is hidden."""
    return _published(
        replace(NOBODY, value=value, visitors=people, visits=people, pageviews=people),
        day, k, state, disclose,
    ).visitors  # fmt: skip


def _published(cell, day, k, state="final", disclose=True):
    """The cell as it is shown, with None for its figures where it is hidden."""
    threshold = thresholds(KEY, 1, day, k) if disclose else (lambda *_: 1)
    if not fits(cell, threshold(cell.table, cell.value, cell.by)):
        return replace(cell, visitors=None, pageviews=None)
    return publish(cell, threshold, state) if disclose else cell


def by_the_line(k):
    """So many that the cell is shown only with somebody else in it, and only at the lowest line."""
    return k - 1


def by_the_rounding(k, state="final"):
    """So many that the cell is shown for sure and that one more is rounded up."""
    step, most = ROUNDING[state], k + k // 2
    return next(n for n in range(most, most + step) if (n + 1 + step // 2) % step == 0)


def ask(planted, k, state="final", trials=2000, seed=1):
    """How often the attacker is sure that somebody is there, of those times that somebody is; how
    often it is wrong then; and how often it is right if it must answer each time.
    """
    chance = random.Random(seed)
    sure = wrong = right = there = 0
    for trial in range(trials):
        somebody = chance.random() < 0.5
        there += somebody
        seen = published(planted + somebody, f"/{trial}", "2026-11-20", k, state)
        without = published(planted, "/another", "2026-11-20", k, state)
        # Without anybody the cell would be hidden, or rounded down.
        told = seen is not None and (planted < k or seen != without)
        sure += told and somebody
        wrong += told and not somebody
        right += told == somebody
    return sure / there, wrong, right / trials


def views_shown(views, value, day, k):
    """The views that a cell of so many without a pseudonym shows, None where it is hidden."""
    return _published(
        replace(NOBODY, value=value, pageviews=views, unlinked=views), day, k
    ).pageviews  # fmt: skip


def ask_views(planted, k, trials=2000):
    """As `ask`, by views without a pseudonym: one sender posts all of them. How often one view
    more is seen.
    """
    return sum(
        views_shown(planted, f"/{n}", "2026-11-20", k)
        != views_shown(planted + 1, f"/{n}", "2026-11-20", k)
        for n in range(trials)
    ) / trials  # fmt: skip


def views_by_the_rounding(k):
    """So many views that the cell is shown for sure and that one more is rounded up."""
    most = UNLINKED_PER_PERSON * (k + k // 2)
    return next(n for n in range(most, most + 5) if (n + 3) % 5 == 0)


def alone(truth):
    """People who are the only ones with a value of some dimension: those who can be asked about."""
    return set().union(*(
        people for values in truth.values() for people in values.values() if len(people) == 1
    ))  # fmt: skip


def alone_in_two(truth, dimensions):
    """People who are the only ones with some two values of these dimensions."""
    found = set()
    for n, first in enumerate(dimensions):
        for second in dimensions[n + 1 :]:
            for some in truth[first].values():
                for others in truth[second].values():
                    if len(both := some & others) == 1:
                        found |= both
    return found


def ask_now(planted, k, windows=1, trials=2000, seed=1):
    """As `ask`, of the tier of people now, at a site where nobody else is: how often the attacker
    is sure of somebody who is there in so many windows, one after another.
    """
    chance = random.Random(seed)
    site = SimpleNamespace(id=1, k=k)
    sure = wrong = there = 0
    for trial in range(trials):
        somebody = chance.random() < 0.5
        there += somebody
        counted = Counted(planted + somebody, 0)
        shown = [
            tier(counted, KEY, site, datetime.fromordinal(730_000 + trial * windows + n))
            for n in range(windows)
        ]
        # A tier is never shown below its own number; nothing at all is shown only of nobody.
        told = any(int(s) > planted if s.isdigit() else planted == 0 for s in shown)
        sure += told and somebody
        wrong += told and not somebody
    return sure / there, wrong
