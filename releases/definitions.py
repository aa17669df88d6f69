"""What analysts declared, of one day: which of it needs figures of its own, and those figures.

They are computed of the scratch tables, beside what the day's release shows, and kept under
versions of their own. A goal of one exact event is that event's cell, a segment of one filter is
the tables that are crossed with it, and a segment's totals are a cell of the cross of its filters:
these need no tables.

    goal            value: the goal's name
    funnel:7        value: the number of a step
    D|segment:7     value: that of the dimension D

What is declared later is weighed beside what was shown before it and never changes that: of two
that differ by a few people alone, the second is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from control.definitions import Definition, Funnel, Goal, Segment
from releases.beside import Beside
from releases.disclosure import Published, Threshold
from releases.reached import Reached
from releases.scratch import Scratch
from releases.segments import Segments


def cells(
    tables: Scratch,
    version: int,
    state: str,
    threshold: Threshold,
    wanted: Iterable[Definition],
    released: Iterable[tuple[Definition, int]] = (),
) -> Iterator[tuple[Definition, list[Published]]]:
    """What may be shown of each definition that is wanted, the oldest first.

    `version` is that of the day's release, `released` are definitions of the same site with the
    versions that the day has of them already; all have figures of their own.
    """
    day = _Day(Beside(tables, version, state, threshold))
    for definition, earlier in sorted(released, key=lambda pair: pair[0].id):
        day.recall(definition, earlier)
    for definition in sorted(wanted, key=lambda each: each.id):
        yield definition, day.shown(definition)


class _Day:
    def __init__(self, day: Beside) -> None:
        self._day = day
        self._reached = Reached(day)
        self._segments = Segments(day)

    def recall(self, definition: Definition, version: int) -> None:
        """Takes what an earlier version shows for known."""
        shown = self._day.earlier(version)
        match definition:
            case Goal():
                if shown:
                    self._reached.note_goal(definition)
            case Funnel():
                self._reached.note_funnel(definition, len(shown.get(_table(definition), ())))
            case Segment():
                suffix = _suffix(definition)
                self._segments.note(
                    definition, {table.removesuffix(suffix): shown[table] for table in shown}
                )

    def shown(self, definition: Definition) -> list[Published]:
        if not self._day.open:
            return []
        match definition:
            case Goal():
                return self._reached.goal(definition)
            case Funnel():
                return self._reached.funnel(definition, _table(definition))
            case Segment():
                return self._segments.segment(definition, _suffix(definition))


def _table(funnel: Funnel) -> str:
    return f"funnel:{funnel.id}"


def _suffix(segment: Segment) -> str:
    return f"|segment:{segment.number}"
