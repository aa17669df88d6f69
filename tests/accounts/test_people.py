"""Who may sign in, for how long, and by what."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import Engine, select

from accounts.people import LINK_LIFE, People, PersonError, digest
from control.database import people, sign_in_links
from tests.accounts.conftest import Clock


@pytest.fixture
def everybody(control: Engine, clock: Clock) -> People:
    return People(control, now=clock)


def test_a_link_signs_in_once(everybody: People) -> None:
    token = everybody.invite("ada@example.com", "analyst", "improves the shop").token
    assert everybody.awaits(token)
    person = everybody.consume(token)
    assert person is not None
    assert person.role == "analyst"
    assert everybody.consume(token) is None
    assert not everybody.awaits(token)


def test_a_link_is_void_after_24_hours(everybody: People, clock: Clock) -> None:
    token = everybody.invite("ada@example.com", "viewer", "reads").token
    clock.time += LINK_LIFE
    assert not everybody.awaits(token)
    assert everybody.consume(token) is None


def test_a_new_link_replaces_the_unused_one(everybody: People) -> None:
    first = everybody.invite("ada@example.com", "viewer", "reads").token
    second = everybody.invite("Ada@Example.com ", "admin", "runs it").token
    assert everybody.consume(first) is None
    person = everybody.consume(second)
    assert person is not None
    assert person.role == "admin"
    assert len(everybody.all()) == 1


def test_the_token_is_kept_nowhere(everybody: People, control: Engine) -> None:
    made = everybody.invite("ada@example.com", "viewer", "reads")
    assert len(made.token) >= 22  # 128 bits in base64
    assert made.token not in repr(made)
    with control.connect() as connection:
        stored = [str(row) for table in (people, sign_in_links)
                  for row in connection.execute(select(table))]  # fmt: skip
    assert any(digest(made.token) in line for line in stored)
    assert not any(made.token in line for line in stored)


def test_a_disabled_person_cannot_use_a_link_made_before(everybody: People) -> None:
    token = everybody.invite("ada@example.com", "viewer", "reads").token
    everybody.disable("ada@example.com")
    assert everybody.consume(token) is None


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
