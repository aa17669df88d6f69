"""`subject …`: what a privacy officer does, with nobody's identifier among the arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from config.settings import load
from operate.application import assemble
from operate.services import Services
from tests.operate.world import services
from tests.store.conftest import engine_process


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    home = tmp_path / "home"
    load({"DISCREET_HOME": str(home)})
    with engine_process(home), services(home) as built:
        yield built


def test_a_person_is_exported_restricted_and_erased_by_the_officer(parts: Services) -> None:
    site = parts.sites.add("example.com", "UTC", "opt-in", "BE")
    app = assemble(parts)
    who, client = str(uuid4()), app.test_client()
    consent = {"categoryPreferences": {"analytics": True}}
    for name in ("One", "Two"):
        client.post(
            "/v1/track",
            json={"writeKey": site.write_key, "anonymousId": who, "event": name,
                  "context": {"consent": consent}},
        )  # fmt: skip
    parts.spool.close()

    def run(*words: str, said: str = who) -> str:
        with app.app_context():
            done = app.test_cli_runner().invoke(
                args=["subject", *words, "--site", "example.com"], input=said
            )
        assert done.exit_code == 0, done.output
        return done.stdout

    shown = json.loads(run("export"))
    assert sorted(event["name"] for event in shown["events"]) == ["One", "Two"]
    assert json.loads(run("export", said=str(uuid4())))["events"] == []
    assert json.loads(run("restrict", "--json"))["rows"] == 2
    assert run("unrestrict") == "2 rows count again\n"
    assert json.loads(run("erase", "--json"))["rows"] == 2
    assert json.loads(run("export"))["events"] == []
    entries = [(entry.action, entry.subject) for entry in parts.audit.entries()]
    assert ("subject erase", "somebody at example.com") in entries
    assert who not in str(entries)
