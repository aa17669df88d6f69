"""Rows leave on the day that they carry: by the worker's own clock, with TTL as the backstop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from store.clickhouse import Store


def expire(store: Store, today: date) -> int:
    """Deletes every row whose day has come, really and at once. Returns how many there were.

    A restricted row is kept while the restriction lasts (GDPR art. 18).
    """
    [(count,)] = store.query_rows(
        "SELECT count() FROM events WHERE expires <= {today:Date} AND restricted = 0",
        {"today": today},
    )
    if count:
        store.delete("events", "expires <= {today:Date} AND restricted = 0", {"today": today})
    return int(count)


@dataclass(frozen=True, slots=True)
class Age:
    """The rows of one basis of a site: how many, when the oldest came, and the days on which the
    first and the last must be gone. `late` should have been gone yesterday or before; `restricted`
    stay while their restriction lasts.
    """

    site: int
    basis: str
    rows: int
    oldest: datetime
    first_expires: date
    last_expires: date
    late: int
    restricted: int


def ages(store: Store, today: date) -> list[Age]:
    """By site and basis."""
    return [
        Age(*row)
        for row in store.query_rows(
            "SELECT site, basis, count(), min(received), min(expires), max(expires),"
            " countIf(expires < {today:Date} AND restricted = 0), countIf(restricted = 1)"
            " FROM events GROUP BY site, basis ORDER BY site, basis",
            {"today": today},
        )
    ]
