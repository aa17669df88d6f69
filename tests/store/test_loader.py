"""Every accepted row is stored once, whoever dies when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spool import reader
from spool.importing import Import
from spool.writer import Spool
from store.clickhouse import Store, StoreUnavailable, hosting
from store.loader import Loader
from store.migrate import migrate
from tests.spool.rows import day, row, tally
from tests.store.conftest import Where

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def migrated(store: Store) -> Store:
    migrate(store)
    return store


@pytest.fixture
def empty(migrated: Store) -> Iterator[Store]:
    yield migrated
    for table in ("events", "tallies"):
        migrated.command(f"TRUNCATE TABLE {table}")


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, "never", seal_seconds=60)
    yield spool
    spool.close()


def stored(store: Store) -> list[int]:
    return [number for (number,) in store.query_rows("SELECT event_id FROM events ORDER BY 1")]


def load(loader: Loader) -> int:
    with loader.lock(blocking=False) as mine:
        assert mine
        return loader.load_once()


def test_rows_and_tallies_are_stored_and_their_segments_removed(
    empty: Store, spool: Spool, tmp_path: Path
) -> None:
    spool.append([row(1), row(2, expires=day(90))], [tally(3)])
    spool.close()
    assert load(Loader(empty, tmp_path)) == 2
    assert stored(empty) == [1, 2]
    assert empty.query_rows("SELECT sum(n) FROM tallies") == [(3,)]
    assert reader.pending(tmp_path) == (0, 0, 0.0)


def test_an_import_is_stored_and_its_folder_removed(empty: Store, tmp_path: Path) -> None:
    with Import(tmp_path, seal_bytes=500) as rows:
        for number in range(10):
            rows.append([row(number)])
        rows.publish()
    assert load(Loader(empty, tmp_path)) > 1
    assert stored(empty) == list(range(10))
    assert not list(tmp_path.glob("import*"))


def test_a_segment_that_was_stored_but_not_removed_is_not_doubled(
    empty: Store, spool: Spool, tmp_path: Path
) -> None:
    """Rows of several months of expiry: the token has to hold for each partition."""
    spool.append([row(number, expires=day(20 + 15 * number)) for number in range(12)], [tally(1)])
    spool.close()
    kept = {segment.path: segment.path.read_bytes() for segment in reader.sealed(tmp_path)}
    for _ in range(2):
        load(Loader(empty, tmp_path))
        for path, content in kept.items():
            path.write_bytes(content)
    assert stored(empty) == list(range(12))
    assert empty.query_rows("SELECT sum(n) FROM tallies") == [(1,)]


def test_rows_whose_token_was_noted_but_which_are_not_there_are_stored(
    empty: Store, spool: Spool, tmp_path: Path
) -> None:
    """As if the process had died between ClickHouse's note of the token and its new part."""
    spool.append([row(1), row(2, expires=day(90))])
    spool.close()
    (segment,) = reader.sealed(tmp_path)
    empty.insert_lines("events", [segment.path.read_bytes()], segment.name)
    # A mutation leaves the tokens, which TRUNCATE would forget.
    empty.command("ALTER TABLE events DELETE WHERE event_id = 2", None, {"mutations_sync": 2})
    empty.insert_lines("events", [segment.path.read_bytes()], segment.name)
    assert stored(empty) == [1]
    load(Loader(empty, tmp_path))
    assert set(stored(empty)) == {1, 2}
    once = "SELECT event_id FROM events_once(site = 1, day = {day:Date}) ORDER BY 1"
    assert empty.query_rows(once, {"day": day(0)}) == [(1,), (2,)]


def test_rows_that_are_past_their_day_are_not_missed(
    empty: Store, spool: Spool, tmp_path: Path
) -> None:
    spool.append([row(1, expires=day(-40)), row(2)])
    spool.close()
    assert load(Loader(empty, tmp_path)) == 1
    empty.command("OPTIMIZE TABLE events FINAL")
    assert stored(empty) == [2]


@pytest.mark.parametrize(
    "content",
    [b'{"site": "secret"}\n', b'{"nope": 1}\n', b"secret\n"],
    ids=["type", "field", "text"],
)
def test_a_refused_segment_is_set_aside_and_those_after_it_are_stored(
    empty: Store, spool: Spool, tmp_path: Path, content: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "events-1700000000000-1-00000000.ndjson").write_bytes(content)
    spool.append([row(1)])
    spool.close()
    assert load(Loader(empty, tmp_path)) == 1
    assert stored(empty) == [1]
    (refused,) = reader.refused(tmp_path)
    assert refused.read_bytes() == content
    assert "secret" not in capsys.readouterr().out


def test_segments_wait_for_a_schema_that_is_not_there_yet(
    empty: Store, spool: Spool, tmp_path: Path
) -> None:
    spool.append([], [tally(1)])
    spool.close()
    empty.command("RENAME TABLE tallies TO elsewhere")
    try:
        with pytest.raises(StoreUnavailable):
            load(Loader(empty, tmp_path))
    finally:
        empty.command("RENAME TABLE elsewhere TO tallies")
    assert load(Loader(empty, tmp_path)) == 1


def test_only_one_loader_runs_on_a_spool(empty: Store, tmp_path: Path) -> None:
    first, second = Loader(empty, tmp_path), Loader(empty, tmp_path)
    with first.lock(blocking=False) as mine, second.lock(blocking=False) as also:
        assert (mine, also) == (True, False)
    with second.lock(blocking=False) as mine:
        assert mine


def test_it_runs_until_it_is_told_to_stop(empty: Store, spool: Spool, tmp_path: Path) -> None:
    stop = threading.Event()
    running = threading.Thread(target=Loader(empty, tmp_path).run, args=(stop,))
    running.start()
    for number in range(3):
        spool.append([row(number)])
        spool.close()
        deadline = time.monotonic() + 20
        while number not in stored(empty):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    stop.set()
    running.join(10)
    assert not running.is_alive()


class TestOverRestarts:
    """Each of these brings up engines of its own on one home."""

    def test_while_the_store_is_away_segments_wait(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path / "spool", "never")
        spool.append([row(1)])
        spool.close()
        loader = Loader(Store(Where(tmp_path)), tmp_path / "spool")
        with pytest.raises(StoreUnavailable):
            load(loader)
        stop = threading.Event()
        running = threading.Thread(target=loader.run, args=(stop,))
        running.start()
        try:
            with hosting(Where(tmp_path)) as store:
                migrate(store)
                deadline = time.monotonic() + 30
                while reader.waiting(tmp_path / "spool"):
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                assert stored(store) == [1]
        finally:
            stop.set()
            running.join()

    def test_a_token_holds_after_the_engine_was_restarted(self, tmp_path: Path) -> None:
        lines = b"".join(
            b'{"site": 1, "day": "%s", "expires": "%s", "event_id": %d, "name": "pageview"}\n'
            % (day(0).encode(), day(20 + 15 * number).encode(), number)
            for number in range(12)
        )
        for _ in range(3):
            with hosting(Where(tmp_path)) as store:
                migrate(store)
                store.insert_lines("events", [lines], "the same")
                assert stored(store) == list(range(12))

    @pytest.mark.parametrize("moment", ["before remove", "any"])
    def test_kill_9_of_the_loader_loses_and_doubles_nothing(
        self, tmp_path: Path, moment: str
    ) -> None:
        """The process hosts the engine too, as the worker does."""
        script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from spool import reader
from store.clickhouse import hosting
from store.loader import Loader
from store.migrate import migrate
from tests.store.conftest import Where
home = Path({str(tmp_path)!r})
if {moment!r} == "before remove":
    remove, removed = reader.remove, []
    def die(segment):
        if len(removed) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        removed.append(segment)
        remove(segment)
    reader.remove = die
with hosting(Where(home)) as store:
    migrate(store)
    loader = Loader(store, home / "spool")
    with loader.lock(blocking=False):
        print("loading", flush=True)
        loader.load_once()
"""
        spool = Spool(tmp_path / "spool", "never", seal_bytes=2000)
        for number in range(300):
            spool.append([row(number, expires=day(20 + number % 70))], [tally(1)])
        spool.close()
        assert len(reader.sealed(tmp_path / "spool")) > 20
        for turn in range(1 if moment == "before remove" else 4):
            with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as loader:
                assert loader.stdout is not None
                assert loader.stdout.readline() == b"loading\n"
                if moment == "any":
                    time.sleep(0.03 + 0.017 * turn)
                    os.kill(loader.pid, signal.SIGKILL)
            assert loader.returncode == -signal.SIGKILL
        with hosting(Where(tmp_path)) as store:
            load(Loader(store, tmp_path / "spool"))
            assert stored(store) == list(range(300))
            assert store.query_rows("SELECT sum(n) FROM tallies") == [(300,)]
        assert reader.waiting(tmp_path / "spool") == []
