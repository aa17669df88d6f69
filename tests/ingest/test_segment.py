"""Segment's HTTP tracking API, without a server: bytes in, events or reasons out."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.event import Dropped, RawEvent, RawRequest, Reason, Rejected
from ingest.segment import open_batch, open_single
from ingest.wire import Malformed

REQUEST = RawRequest(received=datetime(2026, 5, 4, 12, tzinfo=UTC))


def items(*events, **envelope):
    body = json.dumps({"batch": list(events), **envelope}).encode()
    return open_batch(body).items(REQUEST)


def event(**fields) -> RawEvent:
    [item] = items(fields)
    assert isinstance(item.content, RawEvent), item.content
    return item.content


def deep(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_page_call_is_a_page_view_of_its_url():
    found = event(
        type="page",
        name="Pricing",
        properties={
            "url": "https://e.com/a?b=1",
            "referrer": "https://r.com/",
            "title": "T",
            "path": "/a",
            "plan": "x",
        },
    )
    assert (found.name, found.url) == ("pageview", "https://e.com/a?b=1")
    assert found.referrer == "https://r.com/"
    assert found.props == {"plan": "x"}


def test_a_page_without_a_url_of_its_own_has_its_contexts():
    page = {"url": "https://e.com/c", "referrer": "https://r.com/c"}
    [item] = items({"type": "page", "context": {"page": page}})
    assert item.content.url == "https://e.com/c"
    assert item.content.referrer == "https://r.com/c"
    assert item.url_pointer == "/context/page/url"


@pytest.mark.parametrize(
    "fields",
    [{"name": "Home"}, {"properties": {"name": "Home"}}],
    ids=["name", "properties.name"],
)
def test_a_screen_call_names_its_screen(fields):
    found = event(type="screen", **fields)
    assert (found.name, found.screen_name) == ("screen", "Home")


def test_a_track_call_keeps_its_name_and_its_money():
    properties = {"revenue": 12.5, "currency": "eur", "plan": "x"}
    found = event(type="track", event="Bought", properties=properties)
    assert (found.name, found.revenue, found.currency) == ("Bought", 12.5, "EUR")
    assert found.props == {"plan": "x"}
    assert event(type="track", event="Bought", properties={"revenue": 1}).currency == "USD"


def test_an_engagement_tells_time_and_depth_of_the_page_that_was_left():
    properties = {"engagementTime": 3500, "scrollDepth": 40, "plan": "x"}
    found = event(type="track", event="engagement", properties=properties)
    assert (found.engagement, found.scroll, found.props) == (3500, 40, {"plan": "x"})
    other = event(type="track", event="Read", properties=properties)
    assert (other.engagement, other.scroll, other.props) == (None, None, properties)


def test_device_facts_are_read_from_the_context():
    found = event(
        type="screen",
        name="Home",
        anonymousId="anon",
        userId=7,
        messageId="m",
        context={
            "app": {"name": "App", "version": "3.1", "build": 3100, "namespace": "x"},
            "os": {"name": "Android", "version": 15},
            "device": {
                "type": "android",
                "model": "Pixel 8",
                "memory": {"total": 8_000_000_000, "free": 1},
                "storage": {"total": 128e9},
                "battery": {"level": 0.5},
            },
            "network": {"wifi": False, "cellular": True, "carrier": "x"},
            "screen": {"width": 1080.0, "height": 2400, "density": 2.625},
            "locale": "nl-BE",
            "timezone": "Europe/Brussels",
            "campaign": {"name": "spring", "source": "news", "other": "x"},
            "session": {"id": 12},
            "library": {"name": "analytics-kotlin"},
        },
    )
    client = found.client
    assert (client.anonymous_id, client.user_id, client.session_id) == ("anon", "7", "12")
    assert (client.app_name, client.app_version, client.app_build) == ("App", "3.1", "3100")
    assert (client.os_name, client.os_version) == ("Android", "15")
    assert (client.device_type, client.device_model) == ("android", "Pixel 8")
    assert (client.memory_total, client.storage_total) == (8_000_000_000, 128_000_000_000)
    assert (client.battery, client.connection) == (0.5, "cellular")
    assert (client.screen_width, client.screen_height, client.language) == (411, 914, "nl-BE")
    assert found.campaign == {"campaign": "spring", "source": "news"}


@pytest.mark.parametrize(
    ("network", "connection"),
    [
        ({"wifi": True, "cellular": True}, "wifi"),
        ({"cellular": True}, "cellular"),
        ({"wifi": False, "cellular": False}, "none"),
        ({"wifi": False}, None),
        ({}, None),
    ],
)
def test_connection(network, connection):
    assert event(type="screen", context={"network": network}).client.connection == connection


def test_consent_is_read_in_every_form_and_unset_is_none():
    stated = {
        "categoryPreferences": {"analytics": True, "marketing": False},
        "analytics_storage": "granted",
        "tcString": "CP",
        "gpc": True,
        "noticeVersion": 3,
    }
    consent = event(type="screen", context={"consent": stated}).consent
    assert consent.categories == {"analytics": True, "marketing": False}
    assert (consent.analytics_storage, consent.tc_string, consent.gpc) == ("granted", "CP", True)
    unset = event(type="screen").consent
    assert (unset.categories, unset.analytics_storage, unset.tc_string, unset.gpc) == (
        {},
        None,
        None,
        False,
    )
    assert event(type="screen", context={"childDirected": True}).child_directed


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-05-04T10:00:00Z", datetime(2026, 5, 4, 10, tzinfo=UTC)),
        ("2026-05-04T12:00:00.123+02:00", datetime(2026, 5, 4, 10, 0, 0, 123000, tzinfo=UTC)),
        ("2026-05-04T10:00:00.123456789Z", datetime(2026, 5, 4, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-05-04 10:00:00", datetime(2026, 5, 4, 10, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_are_iso_8601_and_utc_where_no_offset_is_stated(text, time):
    assert event(type="screen", timestamp=text).occurred == time


def test_the_batchs_sending_time_holds_for_events_that_state_none():
    own, other = items(
        {"type": "screen", "sentAt": "2026-05-04T10:00:00Z"},
        {"type": "screen"},
        sentAt="2026-05-04T11:00:00Z",
    )
    assert own.content.sent.hour == 10
    assert other.content.sent.hour == 11


def test_the_batchs_context_holds_for_events_that_have_none():
    [item] = items({"type": "screen"}, context={"app": {"name": "App"}})
    assert item.content.client.app_name == "App"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("group", Reason.UNSUPPORTED_TYPE),
        ("alias", Reason.UNSUPPORTED_TYPE),
        ("ride", Reason.UNSUPPORTED_TYPE),
    ],
)
def test_types_that_are_not_kept_are_dropped_by_name(kind, reason):
    [item] = items({"type": kind, "messageId": "m", "traits": {"email": "a@b.c"}})
    assert item.content == Dropped(reason)
    assert item.message_id == "m"


def test_an_identify_tells_its_scalar_traits_and_nothing_else():
    traits = {"plan": "pro", "seats": 3, "beta": True, "address": {"city": "x"}, "tags": ["x"]}
    odd = {"long": "x" * 301, "none": None, "huge": 2**64}
    [item] = items({"type": "identify", "userId": "u", "traits": traits | odd})
    assert item.of_traits
    assert (item.content.name, item.content.client.user_id) == ("identify", "u")
    assert item.content.props == {"plan": "pro", "seats": 3, "beta": True}


@pytest.mark.parametrize("traits", [None, [], "x", 7])
def test_traits_of_another_shape_are_none(traits):
    [item] = items({"type": "identify", "traits": traits})
    assert item.content.props == {}


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ({"context": {"sessionId": 1700000000}}, "1700000000"),
        ({"context": {"session": {"id": "s-1"}}}, "s-1"),
        ({"integrations": {"Actions Amplitude": {"session_id": 1695791902053}}}, "1695791902053"),
        ({"integrations": {"Actions Amplitude": {"session_id": -1}}}, None),
        ({"integrations": {"Actions Amplitude": True, "All": False}}, None),
        ({"integrations": []}, None),
        ({}, None),
    ],
)
def test_a_session_is_read_where_sdks_and_their_plugins_put_it(fields, session):
    assert event(type="screen", **fields).client.session_id == session


@pytest.mark.parametrize(
    ("context", "storage"),
    [
        ({"os": {"name": "Android"}}, 64),
        ({"device": {"type": "android"}}, 64),
        ({"os": {"name": "Android"}, "device": {"manufacturer": "Google"}}, 64),
        ({"os": {"name": "visionOS"}, "device": {"manufacturer": "Apple"}}, None),
        ({}, None),
    ],
)
def test_storage_is_not_read_from_apples_devices_nor_from_unknown_ones(context, storage):
    device = {"storage": {"total": 64}} | context.get("device", {})
    found = event(type="screen", context=context | {"device": device})
    assert found.client.storage_total == storage


@pytest.mark.parametrize(
    ("context", "system", "kind"),
    [
        ({"os": {"name": "iPadOS"}, "device": {"model": "iPad13,4"}}, "iPadOS", "tablet"),
        ({"device": {"type": "ios", "model": "iPhone15,2"}}, "ios", "ios"),
        (
            {"os": {"name": "Version 14.1 (Build 23B74)"}, "device": {"type": "macos"}},
            "macos",
            "macos",
        ),
    ],
    ids=["iPad", "no system", "Mac"],
)
def test_systems_and_devices_as_apples_sdk_states_them(context, system, kind):
    found = event(type="screen", context=context)
    assert (found.client.os_name, found.client.device_type) == (system, kind)


@pytest.mark.parametrize(
    ("library", "trusted"),
    [
        ("analytics-kotlin", False),
        ("analytics-swift", False),
        ("Analytics-CSharp", False),
        ("@segment/analytics-react-native", True),
        ("analytics-python", True),
    ],
)
def test_a_sending_time_that_was_written_into_a_file_is_none(library, trusted):
    at = "2026-05-04T10:00:00Z"
    fields = {"type": "screen", "sentAt": at, "context": {"library": {"name": library}}}
    [item] = items(fields, sentAt=at)
    assert (item.content.sent is not None) is trusted


def test_a_body_may_name_its_site_by_domain():
    body = json.dumps({"batch": [], "domain": " a.com, b.com,"}).encode()
    assert open_batch(body).domains == ["a.com", "b.com"]
    assert open_single(b'{"event":"e","domain":"a.com"}', "track").domains == ["a.com"]


TRACK = {"type": "track", "event": "e"}
BAD = {
    "no type": ({"messageId": "m"}, Reason.MISSING_FIELD, "/type"),
    "no name": ({"type": "track"}, Reason.MISSING_FIELD, "/event"),
    "empty name": ({"type": "track", "event": ""}, Reason.MISSING_FIELD, "/event"),
    "not an object": ("text", Reason.WRONG_TYPE, ""),
    "null": (None, Reason.WRONG_TYPE, ""),
    "type is a number": ({"type": 1}, Reason.WRONG_TYPE, "/type"),
    "name is a number": ({"type": "track", "event": 7}, Reason.WRONG_TYPE, "/event"),
    "name too long": ({"type": "track", "event": "x" * 201}, Reason.TOO_LONG, "/event"),
    "screen too long": (
        {"type": "screen", "properties": {"name": "x" * 201}},
        Reason.TOO_LONG,
        "/properties/name",
    ),
    "properties are a list": (TRACK | {"properties": []}, Reason.WRONG_TYPE, "/properties"),
    "url is a number": (
        {"type": "page", "properties": {"url": 1}},
        Reason.WRONG_TYPE,
        "/properties/url",
    ),
    "url too long": (
        {"type": "page", "properties": {"url": "https://e.com/" + "a" * 2048}},
        Reason.TOO_LONG,
        "/properties/url",
    ),
    "context url too long": (
        {"type": "page", "context": {"page": {"url": "a" * 2049}}},
        Reason.TOO_LONG,
        "/context/page/url",
    ),
    "too many properties": (
        TRACK | {"properties": {str(n): n for n in range(31)}},
        Reason.TOO_MANY,
        "/properties",
    ),
    "key too long": (TRACK | {"properties": {"k" * 65: 1}}, Reason.TOO_LONG, "/properties"),
    "value too long": (
        TRACK | {"properties": {"a/b~c": "x" * 301}},
        Reason.TOO_LONG,
        "/properties/a~1b~0c",
    ),
    "nested too deeply": (
        TRACK | {"properties": deep(4)},
        Reason.TOO_DEEP,
        "/properties/a/a/a",
    ),
    "nested far too deeply": (TRACK | {"properties": deep(900)}, Reason.TOO_DEEP, None),
    "integer above 64 bits": (
        TRACK | {"properties": {"n": 2**63}},
        Reason.BAD_NUMBER,
        "/properties/n",
    ),
    "integer below 64 bits": (
        TRACK | {"properties": {"n": [-(2**63) - 1]}},
        Reason.BAD_NUMBER,
        "/properties/n/0",
    ),
    "memory above 64 bits": (
        TRACK | {"context": {"device": {"memory": {"total": 2**70}}}},
        Reason.BAD_NUMBER,
        "/context/device/memory/total",
    ),
    "engagement is text": (
        TRACK | {"event": "engagement", "properties": {"engagementTime": "12"}},
        Reason.WRONG_TYPE,
        "/properties/engagementTime",
    ),
    "depth is negative": (
        TRACK | {"event": "engagement", "properties": {"scrollDepth": -1}},
        Reason.BAD_NUMBER,
        "/properties/scrollDepth",
    ),
    "money is text": (
        TRACK | {"properties": {"revenue": "12"}},
        Reason.WRONG_TYPE,
        "/properties/revenue",
    ),
    "money is a truth": (
        TRACK | {"properties": {"revenue": True}},
        Reason.WRONG_TYPE,
        "/properties/revenue",
    ),
    "money beyond the store": (
        TRACK | {"properties": {"revenue": 1e15}},
        Reason.BAD_NUMBER,
        "/properties/revenue",
    ),
    "currency unknown": (
        TRACK | {"properties": {"revenue": 1, "currency": "euro"}},
        Reason.WRONG_TYPE,
        "/properties/currency",
    ),
    "consent is no word of ours": (
        TRACK | {"context": {"consent": {"analytics_storage": "maybe"}}},
        Reason.WRONG_TYPE,
        "/context/consent/analytics_storage",
    ),
    "consent is not a truth": (
        TRACK | {"context": {"consent": {"categoryPreferences": {"analytics": "yes"}}}},
        Reason.WRONG_TYPE,
        "/context/consent/categoryPreferences",
    ),
    "no such time": (
        TRACK | {"timestamp": "2026-13-01T00:00:00Z"},
        Reason.BAD_TIMESTAMP,
        "/timestamp",
    ),
    "no such first time": (
        TRACK | {"originalTimestamp": "soon"},
        Reason.BAD_TIMESTAMP,
        "/originalTimestamp",
    ),
    "no such sending time": (TRACK | {"sentAt": "now"}, Reason.BAD_TIMESTAMP, "/sentAt"),
    "larger than an event may be": (
        TRACK | {"traits": "x" * 33_000},
        Reason.TOO_LARGE,
        "",
    ),
}


@pytest.mark.parametrize(("bad", "reason", "pointer"), BAD.values(), ids=BAD)
def test_a_bad_event_is_rejected_with_its_pointer_and_costs_no_other(bad, reason, pointer):
    first, middle, last = items(TRACK, bad, TRACK)
    assert isinstance(first.content, RawEvent)
    assert isinstance(last.content, RawEvent)
    assert isinstance(middle.content, Rejected)
    assert middle.content.reason is reason
    if pointer is not None:
        assert middle.pointer + middle.content.pointer == "/batch/1" + pointer


@pytest.mark.parametrize(
    ("raw", "reason", "pointer"),
    [
        (b'{"type":"track","event":"e","properties":{"n":1e999}}', Reason.BAD_NUMBER, None),
        (b'{"type":"track","event":"\xff"}', Reason.NOT_JSON, "/batch/0"),
    ],
    ids=["number not finite", "not UTF-8"],
)
def test_what_json_dumps_cannot_write(raw, reason, pointer):
    item, fine = open_batch(b'{"batch":[%s,{"type":"screen"}]}' % raw).items(REQUEST)
    assert item.content.reason is reason
    assert pointer is None or item.pointer + item.content.pointer == pointer
    assert isinstance(fine.content, RawEvent)


def test_half_an_emoji_is_mended_rather_than_costing_the_batch():
    body = rb'{"batch":[{"type":"track","event":"a\ud83d","messageId":"\\ud83d \ud83d\ude00"}]}'
    [item] = open_batch(body).items(REQUEST)
    assert item.content.name == "a\ufffd"
    assert item.message_id == "\\ud83d \U0001f600"
    [single] = open_single(rb'{"event":"\udc00"}', "track").items(REQUEST)
    assert single.content.name == "\ufffd"


@pytest.mark.parametrize(
    ("body", "reason", "pointer"),
    [
        (b"", Reason.NOT_JSON, ""),
        (b"{", Reason.NOT_JSON, ""),
        (b'{"batch":[NaN]}', Reason.NOT_JSON, ""),
        (b"[]", Reason.WRONG_TYPE, ""),
        (b"{}", Reason.MISSING_FIELD, "/batch"),
        (b'{"batch":{}}', Reason.WRONG_TYPE, "/batch"),
        (b'{"batch":[],"writeKey":1}', Reason.WRONG_TYPE, "/writeKey"),
        (b'{"batch":[],"sentAt":"x"}', Reason.BAD_TIMESTAMP, "/sentAt"),
        (b'{"batch":[' + b"1," * 1000 + b"1]}", Reason.TOO_MANY, "/batch"),
        (b'{"batch":[' + b"[" * 100_000, Reason.TOO_DEEP, ""),
    ],
)
def test_a_bad_envelope_is_refused_as_a_whole(body, reason, pointer):
    with pytest.raises(Malformed) as caught:
        open_batch(body)
    assert (caught.value.reason, caught.value.pointer) == (reason, pointer)


def test_a_single_form_has_the_type_of_its_path():
    [item] = open_single(b'{"type":"page","event":"e","writeKey":"k"}', "track").items(REQUEST)
    assert item.content.name == "e"
    [item] = open_single(b'{"event":7}', "track").items(REQUEST)
    assert item.pointer + item.content.pointer == "/event"


def test_an_event_shows_nothing_of_itself():
    parcel = open_batch(b'{"batch":[{"type":"track","event":"secret"}],"writeKey":"secret"}')
    [item] = parcel.items(REQUEST)
    assert "secret" not in repr(parcel) + repr(item) + repr(item.content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "event",
                    "name",
                    "properties",
                    "context",
                    "url",
                    "page",
                    "consent",
                    "app",
                    "device",
                    "memory",
                    "total",
                    "revenue",
                    "timestamp",
                    "sentAt",
                    "messageId",
                    "userId",
                    "screen",
                    "network",
                    "battery",
                    "level",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON | st.fixed_dictionaries({"type": st.just("track")}), max_size=4))
def test_every_event_has_exactly_one_outcome(events):
    try:
        body = json.dumps({"batch": events}, allow_nan=False).encode()
    except ValueError:
        return
    assert len(open_batch(body).items(REQUEST)) == len(events)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_malformed(body):
    for opened in (open_batch, lambda b: open_single(b, "track")):
        with suppress(Malformed):
            opened(body).items(REQUEST)
