"""Clients that exist, unmodified: what they send is stored as far as docs/clients.md says."""

import json

import pytest

from tests.browser import browser  # noqa: F401  the fixture
from tests.journey.sdks import CLIENTS, MODULES, SECRETS, documented, render, run
from tests.service import running

pytestmark = pytest.mark.skipif(
    not (MODULES / "plausible-tracker").is_dir(), reason="npm's packages are not installed"
)


@pytest.fixture(scope="module")
def heard(tmp_path_factory, browser):  # noqa: F811
    with running(tmp_path_factory.mktemp("sdks") / "home") as service:
        yield run(service, browser)


def test_every_client_is_answered_as_it_expects(heard):
    assert {client.client for client in heard} == set(CLIENTS)
    for client in heard:
        assert {told.status for told in client.told} <= {200, 202}, client.client


def test_every_event_is_stored_or_named_with_its_reason(heard):
    """`run` has waited for the rows; here that none was more, less or another."""
    for client in heard:
        accepted = [event for event in client.events if not event.reason]
        assert sorted(row["name"] for row in client.rows) == [event.name for event in accepted]
        assert all(event.stored for event in accepted)


def test_nothing_that_names_somebody_is_stored(heard):
    for client in heard:
        stored = json.dumps(client.rows)
        assert [secret for secret in SECRETS if secret in stored] == []


def test_the_tables_of_the_document_are_what_was_found(heard):
    assert documented() == render(heard), "run `python -m tests.journey.sdks`"
