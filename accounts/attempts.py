"""Failed tries to sign in: after a few, the account and the network they came from must wait.

What is counted is kept by a keyed code: the table holds neither addresses nor names. An account
that does not exist waits like one that does, so that nothing can be told from it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from accounts.people import aware
from control.database import sign_in_failures


class _Limit(NamedTuple):
    """Failures that are free, and the longest wait after those that are not."""

    free: int
    longest: timedelta


# Each further failure doubles the wait. An account's is bounded, because whoever fails on purpose
# shuts its owner out as well; a network (an IPv4 /24, an IPv6 /48) holds many people.
_LIMITS = {
    "account": _Limit(5, timedelta(minutes=15)),
    "network": _Limit(40, timedelta(hours=1)),
}
_FIRST_WAIT = timedelta(seconds=15)
FORGOTTEN = timedelta(days=1)  # without another failure


class Attempts:
    """Failures in the control database. `secret` makes the codes of what they are counted by."""

    def __init__(
        self, engine: Engine, secret: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._key = blake2b(key=secret, person=b"discreet/tries", digest_size=32).digest()
        self._now = now

    def begin(self, account: str, network: str) -> timedelta:
        """How long nobody may try to sign in to this account, or from this network. Where that is
        zero this try is counted as failed, until `succeeded` says otherwise: of many tries at once
        no more get through than of one after another.

        `account` is an address as it was typed, `network` a truncated one.
        """
        sources = [
            (_LIMITS[kind], self._source(kind, text))
            for kind, text in (("account", account), ("network", network))
        ]
        for limit, source in sources:
            if (wait := self._take(limit, source)) > timedelta():
                return wait
        return timedelta()

    def succeeded(self, account: str, network: str) -> None:
        """Forgets the account's failures, and of the network's this one: one good account of an
        attacker's own must not wash away all others.
        """
        here = sign_in_failures.c
        mine, shared = self._source("account", account), self._source("network", network)
        with self._engine.begin() as connection:
            connection.execute(delete(sign_in_failures).where(here.source == mine))
            connection.execute(
                update(sign_in_failures)
                .where(here.source == shared, here.failures > 0)
                .values(failures=here.failures - 1)
            )

    def _take(self, limit: _Limit, source: str) -> timedelta:
        try:
            return self._taken(limit, source)
        except IntegrityError:  # another process counted the first: now there is one to add to
            return self._taken(limit, source)

    def _taken(self, limit: _Limit, source: str) -> timedelta:
        now = self._now()
        here = sign_in_failures.c
        with self._engine.begin() as connection:
            connection.execute(delete(sign_in_failures).where(here.last_at <= now - FORGOTTEN))
            row = connection.execute(
                select(sign_in_failures).where(here.source == source).with_for_update()
            ).one_or_none()
            if row is None:
                connection.execute(
                    insert(sign_in_failures).values(source=source, failures=1, last_at=now)
                )
                return timedelta()
            wait = _due(limit, row.failures, aware(row.last_at)) - now
            if wait <= timedelta():
                connection.execute(
                    update(sign_in_failures)
                    .where(here.source == source)
                    .values(failures=row.failures + 1, last_at=now)
                )
            return max(wait, timedelta())

    def _source(self, kind: str, text: str) -> str:
        name = f"{kind}/{text.strip().lower()}".encode()
        return blake2b(name, key=self._key, digest_size=32).hexdigest()


def _due(limit: _Limit, failures: int, last_at: datetime) -> datetime:
    """When the next try may be made."""
    if failures < limit.free:
        return last_at
    doubled: timedelta = _FIRST_WAIT * 2 ** min(failures - limit.free, 20)
    return last_at + min(doubled, limit.longest)
