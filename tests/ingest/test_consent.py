"""Consent over HTTP: from what a batch states to the basis of the row in the spool."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from anonymize import pseudonyms
from control.objections import Kind, Objections
from tests.anonymize.tc_strings import Core, agreeing, publisher, tc_string

ME = "5f0c9f2e-5a6b-4a41-9a8e-1f2b3c4d5e6f"


def posted(client, world, consent=None, **context):
    """The answer to a batch of one page view that states this."""
    if consent is not None:
        context["consent"] = consent
    event = {
        "type": "page",
        "messageId": "m-1",
        "anonymousId": ME,
        "properties": {"url": "https://example.com/a"},
        "context": context,
    }
    body = {"writeKey": world.site.write_key, "batch": [event]}
    answer = client.post("/v1/batch", json=body)
    assert answer.status_code == 200
    return answer.json


@pytest.mark.parametrize(
    ("consent", "basis", "purposes"),
    [
        (None, "exempt", ["audience"]),
        ({"tcString": ""}, "exempt", ["audience"]),
        ({"tcString": agreeing(1, 7, 9)}, "consent", ["attribution", "audience"]),
        ({"tcString": agreeing(1, 2)}, "none", ["audience"]),
        (
            {"tcString": tc_string(Core(purposes=frozenset({1, 8})), publisher())},
            "none",
            ["audience"],
        ),
        (
            {"categoryPreferences": {"account": True}, "tcString": agreeing(1, 8)},
            "consent",
            ["account", "audience"],
        ),
        ({"analytics_storage": "denied", "tcString": agreeing(1, 8)}, "none", ["audience"]),
    ],
    ids=[
        "nothing",
        "a platform that has no string yet",
        "a TC string",
        "a TC string that leaves measuring out",
        "a TC string whose publisher segment refuses",
        "a category beside the string",
        "a refusal beside the string",
    ],
)
def test_a_row_carries_the_basis_and_the_purposes(world, client, consent, basis, purposes):
    assert posted(client, world, consent)["accepted"] == 1
    [row] = world.rows()
    assert (row["basis"], row["purposes"]) == (basis, purposes)


def test_a_string_that_cannot_be_read_is_rejected_by_name_and_place(world, client):
    answer = posted(client, world, {"tcString": agreeing(1, 8)[:-9] + "s3cret"})
    assert answer["accepted"] == 0
    [rejected] = answer["rejected"]
    assert rejected["reason"] == "bad_consent_string"
    assert rejected["pointer"].endswith("/context/consent/tcString")
    assert "s3cret" not in json.dumps(answer)
    assert world.rows() == []
    assert world.tallied() == {(world.site.id, "bad_consent_string"): 1}


def test_the_string_itself_is_not_stored(world, client):
    text = agreeing(1, 8, 10)
    posted(client, world, {"tcString": text})
    kept = [file.read_bytes() for file in world.home.rglob("*") if file.is_file()]
    assert kept
    assert not any(text.encode() in content for content in kept)


def test_a_sites_own_category_names_are_followed_at_once(world, client):
    consent = {"categoryPreferences": {"statistics": True}}
    posted(client, world, consent)
    world.sites.set(world.site, categories={"statistics": "audience"})
    posted(client, world, consent)
    assert [row["basis"] for row in world.rows()] == ["none", "consent"]


def test_a_site_for_children_keeps_counts_only_whatever_was_agreed_to(world, client):
    world.sites.set(world.site, child_directed=True)
    posted(client, world, {"categoryPreferences": {"analytics": True, "account": True}})
    [row] = world.rows()
    assert (row["basis"], row["purposes"]) == ("none", ["audience"])
    assert "visitor" not in row


def test_an_objection_outweighs_even_a_string_that_cannot_be_read(world, client):
    answer = posted(client, world, {"tcString": "?", "gpc": True})
    assert [drop["reason"] for drop in answer["dropped"]] == ["objected"]


@pytest.mark.parametrize("consent", [{"optOut": True}, {"optOut": True, "gpc": False}])
def test_an_opt_out_that_an_event_states_is_an_objection(world, client, consent):
    agreed = {"categoryPreferences": {"analytics": True}}
    answer = posted(client, world, agreed | consent)
    assert [drop["reason"] for drop in answer["dropped"]] == ["objected"]
    assert world.rows() == []
    assert world.tallied() == {(world.site.id, "objected"): 1}


def told(world, kind, since, anonymous_id=ME, user_id=None):
    """Records it as the endpoint for people's requests would: in another part of the program."""
    key = world.keys.record(world.site.id)
    for pseudonym in pseudonyms.on_record(key, world.site.id, anonymous_id, user_id):
        Objections(world.control).record(world.site.id, pseudonym, kind, since)


def test_an_objection_on_record_outweighs_every_consent(world, client):
    told(world, Kind.OBJECTED, datetime.now(UTC))
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for consent in (None, {"analytics_storage": "granted", "updatedAt": later}):
        answer = posted(client, world, consent)
        assert [drop["reason"] for drop in answer["dropped"]] == ["objected"]
    assert world.rows() == []


def test_an_objection_on_record_is_about_one_client_and_one_account(world, client):
    told(world, Kind.OBJECTED, datetime.now(UTC), "another", "an account")
    assert posted(client, world)["accepted"] == 1
    event = {"type": "track", "event": "Opened", "anonymousId": ME, "userId": "an account"}
    body = {"writeKey": world.site.write_key, "batch": [event, event | {"userId": "other"}]}
    assert client.post("/v1/batch", json=body).json["accepted"] == 1


@pytest.mark.parametrize(
    ("updated", "basis"),
    [(None, "none"), (timedelta(hours=-1), "none"), (timedelta(hours=1), "consent")],
    ids=["no date", "given before", "given again"],
)
def test_a_withdrawn_consent_counts_again_only_where_it_was_given_later(
    world, client, updated, basis
):
    since = datetime.now(UTC) - timedelta(days=1)
    told(world, Kind.WITHDRAWN, since)
    dated = {} if updated is None else {"updatedAt": (since + updated).isoformat()}
    posted(client, world, {"analytics_storage": "granted"} | dated)
    assert [row["basis"] for row in world.rows()] == [basis]


def test_who_withdrew_is_measured_on_no_exemption(world, client):
    told(world, Kind.WITHDRAWN, datetime.now(UTC))
    posted(client, world)
    [row] = world.rows()
    assert (row["basis"], "visitor" in row) == ("none", False)


def test_a_date_of_consent_that_cannot_be_read_is_rejected_by_name_and_place(world, client):
    answer = posted(client, world, {"analytics_storage": "granted", "updatedAt": "yesterday"})
    [rejected] = answer["rejected"]
    assert rejected["reason"] == "bad_timestamp"
    assert rejected["pointer"] == "/batch/0/context/consent/updatedAt"


def test_the_records_hold_no_identifier_of_a_client_or_an_account(world, client):
    told(world, Kind.OBJECTED, datetime.now(UTC), ME, "jan.peeters@example.org")
    posted(client, world)
    kept = [file.read_bytes() for file in world.home.rglob("*") if file.is_file()]
    assert kept
    assert not any(ME.encode() in each or b"jan.peeters" in each for each in kept)
