"""A day's release and its scratch tables, side by side: what is shown, and exact counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import add
from typing import Any, NamedTuple

from releases.disclosure import UNLINKED_PER_PERSON, Figures, Threshold
from releases.disclosure.declared import Act
from releases.scratch import Scratch, template
from releases.tables import OTHER, TOTAL


class Conditions(NamedTuple):
    """SQL conditions over touches for one statement. `parameters` are what they name."""

    parameters: dict[str, Any]

    def below(self, path: str) -> str:
        n = len(self.parameters)
        self.parameters.update({f"at_{n}": path, f"below_{n}": path.rstrip("/") + "/"})
        return f"(page = {{at_{n}:String}} OR startsWith(page, {{below_{n}:String}}))"

    def act(self, act: Act) -> str:
        if act.kind == "path":
            return self.below(act.value)
        name = f"is_{len(self.parameters)}"
        self.parameters[name] = act.value
        return f"({act.kind} = {{{name}:String}})"


# Which values a version shows; a statement of its own, and part of others.
VALUES = template("declared_values")


@dataclass(frozen=True)
class Beside:
    """`version` is that of the day's release, `state` the day's."""

    tables: Scratch
    version: int
    state: str
    threshold: Threshold

    @cached_property
    def open(self) -> bool:
        """Whether the release shows anything at all."""
        return bool(self.values(TOTAL))

    @cached_property
    def everybody(self) -> Figures:
        return self._counted("1", {})

    @cached_property
    def apart(self) -> bool:
        """Whether enough visitors can be told apart for any of their numbers to be shown."""
        return self.everybody.visitors >= self.threshold(TOTAL, "")

    @cached_property
    def events(self) -> set[str]:
        """The names of events that are shown."""
        return self.values("event")

    def values(self, table: str, by: str = "") -> set[str]:
        """The values that the release shows of a table."""
        rows = self.tables.query(VALUES, {"table": table, "by": by, "version": self.version})
        return {str(value) for (value,) in rows} - {OTHER}

    def earlier(self, version: int) -> dict[str, frozenset[str]]:
        """The values that another version of the day shows, by table."""
        found: dict[str, set[str]] = {}
        for table, value in self.tables.query(template("declared_version"), {"version": version}):
            found.setdefault(str(table), set()).add(str(value))
        return {table: frozenset(values) for table, values in found.items()}

    def figures(self, condition: str, parameters: Mapping[str, Any]) -> Figures:
        """What happened where a condition over touches holds."""
        return self.told_apart(self._counted(condition, parameters))

    def told_apart(self, figures: Figures) -> Figures:
        """As `unseparated`: where too few visitors can be told apart, nobody is."""
        if self.apart:
            return figures
        visitors, unlinked, views = figures
        return Figures(0, unlinked + visitors * UNLINKED_PER_PERSON, views)

    def summed(
        self, statement: str, parameters: Mapping[str, Any], keys: int
    ) -> dict[tuple[Any, ...], list[int]]:
        """The counts after the first `keys` columns, added up over the slices of visitors."""
        given = {"version": self.version, **parameters}
        found: dict[tuple[Any, ...], list[int]] = {}
        for part in range(self.tables.slices):
            for row in self.tables.query(statement, {**given, "slice": part}):
                key, counts = tuple(row[:keys]), [int(n) for n in row[keys:]]
                found[key] = list(map(add, found.get(key, [0] * len(counts)), counts))
        return found

    def _counted(self, condition: str, parameters: Mapping[str, Any]) -> Figures:
        statement = template("declared_people").replace("{condition}", condition)
        return Figures(*self.summed(statement, parameters, keys=0)[()])
