"""Solves three crosses together: what D by F, D by G and F by G leave open of each other's cells.

Each cross alone keeps its hidden cells at least k wide. Here the unknown is the whole table of
three dimensions, and everything published of it is a sum. The linear program gives a hidden cell's
least and largest value; in whole numbers they may lie closer, never further apart.
"""

from itertools import combinations, product

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from releases.tables import OTHER

# Each person has one value of each: dimensions of visits.
DIMENSIONS = ("country", "browser", "os", "device", "source", "channel", "campaign", "entry_page")
TRIPLES = tuple(combinations(DIMENSIONS, 3))
_HUB = None


def widths(view, truth, k, triple, most=100):
    """How wide the published sums of three crosses, unrounded, leave their hidden cells of 1 to
    k - 1 persons, of the first `most`."""
    lines = [[*(v for t, _, v in view if t == name and v != OTHER), _HUB] for name in triple]
    cells = list(product(*lines))
    sums, figures = _published(view, triple, cells)
    tried = list(_hidden(view, truth, k, triple, lines))[:most]
    return [_width(cells, sums, figures, pair) for pair in tried]


def _published(view, triple, cells):
    rows, figures = [[1.0] * len(cells)], [view["total", "", ""]["visitors"]]
    for (table, by, value), shown in view.items():
        first, _, second = table.partition("|")
        known = {first: value} | ({second: by} if second else {})
        if known.keys() <= set(triple) and value != OTHER and "visitors" in shown:
            rows.append([float(_in(cell, triple, known)) for cell in cells])
            figures.append(shown["visitors"])
    return csr_array(np.array(rows)), np.array(figures, dtype=float)


def _in(cell, triple, known):
    return all(cell[triple.index(name)] == value for name, value in known.items())


def _hidden(view, truth, k, triple, lines):
    for one, other in combinations(range(3), 2):
        first, second = triple[one], triple[other]
        for a, b in product(lines[one][:-1], lines[other][:-1]):
            persons = len(truth[first][a] & truth[second][b])
            if 0 < persons < k and (f"{first}|{second}", b, a) not in view:
                yield one, a, other, b


def _width(cells, sums, figures, pair):
    one, a, other, b = pair
    aim = np.array([float(cell[one] == a and cell[other] == b) for cell in cells])
    least = linprog(aim, A_eq=sums, b_eq=figures, method="highs")
    largest = linprog(-aim, A_eq=sums, b_eq=figures, method="highs")
    if not (least.success and largest.success):
        raise ValueError("The sums of three crosses contradict each other")
    return abs(round(-largest.fun - least.fun, 6))
