"""Requests in pieces: where one ends is known as soon as it can be, wherever it was cut."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.gather import HEAD_BYTES, Gatherer, Progress

LIMIT = 1000
POST = b"POST /v1/batch HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\n\r\n"

WHOLE = {
    "no body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "length": POST + b"Content-Length: 5\r\n\r\nhello",
    "length in odd letters": POST + b"cOnTent-lenGTH:5 \r\n\r\nhello",
    "empty": POST + b"Content-Length: 0\r\n\r\n",
    "chunks": CHUNKED + b"5\r\nhello\r\n0;a=b\r\n\r\n",
    "a chunk that looks like an end": CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
    "chunk sizes with zeros": CHUNKED + b"0000000000005\r\nhello\r\n000\r\n\r\n",
    "trailers": CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n",
}
CUT = {
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "negative length": POST + b"Content-Length: -5\r\n\r\n",
    "length that is none": POST + b"Content-Length: five\r\n\r\n",
    "endless digits": POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n",
    "noughts before a length": POST + b"Content-Length: " + b"0" * 18 + b"5\r\n\r\n",
    "length with a sign": POST + b"Content-Length: +5\r\n\r\n",
    "list of lengths": POST + b"Content-Length: 5, 5\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "chunked in two fields": POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "no coding": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunk that is none": CHUNKED + b"xyz\r\n",
    "chunk size without an end": CHUNKED + b"1" * 1024,
    "too long": POST + b"Content-Length: 1001\r\n\r\n",
    "a large chunk": CHUNKED + b"FFFFFFFFF\r\n",
    "many small chunks": CHUNKED + b"1\r\na\r\n" * 400,
    "chunks with much said of each": CHUNKED + (b"1;" + b"a" * 1000 + b"\r\na\r\n") * 20,
    "trailers without an end": CHUNKED + b"0\r\n" + b"A: b\r\n" * 12_000,
}
PARTLY = {
    "a letter": b"G",
    "no end of the head": POST,
    "body to come": POST + b"Content-Length: 5\r\n\r\nhell",
    "chunk to come": CHUNKED + b"5\r\nhello\r\n",
    "its last letter to come": CHUNKED + b"5\r\nhello\r\n0\r\n\r",
}


def cases(table):
    return [pytest.param(data, id=name) for name, data in table.items()]


def fed(*pieces: bytes) -> Progress:
    gatherer = Gatherer(LIMIT)
    found = Progress.NOTHING
    for piece in pieces:
        found = gatherer.feed(piece)
    return found


@pytest.mark.parametrize("data", cases(WHOLE))
def test_a_request_is_whole_with_its_last_byte_and_not_before(data):
    gatherer = Gatherer(LIMIT)
    seen = [gatherer.feed(data[n : n + 1]) for n in range(len(data))]
    assert set(seen[:-1]) == {Progress.PARTLY}
    assert seen[-1] is Progress.WHOLE


@pytest.mark.parametrize("data", cases(PARTLY))
def test_what_is_not_there_is_waited_for(data):
    assert fed(data) is Progress.PARTLY


@pytest.mark.parametrize("data", cases(CUT))
def test_what_will_be_refused_is_not_waited_for_and_nothing_after_it_is_read(data):
    assert fed(data) is Progress.CUT
    assert fed(data, NEXT) is Progress.CUT


@pytest.mark.parametrize("pieces", [1, 7], ids=["at once", "in pieces"])
def test_a_head_without_an_end_is_given_up(pieces):
    line = b"X: " + b"a" * (HEAD_BYTES // pieces)
    assert fed(POST, *[line] * pieces) is Progress.ENDLESS


def test_a_head_that_ends_too_late_is_given_up_too():
    assert fed(POST + b"X: " + b"a" * HEAD_BYTES + b"\r\n\r\n") is Progress.ENDLESS


def test_who_asks_whether_to_go_on_is_told_once():
    gatherer = Gatherer(LIMIT)
    head = POST + b"Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n"
    assert gatherer.feed(head) is Progress.EXPECTED
    assert gatherer.feed(b"hell") is Progress.PARTLY
    assert gatherer.feed(b"o") is Progress.WHOLE
    assert fed(head + b"hello") is Progress.WHOLE  # it did not wait
    old = head.replace(b"HTTP/1.1", b"HTTP/1.0")  # RFC 9110 section 10.1.1: to be passed over
    assert fed(old) is Progress.PARTLY


@pytest.mark.parametrize(
    "line",
    [b"Content-Length: a%bb", b"Transfer-Encoding: a%bb", b"Content-Length%b", b"Expect: 100-%b"],
)
def test_blanks_cost_no_time(line):
    """A pattern that tries every way to divide them would take half a minute."""
    began = time.process_time()
    fed(POST + line % (b" " * 60_000) + b"\r\n\r\n")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("data", cases(WHOLE))
def test_what_follows_a_request_is_taken_along(data):
    gatherer = Gatherer(LIMIT)
    assert gatherer.feed(data + NEXT) is Progress.WHOLE
    assert gatherer.take() == data + NEXT
    assert gatherer.feed(b"") is Progress.NOTHING
    assert gatherer.feed(NEXT) is Progress.WHOLE


@settings(max_examples=300)
@given(
    st.sampled_from([*WHOLE.values(), *CUT.values(), *PARTLY.values()]),
    st.lists(st.integers(0, 2000), max_size=6),
)
def test_where_the_network_cuts_changes_nothing(data, cuts):
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert fed(*[data[a:b] for a, b in pairwise(at)]) is fed(data)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_no_bytes_are_an_error(data, cuts):
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(at)]
    assert fed(CHUNKED, *pieces) in Progress
    assert fed(*pieces) in Progress
