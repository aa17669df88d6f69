"""How much of a site's traffic is hidden, of tables of one dimension and of crosses."""

from collections import defaultdict

from releases.disclosure import DayTable, Figures, week
from tests.attackers.passive import members
from tests.attackers.town import ALONE, FILTERS, PARENTS, TOGETHER

DIMENSIONS = ALONE + TOGETHER


def crosses():
    return [
        (name, by)
        for name in DIMENSIONS
        for by in FILTERS
        if name != by and by not in _ancestors(name) and not {name, by} <= set(TOGETHER)
    ]


def _ancestors(name):
    return {PARENTS[name], *_ancestors(PARENTS[name])} if name in PARENTS else set()


def by_day(days):
    """The shares that are hidden: of visitors in one-way tables, and of visitors in crosses. A
    visitor counts once in each table, and once for each of their pages.
    """
    shown, everything = [0, 0], [0, 0]
    for view, truth in days:
        for (table, by, value), figures in view.items():
            if members(truth, table, by, value) is not None:
                first, _, second = table.partition("|")
                if not second or (first, second) in set(crosses()):
                    shown[bool(second)] += figures.get("visitors", 0)
        everything[0] += sum(len(p) for name in DIMENSIONS for p in truth[name].values())
        everything[1] += sum(_pairs(truth, name, by) for name, by in crosses())
    return [1 - part / whole for part, whole in zip(shown, everything, strict=True)]


def _pairs(truth, name, by):
    """Visitors of a cross, whole: one for each pair of values that they have."""
    values = defaultdict(int)
    for people in truth[name].values():
        for person in people:
            values[person] += 1
    others = defaultdict(int)
    for people in truth[by].values():
        for person in people:
            others[person] += 1
    return sum(n * others[person] for person, n in values.items())


def by_week(days, k):
    """The share of one-way tables that is hidden of a week: days, and what the week tells more."""
    shown = everything = 0
    for name in DIMENSIONS:
        groups = defaultdict(list)
        for view, truth in days:
            tables = defaultdict(dict)
            for value, people in truth[name].items():
                tables[_parent(name, value, truth)][value] = Figures(len(people), 0, len(people))
            for by, cells in tables.items():
                whole = (PARENTS[name], by) if by else ("total", "")
                summed = any((t, v) == whole for t, _, v in view)
                groups[by].append(
                    DayTable(cells, {v for t, b, v in view if (t, b) == (name, by)}, summed)
                )
        for tables in groups.values():
            told = week(tables, lambda value: k + k // 4, k)
            for table in tables:
                for value, figures in table.cells.items():
                    everything += figures.visitors
                    shown += figures.visitors * (value in table.shown or value in told)
    return 1 - shown / everything


def _parent(name, value, truth):
    if name not in PARENTS:
        return ""
    person = next(iter(truth[name][value]))
    return next(v for v, people in truth[PARENTS[name]].items() if person in people)
