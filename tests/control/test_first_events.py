"""Whether a site's first event has come: found in what is loaded, as long as somebody waits."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.database import first_events
from control.first_events import First, FirstEvents
from control.sites import Sites
from spool.segment import lines
from tests.spool.rows import row

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)


@pytest.fixture
def sites(engine):
    return Sites(engine, ttl=0)


@pytest.fixture
def first(engine):
    return FirstEvents(engine, lambda: NOW)


def refusal(site, reason):
    line = f'{{"site":{site},"day":"2026-11-22","reason":"{reason}","segment":5,"n":         1}}\n'
    return line.encode()


def test_a_site_waits_until_an_event_of_it_is_stored(sites, first):
    one = sites.add("one.example", "Europe/Brussels", "exempt", "BE")
    other = sites.add("other.example", "Europe/Brussels", "exempt", "BE")
    assert first.of(one.id) == First("waiting")
    first.note("events", [lines([row(1, site=other.id)])])
    assert first.of(one.id) == First("waiting")
    assert first.of(other.id) == First("received")


def test_a_refusal_is_told_with_its_newest_reason_until_something_is_received(sites, first):
    site = sites.add("one.example", "Europe/Brussels", "exempt", "BE").id
    first.note("tallies", [refusal(site, "bad_url") + refusal(site, "objected")])
    assert first.of(site) == First("refused", "objected")
    first.note("tallies", [refusal(site, "too_long")])
    assert first.of(site) == First("refused", "too_long")
    first.note("events", [lines([row(1, site=site)])])
    assert first.of(site) == First("received")
    first.note("tallies", [refusal(site, "too_long")])
    assert first.of(site) == First("received")


def test_what_is_no_sites_is_nobodys_news(sites, first, engine):
    sites.add("one.example", "Europe/Brussels", "exempt", "BE")
    first.note("tallies", [refusal(0, "unknown_site")])
    first.note("events", [lines([row(1, site=77)])])
    with engine.connect() as connection:
        assert connection.execute(first_events.select()).all() == []


def test_a_number_that_begins_like_anothers_or_stands_in_a_text_is_not_it(sites, first):
    site = sites.add("one.example", "Europe/Brussels", "exempt", "BE").id
    betrayed = row(1, site=site * 10 + 1, page=f'/{{"site":{site},')
    first.note("events", [lines([betrayed])])
    assert first.of(site) == First("waiting")


def test_once_nobody_waits_nothing_is_read(sites, first):
    site = sites.add("one.example", "Europe/Brussels", "exempt", "BE").id
    first.note("events", [lines([row(1, site=site)])])

    def read():
        pytest.fail("was read")
        yield b""

    first.note("events", read())


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=6))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts):
    from control.first_events import _received, _refused

    text = lines([row(1, site=3), row(1, site=12), row(1, site=5)])
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    parts = [text[a:b] for a, b in pairwise(places)]
    assert _received(parts, {3, 5, 12, 1}) == {3: "", 5: "", 12: ""}
    told = refusal(3, "objected") + refusal(4, "bad_url") + refusal(3, "too_long")
    places = sorted({min(cut, len(told)) for cut in cuts} | {0, len(told)})
    parts = [told[a:b] for a, b in pairwise(places)]
    assert _refused(parts, {3}) == {3: "too_long"}


def test_a_database_that_is_away_stops_no_loading(first, engine):
    first_events.drop(engine)
    first.note("events", [b'{"site":1,'])
