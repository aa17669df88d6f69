"""Whether a site's first event has come, or why it was refused: all that is known of it.

Noted while segments are loaded, until one event of the site was stored; from then on never again.
Who sets a site up sees within seconds whether it works, and nobody learns more of the first visitor
than that there was one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from control.database import first_events, sites

log = structlog.get_logger()

# How a line of tallies begins.
_TALLY = re.compile(rb'^\{"site":(\d+),"day":"[^"]*","reason":"(\w+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class First:
    """`reason` is why the newest event was not kept, '' where none came or one was received."""

    state: Literal["waiting", "received", "refused"]
    reason: str = ""


class FirstEvents:
    """Of the sites in the control database."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._now = now

    def of(self, site: int) -> First:
        with self._engine.connect() as connection:
            row = connection.execute(
                select(first_events).where(first_events.c.site == site)
            ).one_or_none()
        if row is None:
            return First("waiting")
        return First("received") if row.received_at else First("refused", str(row.reason))

    def note(self, table: str, chunks: Iterable[bytes]) -> None:
        """Looks through a segment that was stored for the sites that wait.

        `chunks` are its bytes, cut anywhere. What cannot be noted is told of and passed over:
        nothing that is loaded waits for it.
        """
        try:
            if waiting := self._waiting():
                look = _received if table == "events" else _refused
                self._keep(look(chunks, waiting))
        except (OSError, SQLAlchemyError) as error:
            log.warning("first events not noted", reason=type(error).__name__)

    def _waiting(self) -> set[int]:
        with self._engine.connect() as connection:
            came = select(first_events.c.site).where(first_events.c.received_at.is_not(None))
            return set(
                connection.execute(select(sites.c.id).where(sites.c.id.not_in(came))).scalars()
            )

    def _keep(self, found: dict[int, str]) -> None:
        """By site the reason of a refusal, '' for what was received."""
        if not found:
            return
        now = self._now()
        with self._engine.begin() as connection:
            there = set(connection.execute(select(first_events.c.site)).scalars())
            for site, reason in sorted(found.items()):
                values = {"reason": reason, "received_at": None if reason else now}
                if site in there:
                    connection.execute(
                        update(first_events).where(first_events.c.site == site).values(**values)
                    )
                else:
                    connection.execute(insert(first_events).values(site=site, **values))


def _received(chunks: Iterable[bytes], waiting: set[int]) -> dict[int, str]:
    """Looked for as text, which takes a hundredth of decoding: quotes within a text are escaped."""
    heads = {site: b'{"site":%d,' % site for site in waiting}
    return {site: "" for text in _whole(chunks) for site, head in heads.items() if head in text}


def _refused(chunks: Iterable[bytes], waiting: set[int]) -> dict[int, str]:
    """The last reason of each site."""
    return {
        int(site): reason.decode()
        for text in _whole(chunks)
        for site, reason in _TALLY.findall(text)
        if int(site) in waiting
    }


def _whole(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """The same bytes, cut at the ends of lines."""
    rest = b""
    for chunk in chunks:
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        yield lines + newline
    yield rest
