"""`flask goal|funnel|segment add|list|remove`: what analysts declare, on the command line."""

import json

import pytest
from click.testing import CliRunner
from flask import Flask

from control.definitions import COMMAND_LINE, Definitions
from operate.definition_commands import funnel, goal, segment
from tests.operate.world import services


@pytest.fixture
def run(tmp_path):
    with services(tmp_path / "home") as built:
        built.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        app = Flask("commands")
        app.extensions["discreet"] = built

        def invoke(group, command, *arguments, site="example.com"):
            with app.app_context():
                return CliRunner().invoke(group, [command, "--site", site, *arguments])

        invoke.services = built
        yield invoke


def facts(run, group):
    return json.loads(run(group, "list", "--json").output)


def test_goals_are_declared_by_an_event_or_a_path(run):
    run(goal, "add", "Signed up", "--event", "Sign up")
    added = json.loads(run(goal, "add", "Docs", "--path", "/docs/", "--json").output)
    assert added == {"number": 2, "name": "Docs", "event": None, "path": "/docs"}
    assert facts(run, goal) == [
        {"number": 1, "name": "Signed up", "event": "Sign up", "path": None}, added,
    ]  # fmt: skip
    assert facts(run, funnel) == []


def test_a_funnel_is_declared_by_its_steps_in_order(run):
    run(funnel, "add", "Buy", "--step", "/shop", "--step", "Add to cart", "--step", "Purchase")
    assert facts(run, funnel)[0]["steps"] == ["/shop", "Add to cart", "Purchase"]
    assert "Buy" in run(funnel, "list").output
    assert "/shop → Add to cart → Purchase" in run(funnel, "list").output


def test_a_segment_is_declared_by_its_filters(run):
    run(segment, "add", "A", "--filter", "visit:device=Mobile", "--filter", "visit:country=BE")
    [found] = facts(run, segment)
    assert found["filters"] == ["visit:country=BE", "visit:device=Mobile"]


def test_what_is_removed_is_listed_no_longer_and_stays_on_record(run):
    run(goal, "add", "Docs", "--path", "/docs")
    assert "Docs is removed" in run(goal, "remove", "Docs").output
    assert facts(run, goal) == []
    assert "No goals yet" in run(goal, "list").output
    site = run.services.sites.by_domain("example.com")
    changes = Definitions(run.services.control).changes(site)
    assert [(c.action, c.by) for c in changes] == [
        ("added", COMMAND_LINE), ("removed", COMMAND_LINE),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("group", "arguments", "words"),
    [
        (goal, ["add", "A"], "Error: goal: either an event or a path"),
        (goal, ["add", "A", "--path", "docs"], "Error: path: 'docs' is not a path such as /docs"),
        (funnel, ["add", "A", "--step", "/"], "Error: step: 2 to 8 steps, not 1"),
        (funnel, ["add", "A"], "Missing option '--step'"),
        (segment, ["add", "A", "--filter", "country=BE"], "Error: filter: 'country=BE' is not"),
        (segment, ["remove", "A"], "Error: name: no segment 'A'. There are: none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_is_one_clear_line(run, group, arguments, words):
    result = run(group, *arguments)
    assert result.exit_code
    assert words in result.output
    assert "Traceback" not in result.output


def test_an_unknown_site_is_named_with_those_that_there_are(run):
    result = run(goal, "list", site="example.org")
    assert "Error: no site 'example.org'. Sites: example.com" in result.output


def test_the_limits_are_told(run):
    said = " ".join(CliRunner().invoke(goal, ["--help"]).output.split())
    assert "20 goals, funnels and segments together" in said
    for n in range(5):
        assert run(goal, "add", f"{n}", "--event", f"{n}").exit_code == 0
    result = run(goal, "add", "more", "--event", "more")
    assert "Error: goal: 5 definitions were added to example.com within seven days" in result.output
