"""What is appended is on disk before `append` returns, in whole lines, whatever happens next."""

from __future__ import annotations

import collections
import contextlib
import errno
import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymize.event import Reason, Row
from spool import reader
from spool.segment import TallyWriter
from spool.writer import Spool, SpoolFull
from tests.spool.rows import row, tally

POLICIES = ("always", "interval", "never")
ROOT = Path(__file__).resolve().parents[2]


def ids(directory: Path) -> list[int]:
    """The event ids of everything that was accepted, in the order of the segments."""
    return [
        json.loads(line)["event_id"]
        for segment in reader.waiting(directory)
        if segment.table == "events"
        for line in segment.path.read_bytes().splitlines()
    ]


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("policy", POLICIES)
def test_rows_and_tallies_are_on_disk_when_append_returns(tmp_path: Path, policy: str) -> None:
    spool = Spool(tmp_path, policy, seal_seconds=60)
    spool.append([row(1), row(2)], [tally(3)])
    found = {s.table: s.path.read_bytes() for s in reader.waiting(tmp_path)}
    spool.close()
    assert [json.loads(line)["event_id"] for line in found["events"].splitlines()] == [1, 2]
    assert json.loads(found["tallies"])["n"] == 3


@pytest.mark.parametrize("policy", POLICIES)
def test_threads_lose_and_mix_nothing(tmp_path: Path, policy: str) -> None:
    spool = Spool(tmp_path, policy, seal_bytes=4096)

    def write(first: int) -> None:
        for number in range(first, first + 50):
            spool.append([row(number)])

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    assert sorted(ids(tmp_path)) == list(range(400))
    assert len(reader.sealed(tmp_path)) > 1


def test_a_segment_is_sealed_by_size(tmp_path: Path) -> None:
    spool = Spool(tmp_path, seal_bytes=10, seal_seconds=60)
    spool.append([row(1)])
    sealed = reader.sealed(tmp_path)
    spool.close()
    assert len(sealed) == 1


def test_a_segment_is_sealed_by_age_without_another_append(tmp_path: Path) -> None:
    spool = Spool(tmp_path, seal_seconds=0.05)
    spool.append([row(1)], [tally(1)])
    until(lambda: len(reader.sealed(tmp_path)) == 2)
    spool.close()


def test_closing_seals_and_the_spool_can_be_used_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path, seal_seconds=0.05)
    for number in (1, 2):
        spool.append([row(number)])
        spool.close()
        assert len(reader.sealed(tmp_path)) == number
    spool.append([row(3)])
    until(lambda: len(reader.sealed(tmp_path)) == 3)
    spool.close()


def test_nothing_is_written_for_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([], [])
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_read_a_segment(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", seal_seconds=60)
    spool.append([row(1)])
    (segment,) = reader.waiting(tmp_path / "spool")
    spool.close()
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert stat.S_IMODE(reader.sealed(tmp_path / "spool")[0].path.stat().st_mode) == 0o600
    assert segment.name == reader.sealed(tmp_path / "spool")[0].name


def test_past_its_limit_the_spool_refuses_and_says_when_to_come_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=3000, seal_seconds=60)
    with pytest.raises(SpoolFull) as full:
        collections.deque((spool.append([row(number)]) for number in range(1000)), maxlen=0)
    accepted = ids(tmp_path)
    spool.close()
    assert full.value.retry_after > 0
    assert accepted == list(range(len(accepted)))
    assert 0 < reader.measure(tmp_path).bytes <= 3000


def test_what_another_process_left_counts_towards_the_limit(tmp_path: Path) -> None:
    (tmp_path / "events-1700000000000-1-00000000.ndjson").write_bytes(b"x" * 5000)
    spool = Spool(tmp_path, max_bytes=5000)
    with pytest.raises(SpoolFull):
        spool.append([row(1)])


def test_what_was_refused_counts_towards_the_limit(tmp_path: Path) -> None:
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / "events-1700000000000-1-00000000.ndjson").write_bytes(b"x" * 5000)
    with pytest.raises(SpoolFull):
        Spool(tmp_path, max_bytes=5000).append([row(1)])


def test_a_flood_of_refused_requests_is_counted_in_a_few_bytes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, seal_seconds=60)
    for number in range(2000):
        spool.append([], [tally(1), tally(2, Reason.NOT_JSON), tally(number)])
    (segment,) = reader.waiting(tmp_path)
    found = {t["reason"]: t["n"] for t in map(json.loads, segment.path.read_bytes().splitlines())}
    spool.close()
    assert found == {"too_old": 2000 + sum(range(2000)), "not_json": 4000}
    assert segment.size < 300


def test_the_longer_the_store_is_away_the_longer_a_segment_stays_open(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"events-1700000000000-1-{number:08x}.ndjson").write_bytes(b"x\n")
    spool = Spool(tmp_path, seal_seconds=0.05)
    began = time.monotonic()
    spool.append([row(1)])
    until(lambda: len(reader.sealed(tmp_path)) == 201)
    assert 3 < time.monotonic() - began < 30  # however busy the machine is
    spool.close()


def test_rows_are_taken_back_when_their_tallies_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that then tries again would double those that carry no message id."""
    spool = Spool(tmp_path, seal_seconds=60)
    spool.append([row(1)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(TallyWriter, "count", full)
        with pytest.raises(OSError, match="no space"):
            spool.append([row(2)], [tally(1)])
    spool.append([row(2)], [tally(1)])
    spool.close()
    assert ids(tmp_path) == [1, 2]


def test_after_a_disk_that_does_not_sync_nobody_is_told_that_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, "always", seal_seconds=60)
    spool.append([row(1)])
    inside, leave = threading.Barrier(2), threading.Event()

    def fails(_: int) -> None:
        inside.wait(10)
        leave.wait(10)
        raise OSError(errno.EIO, "input/output error")

    answers: list[object] = []

    def post(number: int) -> None:
        try:
            answers.append(spool.append([row(number)]))
        except OSError as error:
            answers.append(error.errno)

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fails)
        first = threading.Thread(target=post, args=(2,))
        first.start()
        inside.wait(10)
        second = threading.Thread(target=post, args=(3,))
        second.start()
        until(lambda: len(ids(tmp_path)) == 3)
        patched.undo()
        leave.set()
        first.join()
        second.join()
    assert answers == [errno.EIO, errno.EIO]
    spool.append([row(4)])
    spool.close()
    reader.adopt(tmp_path)
    assert sorted(ids(tmp_path)) == [1, 4]  # what was refused may be sent again


@pytest.mark.parametrize(
    ("policy", "kept"), [("always", []), ("interval", [1])], ids=["always", "interval"]
)
def test_rows_are_taken_back_only_where_nobody_was_told_that_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, kept: list[int]
) -> None:
    spool = Spool(tmp_path, policy, seal_seconds=60)
    failed = threading.Event()

    def fails(_: int) -> None:
        failed.set()
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fails)
        with contextlib.suppress(OSError):
            spool.append([row(1)])
        assert failed.wait(10)
    until(lambda: reader.adopt(tmp_path) or not list(tmp_path.glob("*.open")))
    spool.close()
    assert ids(tmp_path) == kept


def test_while_the_disk_syncs_others_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, "interval", seal_seconds=0.05)
    syncing, leave = threading.Event(), threading.Event()
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        syncing.set()
        leave.wait(10)
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", slow)
    spool.append([row(1)])
    assert syncing.wait(10)
    spool.append([row(2)])
    assert sorted(ids(tmp_path)) == [1, 2]
    leave.set()
    spool.close()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The file size limit stands in for the disk: the kernel writes what fits, then refuses."""
    spool = Spool(tmp_path, seal_seconds=60)
    spool.append([row(1)])
    (before,) = reader.waiting(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before.size + 20, limits[1]))
    try:
        with pytest.raises(OSError) as refused:  # noqa: PT011  its number is looked at
            spool.append([row(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert refused.value.errno == errno.EFBIG
    spool.append([row(3)])
    spool.close()
    reader.adopt(tmp_path)
    assert sorted(ids(tmp_path)) == [1, 3]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_writes_segments_of_its_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path, seal_seconds=60)
    spool.append([row(1)])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            spool.append([row(2)])
            os.write(writing, b"x")
            time.sleep(60)
        finally:
            os._exit(0)
    try:
        assert os.read(reading, 1) == b"x"
        assert len(reader.waiting(tmp_path)) == 2
        spool.close()
        # The child lives and holds its own segment only.
        assert reader.adopt(tmp_path) == 0
        assert len(reader.sealed(tmp_path)) == 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
    assert reader.adopt(tmp_path) == 1
    assert sorted(ids(tmp_path)) == [1, 2]


def test_a_living_child_does_not_keep_its_dead_parents_segment(tmp_path: Path) -> None:
    """As when gunicorn's master has appended, forked and died."""
    script = f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from spool.writer import Spool
from tests.spool.rows import row
spool = Spool(Path({str(tmp_path)!r}), seal_seconds=60)
spool.append([row(1)])
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False)
    child = int(parent.stdout)
    try:
        until(lambda: reader.adopt(tmp_path) == 1)
    finally:
        os.kill(child, signal.SIGKILL)
    assert ids(tmp_path) == [1]


@pytest.mark.parametrize("policy", POLICIES)
def test_kill_9_in_the_midst_of_appends_loses_nothing_acknowledged(
    tmp_path: Path, policy: str
) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from spool.writer import Spool
from tests.spool.rows import row
spool = Spool(Path({str(tmp_path)!r}), {policy!r}, seal_bytes=20000, seal_seconds=0.05)
number = 0
while True:
    spool.append([row(number), row(number + 1)])
    number += 2
    print(number, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged = 0
    for line in writer.stdout:
        acknowledged = int(line)
        if acknowledged >= 600:
            break
    writer.kill()
    rest, _ = writer.communicate()
    acknowledged = max([acknowledged, *map(int, rest.split()[:-1])])
    reader.adopt(tmp_path)
    found = ids(tmp_path)
    assert all(segment.path.suffix == ".ndjson" for segment in reader.waiting(tmp_path))
    assert len(found) == len(set(found))
    assert set(range(acknowledged)) <= set(found)


def test_a_segment_that_a_reader_removes_before_it_is_locked_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its creation and its lock an open segment looks like an orphan's."""
    lock = fcntl.flock
    interfered = []

    def late(descriptor: int, operation: int) -> None:
        if not interfered:
            interfered.append(True)
            monkeypatch.setattr("fcntl.flock", lock)
            assert reader.adopt(tmp_path) == 0
        lock(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", late)
    spool = Spool(tmp_path)
    spool.append([row(1)])
    spool.close()
    assert interfered
    assert ids(tmp_path) == [1]


def test_a_folder_that_cannot_be_sealed_in_for_a_while_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, seal_seconds=0.05)
    failed = threading.Event()
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if failed.is_set():
            return rename(path, target)
        failed.set()
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(Path, "rename", fail)
    spool.append([row(1)])
    assert failed.wait(10)
    spool.append([row(2)])
    until(lambda: len(reader.sealed(tmp_path)) == 1)
    reader.adopt(tmp_path)
    spool.close()
    assert sorted(ids(tmp_path)) == [1, 2]


TEXT = st.text(max_size=50)


@settings(max_examples=50)
@given(st.lists(st.builds(lambda n, page: row(n, page=page), st.integers(0, 2**64 - 1), TEXT)))
def test_every_row_is_one_line_whatever_it_holds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row]
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool = Spool(directory, "never", seal_seconds=60)
    spool.append(rows)
    spool.close()
    lines = [line for s in reader.sealed(directory) for line in s.path.read_bytes().split(b"\n")]
    found = [json.loads(line) for line in lines if line]
    assert [(r["event_id"], r.get("page", "")) for r in found] == [
        (r.event_id, r.page) for r in rows
    ]
