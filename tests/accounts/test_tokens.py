"""Tokens: shown once, kept as a hash, for one site and scope, until their day."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import text

from accounts.tokens import TokenError, Tokens
from control.sites import Sites
from operate.commands import token
from tests.operate.world import services

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
SCOPE = "stats:read"


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def site(control):
    return Sites(control).add("example.com", "Europe/Brussels", "exempt", "BE")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(control, clock):
    return Tokens(control, clock)


def test_a_token_opens_its_site_for_its_scope_alone(tokens, site):
    made = tokens.add(site, SCOPE)
    assert tokens.opens(made.text, SCOPE) == site.id
    assert tokens.opens(made.text, "stats:write") is None
    assert tokens.opens(made.text + "x", SCOPE) is None
    assert tokens.opens("", SCOPE) is None


def test_a_token_is_nowhere_in_the_database_but_as_a_hash(tokens, site, tmp_path):
    made = tokens.add(site, SCOPE)
    assert made.text not in repr(made)
    kept = b"".join(path.read_bytes() for path in Path(tmp_path).iterdir() if path.is_file())
    assert made.text.encode() not in kept


def test_a_token_holds_256_random_bits(tokens, site):
    texts = {tokens.add(site, SCOPE).text for _ in range(20)}
    assert len(texts) == 20
    assert all(len(token) == 43 for token in texts)


def test_a_token_ends_after_its_day(tokens, site, clock):
    made = tokens.add(site, SCOPE, until=NOW.date())
    assert tokens.opens(made.text, SCOPE) == site.id
    clock.now = NOW + timedelta(days=1)
    assert tokens.opens(made.text, SCOPE) is None


@pytest.mark.parametrize(
    ("scope", "until", "says"),
    [
        pytest.param("everything", None, "scope", id="unknown scope"),
        pytest.param(SCOPE, date(2026, 11, 21), "until", id="a day that is over"),
    ],
)
def test_a_token_that_cannot_be_is_refused_by_name(tokens, site, scope, until, says):
    with pytest.raises(TokenError, match=says):
        tokens.add(site, scope, until)


def test_a_revoked_token_opens_nothing_and_its_number_comes_never_again(tokens, site):
    made = tokens.add(site, SCOPE)
    assert tokens.revoke(made.token.public_id) == made.token
    assert tokens.opens(made.text, SCOPE) is None
    assert tokens.add(site, SCOPE).token.public_id != made.token.public_id
    with pytest.raises(TokenError, match=made.token.public_id):
        tokens.revoke(made.token.public_id)
    with pytest.raises(TokenError):
        tokens.revoke("no number")


def test_of_its_last_use_only_the_day_is_recorded(tokens, site, clock, control):
    made = tokens.add(site, SCOPE)
    assert tokens.all()[0].last_used is None
    tokens.opens(made.text, SCOPE)
    clock.now = NOW + timedelta(hours=3)
    tokens.opens(made.text, SCOPE)
    with control.connect() as connection:
        (kept,) = connection.execute(text("SELECT last_used FROM tokens")).scalars()
    assert kept == "2026-11-22"
    clock.now = NOW + timedelta(days=3)
    tokens.opens(made.text, SCOPE)
    assert tokens.all(site)[0].last_used == date(2026, 11, 25)


def test_a_removed_site_takes_its_tokens_along(tokens, site, control):
    made = tokens.add(site, SCOPE)
    Sites(control).remove(site)
    assert tokens.opens(made.text, SCOPE) is None
    assert tokens.all() == ()


def test_the_command_prints_a_token_once_and_lists_and_revokes_by_number(tmp_path):
    with services(tmp_path / "home") as built:
        built.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        app = Flask("commands")
        app.extensions["discreet"] = built

        def run(*arguments):
            with app.app_context():
                return CliRunner().invoke(token, [*arguments, "--json"])

        made = json.loads(run("add", "--site", "example.com", "--scope", SCOPE).output)
        assert Tokens(built.control).opens(made["token"], SCOPE)
        listed = run("list", "--site", "example.com").output
        assert made["token"] not in listed
        (found,) = json.loads(listed)
        assert (found["number"], found["site"], found["scope"]) == (
            made["number"], "example.com", SCOPE,
        )  # fmt: skip
        assert run("revoke", made["number"]).exit_code == 0
        assert json.loads(run("list").output) == []
        assert run("revoke", made["number"]).exit_code == 1
        assert run("add", "--site", "nowhere.example", "--scope", SCOPE).exit_code == 1
