"""`flask site set|show`: what a site says of consent, on the command line."""

import json

import pytest
from click.testing import CliRunner
from flask import Flask

from operate.commands import site
from tests.operate.world import services


@pytest.fixture
def run(tmp_path):
    with services(tmp_path / "home") as built:
        built.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        app = Flask("commands")
        app.extensions["discreet"] = built

        def invoke(command, *arguments):
            with app.app_context():
                return CliRunner().invoke(site, [command, "example.com", *arguments])

        yield invoke


def facts(run):
    return json.loads(run("show", "--json").output)


def test_category_names_are_added_changed_and_forgotten_one_by_one(run):
    run("set", "--category", "statistics=audience", "--category", "C0003=product")
    assert facts(run)["categories"] == {"C0003": "product", "statistics": "audience"}
    run("set", "--category", "C0003=attribution", "--category", "a=b=account")
    assert facts(run)["categories"] == {
        "C0003": "attribution",
        "a=b": "account",
        "statistics": "audience",
    }
    run("set", "--category", "statistics=", "--category", "a=b=")
    assert facts(run)["categories"] == {"C0003": "attribution"}


def test_a_site_is_marked_as_being_for_children_and_unmarked(run):
    run("set", "--child-directed")
    assert facts(run)["child_directed"] is True
    run("set", "-k", "20")
    assert facts(run)["child_directed"] is True
    run("set", "--not-child-directed")
    assert facts(run)["child_directed"] is False


def test_a_person_is_shown_it_in_words(run):
    run("set", "--category", "statistics=audience", "--child-directed")
    lines = {line.split()[0]: line.split()[1:] for line in run("show").output.splitlines()}
    assert lines["categories"] == ["statistics=audience"]
    assert lines["child_directed"] == ["yes"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--category", "statistics"], "'statistics' is not of the form NAME=PURPOSE"),
        (["--category", "statistics=all"], "category: 'all' is neither of audience, product"),
        (["--category", "=audience"], "category: '' is not a name"),
        ([], "nothing to change"),
    ],
    ids=["no purpose", "no such purpose", "no name", "nothing"],
)
def test_what_cannot_be_set_is_said_in_one_line(run, arguments, words):
    result = run("set", *arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert facts(run)["categories"] == {}
