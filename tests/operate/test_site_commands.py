"""`flask site set|show`: everything that a site can ask for, on the command line."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from flask import Flask

from anonymize import exclusion, pseudonyms
from control.sites import Sites
from operate.commands import site
from tests.operate.world import services

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)


@pytest.fixture
def run(tmp_path):
    with services(tmp_path / "home") as opened:
        built = replace(opened, sites=Sites(opened.control, ttl=0, now=lambda: NOW))
        built.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        app = Flask("commands")
        app.extensions["discreet"] = built

        def invoke(command, *arguments):
            with app.app_context():
                return CliRunner().invoke(site, [command, "example.com", *arguments])

        invoke.services = built
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


def test_a_person_is_shown_it_in_told(run):
    run("set", "--category", "statistics=audience", "--child-directed")
    lines = told(run)
    assert lines["categories"] == "statistics=audience"
    assert lines["for children"] == "yes: counts only, whatever was stated"


def told(run):
    """What `show` tells a person, by the name of the setting."""
    output = run("show").output
    return {line[:16].strip(): line[16:] for line in output.splitlines()}


def test_what_is_not_set_is_said_too(run):
    lines = told(run)
    assert lines["properties"] == "none is kept"
    assert lines["cities"] == "not kept"
    assert lines["excluded"] == "nothing"
    assert lines["time zone"] == "Europe/Brussels"
    assert lines["k"] == "10: no published figure stands for fewer people"


def test_a_new_time_zone_is_said_to_hold_from_the_next_day_on(run):
    result = run("set", "--timezone", "America/New_York")
    new = "Europe/Brussels, from 2026-11-23 on America/New_York"
    assert told(run)["time zone"] == new
    assert new in result.output
    assert facts(run)["timezone"] == "Europe/Brussels"
    assert facts(run)["timezones"] == [
        {"from_day": "2026-11-23", "timezone": "America/New_York"},
        {"from_day": None, "timezone": "Europe/Brussels"},
    ]
    run("set", "--timezone", "Europe/Brussels")
    assert told(run)["time zone"] == "Europe/Brussels"


def test_properties_are_allowed_and_no_longer_allowed_one_by_one(run):
    run("set", "--property", "plan", "--property", "level")
    run("set", "--property", "theme", "--no-property", "plan", "--city")
    assert (facts(run)["properties"], facts(run)["city"]) == (["level", "theme"], True)
    lines = told(run)
    assert lines["properties"] == "level, theme"
    assert lines["cities"] == "kept of people who consented"
    run("set", "--no-city")
    assert facts(run)["city"] is False


def test_networks_hosts_and_paths_are_excluded_and_included_again(run):
    run("set", "--exclude-address", "203.0.113.7", "--exclude-address", "2001:db8:abcd::/48",
        "--exclude-host", "Staging.example.com", "--exclude-path", "/admin")  # fmt: skip
    assert told(run)["excluded"] == "2 networks, host staging.example.com, path /admin"
    shown = facts(run)
    assert (shown["excluded_networks"], shown["excluded_hosts"]) == (2, ["staging.example.com"])
    run("set", "--include-address", "203.0.113.0/24", "--include-host", "staging.example.com",
        "--include-path", "/admin/")  # fmt: skip
    assert told(run)["excluded"] == "1 network"


def test_what_is_excluded_is_what_the_collector_compares(run):
    run("set", "--exclude-address", "203.0.113.7")
    [found] = run.services.sites.all()
    prefix = exclusion.network("203.0.113.99")
    key = run.services.keys.exclusion()
    assert found.excluded_networks == (pseudonyms.network(key, found.id, prefix),)


def test_no_file_of_the_home_holds_an_excluded_address(run, tmp_path):
    run("set", "--exclude-address", "2001:db8:abcd::7")
    held = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    prefix = exclusion.network("2001:db8:abcd::7")
    for needle in (prefix, prefix[:6].hex().encode(), b"2001:db8:abcd"):
        assert needle not in held


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--category", "statistics"], "'statistics' is not of the form NAME=PURPOSE"),
        (["--category", "statistics=all"], "category: 'all' is neither of audience, product"),
        (["--category", "=audience"], "category: '' is not a name"),
        ([], "nothing to change"),
        (["--timezone", "Mars/Olympus"], "timezone: 'Mars/Olympus' is not an IANA time zone"),
        (["--exclude-address", "office"], "exclude-address: 'office' is not an address"),
        (["--exclude-address", "10.0.0.0/8"], "exclude-address: '10.0.0.0/8' is wider than /24"),
        (["--exclude-path", "/"], "exclude-path: '/' would exclude every page"),
        (["--include-host", "x.example"], "include-host: 'x.example' is not on the list"),
        (["--no-property", "plan"], "no-property: 'plan' is not on the list"),
    ],
    ids=[
        "no purpose",
        "no such purpose",
        "no name",
        "nothing",
        "zone",
        "address",
        "network",
        "every path",
        "no such host",
        "no such property",
    ],
)
def test_what_cannot_be_set_is_said_in_one_line(run, arguments, words):
    result = run("set", *arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert facts(run)["categories"] == {}
    assert told(run)["excluded"] == "nothing"
