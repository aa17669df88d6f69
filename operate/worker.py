"""The worker: hosts the embedded engine, loads the spool, releases, expires, destroys keys.

One per node. Everything it does may be interrupted at any moment and is taken up again at the next
start: the spool keeps what is not loaded, a release is shown only when it is whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from accounts.audit import WORKER
from control.first_events import FirstEvents
from control.withheld import Withheld
from operate import alerts, messages, rotation
from operate.heartbeat import beat
from operate.jobs import loaded_until, rights
from operate.services import Services, now
from releases import realtime
from spool import reader
from store.clickhouse import ANSWER_SECONDS, Store, StoreRefused, StoreUnavailable, hosting
from store.loader import Loader
from store.migrate import migrate
from store.retention import expire

log = structlog.get_logger()

# Seconds between two signs of life.
_BEAT = 2.0
# An insert may take as long as `store.clickhouse.ANSWER_SECONDS`; what takes longer hangs.
STUCK = 2.0 * ANSWER_SECONDS
# mallopt(3): what is larger is given back to the system as soon as it is free. By itself the C
# library raises that to the largest block it has seen, keeps what segments took, and grows.
_M_MMAP_THRESHOLD = -3
_GIVEN_BACK = 128 * 1024  # bytes; where it starts


def _give_memory_back() -> None:
    with contextlib.suppress(OSError, AttributeError):  # not glibc's
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _GIVEN_BACK)


def run(services: Services) -> None:
    """Works until SIGTERM or SIGINT."""
    _give_memory_back()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        try:
            with hosting(services.settings, wait=5) as store:
                _work(services, store, stop)
        except StoreUnavailable as error:
            # A command, or a worker that is still stopping, holds the engine's directory.
            log.warning("store away", reason=str(error))
        except OSError as error:
            log.error("worker cannot work", code=error.errno)  # a full disk, most likely
            stop.wait(_BEAT)


def _work(services: Services, store: Store, stop: threading.Event) -> None:
    _migrate(services, store, stop)
    over = threading.Event()
    loading = Loading(services, store, over)
    scheduler = _schedule(services, store)
    loading.start()
    try:
        scheduler.start()
        log.info("worker ready")
        while not stop.is_set():
            _sign_of_life(services, loading.tend())
            stop.wait(_BEAT)
    finally:
        over.set()
        if scheduler.running:
            scheduler.shutdown(wait=True)
        loading.join()


def _sign_of_life(services: Services, problem: str) -> None:
    try:
        beat(services.settings.home, problem)
    except OSError as error:
        log.error("no sign of life written", code=error.errno)


class Loading:
    """The thread that loads, started again whenever it ends before it should."""

    def __init__(self, services: Services, store: Store, stop: threading.Event) -> None:
        self._stop = stop
        first = FirstEvents(services.control)
        held = Withheld(services.control).all
        spool = services.settings.spool
        self._loader = Loader(store, spool, services.metrics.inserted, first.note, held)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="loader")
        self._thread.start()

    def tend(self) -> str:
        """Starts the thread again if it is dead. Returns what hinders loading, '' if nothing."""
        if not self._thread.is_alive() and not self._stop.is_set():
            log.error("thread died", name="loader")
            self.start()
            return "loading was interrupted by a fault and started again"
        silent = time.monotonic() - self._loader.turned_at
        if silent > STUCK:
            return f"nothing has been loaded for {int(silent)} seconds"
        return self._loader.problem

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._loader.lock(blocking=False) as mine:
                if mine:
                    self._loader.run(self._stop)
                else:  # a command loads
                    self._loader.rest()
            self._stop.wait(0.2)


def _migrate(services: Services, store: Store, stop: threading.Event) -> None:
    """A server may come up after the worker: waits for it."""
    while not stop.is_set():
        try:
            migrate(store, services.settings.clickhouse_cluster)
            return
        except StoreUnavailable as error:
            log.warning("store away", reason=str(error))
            stop.wait(2)


def _schedule(services: Services, store: Store) -> BackgroundScheduler:
    """Each job runs alone, and one that was missed runs once, late."""
    scheduler = BackgroundScheduler(
        timezone="UTC",
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )

    def every(job: Callable[[Services, Store], None], **when: str) -> None:
        scheduler.add_job(_guarded(job, services, store), "cron", **when)

    every(_release, minute="*/5")
    every(_rights, second="*/2")
    # Some seconds after the window closes, so that its last events are loaded.
    every(_realtime, minute="*/5", second="20")
    every(_destroy_keys, minute="*", second="7")
    every(_expire, minute="3")
    every(_sweep, minute="23")
    every(_watch, minute="*/5", second="40")
    scheduler.add_job(_guarded(_release, services, store))
    scheduler.add_job(_guarded(_expire, services, store))
    return scheduler


def _guarded(
    job: Callable[[Services, Store], None], services: Services, store: Store
) -> Callable[[], None]:
    """A job that fails is reported and tried again at its next time."""

    def run() -> None:
        try:
            job(services, store)
        except StoreUnavailable as error:
            log.warning("store away", name=job.__name__, reason=str(error))
        except StoreRefused as error:
            log.error("store refused", name=job.__name__, code=error.code, reason=str(error))
        except Exception:
            log.exception("job failed", name=job.__name__)

    return run


def _rights(services: Services, store: Store) -> None:
    """Access and erasure without delay: looked for every two seconds."""
    for number, kind, rows in rights(services, store).run():
        services.audit.record(WORKER, f"subject {kind}", f"request {number}", rows=rows)


def _release(services: Services, store: Store) -> None:
    rights(services, store).mark()  # what came in since of people whose rows count nowhere
    for due in services.releases().run(loaded_until(services), hold=True):
        log.debug("released", site=due.site.public_id, day=due.day.isoformat(), state=due.state)


def _realtime(services: Services, store: Store) -> None:
    key = services.keys.lasting("threshold", "")
    realtime.release(store, services.control, services.sites.all(), key, now())


def _destroy_keys(services: Services, store: Store) -> None:
    if count := services.keys.destroy_due():
        log.info("keys destroyed", count=count)


def _expire(services: Services, store: Store) -> None:
    if count := services.audit.expire():
        log.info("audit log expired", count=count)
    if count := expire(store, now().date()):
        log.info("rows expired", rows=count)


def _watch(services: Services, store: Store) -> None:
    alerts.look(services, messages.channels(services.settings), now())


def _sweep(services: Services, store: Store) -> None:
    rotation.seal_anew(services)
    spool = services.settings.spool
    kept = [*reader.waiting(spool), *(refused.segment for refused in reader.refused(spool))]
    oldest = min((segment.made_at for segment in kept), default=time.time())
    services.requests.forget(now())
    Withheld(services.control).forget(datetime.fromtimestamp(oldest, UTC), now())
    services.releases().sweep()
