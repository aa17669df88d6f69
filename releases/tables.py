"""The declared tables: every question that a dashboard may ask, and the purpose it serves.

A table groups one kind of thing (a visit, an event, a bot's event, a tally) by one expression over
that thing's columns (`releases/sql/<kind>.sql`). What is not declared here cannot be shown.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["visit", "event", "bot", "tally"]


class Table(NamedTuple):
    """One declared table. `expression` is SQL over the columns of its kind."""

    name: str
    kind: Kind
    expression: str
    purpose: str = "audience"


TABLES: tuple[Table, ...] = (
    # A visit's attributes are those of its first event. A view without a visit stands for itself.
    Table("total", "visit", "''"),
    Table("source", "visit", "source"),
    Table("channel", "visit", "channel"),
    Table("country", "visit", "country"),
    Table("device", "visit", "device"),
    Table("browser", "visit", "browser"),
    Table("os", "visit", "os"),
    Table("app_version", "visit", "app_version"),
    Table("basis", "visit", "basis"),
    Table("entry_page", "visit", "entry_page"),
    Table("hour", "event", "formatDateTime(toTimeZone(time, {timezone:String}), '%H')"),
    Table("page", "event", "page"),
    Table("screen", "event", "screen"),
    Table("event", "event", "name"),
    Table("bot", "bot", "bot"),
    Table("dropped", "tally", "reason"),
)

OTHER = "(other)"


def of_kind(kind: Kind) -> tuple[Table, ...]:
    return tuple(table for table in TABLES if table.kind == kind)


KINDS: tuple[Kind, ...] = ("visit", "event", "bot", "tally")
