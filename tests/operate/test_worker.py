"""The worker's loading thread: what hinders it is seen, and when it dies it is started again."""

import threading

import pytest

from operate import health, heartbeat
from operate import worker as worker_room
from operate.worker import STUCK, Loading
from store.loader import Loader
from tests.operate.world import services
from tests.service import eventually


@pytest.fixture
def built(tmp_path):
    with services(tmp_path / "home") as made:
        yield made


@pytest.fixture
def loading(built):
    stop = threading.Event()
    made = Loading(built, built.store, stop)
    yield made
    stop.set()
    made.join()


def worker(built):
    state = health.states(built)["worker"]
    return state["ok"], state["reason"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_seen_and_started_again(built, loading, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Loader, "run", lambda *_: 1 / 0)
        loading.start()
        eventually(lambda: not loading._thread.is_alive(), "the thread dies")
    heartbeat.beat(built.settings.home, loading.tend())
    assert worker(built) == (
        False,
        "loading was interrupted by a fault and started again; events are kept",
    )
    eventually(lambda: loading.tend() == "", "loading again")
    heartbeat.beat(built.settings.home, loading.tend())
    assert worker(built) == (True, "at work")


def test_a_loader_that_hangs_is_seen_however_fresh_the_heartbeat(built, loading, monkeypatch):
    hang = threading.Event()
    monkeypatch.setattr(Loader, "run", lambda *_: hang.wait(60))
    loading.start()
    loading._loader.turned_at -= STUCK + 1
    problem = loading.tend()
    hang.set()
    assert problem.startswith("nothing has been loaded for ")


def test_why_loading_does_not_get_on_is_told(built, loading):
    built.settings.spool.joinpath("events-1700000000000-1-00000000.ndjson").write_bytes(b"{}\n")
    loading.start()
    eventually(lambda: loading.tend() == "the embedded engine is not running", "the reason")
    heartbeat.beat(built.settings.home, loading.tend())
    assert worker(built) == (False, "the embedded engine is not running; events are kept")


def test_a_worker_that_cannot_write_its_sign_of_life_goes_on(built, monkeypatch):
    """As on a full disk; and one whose work ends in a fault leaves no thread behind."""
    beats = []

    def full(*_):
        beats.append(True)
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(worker_room, "beat", full)
    monkeypatch.setattr(worker_room, "_BEAT", 0.01)
    monkeypatch.setattr(worker_room, "_migrate", lambda *_: None)
    monkeypatch.setattr(Loading, "tend", lambda _: 1 / 0 if len(beats) > 3 else "")
    with pytest.raises(ZeroDivisionError):
        worker_room._work(built, built.store, threading.Event())
    assert len(beats) == 4
    assert not [thread for thread in threading.enumerate() if thread.name == "loader"]
