"""Consent over HTTP: from what a batch states to the basis of the row in the spool."""

import json

import pytest

from tests.anonymize.tc_strings import Core, agreeing, publisher, tc_string


def posted(client, world, consent=None, **context):
    """The answer to a batch of one page view that states this."""
    if consent is not None:
        context["consent"] = consent
    event = {
        "type": "page",
        "messageId": "m-1",
        "anonymousId": "5f0c9f2e-5a6b-4a41-9a8e-1f2b3c4d5e6f",
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
