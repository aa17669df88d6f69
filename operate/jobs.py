"""What both the worker and a command may do: load what was accepted, then release what is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from tqdm import tqdm

from control.sites import Site
from operate.services import Services
from releases.job import Due
from spool import reader
from store.clickhouse import Store, StoreUnavailable, hosted
from store.loader import Loader
from store.migrate import migrate

POLL = 0.1
_PATIENCE = 60  # seconds


class Busy(Exception):
    """Another process held the work for too long; the message says which work."""


def store_at_hand(services: Services) -> AbstractContextManager[Store]:
    """The store while a command runs: the worker's, a server's, or one hosted by this process."""
    return hosted(services.settings)


def catch_up(services: Services, store: Store, wait: float = 600) -> None:
    """Returns once everything accepted so far is loaded.

    The worker loads; where none is at work this process does. Raises `Busy` after `wait` seconds.
    """
    migrate(store, services.settings.clickhouse_cluster)
    spool = services.settings.spool
    waiting = {segment.name for segment in reader.waiting(spool)}
    deadline = time.monotonic() + wait
    loader = Loader(store, spool)
    while waiting & {segment.name for segment in reader.waiting(spool)}:
        with loader.lock(blocking=False) as mine:
            if mine:
                reader.adopt(spool)
                loader.load_once()
        if time.monotonic() > deadline:
            raise Busy(f"{len(waiting)} segments are still waiting for the store")
        time.sleep(POLL)


def release_due(services: Services, only: Site | None = None, wait: float = 600) -> list[Due]:
    """Computes every release that is due now, and returns them. Raises `Busy`."""
    job = services.releases()
    deadline = time.monotonic() + wait
    done: list[Due] = []
    while due := job.due(only=only):
        with tqdm(total=len(due), desc="releasing days", unit="day", disable=None) as bar:
            for day in job.run(only=only):
                done.append(day)
                bar.update()
        if time.monotonic() > deadline:
            raise Busy("another process is computing releases")
        if not done:
            time.sleep(POLL)
    return done


def finish_import(services: Services, site: Site, say: Callable[[str], None]) -> None:
    """Loads what an import has published and makes its days final."""
    say("loading into the store …")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with store_at_hand(services) as store:
                catch_up(services, store)
                days = release_due(services, site)
            break
        except StoreUnavailable:
            # Whoever hosted the engine may have ended meanwhile: then this process hosts it.
            if time.monotonic() > deadline:
                raise
    say(f"{len(days)} days released")
