"""New control databases of a test process: SQLite's schema is migrated once, then copied.

All migrations together take a tenth of a second of processor time, and hundreds of tests want an
empty database. What a copy holds is what Alembic made: every table, index and trigger, every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


@contextmanager
def migrated_once() -> Iterator[None]:
    """Alembic, while the block runs, asked to bring an empty database of SQLite to its heads."""
    upgrade: Callable[..., None] = command.upgrade
    made: list[tuple[str, tuple[Any, ...]]] = []

    @wraps(upgrade)
    def upgrading(config: Config, revision: str, *rest: Any, **named: Any) -> None:
        connection: Connection | None = config.attributes.get("connection")
        if revision != "heads" or connection is None or not _is_empty(connection):
            upgrade(config, revision, *rest, **named)
        elif made:
            for statement, row in made:
                connection.exec_driver_sql(statement, row)
        else:
            upgrade(config, revision, *rest, **named)
            made.extend(_statements(connection))

    command.upgrade = upgrading
    try:
        yield
    finally:
        command.upgrade = upgrade


def _is_empty(connection: Connection) -> bool:
    if connection.dialect.name != "sqlite":
        return False
    return connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0


def _statements(connection: Connection) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What makes the same again: tables with their rows, then what belongs to them."""
    schema = connection.exec_driver_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY rowid"
    ).all()
    for kind, name, sql in schema:
        if kind != "table":
            continue
        yield sql, ()
        for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"'):
            yield f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(row))})', tuple(row)
    for kind, _, sql in schema:
        if kind != "table" and sql:
            yield sql, ()
