"""What both the worker and a command may do: load what was accepted, then release what is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime

from tqdm import tqdm

from control.first_events import FirstEvents
from control.sites import Site
from control.withheld import Withheld
from operate.services import Services, now
from releases.job import Due
from spool import reader
from spool.segment import TABLES
from store.clickhouse import Store, StoreUnavailable, hosted
from store.loader import Loader
from store.migrate import migrate
from subjects.fulfil import Fulfilment

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
    first, held = FirstEvents(services.control), Withheld(services.control)
    loader = Loader(store, spool, stored=first.note, withheld=held.all)
    while waiting & {segment.name for segment in reader.waiting(spool)}:
        with loader.lock(blocking=False) as mine:
            if mine:
                reader.adopt(spool)
                loader.load_once()
        if time.monotonic() > deadline:
            raise Busy(f"{len(waiting)} segments are still waiting for the store")
        time.sleep(POLL)


def loaded_until(services: Services) -> datetime:
    """The moment up to which everything that this node accepted is in the store, for any reader."""
    moment = now()
    waiting = reader.waiting(services.settings.spool)
    oldest = min((segment.made_at for segment in waiting), default=moment.timestamp())
    for table in TABLES:
        services.store.settle(table)
    return min(moment, datetime.fromtimestamp(oldest, UTC))


def rights(services: Services, store: Store) -> Fulfilment:
    """Does what data subjects ask for."""
    return Fulfilment(
        store,
        services.requests,
        services.ledger,
        services.settings.spool,
        services.sites.all,
        now,
        lambda: loaded_until(services),
    )


def release_due(services: Services, only: Site | None = None, wait: float = 600) -> list[Due]:
    """Computes every release that is due now, and returns its days. Raises `Busy`."""
    job = services.releases()
    deadline = time.monotonic() + wait
    done: list[Due] = []

    def due() -> set[tuple[int, date]]:
        return {(d.site.id, d.day) for d in job.due(loaded_until(services), only)}

    # What is due now, once each: under traffic a day that is open is due again at every look.
    wanted = due()
    with tqdm(total=len(wanted), desc="releasing days", unit="day", disable=None) as bar:
        while wanted:
            for day in job.run(loaded_until(services), only):
                done.append(day)
                bar.update((day.site.id, day.day) in wanted)
                wanted.discard((day.site.id, day.day))
            if wanted := wanted & due():
                _patience(deadline)
    left = job.behind(loaded_until(services), only)
    while left:
        done += job.run(loaded_until(services), only)
        before, left = left, job.behind(loaded_until(services), only)
        if left >= before:
            _patience(deadline)
    return done


def _patience(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Busy("another process is computing releases")
    time.sleep(POLL)


def await_notice(services: Services) -> None:
    """Returns once no web process adds to the days that an import has just filled."""
    # The comparison is a strict one, and clocks tick.
    time.sleep(services.releases().until_noticed().total_seconds() + POLL)


def finish_import(services: Services, site: Site, say: Callable[[str], None]) -> None:
    """Loads what an import has published and makes its days final."""
    say("loading into the store …")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with store_at_hand(services) as store:
                await_notice(services)
                catch_up(services, store)
                days = release_due(services, site)
            break
        except StoreUnavailable:
            # Whoever hosted the engine may have ended meanwhile: then this process hosts it.
            if time.monotonic() > deadline:
                raise
    say(f"{len(days)} days released")
