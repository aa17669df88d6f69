"""Knows what everybody else did, and looks for the one person that it does not know.

Undefended: figures without noise say what is added to what is known. Rounding leaves it to chance.
"""

import random

from tests.attackers.passive import Claims
from tests.attackers.town import ALONE, TOGETHER


def one_of_all(view, day, people=100, seed=1):
    """For each person and each of their attributes: the values that agree with what is published.
    Where only one does, that is the attacker's claim.
    """
    chance = random.Random(seed)
    claims = Claims()
    step = view.step
    for person in chance.sample(sorted(day.visits), min(people, len(day.visits))):
        for name in ALONE + TOGETHER:
            values = day.truth[name]
            shown = {v: f["visitors"] for (t, _, v), f in view.items()
                     if t == name and v in values and "visitors" in f}  # fmt: skip
            tipped = [
                value
                for value, n in shown.items()
                if n != _rounded(len(values[value] - {person}), step)
            ]
            claims.looked += 1
            for value in tipped:
                claims.certain += 1
                claims.certain_right += person in values[value]
    return claims


def _rounded(n, step):
    return (n + step // 2) // step * step
