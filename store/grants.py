"""The roles of a ClickHouse server, out of `grants.sql`: a boundary that the server itself keeps.

chDB has no users: embedded, the import rules and the one reading module keep the same boundary.
"""

from __future__ import annotations

from pathlib import Path

from store import sql
from store.clickhouse import Store

FILE = Path(__file__).parent / "grants.sql"


def statements(database: str, cluster: str = "") -> list[str]:
    """What makes the roles and gives them their rights, in order."""
    quoted = "`" + database.replace("\\", "\\\\").replace("`", "\\`") + "`"
    on_cluster = f"ON CLUSTER '{cluster}'" if cluster else ""
    return sql.split(FILE.read_text().format(database=quoted, on_cluster=on_cluster))


def apply(store: Store, cluster: str = "") -> None:
    """Makes the roles for the store's database, as somebody who may (ACCESS MANAGEMENT).

    May be repeated: rights of an earlier version that are no longer in the file are taken back.
    """
    [(database,)] = store.query_rows("SELECT currentDatabase()")
    for statement in statements(str(database), cluster):
        store.command(statement)
