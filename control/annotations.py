"""Dated notes on a site's chart: a release of the app, a campaign, an outage.

They are shown to whoever reads the site's figures, so a note is one short line about the site and
says nothing about visitors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Engine, delete, func, insert, select

from control.database import day_notes
from control.sites import Site

LONGEST = 200  # characters
MOST = 1000  # of one site


class AnnotationError(ValueError):
    """A note that cannot be kept: the message says why."""


@dataclass(frozen=True, slots=True)
class Annotation:
    id: int
    day: date
    text: str
    by: str


class Annotations:
    """The notes of every site."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._now = now

    def of(self, site: Site, first: date, last: date) -> list[Annotation]:
        """Those of the days from `first` to `last`, both included, the oldest day first."""
        here = day_notes.c
        wanted = select(day_notes).where(here.site == site.id, here.day.between(first, last))
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(here.day, here.id)).all()
        return [Annotation(row.id, row.day, row.text, row.by) for row in rows]

    def add(self, site: Site, day: date, text: str, by: str) -> None:
        """Raises `AnnotationError`."""
        here = day_notes.c
        with self._engine.begin() as connection:
            number = select(func.count()).where(here.site == site.id)
            if connection.execute(number).scalar_one() >= MOST:
                raise AnnotationError(f"{site.domain} has {MOST} notes, the most; remove one first")
            row = {"site": site.id, "day": day, "text": checked(text), "by": by, "at": self._now()}
            connection.execute(insert(day_notes).values(row))

    def remove(self, site: Site, number: int) -> bool:
        """Whether there was one."""
        here = day_notes.c
        wanted = delete(day_notes).where(here.site == site.id, here.id == number)
        with self._engine.begin() as connection:
            return connection.execute(wanted).rowcount > 0


def checked(text: str) -> str:
    """The text as it is kept. Raises `AnnotationError`."""
    line = " ".join(text.split())
    if not 0 < len(line) <= LONGEST or not line.isprintable():
        raise AnnotationError(f"A note is one line of 1 to {LONGEST} characters.")
    return line
