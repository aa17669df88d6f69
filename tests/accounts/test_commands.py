"""`flask user …` on the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from accounts.commands import group
from accounts.passwords import Passwords
from accounts.people import People
from accounts.sessions import Sessions

INVITE = ("invite", "ada@example.com", "--role", "viewer", "--purpose", "reads the figures")


@pytest.fixture
def people(control: Engine) -> People:
    return People(control)


def run(people: People, *arguments: str) -> Result:
    return CliRunner().invoke(group(lambda: people, "https://stats.example.com"), arguments)


def test_invite_prints_a_link_that_works(people: People) -> None:
    result = run(people, *INVITE)
    assert result.exit_code == 0, result.output
    link = result.output.split()[-1]
    assert link.startswith("https://stats.example.com/sign-in/")
    assert people.consume(link.rpartition("/")[2]) is not None


def test_invite_tells_its_facts_as_json(people: People) -> None:
    facts = json.loads(run(people, *INVITE, "--until", "2999-12-31", "--json").output)
    assert facts["email"] == "ada@example.com"
    assert facts["until"] == "2999-12-31"
    assert people.awaits(facts["link"].rpartition("/")[2])


def test_a_bad_value_is_an_error_without_a_traceback(people: People) -> None:
    result = run(people, "invite", "ada", "--role", "viewer", "--purpose", "reads")
    assert result.exit_code == 1
    assert result.output.startswith("Error: email:")


def test_reset_takes_everything_that_signs_in_and_makes_a_link(people: People) -> None:
    run(people, *INVITE)
    passwords = Passwords(people._engine)
    person = people.by_email("ada@example.com")
    assert person is not None
    passwords.choose(person, "herring dances on the tin roof")
    token = Sessions(people._engine).begin(person, "Firefox on Linux")
    result = run(people, "reset", "ada@example.com")
    assert result.exit_code == 0, result.output
    assert not passwords.fits(person, "herring dances on the tin roof")
    assert Sessions(people._engine).of(token) is None
    again = people.consume(result.output.split()[-1].rpartition("/")[2])
    assert again == person
    assert run(people, "reset", "bob@example.com").exit_code == 1


def test_list_names_everybody(people: People) -> None:
    assert "Nobody yet" in run(people, "list").output
    run(people, *INVITE)
    line = run(people, "list").output
    assert line.startswith("ada@example.com  viewer  every site  without end  review by 2")
    assert line.endswith("granted by command line  reads the figures\n")
    assert json.loads(run(people, "list", "--json").output)[0]["role"] == "viewer"


def test_disable_shuts_out(people: People) -> None:
    link = json.loads(run(people, *INVITE, "--json").output)["link"]
    assert run(people, "disable", "ada@example.com").exit_code == 0
    assert people.consume(link.rpartition("/")[2]) is None
    assert "disabled" in run(people, "list").output
    assert run(people, "disable", "bob@example.com").exit_code == 1
