"""Lines of access logs: what is a page view, what is counted by its reason, what is broken."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.event import Dropped, RawEvent, Reason, Rejected
from ingest.access_log import read_line

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
COMMON = '203.0.113.7 - - [17/May/2015:10:05:03 +0200] "GET /a?b=1 HTTP/1.1" 200 5'
COMBINED = COMMON + ' "https://r.com/" "Mozilla/5.0 (X)"'


def content(line):
    return read_line(line, "example.com", NOW, "m").content


def line(request="GET / HTTP/1.1", status=200, referrer="-", agent="Mozilla/5.0"):
    return (
        f'2001:db8::1 - bob [17/May/2015:10:05:03 +0000] "{request}" {status} - '
        f'"{referrer}" "{agent}"'
    )


@pytest.mark.parametrize(
    "text", [COMMON, COMBINED, COMBINED + ' "1.2.3.4" 0.002 "x"', COMMON + "\n"]
)
def test_common_and_combined_lines_are_page_views(text):
    found = content(text)
    assert isinstance(found, RawEvent)
    assert (found.name, found.url, found.message_id) == (
        "pageview",
        "https://example.com/a?b=1",
        "m",
    )
    assert found.request.address == "203.0.113.7"
    assert found.occurred == found.request.received == datetime(2015, 5, 17, 8, 5, 3, tzinfo=UTC)
    assert not found.request.sdk


def test_referrer_and_user_agent_are_read_without_their_escapes():
    found = content(COMBINED)
    assert (found.referrer, found.request.user_agent) == ("https://r.com/", "Mozilla/5.0 (X)")
    found = content(line(agent=r"a \"b\" \x41\\"))
    assert (found.referrer, found.request.user_agent) == (None, 'a "b" A\\')


@pytest.mark.parametrize(
    ("request_line", "status", "expected"),
    [
        ("GET /index.html HTTP/1.1", 200, "pageview"),
        ("GET /index.html HTTP/1.1", 304, "pageview"),
        ("GET /v1.2/notes HTTP/2.0", 200, "pageview"),
        ("GET https://example.com/a HTTP/1.1", 200, "pageview"),
        ("GET /report.pdf?x=1 HTTP/1.1", 206, "File Download"),
        ("GET /STYLE.CSS?v=2 HTTP/1.1", 200, Reason.ASSET),
        ("GET /favicon.ico HTTP/1.1", 200, Reason.ASSET),
        ("GET /robots.txt HTTP/1.1", 200, Reason.ASSET),
        ("GET /font.woff2#iefix HTTP/1.1", 200, Reason.ASSET),
        ("HEAD / HTTP/1.1", 200, Reason.NOT_A_VIEW),
        ("POST / HTTP/1.1", 200, Reason.NOT_A_VIEW),
        ("OPTIONS * HTTP/1.0", 200, Reason.NOT_A_VIEW),
        ("GET / HTTP/1.1", 301, Reason.NOT_A_VIEW),
        ("GET / HTTP/1.1", 404, Reason.NOT_A_VIEW),
        ("GET / HTTP/1.1", 500, Reason.NOT_A_VIEW),
        ("-", 408, Reason.NOT_A_VIEW),
        (r"\x16\x03\x01", 400, Reason.NOT_A_VIEW),
        ("GET http://[::1 HTTP/1.1", 200, Reason.NOT_A_VIEW),
        ("GET /" + "a" * 3000 + " HTTP/1.1", 200, Reason.TOO_LONG),
    ],
)
def test_what_a_request_counts_as(request_line, status, expected):
    found = content(line(request_line, status))
    assert (found.name if isinstance(found, RawEvent) else found.reason) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a line of a log",
        COMBINED[:-1],
        COMBINED.replace("May", "Mai"),
        COMBINED.replace("17/May", "31/Feb"),
        COMBINED.replace("10:05", "25:05"),
        COMBINED.replace("+0200", "+9900"),
        COMBINED.replace("2015", "0000"),
        COMBINED.replace(" 200 ", " ok "),
        '203.0.113.7 - - [17/May/2015:10:05:03 +0200] "GET /" 200',
        "\x00" * 100,
        "1 " * 30_000,
        '"' * 30_000,
        '1 - - [17/May/2015:10:05:03 +0200] "' + "\\" * 30_001,
    ],
)
def test_a_hostile_or_broken_line_is_counted_at_once_as_unparsable(text):
    assert content(text) == Rejected(Reason.UNPARSABLE_LINE)


def test_a_time_to_come_is_no_time():
    assert content(COMBINED.replace("2015", "2027")) == Rejected(Reason.BAD_TIMESTAMP)


def test_every_month_is_read_whatever_the_locale():
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
    found = [content(COMBINED.replace("May", month)).occurred.month for month in months.split()]
    assert found == list(range(1, 13))


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda b: b.decode("utf-8", "replace")))
def test_no_line_raises(text):
    assert isinstance(content(text), RawEvent | Dropped | Rejected)


@given(st.text(max_size=60), st.text(max_size=60), st.integers(100, 999))
def test_no_field_raises(request_line, agent, status):
    found = content(line(f"GET /{request_line} HTTP/1.1", status, agent, agent))
    assert isinstance(found, RawEvent | Dropped | Rejected)
