"""Every accepted row is stored once, whoever dies when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from anonymize.event import Reason
from spool import reader
from spool.importing import Import
from spool.segment import lines
from spool.tally import Tally
from spool.writer import Spool
from store.clickhouse import Store, StoreUnavailable, hosting
from store.loader import Attempt, Loader
from store.migrate import migrate
from tests.spool.rows import day, row, tally
from tests.store.conftest import Where

ROOT = Path(__file__).resolve().parents[2]


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
    assert reader.measure(tmp_path).segments == 0


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
    [b'{"site": "secret"}\n', b'{"nope": 1}\n', b"secret\n", b"\0" * 300, b'{"site":1,"da'],
    ids=["type", "field", "text", "zeros", "torn"],
)
def test_a_refused_segment_is_set_aside_and_those_after_it_are_stored(
    empty: Store, spool: Spool, tmp_path: Path, content: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "events-1700000000000-1-00000000.ndjson").write_bytes(content)
    spool.append([row(1)])
    spool.close()
    assert load(Loader(empty, tmp_path)) == 2
    assert stored(empty) == [1]
    (refused,) = reader.refused(tmp_path)
    assert refused.segment.path.read_bytes() == content
    assert "secret" not in capsys.readouterr().out


BAD = (b'{"site": "x"}\n', b"{}}\n", b"\0\0\n")


@pytest.mark.parametrize("doubtful", [False, True], ids=["first try", "after a crash"])
@pytest.mark.parametrize("places", [(0,), (29,), (3, 4, 17), tuple(range(30))], ids=str)
def test_only_the_lines_that_the_store_refuses_are_set_aside(
    empty: Store, tmp_path: Path, places: tuple[int, ...], doubtful: bool
) -> None:
    content = [lines([row(number)]) for number in range(30)]
    for number in places:
        content[number] = BAD[number % len(BAD)]
    path = tmp_path / "events-1700000000000-1-00000000.ndjson"
    loader = Loader(empty, tmp_path)
    if doubtful:
        path.write_bytes(b"".join(content))
    with loader.lock(blocking=False):
        path.write_bytes(b"".join(content))
        loader.load_once()
    assert stored(empty) == [number for number in range(30) if number not in places]
    (refused,) = reader.refused(tmp_path)
    assert refused.segment.path.read_bytes() == b"".join(content[n] for n in places)
    assert reader.sealed(tmp_path) == []
    # Repaired, or not: nothing is doubled, and it is set aside again.
    reader.retry(tmp_path, refused)
    load(loader)
    assert len(stored(empty)) == 30 - len(places)
    assert len(reader.refused(tmp_path)) == 1


def test_a_segment_of_which_nearly_everything_is_wrong_is_given_up_soon_and_kept(
    empty: Store, tmp_path: Path
) -> None:
    attempts: list[Attempt] = []
    path = tmp_path / "events-1700000000000-1-00000000.ndjson"
    content = b'{"newer": 1}\n' * 5000 + lines([row(1)])
    path.write_bytes(content)
    assert load(Loader(empty, tmp_path, attempts.append)) == 1
    assert len(attempts) < 300
    kept = b"".join(r.segment.path.read_bytes() for r in reader.refused(tmp_path))
    assert kept.count(b"newer") == 5000
    assert (stored(empty) == [1]) != (b'"event_id"' in kept)


def test_a_mistake_of_ours_with_one_segment_holds_up_no_other_and_is_told(
    empty: Store, spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append([row(1)])
    spool.close()
    (segment,) = reader.sealed(tmp_path)
    poisoned = segment.name
    spool.append([row(2)])
    spool.close()
    insert = Store.insert_lines

    def fails(store: Store, table: str, chunks: Iterable[bytes], token: str) -> None:
        if token == poisoned:
            raise ZeroDivisionError
        insert(store, table, chunks, token)

    loader = Loader(empty, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "insert_lines", fails)
        assert load(loader) == 1
    assert stored(empty) == [2]
    assert loader.problem == "a segment cannot be loaded: ZeroDivisionError"
    assert load(loader) == 1
    assert (stored(empty), loader.problem) == ([1, 2], "")


def test_tallies_whose_token_was_noted_but_which_are_not_there_are_stored(
    empty: Store, spool: Spool, tmp_path: Path
) -> None:
    """Of two months, in one of which they are there: those are not counted twice."""
    spool.append([], [Tally(1, day(0), Reason.TOO_OLD, 3), Tally(1, day(-31), Reason.TOO_OLD, 5)])
    spool.append([], [Tally(1, day(0), Reason.TOO_OLD, 4), Tally(2, day(31), Reason.NOT_JSON, 2)])
    spool.close()
    (segment,) = reader.sealed(tmp_path)
    content = segment.path.read_bytes()
    empty.insert_lines("tallies", [content], segment.name)
    empty.delete("tallies", "day = {day:Date}", {"day": day(0)})
    empty.insert_lines("tallies", [content], segment.name)
    count = "SELECT sum(n) FROM tallies WHERE day >= {day:Date}"
    assert empty.query_rows(count, {"day": day(0)}) == [(2,)]
    for _ in range(2):
        load(Loader(empty, tmp_path))
        segment.path.write_bytes(content)
    assert empty.query_rows(count, {"day": day(0)}) == [(9,)]
    assert empty.query_rows("SELECT sum(n) FROM tallies") == [(14,)]


def test_every_month_is_looked_for_whatever_properties_are_called(
    empty: Store, tmp_path: Path
) -> None:
    """Lines that name dates elsewhere, more than one of their chunk, before a month's first."""
    rows = [row(n, props={"expires": day(100), "day": day(100)}) for n in range(2000)]
    rows += [row(2000, expires=day(100)), row(2001, expires=day(200))]
    spool = Spool(tmp_path)
    spool.append(rows)
    spool.close()
    (segment,) = reader.sealed(tmp_path)
    content = segment.path.read_bytes()
    empty.insert_lines("events", [content], segment.name)
    empty.delete("events", "event_id >= 2000")
    assert load(Loader(empty, tmp_path)) == 1  # the token says that all of it is there
    assert stored(empty)[-2:] == [2000, 2001]


def test_tallies_of_many_segments_become_one_row_after_two_weeks(empty: Store) -> None:
    line = b'{"site":1,"day":"%s","reason":"too_old","segment":%d,"n":     2}\n'
    for number, offset in ((1, -15), (2, -15), (3, 0), (4, 0)):
        empty.insert_lines("tallies", [line % (day(offset).encode(), number)], f"t{number}")
    empty.command("OPTIMIZE TABLE tallies FINAL")
    rows = empty.query_rows("SELECT toString(day), n FROM tallies ORDER BY day, segment")
    assert rows == [(day(-15), 4), (day(0), 2), (day(0), 2)]


def test_a_segment_of_nothing_is_removed(empty: Store, tmp_path: Path) -> None:
    (tmp_path / "events-1700000000000-1-00000000.ndjson").write_bytes(b"")
    assert load(Loader(empty, tmp_path)) == 1
    assert reader.sealed(tmp_path) == []


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
from anonymize.event import Reason
from spool import reader
from store.clickhouse import hosting
from store.loader import Attempt, Loader
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
