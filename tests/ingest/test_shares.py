"""New clients go to the web process that has the fewest."""

import contextlib
import mmap
import socket
from pathlib import Path

import pytest

from ingest.shares import SIZE, Shares
from tests.service import eventually, running


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("own", "others", "ahead"),
    [
        (0, {}, False),
        (9, {}, False),
        (1, {2: 1, 3: 4}, False),
        (2, {2: 1, 3: 4}, True),
        (2, {2: 2}, False),
        (1, {2: 0}, True),
        (0, {2: 0}, False),
    ],
    ids=["alone", "alone with many", "as few", "more than one", "as many", "one idle", "all idle"],
)
def test_a_process_is_ahead_where_another_has_fewer_clients(own, others, ahead):
    memory, clock = mmap.mmap(-1, SIZE), Clock()
    for number, clients in others.items():
        Shares(number, memory, clock).tell(clients)
    assert Shares(1, memory, clock).ahead(own) is ahead


def test_who_has_told_nothing_for_a_while_is_gone():
    memory, clock = mmap.mmap(-1, SIZE), Clock()
    Shares(2, memory, clock).tell(0)
    clock.now += 2.9
    assert Shares(1, memory, clock).ahead(5)
    clock.now += 0.2
    assert not Shares(1, memory, clock).ahead(5)


def test_a_process_is_not_behind_itself():
    mine = Shares(3, mmap.mmap(-1, SIZE), Clock())
    mine.tell(1)
    assert not mine.ahead(7)


def connections(pid: str) -> int:
    found = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += str(descriptor.readlink()).startswith("socket:")
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_clients_that_come_one_after_another_are_shared_by_all_processes(tmp_path):
    with (
        running(tmp_path / "home", WEB_CONCURRENCY="2") as service,
        contextlib.ExitStack() as open_,
    ):
        service.start("web")
        master = service._processes["web"].pid
        children = Path(f"/proc/{master}/task/{master}/children")
        pids = children.read_text().split()
        assert len(pids) == 2
        before = [connections(pid) for pid in pids]

        def shared():
            open_.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            return all(connections(pid) >= idle + 5 for pid, idle in zip(pids, before, strict=True))

        eventually(shared, "each has five of them")
