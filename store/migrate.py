"""Applies `store/migrations/NNNN_*.sql` once, in order, and records what was applied.

Placeholders in the files, written as Python's `str.format` fields:

    {on_cluster}                  nothing, or ON CLUSTER 'name'
    {engine:MergeTree}            MergeTree, or its Replicated form with a cluster
    {engine:SummingMergeTree(n)}  the same, with the engine's own arguments
    {{x}}                         a brace of ClickHouse's own: {x}

With a cluster each table `t` becomes two: `t_local`, replicated within a shard, and `t`, which
spreads what is written over the shards and gathers what is read. A change of a table's columns
reaches both; any other change concerns the rows where they lie.

ClickHouse has no transactions around DDL, so every statement in a file must be one that may run
twice (IF NOT EXISTS, OR REPLACE): a migration that was cut short is applied again from its start,
and two processes that migrate at once do no harm.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from store import sql
from store.clickhouse import Store

FOLDER = Path(__file__).parent / "migrations"
_FILE = re.compile(r"(\d{4})_(\w+)\.sql\Z")
_RECORD = """
CREATE TABLE IF NOT EXISTS migrations {on_cluster}
(
    number     UInt32,
    name       String,
    sha256     FixedString(64) COMMENT 'of the file as it was applied',
    applied_at DateTime('UTC') DEFAULT now()
)
ENGINE = {engine:ReplacingMergeTree}
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


class MigrationChanged(Exception):
    """A file that was applied already is not what it was then."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `sha256` is of its bytes."""

    number: int
    name: str
    text: str
    sha256: str


def migrate(store: Store, cluster: str = "", folder: Path = FOLDER) -> list[int]:
    """Brings the schema up to date; returns the numbers that were applied now.

    Raises `MigrationChanged` before anything is applied, and the store's own exceptions.
    """
    for statement in statements(_RECORD, cluster):
        store.command(statement)
    applied = {
        number: str(checksum)
        for number, checksum in store.query_rows(
            "SELECT number, toString(sha256) FROM migrations FINAL"
        )
    }
    known = migrations(folder)
    for migration in known:
        if applied.get(migration.number, migration.sha256) != migration.sha256:
            raise MigrationChanged(
                f"{migration.name}: changed after it was applied; write a new migration instead"
            )
    due = [migration for migration in known if migration.number not in applied]
    for migration in due:
        for statement in statements(migration.text, cluster):
            store.command(statement)
        store.command(
            "INSERT INTO migrations (number, name, sha256)"
            " SELECT {number:UInt32}, {name:String}, {sha256:String}",
            {"number": migration.number, "name": migration.name, "sha256": migration.sha256},
        )
    return [migration.number for migration in due]


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """The files in order. Raises `ValueError` for a misnamed file or a number used twice."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        named = _FILE.match(path.name)
        if named is None or int(named[1]) in found:
            raise ValueError(f"{path.name}: not NNNN_name.sql, or its number is used twice")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        found[int(named[1])] = Migration(int(named[1]), path.name, content.decode(), digest)
    return [found[number] for number in sorted(found)]


def render(text: str, cluster: str = "") -> str:
    """Fills in the placeholders. Raises `KeyError` for one that does not exist."""
    on_cluster = f"ON CLUSTER '{cluster}'" if cluster else ""
    return text.format_map({"on_cluster": on_cluster, "engine": _Engine(cluster)})


def statements(text: str, cluster: str = "") -> list[str]:
    """A file's statements as they are run. Raises `KeyError` for an unknown placeholder."""
    rendered = sql.split(render(text, cluster))
    return [part for s in rendered for part in _spread(s, cluster)] if cluster else rendered


# How the statements of this folder begin: comments, then what is done to which table.
_CREATED = re.compile(r"((?:\s*--[^\n]*\n)*\s*CREATE TABLE IF NOT EXISTS )(\w+)")
_ALTERED = re.compile(r"((?:\s*--[^\n]*\n)*\s*ALTER TABLE )(\w+)")
_OF_COLUMNS = re.compile(r"\b(?:ADD|DROP|RENAME|MODIFY|COMMENT) COLUMN\b")
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")
# Seconds for which an insert's token is remembered: longer than any outage that a spool bridges.
_REMEMBERED = 14 * 86400


def _spread(statement: str, cluster: str) -> list[str]:
    """A statement for one server as those that do the same on every shard of a cluster."""
    on = f"ON CLUSTER '{cluster}'"
    if created := _CREATED.match(statement):
        name = created[2]
        local = _WINDOW.sub(
            r"replicated_deduplication_window = \1,"
            rf" replicated_deduplication_window_seconds = {_REMEMBERED}",
            f"{created[1]}{name}_local{statement[created.end() :]}",
        )
        engine = f"Distributed('{cluster}', currentDatabase(), '{name}_local', {_shard(statement)})"
        return [local, f"CREATE TABLE IF NOT EXISTS {name} {on} AS {name}_local ENGINE = {engine}"]
    if altered := _ALTERED.match(statement):
        local = f"{altered[1]}{altered[2]}_local{statement[altered.end() :]}"
        return [local, statement] if _OF_COLUMNS.search(statement) else [local]
    return [statement]


def _shard(statement: str) -> str:
    """What decides the shard of a row, the same whenever it is sent: a site's day lies together.

    So a day is computed from few shards, and a large site's days are on many.
    """
    columns = [c for c in ("site", "day") if re.search(rf"^\s+{c}\s", statement, re.MULTILINE)]
    return f"cityHash64({', '.join(columns)})" if columns else "0"


class _Engine:
    """`{engine:…}`: the engine named after the colon, for one server or for a cluster.

    The path and name of a replica are left to the server (default_replica_path), as ClickHouse
    advises for ON CLUSTER.
    """

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster

    def __format__(self, engine: str) -> str:
        return f"Replicated{engine}" if self._cluster else engine
