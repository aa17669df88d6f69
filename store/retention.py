"""Rows leave on the day that they carry: by the worker's own clock, with TTL as the backstop."""

from __future__ import annotations

from datetime import date

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
