"""`POST /v1/consent`: a decision told over HTTP, answered with a receipt, and obeyed."""

import json
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.consent import _Body, open_consent
from ingest.wire import Malformed
from tests.ingest.world import make

ADA = "0b7c8c50-3df4-4c5f-9d22-94b5a0f9a8a1"
YES = {"analytics": True, "product": False}


@pytest.fixture
def world(tmp_path):
    made = make(tmp_path, policy="opt-in")
    yield made
    made.spool.close()
    made.control.dispose()


@pytest.fixture
def client(world):
    return world.app().test_client()


def tell(client, world, headers=None, **body):
    body = {"writeKey": world.site.write_key, "anonymousId": ADA, **body}
    body = {name: value for name, value in body.items() if value is not None}
    return client.post("/v1/consent", data=json.dumps(body), headers=headers, mimetype="text/plain")


def test_a_grant_is_answered_with_a_receipt_and_the_subject_token(client, world):
    told = tell(client, world, categoryPreferences=YES, noticeVersion="1", language="nl-BE")
    assert told.status_code == 201
    assert told.headers["Access-Control-Allow-Origin"] == "*"
    assert told.headers["Cache-Control"] == "no-store"
    answer = told.get_json()
    assert answer["status"] == "given"
    assert answer["purposes"] == {
        "audience": True, "product": False, "attribution": False, "account": False,
    }  # fmt: skip
    assert len(answer["subjectToken"]) == 22
    entry = client.get(f"/v1/consent/{answer['receipt']}")
    assert entry.headers["Cache-Control"] == "no-store"
    assert entry.get_json()["privacy_notice"] == {"version": "1", "sha256": "ab" * 32}
    assert client.get("/v1/consent/abcdef-AAAAAAAAAAAAAAAAAAAAAA").status_code == 404


@pytest.mark.parametrize(
    ("choice", "status"),
    [
        ({"categoryPreferences": {"analytics": False}}, "withdrawn"),
        ({"analytics_storage": "granted"}, "given"),
        ({"analytics_storage": "denied"}, "withdrawn"),
        ({"objection": True}, "objected"),
        ({"categoryPreferences": {"analytics": False}, "anonymousId": None}, "refused"),
    ],
    ids=["all refused", "analytics storage", "denied", "objection", "nobody known"],
)
def test_every_form_of_a_choice_is_understood(client, world, choice, status):
    answer = tell(client, world, **choice)
    assert (answer.status_code, answer.get_json()["status"]) == (201, status)


def test_a_site_can_be_named_by_its_domain(client, world):
    told = tell(client, world, writeKey=None, domain="example.com", categoryPreferences=YES)
    assert told.status_code == 201


@pytest.mark.parametrize("signal", [{"Sec-GPC": "1"}, {"DNT": "1"}, {"Sec-GPC": "0,1"}])
def test_a_grant_under_the_browsers_refusal_is_none_and_says_so(client, world, signal):
    answer = tell(client, world, signal, categoryPreferences=YES).get_json()
    assert answer["status"] == "withdrawn"
    assert answer["overriddenBy"] == "signal"
    assert "subjectToken" not in answer


def test_nobody_consents_on_a_site_for_children(client, world):
    world.sites.set(world.site, child_directed=True)
    answer = tell(client, world, categoryPreferences=YES).get_json()
    assert (answer["status"], answer["overriddenBy"]) == ("withdrawn", "child_directed")


@pytest.mark.parametrize(
    ("body", "status", "reason", "pointer"),
    [
        ({}, 400, "missing_field", "/categoryPreferences"),
        ({"objection": True, "anonymousId": None}, 400, "missing_field", "/anonymousId"),
        ({"categoryPreferences": YES, "anonymousId": "42"}, 400, "wrong_type", "/anonymousId"),
        ({"categoryPreferences": YES, "language": "ada@b.c"}, 400, "wrong_type", "/language"),
        ({"categoryPreferences": 7}, 400, "wrong_type", "/categoryPreferences"),
        ({"analytics_storage": "maybe"}, 400, "wrong_type", "/analytics_storage"),
        ({"categoryPreferences": YES, "method": "magic"}, 400, "wrong_type", "/method"),
        (
            {"categoryPreferences": YES, "noticeVersion": "x" * 65},
            400,
            "too_long",
            "/noticeVersion",
        ),
        ({"categoryPreferences": YES, "decidedAt": "soon"}, 400, "bad_timestamp", "/decidedAt"),
        ({"tcString": "nonsense"}, 400, "bad_consent_string", "/tcString"),
        ({"categoryPreferences": YES, "writeKey": "no"}, 401, "unknown_site", "/writeKey"),
    ],
)
def test_what_is_wrong_is_named(client, world, body, status, reason, pointer):
    told = tell(client, world, **body)
    assert told.status_code == status
    assert (told.get_json()["reason"], told.get_json()["pointer"]) == (reason, pointer)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff", b'{"writeKey": 7}', b"7" * 600_000]
)
def test_no_body_is_answered_with_a_fault_of_ours(client, body):
    assert 400 <= client.post("/v1/consent", data=body, mimetype="text/plain").status_code < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(sorted(_Body.__struct_encode_fields__))


@given(body=st.dictionaries(FIELDS, JSON, max_size=6))
def test_whatever_is_stated_is_understood_or_refused_with_a_pointer(body):
    pointer, told = "", None
    try:
        told = open_consent(json.dumps(body).encode())
    except Malformed as refused:
        pointer = refused.pointer
    if told is None:
        assert pointer == "" or pointer.startswith("/")
    else:
        assert told.anonymous_id == (body.get("anonymousId") or "")


def test_the_clients_clock_is_corrected_and_never_ahead(client, world):
    ahead = tell(
        client, world, categoryPreferences=YES,
        decidedAt="2040-01-01T00:00:00Z", sentAt="2040-01-01T00:00:10Z",
    ).get_json()  # fmt: skip
    future = tell(client, world, categoryPreferences=YES, decidedAt="2040-01-01T00:00:00Z")
    for answer in (ahead, future.get_json()):
        assert answer["expiresAt"] < "2040"


def view(world, client, who=ADA):
    event = {
        "type": "page", "messageId": str(uuid4()), "anonymousId": who,
        "context": {
            "page": {"url": "https://example.com/a"},
            "consent": {"categoryPreferences": {"analytics": True}},
        },
    }  # fmt: skip
    body = {"writeKey": world.site.write_key, "batch": [event]}
    return client.post("/v1/batch", data=json.dumps(body), mimetype="text/plain")


def test_after_a_withdrawal_an_event_that_still_states_consent_has_no_pseudonym(client, world):
    tell(client, world, categoryPreferences=YES)
    view(world, client)
    assert world.rows()[-1]["basis"] == "consent"
    tell(client, world, categoryPreferences={"analytics": False})
    view(world, client)
    assert world.rows()[-1]["basis"] == "none"
    assert "visitor" not in world.rows()[-1]


def test_after_an_objection_nothing_of_the_client_is_kept(client, world):
    tell(client, world, objection=True)
    before = len(world.rows())
    assert view(world, client).get_json()["dropped"][0]["reason"] == "objected"
    assert len(world.rows()) == before
