"""Of a page's address the host, the normalised path and the campaign are kept, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.url import Page, bare, campaign_value, clean, clean_path


def page(url: str) -> Page:
    cleaned = clean(url)
    assert cleaned is not None
    return cleaned


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://u:p@x.org:8080/a/b.pdf?key=1#c", "https://x.org:8080/a/b.pdf"),
        (" https://x.org?q=1", "https://x.org"),
        ("app://shop/cart#now", "app://shop/cart"),
        ("a question? yes", "a question? yes"),
        ("see https://x.org/?q=1", "see https://x.org/"),
        ("see https://u:p@x.org/a?q=1#b, then go", "see https://x.org/a then go"),
        ('{"to":"https://x.org/a?q=1","n":1}', '{"to":"https://x.org/a","n":1}'),
        ("https://x.org/a b?q=secret words", "https://x.org/a b"),
        ("/reset?token=hunter2", "/reset"),
        ("?token=hunter2", ""),
        ("callback#access_token=hunter2&x", "callback"),
        ("C# and F#", "C# and F#"),
        ("#1 of 10", "#1 of 10"),
        ("@alice", "@alice"),
        ("", ""),
    ],
)
def test_an_address_in_a_property_is_bare(text: str, kept: str) -> None:
    assert bare(text) == kept


@pytest.mark.parametrize(
    ("url", "hostname"),
    [
        ("https://example.com/", "example.com"),
        ("HTTPS://WWW.Example.COM/", "www.example.com"),
        ("http://example.com.:80/", "example.com"),
        ("https://john:secret@example.com:8443/", "example.com"),
        ("https://john@doe@example.com/", "example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://localhost:3000/", "localhost"),
        ("http://203.0.113.5/", "203.0.113.5"),
        ("https://my_shop.example.com?x=1", "my_shop.example.com"),
        ("https://example.com#top", "example.com"),
        ("https://example.com\\evil", "example.com"),
        ("app://com.Example.App/Home", "com.example.app"),
        ("android-app://com.example.app/http/example.com", "com.example.app"),
        ("ios-app://544007664/home", "544007664"),
        (" https://example.com/ \n", "example.com"),
    ],
)
def test_the_host_is_kept_without_user_and_port(url: str, hostname: str) -> None:
    assert page(url).hostname == hostname


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        " ",
        "/relative",
        "//example.com/",
        "example.com/",
        "https:example.com",
        "https://",
        "https:///path",
        "https://?x=1",
        "https://user@/",
        "https://:443/",
        "https://example.com:http/",
        "https://example.com:123456/",
        "https://exa mple.com/",
        "https://example..com/",
        "https://.example.com/",
        "https://-example.com/",
        "https://exam%70le.com/",
        "https://[::1]/",
        "https://ex\x00ample.com/",
        "https://\ud800.example/",
        f"https://{'a' * 254}/",
        f"https://{'ü' * 64}.example/",
        "about:blank",
        "data:text/html,hi",
        "file:///etc/passwd",
        "javascript://example.com/%0aalert(1)",
        "chrome-extension://abcdef/index.html",
    ],
)
def test_what_is_no_page_is_refused(url: str | None) -> None:
    assert clean(url) is None


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        pytest.param("", "/", id="empty"),
        pytest.param("/blog/hello", "/blog/hello", id="normal"),
        pytest.param("/blog/hello/", "/blog/hello/", id="trailing slash kept"),
        pytest.param("/blog//hello///", "/blog/hello/", id="double slashes"),
        pytest.param("//", "/", id="only slashes"),
        pytest.param("/a/./b/../c", "/a/c", id="dot segments"),
        pytest.param("/../../etc", "/etc", id="dot segments above the root"),
        pytest.param("/a/..", "/", id="back to the root"),
        pytest.param("/a/b/..", "/a/", id="a dot segment ends in a directory"),
        pytest.param("/a/%2e%2E/b", "/b", id="escaped dot segments"),
        pytest.param("/a\\b", "/a/b", id="backslash, as browsers read it"),
        pytest.param("/.well-known/gpc.json", "/.well-known/gpc.json", id="a name with a dot"),
        pytest.param("/%7Ejohn/%41", "/~john/A", id="unreserved characters decoded"),
        pytest.param("/a%2fb%c3%a9", "/a%2Fb%C3%A9", id="escapes in upper case"),
        pytest.param("/é", "/%C3%A9", id="other characters escaped"),
        pytest.param("/a b", "/a%20b", id="space"),
        pytest.param("/100%", "/100%25", id="a stray percent sign"),
        pytest.param("/100%zz", "/100%25zz", id="no escape"),
        pytest.param("/%3Fq=1%23top", "/%3Fq=1%23top", id="escaped delimiters stay escaped"),
        pytest.param("/{email}", "/%7Bemail%7D", id="a forged mark"),
        pytest.param("/shop;jsessionid=1A2B3C/cart;v=1", "/shop/cart", id="matrix parameters"),
        pytest.param("/@alice", "/@alice", id="handle"),
        pytest.param("/%40alice", "/@alice", id="escaped handle"),
        pytest.param("/\ud800", "/%3F", id="lone surrogate"),
        pytest.param("/u/john@example.com/edit", "/u/{email}/edit", id="e-mail address"),
        pytest.param("/u/john%40example.com", "/u/{email}", id="escaped e-mail address"),
        pytest.param("/u/john%40example%2Ecom", "/u/{email}", id="wholly escaped e-mail address"),
        pytest.param("/u/john%2540example.com", "/u/{email}", id="twice escaped e-mail address"),
        pytest.param("/o/550e8400-e29b-41d4-a716-446655440000", "/o/{uuid}", id="UUID"),
        pytest.param("/reset/da39a3ee5e6b4b0d3255bfef95601890", "/reset/{token}", id="token"),
        pytest.param("/order/4711081500042", "/order/{number}", id="long number"),
        pytest.param("/order/12345678", "/order/12345678", id="short number"),
        pytest.param("/2024/05/17/a-b-test", "/2024/05/17/a-b-test", id="date and slug"),
    ],
)
def test_a_path_is_normalised_and_scrubbed(path: str, cleaned: str) -> None:
    assert clean_path(path) == cleaned
    assert page(f"https://example.com{path}").path == cleaned
    assert page(f"https://example.com{path}?q=secret#part").path == cleaned


@pytest.mark.parametrize(
    ("path", "length"),
    [
        pytest.param("/" + "a" * 600, 500, id="plain"),
        pytest.param("/" + "a" * 497 + "é", 498, id="in an escape"),
        pytest.param("/" + "a" * 498 + "%C3", 499, id="after the percent sign"),
        pytest.param("/" + "a/" * 248 + "john@example.com/x", 497, id="in a mark"),
        pytest.param("/" + "a/" * 244 + "85.07.30-033.28/x", 489, id="in a mark with a hyphen"),
    ],
)
def test_a_long_path_is_cut_but_never_inside_an_escape_or_a_mark(path: str, length: int) -> None:
    cleaned = clean_path(path)
    assert len(cleaned) == length
    assert not re.search(r"%.?$|\{[a-z-]*$", cleaned)


@given(st.text(alphabet="aé漢🙂", min_size=100, max_size=600))
def test_a_cut_path_still_decodes(text: str) -> None:
    cleaned = clean_path("/" + text)
    assert ("/" + text).startswith(unquote(cleaned, errors="strict"))
    assert len(cleaned) > 480 or unquote(cleaned) == "/" + text


@pytest.mark.parametrize(
    ("query", "campaign"),
    [
        ("utm_source=news&utm_medium=email", {"utm_source": "news", "utm_medium": "email"}),
        (
            "q=secret&utm_campaign=Spring+Sale%21&utm_content=a&utm_term=b&token=x",
            {"utm_campaign": "Spring Sale!", "utm_content": "a", "utm_term": "b"},
        ),
        ("ref=producthunt", {"utm_source": "producthunt"}),
        ("ref=a&source=b", {"utm_source": "b"}),
        ("ref=a&source=b&utm_source=c", {"utm_source": "c"}),
        ("UTM_SOURCE=Google", {"utm_source": "Google"}),
        ("utm_source=first&utm_source=second", {"utm_source": "first"}),
        ("a=1&amp;utm_source=news", {"utm_source": "news"}),
        ("utm_source=%20%0A%09", {}),
        ("utm_source=&utm_medium=", {}),
        ("utm_source=a%0d%0ab", {"utm_source": "a b"}),
        ("utm_source=%FF", {"utm_source": "\ufffd"}),
        ("utm_source=" + "x" * 300, {"utm_source": "x" * 200}),
        ("utm_campaign=john%40example.com", {"utm_campaign": "{email}"}),
        ("utm_term=550e8400-e29b-41d4-a716-446655440000", {"utm_term": "{uuid}"}),
        ("xutm_source=a&preref=b&utm_id=c&utm_source_platform=d", {}),
        ("", {}),
        ("utm_source", {}),
    ],
)
def test_of_the_query_only_the_campaign_is_kept(query: str, campaign: Mapping[str, str]) -> None:
    assert page(f"https://example.com/?{query}").campaign == campaign


@pytest.mark.parametrize(
    ("query", "paid"),
    [
        ("gclid=Cj0KCQjw", True),
        ("msclkid=abc&utm_source=x", True),
        ("GCLID=abc", True),
        ("gclid=", False),
        ("fbclid=abc", False),
        ("notgclid=abc", False),
        ("", False),
    ],
)
def test_a_click_identifier_says_that_the_click_was_paid_for_and_no_more(
    query: str, paid: bool
) -> None:
    cleaned = page(f"https://example.com/?{query}")
    assert cleaned.paid_click is paid
    assert "abc" not in str(cleaned)
    assert "Cj0KCQjw" not in str(cleaned)


def test_a_campaign_that_came_apart_from_the_url_is_cleaned_alike() -> None:
    assert campaign_value("  Spring \n Sale ") == "Spring Sale"
    assert campaign_value("for john@example.com") == "for {email}"
    assert campaign_value("x" * 196 + " john@example.com") == "x" * 196


URL = st.from_regex(
    r"https?://([a-z]{1,5}:[a-z]{1,9}@)?[a-z]{1,9}\.com(:[0-9]{1,5})?"
    r"(/[^?#]{0,9}){0,5}(\?[^#]{0,30})?(#.{0,9})?",
    fullmatch=True,
)


@given(URL)
def test_no_query_fragment_user_or_port_comes_out(url: str) -> None:
    cleaned = page(url)
    assert re.fullmatch(r"[a-z]{1,9}\.com", cleaned.hostname)
    assert re.fullmatch(r"/[!$&'()*+,=:@%/{}A-Za-z0-9._~-]*", cleaned.path)
    assert "//" not in cleaned.path


@given(st.text(max_size=600))
def test_cleaning_a_path_twice_is_cleaning_it_once(text: str) -> None:
    once = clean_path("/" + text)
    assert len(once) <= 500
    if "{" not in once:  # a mark's braces would be escaped, as anybody's
        assert clean_path(once) == once


@given(st.text() | st.text().map("https://{}".format) | st.text().map("https://a.b/?{}".format))
def test_no_text_makes_it_raise(text: str) -> None:
    cleaned = clean(text)
    if cleaned is not None:
        assert not {"?", "#", " ", ";"} & set(cleaned.hostname + cleaned.path)
        assert all(len(value) <= 200 for value in cleaned.campaign.values())
