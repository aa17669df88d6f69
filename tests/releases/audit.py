"""An exact audit: what the published sums of a table leave open of each of its hidden cells.

The unknown cells are a flow between rows and columns: a cell grows by t where the rest can carry t
back from its column to its row. So the smallest and largest value of a cell are maximum flows in
the residual graph of the true table, which is one solution of the published sums. This solves the
linear program exactly, in whole numbers, and knows nothing of how cells were chosen.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence

from releases.disclosure import HUB, UNLINKED_PER_PERSON, DayTable, Figures
from releases.disclosure.crosses import enough

_ALL = "all unsummed"
_ENDLESS = 10**12


class Audit:
    """One figure of one table, of which every sum of a line is known; of the `unsummed` rows
    (columns) only what they add up to all together, and without a `total` not even that.

    `cells` are exact; `shown` the pairs whose value is known to the last digit (worse than what is
    published, which is rounded). A pair that is not shown may be anything from nought up.
    """

    def __init__(
        self,
        cells: Mapping[tuple, int],
        shown: Collection[tuple],
        unsummed_rows: Collection = (),
        unsummed_columns: Collection = (),
        total: bool = True,
    ):
        self.cells = {pair: n for pair, n in cells.items() if n}
        rows, columns = {row for row, _ in cells}, {column for _, column in cells}
        self.capacity = {("row", r): {} for r in rows} | {("column", c): {} for c in columns}
        for r in rows:
            for c in columns:
                if (r, c) not in shown:
                    self.capacity["row", r]["column", c] = _ENDLESS
                    self.capacity["column", c]["row", r] = cells.get((r, c), 0)
        if not total:
            self.capacity["row", _ALL] = {("column", _ALL): _ENDLESS}
            self.capacity["column", _ALL] = {("row", _ALL): _ENDLESS}
        for axis, unsummed in (("row", unsummed_rows), ("column", unsummed_columns)):
            together = self.capacity.setdefault((axis, _ALL), {})
            for line in ((axis, name) for name in unsummed):
                if line in self.capacity:
                    self.capacity[line][axis, _ALL] = together[line] = _ENDLESS

    def width(self, pair: tuple, most: int) -> int:
        """How far apart the smallest and the largest possible value of a hidden cell are, at least;
        beyond `most` it is not looked."""
        row, column = ("row", pair[0]), ("column", pair[1])
        graph = {node: dict(edges) for node, edges in self.capacity.items()}
        del graph[row][column], graph[column][row]
        value = self.cells.get(pair, 0)
        down = _flow({n: dict(e) for n, e in graph.items()}, row, column, min(value, most))
        return down + _flow(graph, column, row, most - down)


def _flow(graph: dict, source: tuple, sink: tuple, most: int) -> int:
    """Edmonds and Karp's maximum flow; stops at `most`. Uses up `graph`."""
    carried = 0
    while carried < most and (path := _path(graph, source, sink)):
        more = min(most - carried, *(graph[a][b] for a, b in path))
        for a, b in path:
            graph[a][b] -= more
            graph[b][a] = graph[b].get(a, 0) + more
        carried += more
    return carried


def _path(graph: dict, source: tuple, sink: tuple) -> list[tuple]:
    came, waiting = {source: None}, deque([source])
    while waiting:
        node = waiting.popleft()
        for following, capacity in graph[node].items():
            if capacity > 0 and following not in came:
                came[following] = node
                if following == sink:
                    return list(_back(came, sink))
                waiting.append(following)
    return []


def _back(came: dict, node: tuple) -> Iterator[tuple]:
    while came[node] is not None:
        yield came[node], node
        node = came[node]


def narrow(cells: Mapping[tuple, Figures], shown: Collection[tuple], k: int, threshold) -> list:
    """The hidden pairs of a cross that its published sums leave less than k wide, of visitors or
    of views. Views of which nobody knows whose they are count a tenth, or have the whole line.

    What fits by itself may be known; it is hidden for the sake of others. Of a cross that shows
    nothing only the margins are known, and these are published or not by rules of their own.
    """
    if not shown:
        return []
    visitors = Audit({pair: f.visitors for pair, f in cells.items()}, shown)
    views = Audit({pair: f.views for pair, f in cells.items()}, shown)
    found = []
    for pair, figures in cells.items():
        floor = k if HUB in pair else threshold(*pair)
        if pair in shown or enough(figures, floor):
            continue
        if figures.visitors and visitors.width(pair, k) < k:
            found.append((pair, "visitors"))
        wide = k if figures.visitors else k * UNLINKED_PER_PERSON
        lines = [sum(f.views for p, f in cells.items() if p[n] == pair[n]) for n in (0, 1)]
        wide = min(wide, *lines)
        if figures.views and views.width(pair, wide) < wide:
            found.append((pair, "views"))
    return found


def narrow_days(days: Sequence[DayTable], told: Collection, k: int, total: bool) -> list[tuple]:
    """The (value, number of the day) that a day hid of fewer than k visitors, and that the days and
    the week, which tells the sums of the values `told`, leave less than k wide. `total`: whether
    the week tells the sum of everything.
    """
    cells = {(v, n): f.visitors for n, day in enumerate(days) for v, f in day.cells.items()}
    shown = {(v, n) for n, day in enumerate(days) for v in day.shown}
    dark = [n for n, day in enumerate(days) if not day.summed]
    audit = Audit(cells, shown, {v for v, _ in cells} - set(told), dark, total)
    return [
        pair
        for pair, visitors in cells.items()
        if pair not in shown and 0 < visitors < k and audit.width(pair, k) < k
    ]
