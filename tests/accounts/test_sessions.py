"""Sessions: kept at the server, short where much can be done, ended at once."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from accounts.grants import ROLES, STRICT
from accounts.people import People, digest
from accounts.sessions import LIVES, Sessions, number_of
from control.database import sessions as table
from tests.accounts.conftest import Clock


@pytest.fixture
def everybody(control, clock):
    return People(control, clock)


@pytest.fixture
def sessions(control, clock):
    return Sessions(control, clock)


def person(everybody, role="viewer", email="ada@example.com", until=None):
    return everybody.invite(email, role, "reads", until).person


@pytest.mark.parametrize("role", ROLES)
def test_a_session_ends_when_it_was_not_used_for_its_roles_idle_life(
    everybody,
    sessions,
    clock: Clock,
    role,
):
    token = sessions.begin(person(everybody, role), "Firefox on Linux")
    clock.time += LIVES[role in STRICT].idle - timedelta(seconds=1)
    assert sessions.of(token) is not None
    clock.time += LIVES[role in STRICT].idle - timedelta(seconds=1)
    assert sessions.of(token) is not None
    clock.time += LIVES[role in STRICT].idle
    assert sessions.of(token) is None


@pytest.mark.parametrize("role", ROLES)
def test_a_session_ends_after_its_roles_whole_life_however_much_it_is_used(
    everybody,
    sessions,
    clock: Clock,
    role,
):
    token = sessions.begin(person(everybody, role), "Firefox on Linux")
    end = clock.time + LIVES[role in STRICT].whole
    while clock.time < end:
        assert sessions.of(token) is not None
        clock.time += LIVES[role in STRICT].idle - timedelta(seconds=1)
    assert sessions.of(token) is None


def test_who_can_change_what_is_kept_has_a_shorter_session_than_who_reads():
    assert {"admin", "privacy-officer"} == STRICT
    assert LIVES[True].idle <= timedelta(hours=1)
    assert LIVES[True].whole <= timedelta(days=1)
    assert LIVES[True].whole < LIVES[False].whole


def test_a_session_ends_when_its_person_is_disabled(everybody, sessions):
    token = sessions.begin(person(everybody), "Firefox on Linux")
    everybody.disable("ada@example.com")
    assert sessions.of(token) is None
    everybody.invite("ada@example.com", "viewer", "back again")
    assert sessions.of(token) is None


def test_a_session_ends_after_the_persons_last_day(everybody, sessions, clock: Clock):
    token = sessions.begin(person(everybody, until=date(2026, 3, 29)), "Firefox on Linux")
    clock.time = clock.time.replace(hour=19)
    assert sessions.of(token) is not None
    clock.time = datetime(2026, 3, 30, 0, tzinfo=clock.time.tzinfo)
    assert sessions.of(token) is None


def test_a_session_ends_wherever_its_cookie_is(everybody, sessions):
    ada = person(everybody)
    token, other = (sessions.begin(ada, "Firefox on Linux") for _ in range(2))
    sessions.end_one(sessions.of(token))
    assert sessions.of(token) is None
    assert sessions.of(other) is not None


def test_a_person_sees_and_ends_their_own_sessions_alone(everybody, sessions):
    ada, bob = person(everybody), person(everybody, email="bob@example.com")
    mine = sessions.begin(ada, "Firefox on Linux")
    theirs = sessions.begin(bob, "Chrome on Android")
    assert [seen.browser for seen in sessions.all_of(ada)] == ["Firefox on Linux"]
    assert not sessions.end(ada, number_of(sessions.of(theirs)))
    assert sessions.of(theirs) is not None
    assert sessions.end(ada, number_of(sessions.of(mine)))
    assert sessions.of(mine) is None


def test_all_sessions_but_one_end_together(everybody, sessions):
    ada = person(everybody)
    tokens = [sessions.begin(ada, "Firefox on Linux") for _ in range(3)]
    assert sessions.end_all(ada, but=sessions.of(tokens[1])) == 2
    assert [sessions.of(token) is not None for token in tokens] == [False, True, False]


def test_the_token_is_kept_nowhere_and_shown_by_nothing(everybody, sessions, control):
    token = sessions.begin(person(everybody), "Firefox on Linux")
    session = sessions.of(token)
    with control.connect() as connection:
        stored = [str(row) for row in connection.execute(select(table))]
    assert not any(token in line for line in stored)
    assert any(digest(token) in line for line in stored)
    assert token not in repr(session)
    assert number_of(session) not in digest(token)


def test_sessions_that_are_over_are_removed(everybody, sessions, clock: Clock, control):
    sessions.begin(person(everybody), "Firefox on Linux")
    clock.time += timedelta(days=31)
    sessions.begin(person(everybody), "Firefox on Linux")
    with control.connect() as connection:
        assert len(connection.execute(select(table)).all()) == 1
