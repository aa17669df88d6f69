"""What analysts declare on the page: forms to definitions, and what may still be declared.

The rules are those of `control.definitions`, as on the command line; only the words are the page's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from control import definitions as declared
from control.definitions import (
    LIVE,
    MOST_STEPS,
    NEW,
    Change,
    Definition,
    DefinitionError,
    Definitions,
    Kind,
    Room,
)
from control.sites import Site
from dashboards.countries import country
from dashboards.explore import described
from dashboards.period import Period
from dashboards.words import N_
from releases.reading import Ask, Reading
from releases.tables import DIMENSIONS, OTHER
from releases.wording import filters

# Values that a list offers; what is rarer can be declared on the command line.
_OFFERED = 15
_SUGGESTED = 40
_KINDS: Mapping[str, Kind] = {"goal": "goal", "funnel": "funnel", "segment": "segment"}
_GROUPS = {
    "country": N_("Country"),
    "device": N_("Device"),
    "browser": N_("Browser"),
    "os": N_("System"),
    "source": N_("Source"),
    "channel": N_("Channel"),
    "campaign": N_("Campaign"),
    "entry_page": N_("Entry page"),
    "page": N_("Page"),
    "app_version": N_("App version"),
    "event": N_("Event"),
    "basis": N_("Basis"),
}
_CONTRACTS = {d.name: d.contract for d in DIMENSIONS}


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that a segment can be made of: `visit:country=BE`, and how it reads."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Declared:
    """A definition, who declared it and on which day."""

    definition: Definition
    words: str
    by: str
    on: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What there is to declare with: the limits, what is declared, and what forms suggest."""

    may: bool
    room: Room
    most: int
    most_new: int
    most_steps: int
    live: tuple[Declared, ...]
    removed: tuple[Declared, ...]
    changes: tuple[Change, ...]
    pages: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    choices: tuple[tuple[str, tuple[Choice, ...]], ...] = ()


def desk(
    reading: Reading, site: Site, period: Period, definitions: Definitions, *, may: bool
) -> Desk:
    """`may`: whoever looks may declare. Raises `ReleasesUnavailable`."""
    changes = definitions.changes(site)
    added = {c.definition.id: c for c in changes if c.action == "added"}

    def of(definition: Definition) -> Declared:
        change = added.get(definition.id)
        on = f"{change.at.astimezone(site.calendar.zone_at(change.at)):%Y-%m-%d}" if change else ""
        return Declared(definition, described(definition), change.by if change else "", on)

    offered = _offered(reading, site, period) if may else {}
    return Desk(
        may=may,
        room=definitions.room(site),
        most=LIVE,
        most_new=NEW,
        most_steps=MOST_STEPS,
        live=tuple(map(of, definitions.live(site))),
        removed=tuple(map(of, definitions.removed(site))),
        changes=tuple(reversed(changes)),
        pages=tuple(offered.get("page", ())),
        events=tuple(offered.get("event", ())),
        choices=tuple(_choices(offered)),
    )


def _choices(offered: Mapping[str, Sequence[str]]) -> Iterable[tuple[str, tuple[Choice, ...]]]:
    for table, name in _GROUPS.items():
        choices = tuple(
            Choice(f"{_CONTRACTS[table]}={value}", country(value) if table == "country" else value)
            for value in offered.get(table, ())[:_OFFERED]
        )
        if choices:
            yield name, choices


def _offered(reading: Reading, site: Site, period: Period) -> dict[str, list[str]]:
    """The largest values that each table shows: what is hidden can't be guessed at from a list."""
    first, *others = _GROUPS
    ask = Ask(
        first, period.first, period.last, ("table", "value"),
        measures=("pageviews", "events"), also=tuple(others),
    )  # fmt: skip
    found: dict[str, list[tuple[int, str]]] = {}
    for row in reading.find(site, ask).rows:
        table, value = map(str, row.key)
        if value and value != OTHER:
            number = row.figures.pageviews or row.figures.events or 0
            found.setdefault(table, []).append((-number, value))
    return {
        table: [value for _, value in sorted(values)[:_SUGGESTED]]
        for table, values in found.items()
    }


def made(kind: str, form: Mapping[str, str], several: Callable[[str], list[str]]) -> Definition:
    """The definition that a form describes; `several` gives all values of a field.

    Raises `DefinitionError`.
    """
    name = form.get("name", "").strip()
    match kind:
        case "goal":
            step = declared.Step.of(form.get("step", "").strip())
            if step.prefix:
                return declared.goal(name, prefix=step.prefix)
            return declared.goal(name, event_name=step.event)
        case "funnel":
            steps = [text for each in several("step") if (text := each.strip())]
            return declared.funnel(name, steps)
        case "segment":
            wanted = [text for each in several("filter") if (text := each.strip())]
            return declared.segment(name, filters(wanted))
    raise DefinitionError(f"kind: {kind!r} is none of {', '.join(_KINDS)}")


def kind_of(text: str) -> Kind | None:
    return _KINDS.get(text)
