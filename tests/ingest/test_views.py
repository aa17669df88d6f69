"""The collecting endpoints over a real spool: statuses, reasons, and what is kept."""

import base64
import gzip
import io
import json
import zlib
from datetime import UTC, date, datetime, timedelta
from inspect import signature

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from control.database import imported_days, released_days
from ingest.final_days import RecentFinalDays
from ingest.wire import BODY_BYTES
from releases.job import NOTICE
from tests.ingest.world import make

VIEW = {"n": "pageview", "u": "https://example.com/a?token=s3cret#x", "d": "example.com"}
PAGE = {"type": "page", "messageId": "m-1", "properties": {"url": "https://example.com/a"}}


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def batch(*events, **envelope):
    return {"batch": list(events)} | envelope


def test_a_plausible_page_view_is_stored_and_answered_ok(world, client):
    answer = client.post("/api/event", json=VIEW)
    assert (answer.status_code, answer.data) == (202, b"ok")
    assert "X-Plausible-Dropped" not in answer.headers
    [row] = world.rows()
    assert (row["site"], row["name"], row["page"], row["basis"]) == (
        world.site.id,
        "pageview",
        "/a",
        "exempt",
    )
    assert "s3cret" not in json.dumps(row)
    assert "192.0.2.77" not in json.dumps(row)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, None),
        ({"Sec-Purpose": "prefetch;prerender"}, "prefetch"),
        ({"Purpose": "prefetch"}, "prefetch"),
        ({"X-Purpose": "preview"}, "prefetch"),
        ({"X-Moz": "prefetch"}, "prefetch"),
        ({"Sec-CH-UA": '"Chromium";v="124", "HeadlessChrome";v="124"'}, "automation"),
        ({"User-Agent": "curl/8.5.0"}, "bot"),
    ],
    ids=str,
)
def test_a_machine_is_stored_as_its_kind_by_both_wire_formats(world, client, headers, kind):
    client.post("/api/event", json=VIEW, headers=headers)
    rows = 1
    if headers.get("User-Agent") is None:  # with a write key, another agent is an SDK's
        client.post("/v1/batch", json=batch(PAGE, writeKey=world.site.write_key), headers=headers)
        rows = 2
    assert [row.get("bot") for row in world.rows()] == [kind] * rows


def test_a_segment_batch_says_what_became_of_each_event(world, client):
    objected = PAGE | {"messageId": "m-4", "context": {"consent": {"gpc": True}}}
    old = PAGE | {"messageId": "m-5", "timestamp": "2020-01-01T00:00:00Z"}
    bad_url = {"type": "page", "messageId": "m-6", "properties": {"url": "nowhere"}}
    answer = client.post(
        "/v1/batch",
        json=batch(
            PAGE,
            {"type": "identify", "messageId": "m-2"},
            {"type": "track", "messageId": "m-3"},
            objected,
            old,
            bad_url,
            "text",
        ),
        headers=basic(world.site.write_key),
    )
    assert answer.status_code == 200
    assert answer.json == {
        "success": True,
        "accepted": 1,
        "dropped": [
            {"index": 1, "messageId": "m-2", "reason": "no_traits"},
            {"index": 3, "messageId": "m-4", "reason": "objected"},
            {"index": 4, "messageId": "m-5", "reason": "too_old"},
        ],
        "rejected": [
            {
                "index": 2,
                "messageId": "m-3",
                "reason": "missing_field",
                "pointer": "/batch/2/event",
            },
            {
                "index": 5,
                "messageId": "m-6",
                "reason": "bad_url",
                "pointer": "/batch/5/properties/url",
            },
            {"index": 6, "messageId": None, "reason": "wrong_type", "pointer": "/batch/6"},
        ],
    }
    assert len(world.rows()) == 1
    site = world.site.id
    assert world.tallied() == {
        (site, reason): 1
        for reason in (
            "no_traits",
            "objected",
            "too_old",
            "missing_field",
            "bad_url",
            "wrong_type",
        )
    }


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b"])
@pytest.mark.parametrize("where", ["basic", "body"])
def test_the_write_key_may_stand_in_either_place(world, client, path, where):
    key = world.site.write_key
    headers, body = (
        ({}, batch(PAGE, writeKey=key)) if where == "body" else (basic(key), batch(PAGE))
    )
    assert client.post(path, json=body, headers=headers).json["accepted"] == 1


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/track", {"event": "Bought"}, "Bought"),
        ("/v1/page", {"properties": {"url": "https://example.com/"}}, "pageview"),
        ("/v1/screen", {"name": "Home"}, "screen"),
    ],
)
def test_single_forms(world, client, path, body, name):
    answer = client.post(path, json=body | {"writeKey": world.site.write_key})
    assert answer.json == {"success": True, "accepted": 1, "dropped": [], "rejected": []}
    assert [row["name"] for row in world.rows()] == [name]


def test_identify_alone_is_dropped(world, client):
    answer = client.post("/v1/identify", json={"userId": "u"}, headers=basic(world.site.write_key))
    assert answer.json["dropped"] == [{"index": 0, "messageId": None, "reason": "no_traits"}]


@pytest.mark.parametrize("headers", [{"Sec-GPC": "1"}, {"DNT": "1"}, {"DNT": "0,1"}])
def test_an_objection_leaves_no_row_and_says_so(world, client, headers):
    answer = client.post("/api/event", json=VIEW, headers=headers)
    assert (answer.status_code, answer.data) == (202, b"ok")
    assert answer.headers["X-Plausible-Dropped"] == "1"
    assert answer.headers["X-Discreet-Reason"] == "objected"
    assert world.rows() == []
    assert world.tallied() == {(world.site.id, "objected"): 1}


REFUSED = {
    "not JSON": ("/api/event", b"{", {}, 400, "not_json", ""),
    "empty": ("/v1/batch", b"", {}, 400, "not_json", ""),
    "wrong shape": ("/v1/batch", b'{"batch":1}', {}, 400, "wrong_type", "/batch"),
    "too many events": (
        "/v1/batch",
        b'{"batch":[' + b"{}," * 1000 + b"{}]}",
        {},
        400,
        "too_many",
        "/batch",
    ),
    "no key": ("/v1/batch", b'{"batch":[]}', {}, 401, "unknown_site", "/writeKey"),
    "unknown key": ("/v1/track", b'{"event":"e"}', basic("x"), 401, "unknown_site", "/writeKey"),
    "key that is none": (
        "/v1/track",
        b'{"event":"e"}',
        {"Authorization": "Basic \xe9%%"},
        401,
        "unknown_site",
        "/writeKey",
    ),
    "unknown domain": (
        "/api/event",
        b'{"n":"pageview","u":"https://x.org/","d":"x.org"}',
        {},
        400,
        "unknown_site",
        "/d",
    ),
    "no url": (
        "/api/event",
        b'{"n":"pageview","domain":"example.com"}',
        {},
        400,
        "missing_field",
        "/url",
    ),
    "bad url": (
        "/api/event",
        b'{"n":"pageview","u":"nowhere","domain":"example.com"}',
        {},
        400,
        "bad_url",
        "/u",
    ),
    "too large": ("/v1/batch", b" " * (BODY_BYTES + 1), {}, 413, "too_large", ""),
    "too large once inflated": (
        "/v1/batch",
        gzip.compress(b" " * 50_000_000),
        {"Content-Encoding": "gzip"},
        413,
        "too_large",
        "",
    ),
    "not gzip": ("/v1/batch", b"{}", {"Content-Encoding": "gzip"}, 400, "not_json", ""),
    "half of gzip": (
        "/v1/batch",
        gzip.compress(b"{}" * 100)[:-9],
        {"Content-Encoding": "gzip"},
        400,
        "not_json",
        "",
    ),
    "a form": (
        "/api/event",
        b"n=pageview",
        {"Content-Type": "application/x-www-form-urlencoded"},
        415,
        "unsupported_media",
        "",
    ),
    "brotli": ("/api/event", b"{}", {"Content-Encoding": "br"}, 415, "unsupported_media", ""),
}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason", "pointer"), REFUSED.values(), ids=REFUSED
)
def test_a_refusal_names_reason_and_field_and_is_counted(
    world, client, path, body, headers, status, reason, pointer
):
    answer = client.post(path, data=body, headers={"Content-Type": "text/plain"} | headers)
    assert answer.status_code == status
    assert answer.json.pop("error")
    assert (answer.json["reason"], answer.json["pointer"]) == (reason, pointer)
    assert answer.headers["X-Discreet-Reason"] == reason
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert world.rows() == []
    assert [(key[1], n) for key, n in world.tallied().items()] == [(reason, 1)]


def test_a_refusal_is_counted_for_the_site_that_the_key_names(world, client):
    client.post(
        "/v1/batch", data=b"{", content_type="text/plain", headers=basic(world.site.write_key)
    )
    client.post("/v1/batch", data=b"{", content_type="text/plain")
    assert world.tallied() == {(world.site.id, "not_json"): 1, (0, "not_json"): 1}


@pytest.mark.parametrize("media", ["application/json", "text/plain;charset=UTF-8", None])
def test_media_types_that_clients_really_send(world, client, media):
    answer = client.post("/api/event", data=json.dumps(VIEW), content_type=media)
    assert answer.status_code == 202


def test_gzip_and_chunks_together(world, client):
    body = gzip.compress(json.dumps(batch(PAGE)).encode())
    answer = client.post(
        "/v1/batch",
        input_stream=io.BytesIO(body),
        headers=basic(world.site.write_key)
        | {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "Transfer-Encoding": "chunked",
        },
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.json["accepted"] == 1


def test_chunks_are_limited_too(world, client):
    answer = client.post(
        "/v1/batch",
        input_stream=io.BytesIO(b" " * (BODY_BYTES + 1)),
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 413


class Broken(io.BytesIO):
    """A body whose chunks are none: servers have exceptions of their own for it."""

    def readinto(self, _buffer):
        raise LookupError("a chunk's size is not hexadecimal")


def test_a_body_that_cannot_be_read_is_the_clients_fault(client):
    answer = client.post(
        "/v1/batch",
        input_stream=Broken(),
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.json["reason"]) == (400, "not_json")
    assert "badly chunked" in answer.json["error"]


def test_a_full_spool_asks_to_come_again(tmp_path):
    world = make(tmp_path, max_bytes=1)
    client = world.app().test_client()
    for path, body in (("/api/event", VIEW), ("/v1/batch", batch(PAGE))):
        answer = client.post(path, json=body, headers=basic(world.site.write_key))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json["reason"] == "unavailable"
    # What is wrong for good is not to be sent again.
    assert client.post("/v1/batch", data=b"{").status_code == 400
    world.spool.close()
    world.control.dispose()
    world.keys._engine.dispose()


def test_any_sites_script_may_send_and_read(client):
    answer = client.options("/v1/batch", headers={"Origin": "https://shop.example"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in answer.headers
    answer = client.post("/api/event", json=VIEW)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers


def test_sdks_are_told_where_to_send(world, client):
    answer = client.get(f"/v1/projects/{world.site.write_key}/settings")
    assert answer.json["integrations"]["Segment.io"] == {
        "apiKey": world.site.write_key,
        "apiHost": "localhost/v1",
    }
    assert client.get("/v1/projects/none/settings").status_code == 401


def test_sdks_are_sent_to_the_public_origin_whatever_the_request_names(world):
    world.public_host = "stats.example.com"
    answer = (
        world.app()
        .test_client()
        .get(f"/v1/projects/{world.site.write_key}/settings", headers={"Host": "evil.example"})
    )
    assert answer.json["integrations"]["Segment.io"]["apiHost"] == "stats.example.com/v1"


def test_an_sdks_user_agent_is_not_taken_for_a_bots(world, client):
    agents = {
        "okhttp/4.12.0": "",
        "Googlebot/2.1": "",
        "Mozilla/5.0 (compatible; Googlebot/2.1)": "bot",
    }
    for agent in agents:
        client.post(
            "/v1/batch",
            json=batch(PAGE),
            headers=basic(world.site.write_key) | {"User-Agent": agent},
        )
    assert [row.get("bot", "") for row in world.rows()] == list(agents.values())
    client.post("/api/event", json=VIEW, headers={"User-Agent": "okhttp/4.12.0"})
    assert world.rows()[-1]["bot"] == "bot"


def test_the_first_known_site_of_a_list_gets_the_event(world, client):
    assert client.post("/api/event", json=VIEW | {"d": "x.org,example.com"}).status_code == 202
    assert len(world.rows()) == 1


def test_a_day_that_is_final_takes_no_more_rows(world, client):
    today = world.site.calendar.local_day(datetime.now(UTC))
    with world.control.begin() as connection:
        connection.execute(
            insert(released_days),
            [
                {
                    "site": world.site.id,
                    "day": day,
                    "version": number,
                    "state": state,
                    "digest": 1,
                    "computed_at": datetime(2026, 1, 1, tzinfo=UTC),
                }
                for number, (day, state) in enumerate(
                    [
                        (today, "open"),
                        (today - timedelta(days=2), "final"),
                        (date(2015, 5, 17), "final"),
                    ]
                )
            ],
        )
    late = datetime.now(UTC) - timedelta(days=2)
    answer = client.post(
        "/v1/batch",
        json=batch(PAGE, PAGE | {"timestamp": late.isoformat(), "messageId": "m-2"}),
        headers=basic(world.site.write_key),
    )
    assert answer.json["accepted"] == 1
    assert answer.json["dropped"] == [{"index": 1, "messageId": "m-2", "reason": "day_final"}]


def test_a_day_that_an_import_filled_is_closed_before_it_is_computed(world, client):
    today = world.site.calendar.local_day(datetime.now(UTC))
    with world.control.begin() as connection:
        connection.execute(
            insert(imported_days),
            [
                {"site": world.site.id, "day": day, "imported_at": datetime.now(UTC)}
                for day in (today, today - timedelta(days=2))
            ],
        )
    late = datetime.now(UTC) - timedelta(days=2)
    answer = client.post(
        "/v1/batch",
        json=batch(PAGE, PAGE | {"timestamp": late.isoformat(), "messageId": "m-2"}),
        headers=basic(world.site.write_key),
    )
    assert answer.json["accepted"] == 1  # today is not over
    assert answer.json["dropped"] == [{"index": 1, "messageId": "m-2", "reason": "day_final"}]


def test_web_processes_look_for_closed_days_more_often_than_these_wait():
    looks = signature(RecentFinalDays).parameters["ttl"].default
    assert timedelta(seconds=looks) < NOTICE / 2


def test_nothing_raw_is_logged(world, client, caplog, capfd):
    secret = "planted-7f3a"
    for body in (b"{" + secret.encode(), json.dumps({"n": secret, "d": secret, "u": 5}).encode()):
        client.post(
            f"/api/event?{secret}",
            data=body,
            content_type="text/plain",
            headers={"User-Agent": secret},
        )
    printed = capfd.readouterr()
    assert secret not in caplog.text + printed.out + printed.err
    assert secret not in json.dumps(world.lines("tallies"))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """One world for many examples, with a client that raises nothing of its own."""
    world = make(tmp_path_factory.mktemp("lasting"))
    app = world.app()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield world, app.test_client()
    world.spool.close()
    world.control.dispose()
    world.keys._engine.dispose()


HEADERS = st.fixed_dictionaries(
    {"Content-Type": st.sampled_from(["text/plain", "application/json", "a/b", ""])},
    optional={
        "Content-Encoding": st.sampled_from(["gzip", "identity", "br"]),
        "User-Agent": st.text(st.characters(max_codepoint=255, min_codepoint=32), max_size=40),
        "Sec-GPC": st.sampled_from(["1", "0", "x"]),
        "Authorization": st.sampled_from(["Basic", "Basic !!", "Bearer x", "Basic eDo="]),
    },
)
BYTES = (
    st.binary(max_size=300)
    | st.binary(max_size=100).map(gzip.compress)
    | st.binary(max_size=100).map(zlib.compress)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(["/api/event", "/v1/batch", "/v1/track"]), body=BYTES, headers=HEADERS)
def test_no_bytes_whatsoever_are_a_fault_of_the_servers(lasting, path, body, headers):
    _, client = lasting
    assert client.post(path, data=body, headers=headers).status_code < 500


LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
NAMES = st.sampled_from(
    [
        "type",
        "event",
        "name",
        "timestamp",
        "messageId",
        "anonymousId",
        "userId",
        "properties",
        "context",
        "url",
        "revenue",
        "currency",
        "consent",
        "gpc",
        "campaign",
        "app",
        "version",
        "os",
        "page",
        "network",
        "screen",
        "width",
        "memory",
        "total",
        "device",
        "storage",
        "manufacturer",
        "density",
        "library",
        "traits",
        "integrations",
        "Actions Amplitude",
        "session_id",
        "engagementTime",
        "scrollDepth",
    ]
)
EVENT = st.dictionaries(
    NAMES, st.recursive(LEAF, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=8)
)
TIMES = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    events=st.lists(
        st.builds(
            lambda event, kind, name, time: (
                event | {"type": kind, "event": name, "timestamp": time}
            ),
            EVENT,
            st.sampled_from(["track", "page", "screen", "identify"]),
            st.sampled_from(["e", "engagement"]),
            TIMES,
        ),
        max_size=4,
    ),
    sent=TIMES,
)
def test_no_events_whatsoever_are_a_fault_of_the_servers(lasting, events, sent):
    world, client = lasting
    try:
        body = json.dumps(batch(*events, sentAt=sent), allow_nan=False)
    except ValueError:
        return
    answer = client.post(
        "/v1/batch",
        data=body,
        content_type="text/plain",
        headers=basic(world.site.write_key),
    )
    assert answer.status_code == 200, answer.data
    told = answer.json
    assert told["accepted"] + len(told["dropped"]) + len(told["rejected"]) == len(events)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    query=st.dictionaries(
        st.sampled_from(["url", "domain", "key", "referrer", "x"]),
        st.text(max_size=40)
        | st.text(max_size=20).map(lambda text: f"https://example.com/{text}")
        | st.sampled_from(["example.com", "https://example.com/#/a?b#c"]),
    ),
    referer=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)
def test_whatever_is_asked_of_the_pixel_it_is_a_picture(lasting, query, referer):
    _, client = lasting
    answer = client.get("/pixel.gif", query_string=query, headers={"Referer": referer})
    assert (answer.status_code, answer.data[:6]) == (200, b"GIF89a")
