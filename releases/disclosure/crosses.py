"""Tables of two dimensions: which cells are shown, so that no other can be worked out.

Published beside a cross are its margins: the one-way cells of both dimensions. So a hidden cell is
its margin less what is shown in its line, unless enough else is hidden there. The rule: a hidden
cell lies at one corner of a rectangle whose two neighbouring corners are hidden too and large,
and whose far corner is not shown. Then as many as k persons may stand in another corner each, and
nothing that is published would differ. The proof is in docs/disclosure.md.

Lines (rows and columns) in which no rectangle can be had are not shown at all: they join the hub,
the line of everything that the margin itself does not show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple

from releases.disclosure.cells import UNLINKED_PER_PERSON

Line = Hashable
Pair = tuple[Line, Line]

# The line of all values that their one-way table does not show.
HUB = None

# What a cell needs of the large corners, and what a corner gives: persons by their visitors; by
# views of visitors; by views of which nobody knows whose they are.
_VISITORS, _VIEWS, _ALONE = 1, 2, 4
# Of each line, how many of its smallest cells are tried as corners.
_TRIED = 12


class Figures(NamedTuple):
    """Exact figures of one cell. `unlinked` are those of its views that have no pseudonym.

    `views` is the figure that the cross shows: views, or events in a table of events.
    """

    visitors: int
    unlinked: int
    views: int


class _Cell:
    """A cell or, once lines have joined a hub, the sum of several."""

    __slots__ = ("column", "figures", "gives", "hidden", "needs", "row", "safe", "size")

    def __init__(self, row: Line, column: Line, figures: Figures, k: int) -> None:
        self.row = row
        self.column = column
        self.hidden = False
        self.safe = False  # needs no rectangle: it may be known
        self.measure(figures, k)

    def measure(self, figures: Figures, k: int) -> None:
        visitors, unlinked, _ = self.figures = figures
        self.size = visitors * UNLINKED_PER_PERSON + unlinked
        self.needs = needs(figures)
        self.gives = gives(figures, k)


def needs(figures: Figures) -> int:
    """What a hidden cell needs of the corners beside it."""
    visitors, _, views = figures
    if visitors:
        return _VISITORS | (_VIEWS if views else 0)
    return _ALONE if views else 0


def gives(figures: Figures, k: int) -> int:
    """What a hidden cell has to spare as a corner."""
    visitors, _, views = figures
    return (
        (_VISITORS if visitors >= k else 0)
        | (_VIEWS if views >= k else 0)
        | (_ALONE if views >= k * UNLINKED_PER_PERSON + visitors else 0)
    )


def added(figures: Iterable[Figures]) -> Figures:
    return Figures(*map(sum, zip(Figures(0, 0, 0), *figures, strict=True)))


def cross(
    cells: Mapping[Pair, Figures],
    threshold: Callable[[Line, Line], int],
    k: int,
    withheld: Collection[Pair] = (),
    crowded: tuple[bool, bool] = (False, False),
) -> frozenset[Pair]:
    """The (row, column) pairs that may be shown of one cross, or of one parent's group of it.

    `cells` are all that are not empty. Rows and columns are values that their one-way tables
    show; all others are merged into the line `HUB`. For a nested dimension, rows are the shown
    children of one parent's value and columns those of which the parent's cell is shown.
    `threshold(row, column)` lies from k to 1.5 k and is asked only where it decides. `withheld`
    are pairs that other rules hide. `crowded` says whether the hub of the rows, and that of the
    columns, holds values that their one-way table does show.
    """
    table = _Table(cells, threshold, k, frozenset(withheld), crowded)
    table.protect()
    return frozenset((c.row, c.column) for c in table.cells() if not c.hidden)


def enough(figures: Figures, floor: int) -> bool:
    """As `fits` for a cell of a cross; of its views, too, there are enough or none."""
    visitors, unlinked, views = figures
    return (
        visitors + unlinked // UNLINKED_PER_PERSON >= floor
        and (visitors == 0 or visitors >= floor)
        and (views == 0 or views >= floor)
    )


class _Table:
    def __init__(
        self,
        cells: Mapping[Pair, Figures],
        threshold: Callable[[Line, Line], int],
        k: int,
        withheld: Collection[Pair],
        crowded: tuple[bool, bool],
    ) -> None:
        self.k = k
        self.rows: dict[Line, dict[Line, _Cell]] = {HUB: {}}
        self.columns: dict[Line, dict[Line, _Cell]] = {HUB: {}}
        self._spares: dict[tuple[int, Line], list[_Cell]] = {}
        most = k + k // 2
        for pair, figures in cells.items():
            row, column = pair
            cell = _Cell(row, column, figures, k)
            if not cell.needs:
                continue  # nothing is counted in it: as good as empty
            self.rows.setdefault(row, {})[column] = cell
            self.columns.setdefault(column, {})[row] = cell
            safe = enough(figures, k) and (
                enough(figures, most) or HUB in pair or enough(figures, threshold(row, column))
            )
            in_crowd = (row is HUB and crowded[0]) or (column is HUB and crowded[1])
            cell.safe = safe and pair not in withheld and not in_crowd
            cell.hidden = not safe or HUB in pair or pair in withheld

    def cells(self) -> Iterator[_Cell]:
        return (cell for line in self.rows.values() for cell in line.values())

    def protect(self) -> None:
        """Hides what else must be hidden; at the worst everything."""
        self._join_lines_of_small_cells()
        waiting = deque(sorted((c for c in self.cells() if c.hidden and not c.safe), key=_order))
        while waiting:
            cell = waiting.popleft()
            if self._gone(cell) or self._held(cell) or self._demote_for(cell):
                continue
            axis, line = self._line_to_join(cell)
            if line is HUB:
                return  # nothing but hubs is left
            waiting.extend(self._join(axis, line))
            waiting.append(cell)

    def _gone(self, cell: _Cell) -> bool:
        """Whether the cell's line has joined the hub, and the cell been added to another."""
        return self.rows.get(cell.row, {}).get(cell.column) is not cell

    def _held(self, cell: _Cell) -> bool:
        """Whether a rectangle of hidden cells holds it already."""
        row, column = self.rows[cell.row], self.columns[cell.column]
        needs = cell.needs
        if cell.row is not HUB and cell.column is not HUB:
            beside, below = row.get(HUB), column.get(HUB)
            if beside and below and not needs & ~beside.gives and not needs & ~below.gives:
                return True
        besides, belows = self._spare(0, cell.row), self._spare(1, cell.column)
        return any(
            beside is not cell
            and not needs & ~beside.gives
            and any(
                below is not cell
                and not needs & ~below.gives
                and self._unlisted(below.row, beside.column)
                for below in belows
            )
            for beside in besides
        )

    def _spare(self, axis: int, line: Line) -> list[_Cell]:
        """The hidden cells of a line that have anything to spare."""
        found = self._spares.get((axis, line))
        if found is None:
            cells = self._lines(axis)[line].values()
            found = self._spares[axis, line] = [c for c in cells if c.hidden and c.gives]
        return found

    def _unlisted(self, row: Line, column: Line) -> bool:
        corner = self.rows[row].get(column)
        return corner is None or corner.hidden

    def _demote_for(self, cell: _Cell) -> bool:
        """Hides the least that makes a rectangle for the cell; False where there is none."""
        besides = _cheapest(cell, self.rows[cell.row].values())
        belows = _cheapest(cell, self.columns[cell.column].values())
        best: tuple[int, list[_Cell]] | None = None
        for beside in besides:
            for below in belows:
                corner = self.rows[below.row].get(beside.column)
                corners = [c for c in (beside, below, corner) if c is not None and not c.hidden]
                cost = sum(c.size for c in corners)
                if best is None or cost < best[0]:
                    best = cost, corners
        if best is None:
            return False
        for corner in best[1]:
            corner.hidden = True
            self._spare(0, corner.row).append(corner)
            self._spare(1, corner.column).append(corner)
        return True

    def _join_lines_of_small_cells(self) -> None:
        """Lines without a large cell can hold nothing: the hub takes them first."""
        again = True
        while again:
            again = False
            for axis in (0, 1):
                for line in [n for n, cells in self._lines(axis).items() if n is not HUB]:
                    if not any(
                        c.gives & (_VISITORS | _ALONE) for c in self._lines(axis)[line].values()
                    ):
                        self._join(axis, line)
                        again = True

    def _line_to_join(self, cell: _Cell) -> tuple[int, Line]:
        """The smaller of the cell's two lines; of a hub's cell the smallest line of all."""
        found = [
            (self._size(axis, line), axis, line)
            for axis, line in ((0, cell.row), (1, cell.column))
            if line is not HUB
        ] or [
            (self._size(axis, line), axis, line)
            for axis in (0, 1)
            for line in self._lines(axis)
            if line is not HUB
        ]
        if not found:
            return 0, HUB
        _, axis, line = min(found, key=lambda each: (*each[:2], str(each[2])))
        return axis, line

    def _size(self, axis: int, line: Line) -> int:
        return sum(cell.size for cell in self._lines(axis)[line].values())

    def _lines(self, axis: int) -> dict[Line, dict[Line, _Cell]]:
        return self.columns if axis else self.rows

    def _join(self, axis: int, line: Line) -> list[_Cell]:
        """Merges a line into the hub; returns the cells of the hub that are to be held anew."""
        lines, across = self._lines(axis), self._lines(1 - axis)
        hub = lines[HUB]
        self._spares.clear()
        for other, cell in lines.pop(line).items():
            del across[other][line]
            into = hub.get(other)
            if into is None:
                row, column = (other, HUB) if axis else (HUB, other)
                into = hub[other] = across[other][HUB] = _Cell(row, column, cell.figures, self.k)
                into.needs, into.hidden = cell.needs, True
            else:
                wanted = into.needs | cell.needs
                into.measure(added((into.figures, cell.figures)), self.k)
                into.needs = wanted
        # The hub's cells are sums of lines with margins of their own now: none may be known.
        for cell in hub.values():
            cell.safe = False
        return list(hub.values())


def _cheapest(cell: _Cell, line: Iterable[_Cell]) -> list[_Cell]:
    """The cells of its line that are large enough for it: the hidden first, then the smallest."""
    large = [c for c in line if c is not cell and not cell.needs & ~c.gives]
    large.sort(key=lambda c: (not c.hidden, *_order(c)))
    return large[:_TRIED]


def _order(cell: _Cell) -> tuple[int, str, str]:
    """The same whatever the order in which the store gave the cells."""
    return cell.size, str(cell.row), str(cell.column)
