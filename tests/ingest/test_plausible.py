"""Plausible's events API, without a server: bytes in, an event or a reason out."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.event import RawEvent, RawRequest, Reason, Rejected
from anonymize.url import clean
from ingest.plausible import open_event
from ingest.wire import Malformed

REQUEST = RawRequest(received=datetime(2026, 5, 4, 12, tzinfo=UTC))
VIEW = {"n": "pageview", "u": "https://e.com/a", "d": "e.com"}


def content(fields):
    return open_event(json.dumps(fields).encode()).item(REQUEST).content


@pytest.mark.parametrize(
    "fields",
    [
        VIEW | {"r": "https://r.com/", "p": {"a": "b"}},
        VIEW | {"r": "https://r.com/", "p": '{"a":"b"}'},
        VIEW | {"r": "https://r.com/", "m": {"a": "b"}},
        {
            "name": "pageview",
            "url": "https://e.com/a",
            "domain": "e.com",
            "referrer": "https://r.com/",
            "props": {"a": "b"},
        },
    ],
    ids=["short", "props as text", "older tracker", "long"],
)
def test_short_and_long_names_mean_the_same(fields):
    found = content(fields)
    assert (found.name, found.url, found.referrer) == (
        "pageview",
        "https://e.com/a",
        "https://r.com/",
    )
    assert found.props == {"a": "b"}


def test_engagement_is_read_and_255_is_no_depth():
    found = content(VIEW | {"n": "engagement", "e": 3500, "sd": 40, "v": 34, "i": False, "h": 1})
    assert (found.engagement, found.scroll) == (3500, 40)
    assert content(VIEW | {"sd": 255}).scroll is None


@pytest.mark.parametrize("name", ["$", "revenue"])
@pytest.mark.parametrize("amount", [12.5, "12.50"])
def test_money(name, amount):
    found = content(VIEW | {name: {"amount": amount, "currency": "EUR"}})
    assert (found.revenue, found.currency) == (12.5, "EUR")


def test_a_domain_may_list_several_sites():
    parcel = open_event(json.dumps(VIEW | {"d": "a.com, b.com"}).encode())
    assert parcel.domains == ["a.com", "b.com"]
    assert parcel.domain_pointer == "/d"


def test_without_a_domain_the_site_is_the_pages_host():
    parcel = open_event(b'{"n":"pageview","u":"https://www.e.com/a"}')
    assert (parcel.domains, parcel.domain_pointer) == (["www.e.com"], "/u")


@pytest.mark.parametrize("mode", [{"h": 1}, {"hashMode": 1}])
@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://e.com/#/orders", "https://e.com/orders"),
        ("https://e.com/app/#!/orders/7", "https://e.com/app/orders/7"),
        ("https://e.com/app?ref=x#/a?utm_source=y", "https://e.com/app/a?ref=x&utm_source=y"),
        ("https://e.com/a#access_token=x", "https://e.com/a#access_token=x"),
        ("https://e.com/a", "https://e.com/a"),
    ],
    ids=["route", "bang", "queries", "no route", "no fragment"],
)
def test_in_hash_mode_a_route_in_the_fragment_is_the_page(mode, url, read):
    assert content(VIEW | mode | {"u": url}).url == read
    assert content(VIEW | {"h": 0, "u": url}).url == url


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a_route_never_changes_whose_page_it_is(path, query, fragment):
    url = f"https://e.com/{path}?{query}#/{fragment}"
    routed, plain = clean(content(VIEW | {"h": 1, "u": url}).url), clean(url)
    assert routed.hostname == plain.hostname == "e.com"


def test_what_trackers_send_besides_is_passed_over():
    assert content(VIEW | {"v": 36, "i": False, "w": 1280, "x": [1]}) == content(VIEW)


BAD = {
    "no name": ({"u": "https://e.com/", "d": "e.com"}, Reason.MISSING_FIELD, "/name"),
    "no url": ({"n": "pageview", "d": "e.com"}, Reason.MISSING_FIELD, "/url"),
    "props are a list": (VIEW | {"p": "[1]"}, Reason.WRONG_TYPE, "/p"),
    "props are no JSON": (VIEW | {"props": "{"}, Reason.WRONG_TYPE, "/props"),
    "value too long": (VIEW | {"p": {"a": "x" * 301}}, Reason.TOO_LONG, "/p/a"),
    "too many": (VIEW | {"m": {str(n): n for n in range(31)}}, Reason.TOO_MANY, "/m"),
    "money is text": (
        VIEW | {"$": {"amount": "much", "currency": "EUR"}},
        Reason.WRONG_TYPE,
        "/$/amount",
    ),
    "money not finite": (
        VIEW | {"$": {"amount": "inf", "currency": "EUR"}},
        Reason.BAD_NUMBER,
        "/$/amount",
    ),
    "money without a currency": (
        VIEW | {"revenue": {"amount": 1}},
        Reason.MISSING_FIELD,
        "/revenue/currency",
    ),
}


@pytest.mark.parametrize(("fields", "reason", "pointer"), BAD.values(), ids=BAD)
def test_a_bad_event_is_rejected_with_its_pointer(fields, reason, pointer):
    assert content(fields) == Rejected(reason, pointer)


MALFORMED = {
    "not JSON": (b"hello", Reason.NOT_JSON, ""),
    "a list": (b"[]", Reason.WRONG_TYPE, ""),
    "name is a number": (b'{"n":1,"d":"e.com"}', Reason.WRONG_TYPE, "/n"),
    "name too long": (b'{"name":"%s"}' % (b"x" * 201), Reason.TOO_LONG, "/name"),
    "url too long": (b'{"u":"%s"}' % (b"x" * 2049), Reason.TOO_LONG, "/u"),
    "no domain": (b'{"n":"pageview"}', Reason.MISSING_FIELD, "/domain"),
    "negative engagement": (b'{"e":-1}', Reason.BAD_NUMBER, "/e"),
    "depth beyond 64 bits": (b'{"sd":%d}' % 2**70, Reason.BAD_NUMBER, "/sd"),
    "number not finite": (b'{"d":"e.com","p":{"n":1e999}}', Reason.BAD_NUMBER, "/p"),
    "not UTF-8": (b'{"n":"\xff"}', Reason.NOT_JSON, ""),
    "far too deep": (b'{"p":{"a":' + b"[" * 20_000, Reason.TOO_DEEP, ""),
    "too large": (b'{"n":"%s"}' % (b"x" * 40_000), Reason.TOO_LARGE, ""),
}


@pytest.mark.parametrize(("body", "reason", "pointer"), MALFORMED.values(), ids=MALFORMED)
def test_a_bad_body_is_refused(body, reason, pointer):
    with pytest.raises(Malformed) as caught:
        open_event(body)
    assert (caught.value.reason, caught.value.pointer) == (reason, pointer)


def test_half_an_emoji_is_mended():
    item = open_event(rb'{"n":"a\ud83d","u":"https://e.com/","d":"e.com"}').item(REQUEST)
    assert item.content.name == "a\ufffd"


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "n",
                "name",
                "u",
                "url",
                "d",
                "domain",
                "r",
                "referrer",
                "p",
                "props",
                "m",
                "e",
                "sd",
                "h",
                "hashMode",
                "revenue",
                "$",
                "x",
            ]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
        | st.dictionaries(st.sampled_from(["amount", "currency", "k"]), st.text() | st.floats()),
    )
)
def test_no_object_raises_anything_but_malformed(fields):
    with suppress(Malformed):
        body = json.dumps(VIEW | fields).encode()
        assert isinstance(open_event(body).item(REQUEST).content, RawEvent | Rejected)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_malformed(body):
    with suppress(Malformed):
        open_event(body).item(REQUEST)
