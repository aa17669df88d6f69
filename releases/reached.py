"""Goals that are paths, and funnels: sets of people, each weighed beside those that are known.

A goal that is a path has what happened on its pages: `events` are their views. A funnel's step has
the visitors who took all steps to it, one after another within one visit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from control.definitions import Funnel, Goal, Step
from releases.beside import VALUES, Beside, Conditions
from releases.disclosure import Figures, Published
from releases.disclosure.declared import (
    Act,
    Reach,
    below,
    may_show_goal,
    rounded,
    shown_steps,
)
from releases.scratch import template


class Reached:
    """The goals and funnels of one day, decided one after another."""

    def __init__(self, day: Beside) -> None:
        self._day = day
        # Paths of which is known what happened on all pages below them.
        self._paths: list[str] = []
        self._known: list[Reach] = []
        self._pages: dict[str, list[Reach]] = {}

    def goal(self, goal: Goal) -> list[Published]:
        if not self._may_show_path(goal.prefix):
            return []
        self.note_goal(goal)
        whole = self.of_path(goal.prefix)
        visitors = rounded(whole.visitors, self._day.state) if whole.visitors else None
        return [_published("goal", goal.name, visitors, rounded(whole.views, self._day.state))]

    def funnel(self, funnel: Funnel, table: str) -> list[Published]:
        if not self._day.apart:
            return []
        reaches = self.reaches(funnel)
        acts = reaches[-1].acts
        own = [Reach((act,), self._visitors(act)) for act in dict.fromkeys(acts)]
        number = shown_steps(
            reaches,
            [self._may_show_act(act) for act in acts],
            [*self._all_known(), *own],
            self._day.threshold("funnel", "\n".join(map(str, funnel.steps))),
        )
        self._note(reaches[:number])
        return [
            _published(table, str(step), rounded(reach.visitors, self._day.state), None)
            for step, reach in enumerate(reaches[:number], 1)
        ]

    def note_goal(self, goal: Goal) -> None:
        """Takes the goal for shown."""
        act = Act("path", goal.prefix)
        self._note([Reach((act,), self._visitors(act))])

    def note_funnel(self, funnel: Funnel, steps: int) -> None:
        """Takes the funnel's first steps for shown."""
        self._note(self.reaches(funnel)[:steps])

    def _note(self, reaches: Sequence[Reach]) -> None:
        self._known += reaches
        if reaches and reaches[0].acts[0].kind == "path":
            self._paths.append(reaches[0].acts[0].value)

    def _all_known(self) -> list[Reach]:
        return [Reach((), self._day.everybody.visitors), *self._known]

    def _may_show_act(self, act: Act) -> bool:
        return (
            self._may_show_path(act.value) if act.kind == "path" else act.value in self._day.events
        )

    def _may_show_path(self, path: str) -> bool:
        if path in self._paths:
            return True
        whole = self.of_path(path)
        return may_show_goal(
            whole,
            self._parts(path),
            Reach((Act("path", path),), whole.visitors),
            [*self._all_known(), *self._of_pages(path)],
            self._day.threshold("goal", path),
        )

    def _parts(self, path: str) -> Iterator[Figures]:
        """What happened on pages that are not shown: below this path and no other that is known,
        and beside it below the next path that contains it, or else on the whole site.
        """
        within = [p for p in self._paths if below(p, path)]
        above = [p for p in self._paths if below(path, p)]
        parent = max(above, key=len, default=None)
        beside = [
            p
            for p in self._paths
            if p not in (*within, *above) and (parent is None or below(p, parent))
        ]
        yield self._hidden(path, within)
        yield self._hidden(parent, [path, *beside])

    def _hidden(self, path: str | None, outside: Iterable[str]) -> Figures:
        where = Conditions({"table": "page", "by": ""})
        conditions = [f"page GLOBAL NOT IN ({VALUES})"]
        if path is not None:
            conditions.append(where.below(path))
        conditions += [f"NOT {where.below(other)}" for other in outside]
        return self._day.figures(" AND ".join(conditions), where.parameters)

    def of_path(self, path: str) -> Figures:
        """What happened on pages at a path and below it, exactly."""
        where = Conditions({})
        return self._day.figures(where.below(path), where.parameters)

    def _of_pages(self, path: str) -> list[Reach]:
        """The visitors of each shown page below a path."""
        if path not in self._pages:
            where = Conditions({"table": "page", "by": ""})
            statement = (
                template("declared_pages")
                .replace("{condition}", where.below(path))
                .replace("{shown}", VALUES)
            )
            found = self._day.summed(statement, where.parameters, keys=1)
            self._pages[path] = [
                Reach((Act("page", page),), visitors) for (page,), [visitors] in found.items()
            ]
        return self._pages[path]

    def _visitors(self, act: Act) -> int:
        where = Conditions({})
        return self._day.figures(where.act(act), where.parameters).visitors

    def reaches(self, funnel: Funnel) -> list[Reach]:
        """Who got to each step, exactly."""
        acts = tuple(map(_act, funnel.steps))
        where = Conditions({})
        bits = [f"bitShiftLeft(toUInt16({where.act(act)}), {n})" for n, act in enumerate(acts)]
        statement = template("declared_funnel").replace("{steps}", " + ".join(bits))
        best = self._day.summed(statement, where.parameters, keys=1)
        return [
            Reach(acts[:step], sum(n for (reached,), [n] in best.items() if reached >= step))
            for step in range(1, len(acts) + 1)
        ]


def _act(step: Step) -> Act:
    return Act("event", step.event) if step.event else Act("path", step.prefix)


def _published(table: str, value: str, visitors: int | None, events: int | None) -> Published:
    return Published(
        table=table,
        by="",
        value=value,
        visitors=visitors,
        visits=None,
        pageviews=None,
        events=events,
        linked_pageviews=None,
        bounces=None,
        duration=None,
    )
