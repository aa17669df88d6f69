"""Migrations are applied once, in order; what was applied does not change; the schema holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from anonymize.event import Row
from store import sql
from store.clickhouse import Store, StoreRefused, hosting
from store.migrate import FOLDER, MigrationChanged, migrate, migrations, render, statements
from tests.spool.rows import day, row
from tests.store.conftest import Where

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def migrated(store: Store) -> Store:
    migrate(store)
    return store


@pytest.fixture
def empty(migrated: Store) -> Iterator[Store]:
    yield migrated
    migrated.command("TRUNCATE TABLE events")


def insert(store: Store, *rows: Row) -> None:
    lines = msgspec.json.Encoder().encode_lines(rows)
    store.insert_lines("events", [lines], repr([r.event_id for r in rows]) + rows[0].day)


class TestOnAnEmptyStore:
    """Each of these brings up a store of its own."""

    def test_everything_is_applied_once_in_order(self, tmp_path: Path) -> None:
        with hosting(Where(tmp_path)) as store:
            numbers = [migration.number for migration in migrations()]
            assert numbers == sorted(numbers)
            assert migrate(store) == numbers
            assert migrate(store) == []
            rows = store.query_rows("SELECT number, name FROM migrations ORDER BY number")
            assert rows == [(m.number, m.name) for m in migrations()]

    def test_two_processes_may_migrate_at_once(self, tmp_path: Path) -> None:
        script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from store.clickhouse import Store
from store.migrate import migrate
from tests.store.conftest import Where
migrate(Store(Where(Path({str(tmp_path)!r}))))
"""
        with hosting(Where(tmp_path)) as store:
            both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
            assert [process.wait() for process in both] == [0, 0]
            assert migrate(store) == []
            applied = store.query_rows("SELECT number FROM migrations FINAL ORDER BY number")
            assert applied == [(migration.number,) for migration in migrations()]

    def test_one_that_fails_is_applied_again_from_its_start(self, tmp_path: Path) -> None:
        folder = tmp_path / "migrations"
        folder.mkdir()
        file = folder / "0001_a.sql"
        first = "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = {engine:MergeTree} ORDER BY x;\n"
        file.write_text(first + "SELEC;\n")
        with hosting(Where(tmp_path / "home")) as store:
            with pytest.raises(StoreRefused):
                migrate(store, folder=folder)
            file.write_text(first + "-- ; {{not a placeholder}}\n")
            assert migrate(store, folder=folder) == [1]

    def test_a_changed_file_stops_before_anything_is_applied(self, tmp_path: Path) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(FOLDER, folder)
        with hosting(Where(tmp_path / "home")) as store:
            migrate(store, folder=folder)
            with next(folder.glob("0001_*")).open("a") as file:
                file.write("\n-- a harmless comment\n")
            (folder / "9999_later.sql").write_text("CREATE TABLE later (x UInt8) ENGINE = Memory")
            with pytest.raises(MigrationChanged, match="0001_"):
                migrate(store, folder=folder)
            assert store.query_rows("EXISTS TABLE later") == [(0,)]


@pytest.mark.parametrize("name", ["1_a.sql", "0001-a.sql", "0001_b.sql"])
def test_a_misnamed_file_or_a_number_used_twice_stops(tmp_path: Path, name: str) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1")
    (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(ValueError, match=r"\.sql"):
        migrations(tmp_path)


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        ("", "CREATE TABLE a  ENGINE = SummingMergeTree(n) -- {x:UInt8}"),
        (
            "c1",
            "CREATE TABLE a ON CLUSTER 'c1' ENGINE = ReplicatedSummingMergeTree(n) -- {x:UInt8}",
        ),
    ],
)
def test_placeholders_are_filled_for_one_server_and_for_a_cluster(
    cluster: str, expected: str
) -> None:
    text = "CREATE TABLE a {on_cluster} ENGINE = {engine:SummingMergeTree(n)} -- {{x:UInt8}}"
    assert render(text, cluster) == expected


@pytest.mark.parametrize("migration", migrations(), ids=lambda m: m.name)
@pytest.mark.parametrize("cluster", ["", "c1"])
def test_clickhouse_can_parse_every_statement(migrated: Store, migration, cluster: str) -> None:  # type: ignore[no-untyped-def]
    """Syntax is all that this shows: no cluster can run here."""
    for statement in statements(migration.text, cluster):
        assert migrated.client().raw_query(f"EXPLAIN AST {statement}")


@pytest.mark.parametrize("migration", migrations(), ids=lambda m: m.name)
def test_on_a_cluster_every_table_is_replicated_and_spread_and_everything_runs_everywhere(
    migration,  # type: ignore[no-untyped-def]
) -> None:
    one, many = statements(migration.text), statements(migration.text, "c1")
    assert all("ON CLUSTER 'c1'" in statement for statement in many)
    names = [re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", s) for s in one]
    for name in [name for found in names for name in found]:
        local = next(s for s in many if f"EXISTS {name}_local ON" in s)
        assert re.search(r"ENGINE = Replicated\w*MergeTree", local)
        assert "non_replicated_" not in local
        spread = next(s for s in many if f"EXISTS {name} ON" in s)
        columns = "site, day" if "day" in local else "site"
        assert spread == (
            f"CREATE TABLE IF NOT EXISTS {name} ON CLUSTER 'c1' AS {name}_local ENGINE ="
            f" Distributed('c1', currentDatabase(), '{name}_local', cityHash64({columns}))"
        )


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "-- why\nALTER TABLE a {on_cluster} ADD COLUMN IF NOT EXISTS b UInt8",
            ["-- why\nALTER TABLE a_local ON CLUSTER 'c1' ADD COLUMN IF NOT EXISTS b UInt8",
             "-- why\nALTER TABLE a ON CLUSTER 'c1' ADD COLUMN IF NOT EXISTS b UInt8"],
        ),
        (
            "ALTER TABLE a {on_cluster} MODIFY TTL d + INTERVAL 1 DAY",
            ["ALTER TABLE a_local ON CLUSTER 'c1' MODIFY TTL d + INTERVAL 1 DAY"],
        ),
        (
            "CREATE OR REPLACE VIEW v {on_cluster} AS SELECT 1",
            ["CREATE OR REPLACE VIEW v ON CLUSTER 'c1' AS SELECT 1"],
        ),
    ],
    ids=["columns", "rows", "view"],
)  # fmt: skip
def test_a_change_reaches_what_it_concerns(statement: str, expected: list[str]) -> None:
    assert statements(statement, "c1") == expected


def test_an_unknown_placeholder_is_an_error() -> None:
    with pytest.raises(KeyError):
        render("{nope}")


@pytest.mark.parametrize("migration", migrations(), ids=lambda m: m.name)
def test_every_statement_may_run_twice(migration) -> None:  # type: ignore[no-untyped-def]
    for statement in sql.split(render(migration.text)):
        words = " ".join(
            line for line in statement.splitlines() if not line.lstrip().startswith("--")
        ).upper()
        assert "IF NOT EXISTS" in words or "OR REPLACE" in words or "IF EXISTS" in words


def test_the_tables_columns_are_the_rows_fields(migrated: Store) -> None:
    columns = {name for name, *_ in migrated.query_rows("DESCRIBE TABLE events")}
    fields = {field.name for field in msgspec.structs.fields(Row)}
    assert columns - {"restricted"} == fields


def test_a_row_comes_back_as_it_was_written(empty: Store) -> None:
    written = row(
        2**64 - 1,
        props={"plan": "pro", "naïve": "\t'\n"},
        revenue="12.5",
        page="/é",
        user=str(2**127),
        visit=2**63,
    )
    insert(empty, written)
    [found] = empty.query_rows(
        "SELECT event_id, visitor, user, visit, props, toString(revenue), page, toString(day),"
        " toUnixTimestamp(time), basis, purposes, toString(expires), restricted FROM events"
    )
    assert found == (
        2**64 - 1,
        int(written.visitor),
        2**127,
        2**63,
        written.props,
        "12.5",
        "/é",
        written.day,
        written.time,
        "exempt",
        ["audience"],
        written.expires,
        0,
    )


def once(store: Store, offset: int, site: int = 1) -> list[tuple[int, str]]:
    return [
        (number, page)
        for number, page in store.query_rows(
            "SELECT event_id, page FROM events_once(site = {site:UInt32}, day = {day:Date})"
            " ORDER BY event_id",
            {"site": site, "day": day(offset)},
        )
    ]


def test_the_first_received_of_two_duplicates_is_read(empty: Store) -> None:
    at = row(1).received
    insert(empty, row(1, page="/second", received=at + 5), row(2))
    insert(empty, row(1, page="/first"))
    assert once(empty, 0) == [(1, "/first"), (2, "/2")]


@pytest.mark.parametrize("first", [-1, 0])
def test_a_duplicate_on_the_neighbouring_day_is_read_once(empty: Store, first: int) -> None:
    """A retry whose corrected clock falls on the other side of midnight."""
    at = row(1).received
    other = -1 - first
    insert(empty, row(1, day=day(first), page="/first"))
    insert(empty, row(1, day=day(other), page="/again", received=at + 1, time=at + 86400 * 2))
    assert once(empty, first) == [(1, "/first")]
    assert once(empty, other) == []


def test_duplicates_are_looked_for_within_a_site(empty: Store) -> None:
    insert(empty, row(1, page="/one"), row(1, site=2, page="/two"))
    assert once(empty, 0) == [(1, "/one")]
    assert once(empty, 0, site=2) == [(1, "/two")]


def test_a_restricted_row_is_not_read(empty: Store) -> None:
    insert(empty, row(1), row(2))
    empty.command(
        "ALTER TABLE events UPDATE restricted = 1 WHERE event_id = 1", None, {"mutations_sync": 2}
    )
    assert once(empty, 0) == [(2, "/2")]


def test_tallies_add_up(migrated: Store) -> None:
    line = b'{"site": 0, "day": "%s", "reason": "too_old", "n": 2}\n' % day(0).encode()
    for token in ("a", "b", "b"):
        migrated.insert_lines("tallies", [line], token)
    migrated.command("OPTIMIZE TABLE tallies FINAL")
    assert migrated.query_rows("SELECT reason, n FROM tallies") == [("too_old", 4)]
