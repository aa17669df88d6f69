"""The roles of a ClickHouse server, out of `grants.sql`: a boundary that the server itself keeps.

On a cluster each table `t` is two (store/migrate.py): `t`, and `t_local` where the rows lie. Rights
to the one are worth nothing without the same rights to the other.

chDB has no users: embedded, the import rules and the one reading module keep the same boundary.
"""

from __future__ import annotations

import re
from pathlib import Path

from store import sql
from store.clickhouse import Store

FILE = Path(__file__).with_name("grants.sql")
OF_CLUSTER = Path(__file__).with_name("grants_cluster.sql")
# The tables that a cluster has twice; views and scratch tables it has once.
SPREAD = ("events", "tallies", "cells")
_ON_SPREAD = re.compile(
    rf"^(GRANT .+ ON .+\.)({'|'.join(SPREAD)})( TO \w+)\Z", re.DOTALL | re.MULTILINE
)


def statements(database: str, cluster: str = "") -> list[str]:
    """What makes the roles and gives them their rights, in order."""
    quoted = "`" + database.replace("\\", "\\\\").replace("`", "\\`") + "`"
    on_cluster = f"ON CLUSTER '{cluster}'" if cluster else ""
    filled = {"database": quoted, "on_cluster": on_cluster}
    found = sql.split(FILE.read_text().format_map(filled))
    if not cluster:
        return found
    local = [_ON_SPREAD.sub(r"\1\2_local\3", each) for each in found if _ON_SPREAD.search(each)]
    return found + local + sql.split(OF_CLUSTER.read_text().format_map(filled))


def apply(store: Store, cluster: str = "") -> None:
    """Makes the roles for the store's database, as somebody who may (ACCESS MANAGEMENT).

    May be repeated: rights of an earlier version that are no longer in the file are taken back.
    """
    [(database,)] = store.query_rows("SELECT currentDatabase()")
    for statement in statements(str(database), cluster):
        store.command(statement)
