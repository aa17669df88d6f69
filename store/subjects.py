"""What is done with the rows of one person: shown, corrected, restricted, erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from store.clickhouse import Store

_THEIRS = (
    "site = {site:UInt32}"
    " AND (visitor IN {visitors:Array(UInt128)} OR user IN {users:Array(UInt128)})"
)
_COUNT = "SELECT count() FROM events WHERE {theirs}"
_ROWS = "SELECT {columns} FROM events WHERE {theirs} ORDER BY time, event_id"
# A deleted row that is only hidden must be seen as well.
_UNMASKED = {"apply_deleted_mask": 0}


@dataclass(frozen=True, slots=True)
class Theirs:
    """Rows of one site with one of these pseudonyms, which are decimals."""

    site: int
    visitors: Sequence[str]
    users: Sequence[str] = ()

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {
            "site": self.site,
            "visitors": [int(name) for name in self.visitors],
            "users": [int(name) for name in self.users],
        }


def count(store: Store, theirs: Theirs) -> int:
    """How many rows there are, hidden ones too."""
    return _count(store, _THEIRS, theirs.parameters, _UNMASKED)


def _count(
    store: Store, condition: str, parameters: Mapping[str, Any], settings: Mapping[str, Any] = {}
) -> int:
    sql = _COUNT.replace("{theirs}", condition)
    [(number,)] = store.query_rows(sql, parameters, settings)
    return int(number)


def erase(store: Store, theirs: Theirs) -> int:
    """Deletes their rows really, and looks afterwards whether none is left. Returns how many."""
    number = count(store, theirs)
    if number:
        store.delete("events", _THEIRS, theirs.parameters)
        if left := count(store, theirs):
            raise NotErased(f"{left} of {number} rows are still there")
    return number


class NotErased(Exception):
    """Rows were to be deleted and are still there; the message says how many."""


def restrict(store: Store, theirs: Theirs, *, on: bool = True) -> int:
    """Marks their rows, or takes the mark away. Returns how many rows changed."""
    unlike = f"{_THEIRS} AND restricted = {int(not on)}"
    number = _count(store, unlike, theirs.parameters)
    if number:
        store.update("events", f"restricted = {int(on)}", unlike, theirs.parameters)
    return number


def correct(store: Store, theirs: Theirs, properties: Mapping[str, str]) -> int:
    """Gives properties of their rows other values, where they have them. Returns how many rows."""
    rows = 0
    for key, value in properties.items():
        parameters = {**theirs.parameters, "key": key, "value": value}
        unlike = f"{_THEIRS} AND mapContains(props, {{key:String}})"
        unlike += " AND props[{key:String}] != {value:String}"
        number = _count(store, unlike, parameters)
        if number:
            changed = "props = mapUpdate(props, map({key:String}, {value:String}))"
            store.update("events", changed, unlike, parameters)
        rows += number
    return rows


def rows(store: Store, theirs: Theirs) -> list[dict[str, Any]]:
    """Every row, the oldest first, each column by its name."""
    columns = [name for name, _ in meanings(store)]
    sql = _ROWS.replace("{columns}", ", ".join(columns)).replace("{theirs}", _THEIRS)
    found = store.query_rows(sql, theirs.parameters)
    return [dict(zip(columns, row, strict=True)) for row in found]


def meanings(store: Store) -> list[tuple[str, str]]:
    """Each column of a row, and what it holds."""
    return [
        (str(name), str(comment))
        for name, comment in store.query_rows(
            "SELECT name, comment FROM system.columns"
            " WHERE database = currentDatabase() AND table = 'events' ORDER BY position"
        )
    ]
