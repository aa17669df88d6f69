"""Does what data subjects asked for, in the worker: the one place that reads a person's rows.

A request is complete only once everything that was accepted before it is in the store, so that
nothing that still waited in the spool is missing from what is shown, or is left of what is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from control.sites import Site
from control.withheld import SPREAD
from spool import reader
from store import subjects
from store.clickhouse import Store
from store.subjects import Theirs
from subjects.ledger import Ledger
from subjects.requests import READS, Kind, Pending, Requests, Whose

# What a row has for the sake of the store alone.
_INTERNAL = frozenset({"site"})
_PSEUDONYMS = frozenset({"visitor", "user"})


def theirs(whose: Whose) -> Theirs:
    return Theirs(whose.site, whose.visitors, whose.users)


class Fulfilment:
    """Takes open requests as far as they can be taken now.

    `sites` gives the sites that there are; `loaded_until` the moment up to which everything that
    was accepted is in the store.
    """

    def __init__(
        self,
        store: Store,
        requests: Requests,
        ledger: Ledger,
        spool: Path,
        sites: Callable[[], tuple[Site, ...]],
        now: Callable[[], datetime],
        loaded_until: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._requests = requests
        self._ledger = ledger
        self._spool = spool
        self._sites = sites
        self._now = now
        self._loaded_until = loaded_until

    def run(self) -> list[tuple[int, Kind, int]]:
        """Number, kind and rows of each request that was completed. Raises the store's errors."""
        self.mark()
        done = []
        for pending in self._requests.pending():
            rows = self._do(pending)
            if rows is not None:
                done.append((pending.number, pending.kind, rows))
        return done

    def mark(self) -> int:
        """Marks the rows of restricted people that came in since. Returns how many."""
        return sum(
            subjects.restrict(self._store, theirs(each)) for each in self._requests.restricted()
        )

    def shown(self, site: Site, whose: Whose, client: str = "") -> bytes:
        """Everything there is about a person, as JSON that explains itself."""
        now = self._now()
        fields = dict(subjects.meanings(self._store))
        rows = subjects.rows(self._store, theirs(whose))
        content = {
            "site": site.domain,
            "as_of": now,
            "source": "sent by your own browser or app when you used this site or app",
            "recipients": "nobody else: nothing is sold, shared or sent to a third country",
            "automated_decisions": "none",
            "fields": {name: fields[name] for name in fields if name not in _INTERNAL},
            "kept_until": max((row["expires"] for row in rows), default=None),
            "decisions": self._ledger.history(site.id, client, now) if client else [],
            "events": [_plain(row) for row in rows],
        }
        return msgspec.json.encode(content)

    def _do(self, pending: Pending) -> int | None:
        """How many rows it concerned; None while it is not complete."""
        # Asked before: what is loaded while the rows are dealt with is dealt with the next time.
        loaded = self._loaded_until()
        rows = _DEEDS[pending.kind](self, pending)
        # Collectors that have not heard yet that they must stop may accept a little longer.
        settled = pending.received_at + (SPREAD if pending.kind is Kind.ERASURE else timedelta())
        if loaded <= settled:
            self._requests.begin(pending.number, rows)
            return None
        answer = self._answer(pending) if pending.kind in READS else None
        return self._requests.complete(pending.number, self._now(), rows, answer)

    def _answer(self, pending: Pending) -> bytes:
        [site] = [site for site in self._sites() if site.id == pending.whose.site]
        return self.shown(site, pending.whose, pending.client)

    def _count(self, pending: Pending) -> int:
        return subjects.count(self._store, theirs(pending.whose))

    def _erase(self, pending: Pending) -> int:
        names = {name.encode() for name in (*pending.whose.visitors, *pending.whose.users)}
        aside = reader.strike(self._spool, pending.whose.site, names)
        return aside + subjects.erase(self._store, theirs(pending.whose))

    def _restrict(self, pending: Pending) -> int:
        self._requests.restrict(pending.whose, pending.received_at)
        return subjects.restrict(self._store, theirs(pending.whose))

    def _correct(self, pending: Pending) -> int:
        return subjects.correct(self._store, theirs(pending.whose), pending.properties)


_DEEDS: Mapping[Kind, Callable[[Fulfilment, Pending], int]] = {
    Kind.ACCESS: Fulfilment._count,
    Kind.PORTABILITY: Fulfilment._count,
    Kind.RECTIFICATION: Fulfilment._correct,
    Kind.ERASURE: Fulfilment._erase,
    Kind.RESTRICTION: Fulfilment._restrict,
}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what is empty; pseudonyms in hexadecimal, since JSON has no such numbers."""
    return {
        name: f"{value:032x}" if name in _PSEUDONYMS else value
        for name, value in row.items()
        if name not in _INTERNAL and value not in (0, "", [], {}, Decimal(0))
    }
