"""The store's few verbs, and which of its two exceptions each failure becomes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver import exceptions

from store.clickhouse import (
    TRANSIENT,
    Store,
    StoreRefused,
    StoreUnavailable,
    _translated,
    hosted,
    hosting,
)
from store.endpoint import Endpoint, publish, read
from store.engine import Engine
from tests.store.conftest import Where

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def table(store: Store) -> None:
    store.command(
        "CREATE TABLE t (a UInt64, d Date, b String) ENGINE = MergeTree"
        " PARTITION BY toYYYYMM(d) ORDER BY a"
        " SETTINGS non_replicated_deduplication_window = 100"
    )


@pytest.mark.usefixtures("table")
class TestVerbs:
    """Against whichever store the tests were given."""

    def test_rows_come_as_tuples(self, store: Store) -> None:
        rows = store.query_rows("SELECT number, {d:Date} FROM numbers(2)", {"d": date(2026, 1, 2)})
        assert rows == [(0, date(2026, 1, 2)), (1, date(2026, 1, 2))]

    def test_no_rows_are_an_empty_list(self, store: Store) -> None:
        assert store.query_rows("SELECT 1 WHERE 0") == []

    def test_lines_may_be_cut_anywhere(self, store: Store) -> None:
        store.command("TRUNCATE TABLE t")
        lines = b"".join(b'{"a": %d, "d": "2026-01-01", "b": "\xc3\xa9"}\n' % n for n in range(100))
        store.insert_lines("t", (lines[at : at + 7] for at in range(0, len(lines), 7)), "cut")
        assert store.query_rows("SELECT count(), min(b) FROM t") == [(100, "é")]

    def test_a_token_is_stored_once_over_all_partitions(self, store: Store) -> None:
        store.command("TRUNCATE TABLE t")
        lines = b"".join(b'{"a": %d, "d": "2026-%02d-01"}\n' % (n, n % 12 + 1) for n in range(48))
        for _ in range(3):
            store.insert_lines("t", [lines], "once")
        store.insert_lines("t", [lines], "another")
        assert store.query_rows("SELECT count() FROM t") == [(96,)]

    @pytest.mark.parametrize(
        ("line", "code"),
        [
            pytest.param(b'{"a": "secret"}\n', 27, id="type"),
            pytest.param(b'{"secret": 1}\n', 117, id="a field without a column"),
            pytest.param(b"secret\n", 27, id="no JSON"),
            pytest.param(b'{"a": 1, "b": "secret', 3, id="torn"),
        ],
    )
    def test_refusals_of_data_never_quote_them(self, store: Store, line: bytes, code: int) -> None:
        with pytest.raises((StoreRefused, StoreUnavailable)) as refused:
            store.insert_lines("t", [line], "bad")
        assert "secret" not in f"{refused.value!r} {refused.value.__context__!r}"
        assert refused.value.__cause__ is None

    def test_a_mistake_in_a_statement_is_explained_without_its_parameters(
        self, store: Store
    ) -> None:
        with pytest.raises(StoreRefused, match=r"47 UNKNOWN_IDENTIFIER.*nope") as refused:
            store.query_rows("SELECT nope, {p:String}", {"p": "secret"})
        assert refused.value.code == 47
        assert "secret" not in str(refused.value)

    def test_a_failure_on_data_is_told_by_its_name_alone(self, store: Store) -> None:
        with pytest.raises(StoreRefused) as refused:
            store.query_rows("SELECT toUInt8({p:String})", {"p": "secret"})
        assert str(refused.value) == "ClickHouse refused: 6 CANNOT_PARSE_TEXT"

    def test_what_takes_too_long_or_too_much_may_be_tried_again(self, store: Store) -> None:
        with pytest.raises(StoreUnavailable, match="159 TIMEOUT_EXCEEDED"):
            store.query_rows(
                "SELECT sleepEachRow(1) FROM numbers(3)",
                settings={"max_execution_time": 1, "max_block_size": 1},
            )
        with pytest.raises(StoreUnavailable, match="241 MEMORY_LIMIT_EXCEEDED"):
            store.query_rows(
                "SELECT groupArray(number) FROM numbers(10000000)",
                settings={"max_memory_usage": 1000000},
            )

    def test_threads_share_a_store(self, store: Store) -> None:
        answers: list[Any] = []
        threads = [
            threading.Thread(
                target=lambda n=n: answers.append(store.query_rows("SELECT {n:UInt8}", {"n": n}))
            )
            for n in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [[(n,)] for n in range(16)]

    def test_a_store_may_be_used_on_both_sides_of_a_fork(self, store: Store) -> None:
        assert store.query_rows("SELECT 1") == [(1,)]
        script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from store.clickhouse import Store
from tests.store.conftest import Where
store = Store(Where(Path({str(store._settings.home)!r}), {store._settings.clickhouse_url!r}))
for turn in range(20):
    assert store.query_rows("SELECT 1") == [(1,)]
child = os.fork()
for turn in range(50):
    assert store.query_rows("SELECT {{n:UInt8}}", {{"n": turn}}) == [(turn,)]
if child == 0:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_without_an_engine_the_store_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="the embedded engine is not running"):
        Store(Where(tmp_path)).ping()


def test_a_stale_endpoint_is_unavailable(tmp_path: Path) -> None:
    publish(tmp_path, Endpoint(free_port(), "discreet", "x", 1))
    store = Store(Where(tmp_path))
    for verb in (store.ping, lambda: store.query_rows("SELECT 1")):
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            verb()


def test_a_lost_connection_prints_no_parameter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(Where(tmp_path))
    with hosting(Where(tmp_path)):
        store.query_rows("SELECT 1")
        endpoint = read(tmp_path)
    assert endpoint is not None
    publish(tmp_path, endpoint)  # as if its process had been killed
    with pytest.raises(StoreUnavailable) as lost:
        store.query_rows("SELECT {p:String}", {"p": "planted"})
    assert "planted" not in caplog.text + repr(lost.value) + repr(lost.value.__context__)


@pytest.mark.parametrize("password_file", ["", "missing"])
def test_a_server_that_is_away_is_unavailable(tmp_path: Path, password_file: str) -> None:
    path = str(tmp_path / password_file) if password_file else ""
    store = Store(Where(tmp_path, f"http://u:secret@127.0.0.1:{free_port()}/db", path))
    with pytest.raises(StoreUnavailable) as away:
        store.query_rows("SELECT {p:String}", {"p": "secret"})
    assert "secret" not in str(away.value)


def test_a_store_follows_the_engine_to_its_next_port(tmp_path: Path) -> None:
    store = Store(Where(tmp_path))
    for number in (1, 2):
        with hosting(Where(tmp_path)):
            assert store.query_rows("SELECT {n:UInt8}", {"n": number}) == [(number,)]
        with pytest.raises(StoreUnavailable):
            store.ping()
    assert read(tmp_path) is None


def test_a_server_is_reached_by_its_url(tmp_path: Path) -> None:
    """The front stands in for the server: another database, the password from a file."""
    with hosting(Where(tmp_path)) as embedded:
        embedded.command("CREATE DATABASE other")
        endpoint = read(tmp_path)
        assert endpoint is not None
        (tmp_path / "password").write_text(endpoint.password + "\n")
        url = f"http://{endpoint.user}@127.0.0.1:{endpoint.port}/other"
        with hosted(Where(tmp_path, url, str(tmp_path / "password"))) as server:
            server.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
            server.insert_lines("t", [b'{"a": 1}\n'], "x")
            assert server.query_rows("SELECT a, currentDatabase() FROM t") == [(1, "other")]
        with pytest.raises(StoreUnavailable, match="516 AUTHENTICATION_FAILED"):
            Store(Where(tmp_path, url)).query_rows("SELECT 1")


def test_a_command_uses_the_engine_that_a_worker_hosts(tmp_path: Path) -> None:
    with hosting(Where(tmp_path)), hosted(Where(tmp_path), wait=0) as store:
        assert store.query_rows("SELECT 1") == [(1,)]


@pytest.mark.parametrize("left_behind", [False, True], ids=["no worker", "a killed worker"])
def test_a_command_that_finds_no_worker_hosts_the_engine_itself(
    tmp_path: Path, left_behind: bool
) -> None:
    if left_behind:
        publish(tmp_path, Endpoint(free_port(), "discreet", "x", 1))
    with hosted(Where(tmp_path)) as store:
        assert store.query_rows("SELECT 1") == [(1,)]
    assert read(tmp_path) is None


def test_a_directory_that_stays_in_use_is_unavailable(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    for take in (hosting, hosted):
        with (
            pytest.raises(StoreUnavailable, match="is a worker running"),
            take(Where(tmp_path), 0.1),
        ):
            pass
    engine.close()


def test_a_worker_that_is_killed_leaves_nothing_that_hinders_the_next(tmp_path: Path) -> None:
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from store.clickhouse import hosting
from tests.store.conftest import Where
with hosting(Where(Path({str(tmp_path)!r}))) as store:
    store.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    store.insert_lines("t", [b'{{"a": 1}}\\n'], "x")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert read(tmp_path) is not None
    with hosting(Where(tmp_path)) as store:
        assert store.query_rows("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_transient_codes_are_tried_again(code: int) -> None:
    error = exceptions.DatabaseError("Code: 1. DB::Exception: secret", code=code, name="X")
    assert isinstance(_translated(error, "SELECT 1"), StoreUnavailable)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.OperationalError("connection reset"), StoreUnavailable),
        (exceptions.DatabaseError("HTTP status 502"), StoreUnavailable),
        (exceptions.ProgrammingError("secret"), StoreRefused),
        (exceptions.DatabaseError("secret", code=117, name="INCORRECT_DATA"), StoreRefused),
        (exceptions.DatabaseError("secret", code=424242), StoreRefused),
    ],
)
def test_every_failure_is_one_of_two(error: exceptions.ClickHouseError, kind: type) -> None:
    translated = _translated(error, "")
    assert type(translated) is kind
    assert "secret" not in str(translated)


class TestOnACluster:
    """No cluster can run here: what is sent to one is looked at."""

    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        monkeypatch.setattr(Store, "command", lambda _, *given: found.append(given))
        return found

    def test_rows_are_deleted_where_they_lie_on_every_replica(
        self, sent: list[tuple[Any, ...]], tmp_path: Path
    ) -> None:
        Store(Where(tmp_path, clickhouse_cluster="c1")).delete("events", "site = 1")
        Store(Where(tmp_path)).delete("events", "site = 1")
        assert [statement for statement, *_ in sent] == [
            "ALTER TABLE events_local ON CLUSTER 'c1' DELETE WHERE site = 1",
            "ALTER TABLE events DELETE WHERE site = 1",
        ]

    def test_before_rows_are_read_every_replica_has_them(
        self, sent: list[tuple[Any, ...]], store: Store, tmp_path: Path
    ) -> None:
        Store(Where(tmp_path)).settle("events")
        Store(Where(tmp_path, clickhouse_cluster="c1")).settle("events")
        [(statement,)] = sent
        assert statement == "SYSTEM SYNC REPLICA ON CLUSTER 'c1' events_local LIGHTWEIGHT"
        assert store.client().raw_query(f"EXPLAIN AST {statement}")
