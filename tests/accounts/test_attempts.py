"""Failed tries: after a few, whoever fails must wait; nobody learns which accounts exist."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from accounts.attempts import FORGOTTEN, Attempts
from control.database import sign_in_failures
from tests.accounts.conftest import Clock

ADA, EVE = "ada@example.com", "203.0.113.0"
NONE = timedelta()


@pytest.fixture
def database(either):
    return either


@pytest.fixture
def attempts(database, clock):
    return Attempts(database, bytes(32), clock)


def test_five_tries_are_free_and_each_failure_after_them_doubles_the_wait(attempts, clock: Clock):
    assert [attempts.begin(ADA, EVE) for _ in range(5)] == [NONE] * 5
    waits = []
    for _ in range(8):
        wait = attempts.begin(ADA, EVE)
        waits.append(wait.total_seconds())
        clock.time += wait
        assert attempts.begin(ADA, EVE) == NONE
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900]


def test_waiting_costs_nothing_more(attempts, clock: Clock):
    for _ in range(5):
        attempts.begin(ADA, EVE)
    for _ in range(50):
        assert attempts.begin(ADA, EVE) == timedelta(seconds=15)
    clock.time += timedelta(seconds=15)
    assert attempts.begin(ADA, EVE) == NONE


def test_an_account_waits_from_every_network_and_whatever_it_is_written_like(attempts):
    for number in range(5):
        attempts.begin(ADA, f"198.51.{number}.0")
    assert attempts.begin(" ADA@Example.com", "192.0.2.0") > NONE
    assert attempts.begin("bob@example.com", "192.0.2.0") == NONE


def test_a_network_waits_whichever_accounts_it_tries(attempts):
    for number in range(40):
        assert attempts.begin(f"{number}@example.com", EVE) == NONE
    assert attempts.begin("another@example.com", EVE) > NONE
    assert attempts.begin("another@example.com", "192.0.2.0") == NONE


def test_signing_in_clears_the_account_and_not_the_network(attempts):
    for number in range(39):
        attempts.begin(f"{number}@example.com", EVE)
    for _ in range(10):
        assert attempts.begin(ADA, EVE) == NONE
        attempts.succeeded(ADA, EVE)
    attempts.begin("x@example.com", EVE)
    assert attempts.begin("y@example.com", EVE) > NONE


def test_failures_are_forgotten_after_a_day_without_another(attempts, clock: Clock, database):
    for _ in range(5):
        attempts.begin(ADA, EVE)
    clock.time += FORGOTTEN
    assert attempts.begin(ADA, EVE) == NONE
    with database.connect() as connection:
        assert {row.failures for row in connection.execute(select(sign_in_failures))} == {1}


def test_neither_names_nor_networks_are_kept(attempts, database):
    attempts.begin(ADA, EVE)
    with database.connect() as connection:
        kept = str(connection.execute(select(sign_in_failures)).all())
    assert "ada" not in kept
    assert "203.0" not in kept
