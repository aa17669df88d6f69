"""Who may sign in, for how long, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from accounts.people import LINK_LIFE, SESSION_LIFE, People, PersonError, digest
from control.database import open_control, people, sign_in_links

START = datetime(2026, 3, 28, 12, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Engine]:
    engine = open_control(f"sqlite:///{tmp_path / 'control.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def everybody(control: Engine, clock: Clock) -> People:
    return People(control, now=clock)


def test_a_link_signs_in_once(everybody: People) -> None:
    token = everybody.invite("ada@example.com", "analyst", "improves the shop").token
    assert everybody.awaits(token)
    session = everybody.sign_in(token)
    assert session is not None
    assert session.person.role == "analyst"
    assert everybody.sign_in(token) is None
    assert not everybody.awaits(token)


def test_a_link_is_void_after_24_hours(everybody: People, clock: Clock) -> None:
    token = everybody.invite("ada@example.com", "viewer", "reads").token
    clock.time += LINK_LIFE
    assert not everybody.awaits(token)
    assert everybody.sign_in(token) is None


def test_a_new_link_replaces_the_unused_one(everybody: People) -> None:
    first = everybody.invite("ada@example.com", "viewer", "reads").token
    second = everybody.invite("Ada@Example.com ", "admin", "runs it").token
    assert everybody.sign_in(first) is None
    session = everybody.sign_in(second)
    assert session is not None
    assert session.person.role == "admin"
    assert len(everybody.all()) == 1


def test_a_new_link_leaves_open_sessions_alone(everybody: People) -> None:
    session = everybody.sign_in(everybody.invite("ada@example.com", "viewer", "reads").token)
    assert session is not None
    everybody.invite("ada@example.com", "viewer", "reads, on the phone too")
    assert everybody.session(session.digest) is not None


def test_the_token_is_kept_nowhere(everybody: People, control: Engine) -> None:
    made = everybody.invite("ada@example.com", "viewer", "reads")
    assert len(made.token) >= 22  # 128 bits in base64
    assert made.token not in repr(made)
    with control.connect() as connection:
        stored = [str(row) for table in (people, sign_in_links)
                  for row in connection.execute(select(table))]  # fmt: skip
    assert any(digest(made.token) in line for line in stored)
    assert not any(made.token in line for line in stored)


def test_a_session_ends_when_its_person_is_disabled(everybody: People) -> None:
    session = everybody.sign_in(everybody.invite("ada@example.com", "viewer", "reads").token)
    assert session is not None
    everybody.disable("ada@example.com")
    assert everybody.session(session.digest) is None
    assert everybody.all()[0].disabled


def test_a_disabled_person_cannot_use_a_link_made_before(everybody: People) -> None:
    token = everybody.invite("ada@example.com", "viewer", "reads").token
    everybody.disable("ada@example.com")
    assert everybody.sign_in(token) is None


def test_a_session_ends_after_the_persons_last_day(everybody: People, clock: Clock) -> None:
    made = everybody.invite("ada@example.com", "viewer", "an audit", until=date(2026, 3, 29))
    session = everybody.sign_in(made.token)
    assert session is not None
    clock.time = datetime(2026, 3, 29, 23, 59, tzinfo=UTC)
    assert everybody.session(session.digest) is not None
    clock.time += timedelta(minutes=1)
    assert everybody.session(session.digest) is None


def test_a_session_lasts_30_days(everybody: People, clock: Clock) -> None:
    session = everybody.sign_in(everybody.invite("ada@example.com", "viewer", "reads").token)
    assert session is not None
    clock.time += SESSION_LIFE - timedelta(seconds=1)
    assert everybody.session(session.digest) is not None
    clock.time += timedelta(seconds=1)
    assert everybody.session(session.digest) is None


def test_signing_out_ends_the_session_itself(everybody: People) -> None:
    session = everybody.sign_in(everybody.invite("ada@example.com", "viewer", "reads").token)
    assert session is not None
    everybody.sign_out(session)
    assert everybody.session(session.digest) is None


def test_an_unused_links_digest_is_no_session(everybody: People) -> None:
    made = everybody.invite("ada@example.com", "viewer", "reads")
    assert everybody.session(digest(made.token)) is None


@pytest.mark.parametrize(
    ("email", "role", "purpose", "until", "names"),
    [
        pytest.param("ada", "viewer", "reads", None, "email", id="no address"),
        pytest.param("a da@example.com", "viewer", "reads", None, "email", id="a space"),
        pytest.param("a" * 250 + "@b.be", "viewer", "reads", None, "email", id="too long"),
        pytest.param("ada@example.com", "root", "reads", None, "role", id="no such role"),
        pytest.param("ada@example.com", "viewer", " ", None, "purpose", id="no purpose"),
        pytest.param("ada@example.com", "viewer", "x" * 501, None, "purpose", id="an essay"),
        pytest.param("ada@example.com", "viewer", "reads", date(2026, 3, 27), "until", id="over"),
    ],
)
def test_a_bad_invitation_is_refused_and_says_what_is_wrong(
    everybody: People, email: str, role: str, purpose: str, until: date | None, names: str
) -> None:
    with pytest.raises(PersonError, match=f"^{names}:"):
        everybody.invite(email, role, purpose, until)
    assert everybody.all() == ()
