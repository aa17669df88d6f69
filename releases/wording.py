"""What analysts declare, in words: filters as they are written, and what has figures of its own."""

from __future__ import annotations

from collections.abc import Iterable

from control.definitions import Definition, DefinitionError, Funnel, Goal, Segment
from releases.tables import DIMENSIONS

_NAMES = {d.contract: d.name for d in DIMENSIONS if d.filterable}
_CONTRACTS = {name: contract for contract, name in _NAMES.items()}


def filters(texts: Iterable[str]) -> list[tuple[str, str]]:
    """`visit:country=BE` as a table and its value. Raises `DefinitionError`."""
    found = []
    for text in texts:
        contract, equals, value = text.partition("=")
        if not equals or contract not in _NAMES:
            known = ", ".join(sorted(_NAMES))
            raise DefinitionError(f"filter: {text!r} is not DIMENSION=VALUE with one of {known}")
        found.append((_NAMES[contract], value))
    return found


def written(segment: Segment) -> list[str]:
    """A segment's filters as `filters` reads them."""
    return [f"{_CONTRACTS[name]}={value}" for name, value in segment.filters]


def has_figures(definition: Definition) -> bool:
    """Whether it has figures of its own."""
    match definition:
        case Goal():
            return definition.prefix != ""
        case Funnel():
            return True
        case Segment():
            return len(definition.filters) > 1
