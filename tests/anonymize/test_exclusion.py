"""What a site excludes leaves no row, and the reason says by what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anonymize import exclusion, pseudonyms
from anonymize.agent import Agents
from anonymize.calendar import Calendar
from anonymize.event import Accepted, Dropped, RawEvent, RawRequest, Reason
from anonymize.exclusion import Exclusions
from anonymize.geo import NOWHERE
from anonymize.pipeline import Context, SitePolicy, anonymize
from anonymize.url import clean, clean_path

NOW = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)
REQUEST = RawRequest(NOW, "203.0.113.77", "Mozilla/5.0")
KEY = b"x" * 32


class Keys:
    def day(self, timezone, day):
        return b"d" * 32

    def event(self, occurred):
        return b"e" * 32

    def exclusion(self):
        return KEY


class Anywhere:
    def lookup(self, address):
        return NOWHERE


def outcome(url="https://example.com/", request=REQUEST, **excluded):
    site = SitePolicy(
        1, "example.com", Calendar.of("UTC"), "exempt", exclusions=Exclusions(**excluded)
    )
    context = Context(site, NOW, timedelta(days=7), Keys(), Anywhere(), Agents())
    return anonymize(RawEvent(request, "pageview", url=url), context)


def networks(*texts, site=1, key=KEY):
    return frozenset(pseudonyms.network(key, site, exclusion.network(text)) for text in texts)


@pytest.mark.parametrize(
    ("excluded", "address"),
    [
        ("203.0.113.0/24", "203.0.113.77"),
        ("203.0.113.5", "203.0.113.77"),
        ("203.0.113.5/32", "203.0.113.77"),
        ("203.0.113.5", "::ffff:203.0.113.77"),
        ("::ffff:203.0.113.5", "203.0.113.77:4711"),
        ("2001:db8:abcd::/48", "2001:db8:abcd:1234::1"),
        ("2001:db8:abcd::1", "[2001:db8:abcd:1234::1]:443"),
    ],
)
def test_the_whole_network_of_an_excluded_address_is_excluded(excluded, address):
    found = outcome(request=replace(REQUEST, address=address), networks=networks(excluded))
    assert found == Dropped(Reason.EXCLUDED_ADDRESS)


@pytest.mark.parametrize("address", ["203.0.114.77", "2001:db8:abce::1", None, "", "unknown"])
def test_other_addresses_and_none_are_measured(address):
    excluded = networks("203.0.113.5", "2001:db8:abcd::")
    assert isinstance(
        outcome(request=replace(REQUEST, address=address), networks=excluded), Accepted
    )


def test_a_network_that_one_site_excludes_says_nothing_of_another_site_or_key():
    assert isinstance(outcome(networks=networks("203.0.113.5", site=2)), Accepted)
    assert isinstance(outcome(networks=networks("203.0.113.5", key=b"y" * 32)), Accepted)


@pytest.mark.parametrize("text", ["203.0.113.0", "2001:db8:abcd::1"])
def test_what_is_kept_of_a_network_does_not_show_its_address(text):
    [kept] = networks(text)
    assert len(kept) == 32
    assert exclusion.network(text).hex() not in kept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("example.com", "is not an address or network"),
        ("203.0.113", "is not an address or network"),
        ("", "is not an address or network"),
        ("203.0.113.0/x", "is not an address or network"),
        ("203.0.113.0/", "is not an address or network"),
        ("203.0.0.0/16", "wider than /24"),
        ("2001:db8::/32", "wider than /24 \\(IPv4\\) or /48"),
        ("2002:cb00::/24", "wider than /24"),
    ],
)
def test_what_is_no_network_or_too_wide_cannot_be_excluded(text, words):
    with pytest.raises(ValueError, match=words):
        exclusion.network(text)


@pytest.mark.parametrize(
    ("excluded", "url", "reason"),
    [
        ("staging.example.com", "https://staging.example.com/a", Reason.EXCLUDED_HOST),
        ("Staging.Example.com", "https://staging.example.com:8080/a", Reason.EXCLUDED_HOST),
        ("preview.example.com", "https://pr-12.preview.example.com/", Reason.EXCLUDED_HOST),
        ("localhost", "http://localhost:3000/", Reason.EXCLUDED_HOST),
        ("staging.example.com", "https://example.com/", None),
        ("staging.example.com", "https://notstaging.example.com/", None),
    ],
)
def test_a_host_is_excluded_with_all_names_below_it(excluded, url, reason):
    found = outcome(url, hosts=(exclusion.host(excluded),))
    assert found == Dropped(reason) if reason else isinstance(found, Accepted)


@pytest.mark.parametrize(
    ("excluded", "path", "reason"),
    [
        ("/admin", "/admin", Reason.EXCLUDED_PATH),
        ("/admin/", "/admin", Reason.EXCLUDED_PATH),
        ("/admin", "/admin/users?x=1", Reason.EXCLUDED_PATH),
        ("/admin", "/x/../admin//users", Reason.EXCLUDED_PATH),
        ("/admin", "/%61dmin", Reason.EXCLUDED_PATH),
        ("/caf\u00e9", "/caf%C3%A9/menu", Reason.EXCLUDED_PATH),
        ("/admin", "/administrator", None),
        ("/admin", "/shop/admin", None),
        ("/admin", "", None),
    ],
)
def test_a_path_is_excluded_with_all_below_it_however_it_is_written(excluded, path, reason):
    found = outcome(f"https://example.com{path}", paths=(exclusion.path(excluded),))
    assert found == Dropped(reason) if reason else isinstance(found, Accepted)


@pytest.mark.parametrize(
    ("written", "text", "words"),
    [
        (exclusion.host, "https://example.com", "is not a host name"),
        (exclusion.host, "", "is not a host name"),
        (exclusion.path, "admin", "is not a path"),
        (exclusion.path, "/", "would exclude every page"),
        (exclusion.path, "/..", "would exclude every page"),
        (exclusion.path, "/?a=b", "would exclude every page"),
    ],
)
def test_what_is_no_host_or_path_cannot_be_excluded(written, text, words):
    with pytest.raises(ValueError, match=words):
        written(text)


@given(st.text(max_size=40).map(lambda text: f"/{text}"))
@example("/a ")
def test_whatever_path_is_excluded_its_own_page_is(text):
    url = f"https://example.com{text}"
    page = clean(url)
    assert page is not None
    if clean_path(text.strip().partition("?")[0].partition("#")[0]).rstrip("/"):
        assert Exclusions(paths=(exclusion.path(text),)).of_page(page) is Reason.EXCLUDED_PATH


def test_somebody_who_objected_is_not_looked_up_first():
    objecting = replace(REQUEST, gpc="1")
    found = outcome(request=objecting, networks=networks("203.0.113.5"))
    assert found == Dropped(Reason.OBJECTED)
