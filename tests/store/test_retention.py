"""Rows leave on the day that they carry, and restricted ones stay while the restriction lasts."""

from datetime import date

import msgspec
import pytest

from store.migrate import migrate
from store.retention import ages, expire

TODAY = date(2100, 11, 22)  # far off: the table deletes by the real clock


@pytest.fixture
def migrated(store):
    migrate(store)
    store.command("TRUNCATE TABLE events")
    return store


def insert(store, *rows):
    lines = [
        {"site": 1, "day": "2026-11-01", "time": 1, "received": 1, "event_id": number, "name": "x",
         "basis": "none", "purposes": ["audience"]} | row
        for number, row in enumerate(rows)
    ]  # fmt: skip
    store.insert_lines("events", [msgspec.json.Encoder().encode_lines(lines)], str(rows))


def left(store):
    return [row[0] for row in store.query_rows("SELECT event_id FROM events ORDER BY event_id")]


def test_a_row_is_gone_on_its_day_and_not_before(migrated):
    insert(
        migrated, {"expires": "2100-11-21"}, {"expires": "2100-11-22"}, {"expires": "2100-11-23"}
    )
    assert expire(migrated, TODAY) == 2
    assert left(migrated) == [2]
    assert expire(migrated, TODAY) == 0


def test_a_restricted_row_outlives_its_day_for_the_worker_and_for_the_table(migrated):
    insert(migrated, {"expires": "2020-01-01", "restricted": 1}, {"expires": "2020-01-01"})
    migrated.command("OPTIMIZE TABLE events FINAL")
    assert left(migrated) == [0]
    assert expire(migrated, TODAY) == 0


def test_the_oldest_row_of_each_basis_is_shown_beside_its_limit(migrated):
    insert(
        migrated,
        {"expires": "2100-11-21"},
        {"expires": "2100-12-01"},
        {"expires": "2100-11-20", "restricted": 1},
        {"expires": "2101-01-01", "basis": "consent"},
    )
    consent, none = ages(migrated, TODAY)
    assert (consent.rows, consent.late, consent.restricted) == (1, 0, 0)
    assert (none.rows, none.late, none.restricted) == (3, 1, 1)
    assert (none.first_expires, none.last_expires) == (date(2100, 11, 20), date(2100, 12, 1))
    expire(migrated, TODAY)
    assert [age.late for age in ages(migrated, TODAY)] == [0, 0]
