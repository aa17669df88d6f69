"""`flask spool status|inspect|retry`: what waits, what the store refused, and trying it again."""

import json

import pytest
from click.testing import CliRunner
from flask import Flask

from operate.commands import spool
from spool import reader
from tests.operate.world import services
from tests.spool.rows import row

NAMES = [f"events-170000000{n}000-1-0000000{n}" for n in (1, 2)]


@pytest.fixture
def world(tmp_path):
    with services(tmp_path / "home") as built:
        app = Flask("commands")
        app.extensions["discreet"] = built
        for name in NAMES:
            (built.settings.spool / f"{name}.ndjson").write_text('{"site": 1, "cohort": "Ann"}\n')
        for segment in reader.sealed(built.settings.spool):
            reader.set_aside(segment, built.settings.spool, 117)
        built.spool.append([row(1)])

        def invoke(*arguments):
            with app.app_context():
                return CliRunner().invoke(spool, arguments)

        yield built, invoke


def facts(invoke, *arguments):
    return json.loads(invoke(*arguments, "--json").output)


def test_status_counts_what_waits_and_names_what_was_refused(world):
    _, invoke = world
    told = facts(invoke, "status")
    assert (told["segments"], told["refused"]) == (1, NAMES)
    assert told["total_bytes"] > told["bytes"] > 0
    assert "2 set aside" in invoke("status").output


def test_inspect_says_why_and_shows_no_value(world):
    _, invoke = world
    told = facts(invoke, "inspect")
    assert [f["name"] for f in told] == NAMES
    assert {k: told[0][k] for k in ("table", "lines", "code", "unknown_fields")} == {
        "table": "events",
        "lines": 1,
        "code": 117,
        "unknown_fields": ["cohort"],
    }
    printed = invoke("inspect").output
    assert "error 117" in printed
    assert "Ann" not in printed + json.dumps(told)


def test_retry_takes_all_or_the_named_and_refuses_unknown_names(world):
    built, invoke = world
    unknown = invoke("retry", "events-1-1-1")
    assert (unknown.exit_code, "events-1-1-1" in unknown.output) == (1, True)
    assert facts(invoke, "retry", NAMES[1]) == {"retried": [NAMES[1]]}
    assert facts(invoke, "retry") == {"retried": [NAMES[0]]}
    assert {s.name for s in reader.sealed(built.settings.spool)} >= set(NAMES)
    assert "refused nothing" in invoke("inspect").output
