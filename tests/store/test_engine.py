"""One engine a directory; requests do not see each other's settings; nothing stays in tmp."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from store.endpoint import NAME, Endpoint, forget, publish, read
from store.engine import Engine, EngineBusy, EngineError

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from store.engine import Engine
engine = Engine(Path({home!r}))
print("open", flush=True)
time.sleep({seconds})
engine.close()
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    engine.close()


def hold(home: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Another process with the engine open on this home."""
    script = HOLD.format(root=str(ROOT), home=str(home), seconds=seconds)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    return process


def test_a_directory_in_use_is_waited_for_until_a_deadline(tmp_path: Path) -> None:
    with hold(tmp_path, 60) as other:
        begun = time.monotonic()
        with pytest.raises(EngineBusy, match="is a worker running"):
            Engine(tmp_path, wait=0.3)
        assert 0.3 <= time.monotonic() - begun < 5
        other.kill()


@pytest.mark.parametrize("end", ["closes", "is killed"])
def test_the_next_process_takes_over_when_the_first_is_gone(tmp_path: Path, end: str) -> None:
    with hold(tmp_path, 1 if end == "closes" else 60) as other:
        if end == "is killed":
            os.kill(other.pid, signal.SIGKILL)
        engine = Engine(tmp_path, wait=20)
        assert engine.query("SELECT 1").data == b"1\n"
        engine.close()


def test_temporary_files_of_a_killed_process_are_gone_after_the_start(tmp_path: Path) -> None:
    for folder in (tmp_path / "tmp", tmp_path / "clickhouse" / "tmp"):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_text("left behind")
        (folder / "file").write_text("left behind")
    Engine(tmp_path).close()
    assert not any((tmp_path / "tmp").iterdir())
    assert not any((tmp_path / "clickhouse" / "tmp").iterdir())


def test_only_the_owner_may_look_into_the_store(tmp_path: Path) -> None:
    Engine(tmp_path).close()
    assert stat.S_IMODE((tmp_path / "clickhouse").stat().st_mode) == 0o700


def test_what_a_large_sort_spills_lies_in_the_home(engine: Engine, tmp_path: Path) -> None:
    """ClickHouse's own default would be /var/lib/clickhouse/tmp."""
    folder = tmp_path / "clickhouse" / "tmp"
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.update(path.name for path in folder.iterdir())

    watching = threading.Thread(target=watch)
    watching.start()
    engine.query(
        "SELECT count() FROM"
        " (SELECT toString(number) AS s FROM numbers(2000000) ORDER BY s LIMIT 1999999)",
        settings={
            "max_bytes_before_external_sort": "1000000",
            "max_bytes_ratio_before_external_sort": "0",
        },
    )
    done.set()
    watching.join()
    assert seen
    assert not any(folder.iterdir())


def test_settings_hold_for_one_request_only(engine: Engine) -> None:
    ask = "SELECT getSetting('max_threads')"
    before = engine.query(ask).data
    assert engine.query(ask, settings={"max_threads": "1"}).data == b"1\n"
    assert engine.query(ask).data == before


def test_a_settings_value_cannot_end_its_quotes(engine: Engine) -> None:
    value = "x', max_threads = '1\\"
    ask = "SELECT getSetting('log_comment')"
    answer = engine.query(ask, "TabSeparatedRaw", settings={"log_comment": value})
    assert answer.data.decode() == value + "\n"


@pytest.mark.parametrize("name", ["a b", "a=1,b", "", "1a", "a'"])
def test_what_is_no_settings_name_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(EngineError) as refused:
        engine.query("SELECT 1", settings={name: "1"})
    assert refused.value.code == 36


def test_errors_carry_clickhouses_number_and_name(engine: Engine) -> None:
    with pytest.raises(EngineError) as refused:
        engine.query("SELECT * FROM nowhere")
    assert (refused.value.code, refused.value.name) == (60, "UNKNOWN_TABLE")


def test_an_insert_whose_source_fails_stores_nothing(engine: Engine) -> None:
    engine.query("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")

    def broken() -> Iterator[bytes]:
        yield b'{"a": 1}\n'
        raise OSError("the client has gone")

    with pytest.raises(OSError, match="gone"):
        engine.insert("INSERT INTO t", "JSONEachRow", broken())
    assert engine.query("SELECT count() FROM t").data == b"0\n"


def test_rows_are_there_after_the_engine_was_closed_and_opened(tmp_path: Path) -> None:
    first = Engine(tmp_path)
    first.query("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    assert first.insert("INSERT INTO t", "JSONEachRow", [b'{"a": 1}\n']).rows == 1
    first.close()
    second = Engine(tmp_path)
    assert second.query("SELECT a FROM t").data == b"1\n"
    second.close()


def test_a_process_that_only_talks_http_never_loads_the_engine() -> None:
    script = (
        "import sys; import store.clickhouse, store.migrate, store.loader;"
        " sys.exit(any(m.split('.')[0] in ('chdb', 'cheroot') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_the_endpoint_is_a_private_file_that_its_writer_alone_removes(tmp_path: Path) -> None:
    mine = Endpoint(1234, "discreet", "secret", os.getpid())
    assert read(tmp_path) is None
    publish(tmp_path, mine)
    assert read(tmp_path) == mine
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert "secret" not in repr(mine)
    forget(tmp_path, Endpoint(1, "discreet", "other", 1))
    assert read(tmp_path) == mine
    forget(tmp_path, mine)
    assert read(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("token", ["", "t"], ids=["without a token", "with a token"])
def test_an_insert_that_could_not_be_written_is_told(engine: Engine, token: str) -> None:
    """chDB's own streaming reports success, whatever kept it from writing the part."""
    engine.query("CREATE TABLE c (a UInt8, CONSTRAINT k CHECK a < 5) ENGINE MergeTree ORDER BY a")
    settings = {"insert_deduplication_token": token} if token else {}
    with pytest.raises(EngineError) as refused:
        engine.insert("INSERT INTO c", "JSONEachRow", [b'{"a":9}\n'], settings=settings)
    assert refused.value.code == (469 if token else 319)
    assert engine.query("SELECT count() FROM c").data == b"0\n"
    engine.insert("INSERT INTO c", "JSONEachRow", [b'{"a":1}\n'], settings=settings)
    assert engine.query("SELECT count() FROM c").data == b"1\n"
    engine.query("DROP TABLE c SYNC")


def test_an_error_of_another_statement_does_not_double_an_insert(engine: Engine) -> None:
    engine.query(
        "CREATE TABLE o (a UInt8) ENGINE MergeTree ORDER BY a"
        " SETTINGS non_replicated_deduplication_window = 10"
    )

    def chunks() -> Iterator[bytes]:
        yield b'{"a":1}\n'
        with pytest.raises(EngineError):
            engine.query("SELECT nope")
        yield b'{"a":2}\n'

    settings = {"insert_deduplication_token": "o"}
    engine.insert("INSERT INTO o", "JSONEachRow", chunks(), settings=settings)
    assert engine.query("SELECT a FROM o ORDER BY a").data == b"1\n2\n"
    engine.query("DROP TABLE o SYNC")


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    """A disk that is full, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def merging(engine: Engine) -> Engine:
    return unmerged(engine)


def unmerged(engine: Engine) -> Engine:
    """Four parts of ten rows that were not yet merged, in a table and beside it an empty one."""
    engine.query("CREATE TABLE `an other` (a UInt64) ENGINE = MergeTree ORDER BY a")
    engine.query(
        "CREATE TABLE m (a UInt64) ENGINE = MergeTree ORDER BY a"
        " SETTINGS non_replicated_deduplication_window = 10, fsync_after_insert = 1"
    )
    engine.query("SYSTEM STOP MERGES m")
    for part in range(4):
        lines = [b'{"a":%d}\n' % (part * 10 + n) for n in range(10)]
        engine.insert("INSERT INTO m", "JSONEachRow", lines)
    engine.query("SYSTEM START MERGES m")
    return engine


def merge_in_vain(engine: Engine) -> None:
    with no_file_may_grow():
        engine.query("OPTIMIZE TABLE m FINAL")  # without a word of what it could not do
    with pytest.raises(EngineError):
        engine.query("SELECT sum(a) FROM m")


def whole(engine: Engine) -> bool:
    parts = engine.query("SELECT count() FROM system.detached_parts").data
    return (engine.query("SELECT count(), sum(a) FROM m").data, parts) == (b"40\t780\n", b"0\n")


def test_rows_of_a_merge_that_could_not_be_written_come_back(merging: Engine) -> None:
    assert merging.mend() == []
    merge_in_vain(merging)
    assert merging.mend() == ["`default`.`an other`", "`default`.`m`"]
    assert whole(merging)
    assert merging.mend() == []
    merging.query("OPTIMIZE TABLE m FINAL")
    assert whole(merging)


def test_rows_of_a_merge_that_could_not_be_written_come_back_after_a_restart(
    tmp_path: Path,
) -> None:
    first = unmerged(Engine(tmp_path))
    merge_in_vain(first)
    first.close()
    again = Engine(tmp_path)
    try:
        assert whole(again)
    finally:
        again.close()


def test_an_insert_is_believed_only_where_every_file_could_be_written(merging: Engine) -> None:
    insert = partial(
        merging.insert, "INSERT INTO m", "JSONEachRow", [b'{"a":0}\n'],
        settings={"insert_deduplication_token": "t"},
    )  # fmt: skip
    failure = None
    with no_file_may_grow():
        try:
            insert()
        except EngineError as error:
            failure = error
    assert failure is not None
    assert failure.code == 319
    insert()  # which first puts back what is damaged
    assert merging.query("SELECT count(), sum(a) FROM m").data == b"41\t780\n"
