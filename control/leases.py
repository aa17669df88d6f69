"""One runner at a time of each kind of work, whichever process or node it lives in."""

from __future__ import annotations

import os
import secrets
import socket
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, update
from sqlalchemy.exc import IntegrityError

from control.database import leases


class Lease:
    """A named lease for `seconds`, renewed by `take`; a crashed holder's runs out by itself."""

    def __init__(self, engine: Engine, name: str, seconds: int = 60) -> None:
        self._engine = engine
        self._name = name
        self._life = timedelta(seconds=seconds)
        self._holder = f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"

    def take(self) -> bool:
        """Takes or renews it; false while somebody else holds it."""
        now = datetime.now(UTC).replace(tzinfo=None)
        values = {"holder": self._holder, "until": now + self._life}
        mine_or_over = (leases.c.holder == self._holder) | (leases.c.until <= now)
        with self._engine.begin() as connection:
            taken = connection.execute(
                update(leases).where(leases.c.name == self._name, mine_or_over).values(values)
            )
        if taken.rowcount:
            return True
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(leases).values(name=self._name, **values))
        except IntegrityError:
            return False
        return True

    def keep(self, connection: Connection) -> bool:
        """Renews it within a transaction, which nobody can then take it away from.

        False where somebody else has taken it since, also when they have given it back: what this
        holder knew may be out of date.
        """
        until = datetime.now(UTC).replace(tzinfo=None) + self._life
        kept = connection.execute(
            update(leases)
            .where(leases.c.name == self._name, leases.c.holder == self._holder)
            .values(until=until)
        )
        return kept.rowcount == 1

    def give(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                delete(leases).where(leases.c.name == self._name, leases.c.holder == self._holder)
            )
