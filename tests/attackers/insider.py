"""Declares goals, funnels and segments, keeps what every one of them ever showed, and subtracts.

An analyst may have twenty live and five new ones in any seven days; one that is taken away goes on
being known. What differs is subtracted from each other and from the declared tables.
"""

from collections.abc import Iterable, Iterator
from itertools import permutations

from control.definitions import LIVE, NEW, Definition, Funnel, Goal, Segment, Step
from releases.disclosure.declared import Act, Reach, below
from releases.tables import OTHER, TOTAL
from tests.attackers.passive import Claims, members
from tests.attackers.release import View
from tests.attackers.town import Day

_PAGES = [f"/article/{n}" for n in (1, 2, 3, 4)]
_PINS = [("country", "BE"), ("country", "FR"), ("browser", "Chrome"), ("browser", "Safari"),
         ("device", "Mobile"), ("device", "Desktop"), ("os", "Android"),
         ("source", "Google")]  # fmt: skip


def _declared() -> Iterator[Definition]:
    """Those that lie closest to one another and to the declared tables."""
    yield Goal("all", prefix="/")
    yield Goal("articles", prefix="/article")
    for n, page in enumerate(_PAGES):
        yield Goal(f"goal {n}", prefix=page)
        yield Funnel(f"to {n}", (Step(prefix="/article"), Step(prefix=page)))
        yield Funnel(f"from {n}", (Step(prefix=page), Step(event="pageview")))
        yield Funnel(f"signs up {n}", (Step(prefix=page), Step(event="signup")))
    yield Funnel("twice", (Step(event="pageview"),) * 2)
    yield Funnel("signs up", (Step(event="pageview"), Step(event="signup")))
    yield Funnel("buys", (Step(event="pageview"), Step(event="Purchase")))
    for one in _PINS:
        for other in _PINS:
            if one < other and one[0] != other[0]:
                yield Segment(f"{one[1]} and {other[1]}", (one, other))


def weeks(number: int) -> list[list[Definition]]:
    """What is declared in each week: twenty, then five more, for which five others go."""
    found = list(_declared())
    spread = found[::2] + found[1::2]  # of every kind in each week
    numbered = [_with_number(each, n) for n, each in enumerate(spread, 1)]
    return [numbered[:LIVE]] + [
        numbered[LIVE + NEW * n : LIVE + NEW * (n + 1)] for n in range(number - 1)
    ]


def _with_number(definition: Definition, number: int) -> Definition:
    match definition:
        case Goal(name, event, prefix):
            return Goal(name, event, prefix, number)
        case Funnel(name, steps):
            return Funnel(name, steps, number)
        case Segment(name, filters):
            return Segment(name, filters, number)


def subtract(view: View, wanted: Iterable[Definition], day: Day, k: int) -> Claims:
    """Every shown set of people less every one that lies within it; every cell of a cross less
    what segments show of it.
    """
    claims = Claims()
    sets = list(_sets(view, wanted, day))
    for (inner, some), (outer, more) in permutations(sets, 2):
        if inner.within(outer) and inner.acts != outer.acts:
            n = outer.visitors - inner.visitors
            claims.claim((inner.acts, outer.acts), n, n, len(more - some), k)
    segments = [each for each in wanted if isinstance(each, Segment)]
    for (table, _, value), figures in view.items():
        name, _, number = table.partition("|segment:")
        if not number or value == OTHER or "visitors" not in figures:
            continue
        [segment] = [each for each in segments if each.number == number]
        for pin, other in permutations(segment.filters):
            whole = view.get((f"{name}|{pin[0]}", pin[1], value), {})
            inside = members(day.truth, f"{name}|{pin[0]}", pin[1], value)
            if "visitors" in whole and inside is not None:
                n, rest = whole["visitors"], inside
                for each in segments:  # this segment, and those beside it, one after another
                    beside = set(each.filters) - {pin}
                    shown = view.get((f"{name}|segment:{each.number}", "", value), {})
                    if len(beside) == 1 and {t for t, _ in beside} == {other[0]} and shown:
                        n -= shown.get("visitors", 0)
                        rest = rest - day.truth[other[0]][next(iter(beside))[1]]
                        claims.claim((table, value, pin), n, n, len(rest), k)
    return claims


def _sets(view: View, wanted: Iterable[Definition], day: Day) -> Iterator[tuple[Reach, set[int]]]:
    """Every number of people that is shown, by what they did, and who they truly are."""
    for (table, by, value), figures in view.items():
        if by or value == OTHER or "visitors" not in figures:
            continue
        acts: tuple[Act, ...] | None = None
        if table == TOTAL:
            acts = ()
        elif table in ("page", "event"):
            acts = (Act("page" if table == "page" else "event", value),)
        elif table == "goal":
            [aim] = [each for each in wanted if isinstance(each, Goal) and each.name == value]
            acts = (_act(aim.step),)
        elif table.startswith("funnel:"):
            [way] = [each for each in wanted if table == f"funnel:{each.id}"]
            assert isinstance(way, Funnel)
            acts = tuple(map(_act, way.steps[: int(value)]))
        if acts is not None:
            yield Reach(acts, figures["visitors"]), _who(day, acts)


def _act(step: Step) -> Act:
    return Act("path", step.prefix) if step.prefix else Act("event", step.event)


def _who(day: Day, acts: tuple[Act, ...]) -> set[int]:
    return {number for number, (_, _, does) in day.visits.items() if _did(does, acts)}


def _did(does: list[tuple[str, str]], acts: tuple[Act, ...]) -> bool:
    steps = iter(does)
    return all(any(_is(step, act) for step in steps) for act in acts)


def _is(step: tuple[str, str], act: Act) -> bool:
    name, page = step
    if act.kind == "path":
        return below(page, act.value)
    return act.value == (name if act.kind == "event" else page)
