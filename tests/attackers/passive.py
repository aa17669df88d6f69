"""Sees everything that is published, and takes part in nothing.

Each attack returns what it claims: that at least one person and fewer than k are in a group (of one
attribute or two, on a day or between two looks at it). A claim that is right has singled somebody
out. It is *certain* where the rounding leaves no other answer, else a *guess* by the likeliest one.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from releases.disclosure import HUB, DayTable, Figures, week
from releases.tables import OTHER
from tests.attackers.town import ALONE, FILTERS, PARENTS, TOGETHER
from tests.releases.audit import Audit, narrow_days

DIMENSIONS = ALONE + TOGETHER
MOST_CELLS = 400


@dataclass
class Claims:
    """How many claims of one attack were made, and how many of them are true."""

    certain: int = 0
    certain_right: int = 0
    guessed: int = 0
    guessed_right: int = 0
    looked: int = 0
    examples: list = field(default_factory=list)

    def claim(self, what, low, high, truth, k):
        """`low` to `high` is what the attacker knows of a group in which `truth` people are."""
        self.looked += 1
        right = 1 <= truth < k
        if low >= 1 and high < k:
            self.certain += 1
            self.certain_right += right
            if right and len(self.examples) < 3:
                self.examples.append((what, truth))
        elif 1 <= (low + high) / 2 < k:
            self.guessed += 1
            self.guessed_right += right

    def __add__(self, other):
        return Claims(
            self.certain + other.certain,
            self.certain_right + other.certain_right,
            self.guessed + other.guessed,
            self.guessed_right + other.guessed_right,
            self.looked + other.looked,
            (self.examples + other.examples)[:3],
        )


def error(view, terms):
    """How far rounding puts a sum of this many figures from the truth, at the most."""
    return terms * (view.step // 2)


def read(view, truth, k):
    """Takes the figures that are shown as they are."""
    claims = Claims()
    for (table, by, value), figures in view.items():
        group = members(truth, table, by, value)
        if group is not None and "visitors" in figures:
            n, off = figures["visitors"], error(view, 1)
            claims.claim((table, by, value), n - off, n + off, len(group), k)
    return claims


def members(truth, table, by, value):
    """Who is in a cell; None where it is not followed here."""
    first, _, second = table.partition("|")
    if value == OTHER or first not in truth or (second and second not in truth):
        return None
    if first in TOGETHER and second in TOGETHER:
        return None
    return truth[first][value] & truth[second][by] if second else truth[first][value]


def subtract(view, truth, k):
    """Every whole less everything shown of it: tables, groups, both margins of every cross."""
    shown = defaultdict(dict)
    for (table, by, value), figures in view.items():
        if value != OTHER:
            shown[table, by][value] = figures
    claims = Claims()
    for what, whole, parts, rest, figure in _wholes(shown, truth):
        if figure not in whole or not parts:
            continue
        n = whole[figure] - sum(part.get(figure, 0) for part in parts)
        off = error(view, 1 + len(parts))
        claims.claim(what, n - off, n + off, len(rest), k)
    return claims


def _wholes(shown, truth):
    """What, its whole, the shown parts, who is in the rest, and the figure that adds up."""
    total = shown["total", ""].get("", {})
    everybody = set().union(*truth["country"].values())
    for name in ALONE:
        parents = shown_values(shown, PARENTS[name]) if name in PARENTS else {"": total}
        for by, whole in parents.items():
            group = truth[PARENTS[name]][by] if by else everybody
            parts = shown[name, by]
            yield (name, by), whole, parts.values(), _rest(group, truth[name], parts), "visitors"
    for name in DIMENSIONS:
        for by in FILTERS:
            if by in TOGETHER and name in TOGETHER:
                continue
            # People have several pages: only what they view adds up over those.
            if name not in TOGETHER:
                for value, whole in shown_values(shown, by).items():
                    parts = shown[f"{name}|{by}", value]
                    rest = _rest(truth[by][value], truth[name], parts)
                    yield (name, by, value), whole, parts.values(), rest, "visitors"
            if by not in TOGETHER:
                for value, whole in shown_values(shown, name).items():
                    parts = {
                        c: shown[f"{name}|{by}", c][value]
                        for c in truth[by]
                        if value in shown.get((f"{name}|{by}", c), {})
                    }
                    rest = _rest(truth[name][value], truth[by], parts)
                    yield (name, value, by), whole, parts.values(), rest, "visitors"


def shown_values(shown, name):
    """The shown values of a dimension, whatever they are nested in."""
    return {
        v: f for (table, _), cells in list(shown.items()) if table == name for v, f in cells.items()
    }


def _rest(group, values, parts):
    return group - set().union(*(values[value] for value in parts))


def solve(view, truth, k):
    """Solves every cross of people's lasting attributes for what it hides, exactly: of a nested
    dimension each group of it.
    """
    claims = Claims()
    for name in ALONE:
        for by in FILTERS:
            if by in TOGETHER or name == by or by == PARENTS.get(name):
                continue
            for group, rows, columns in _groups(view, truth, name, by):
                cells, shown = _grid(view, truth, (name, by), (group, rows, columns))
                lines = [{pair[axis] for pair in cells} for axis in (0, 1)]
                if len(cells) > MOST_CELLS or min(map(len, lines)) < 2:
                    continue
                audit = Audit(cells, shown)
                for pair, n in cells.items():
                    if pair not in shown and n < k:
                        low, high = (n, n) if audit.width(pair, k) < k else (0, 2 * k)
                        claims.claim((name, by, pair), low, high, n, k)
    return claims


def _groups(view, truth, name, by):
    """Whose cross it is, and the rows and columns of which the margin is known."""
    columns = {value for table, _, value in view if table == by}
    if name not in PARENTS:
        rows = {value for table, _, value in view if table == name}
        yield set().union(*truth[name].values()), rows, columns
        return
    parent = PARENTS[name]
    for group in {value for table, _, value in view if table == parent and value != OTHER}:
        rows = {value for table, of, value in view if (table, of) == (name, group)}
        known = {c for c in columns if (f"{parent}|{by}", c, group) in view}
        yield truth[parent][group], rows, known


def _grid(view, truth, names, group):
    """The exact cells of a cross, with a hub for what has no known margin, and those shown."""
    (name, by), (people, rows, columns) = names, group
    cells, shown = Counter(), set()
    for value, some in truth[name].items():
        for other, more in truth[by].items():
            if n := len(people & some & more):
                pair = value if value in rows else HUB, other if other in columns else HUB
                cells[pair] += n
                if (f"{name}|{by}", other, value) in view:
                    shown.add(pair)
    return cells, shown


def weeks(days, k, disclose=True):
    """Weeks less the days that they are made of. `days` are pairs of a view and the truth."""
    claims = Claims()
    for name in ALONE:
        if name in PARENTS:
            continue
        tables, totals = [], []
        for view, truth in days:
            cells = {v: Figures(len(p), 0, len(p)) for v, p in truth[name].items() if p}
            summed = ("total", "", "") in view
            everybody = sum(f.visitors for f in cells.values())
            all_of_them = {"": Figures(everybody, 0, everybody)}
            tables.append(
                DayTable(cells, {v for t, _, v in view if t == name} & cells.keys(), summed)
            )
            totals.append(DayTable(all_of_them, {""} if summed else frozenset(), summed))
        values = {v for table in tables for v in table.cells}
        told = week(tables, lambda value: k, k) if disclose else values
        total = bool(week(totals, lambda value: k, k)) or not disclose
        known = set(narrow_days(tables, told, k, total))
        for value in told:
            hidden = [len(t.cells.get(value, ())) and t.cells[value].visitors
                      for t in tables if value in t.cells and value not in t.shown]  # fmt: skip
            if hidden:
                claims.claim((name, value, "week"), sum(hidden), sum(hidden), sum(hidden), k)
        for n, table in enumerate(tables):
            for value, figures in table.cells.items():
                if value not in table.shown and figures.visitors < k:
                    low, high = (1, 1) if (value, n) in known else (0, 2 * k)
                    claims.claim((name, value, n), low, high, figures.visitors, k)
    return claims


def looks(before, after, old, new, k):
    """Two versions of one day: who came to a cell, or left it, in between."""
    claims = Claims()
    for (table, by, value), figures in after.items():
        groups = [members(truth, table, by, value) for truth in (old, new)]
        earlier = before.get((table, by, value))
        if earlier is None or None in groups or not {"visitors"} <= figures.keys() & earlier.keys():
            continue
        change = abs(figures["visitors"] - earlier["visitors"])
        off = error(before, 1) + error(after, 1)
        truth = len(groups[0] ^ groups[1])
        claims.claim((table, by, value), change - off, change + off, truth, k)
    return claims
