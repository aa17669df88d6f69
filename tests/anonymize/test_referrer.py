"""A referrer becomes a domain, a source and a channel; its path and search terms are gone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from anonymize.referrer import (
    _ALIASES,
    _CATEGORIES,
    _LISTS,
    CHANNELS,
    Known,
    Referral,
    _remembered,
    classify,
)

NONE: Mapping[str, str] = {}


@pytest.mark.parametrize(
    ("referrer", "domain", "source", "channel"),
    [
        (None, "", "", "Direct"),
        ("", "", "", "Direct"),
        ("https://www.google.com/", "google.com", "Google", "Organic Search"),
        ("http://www.google.co.uk/search?q=my+illness", "google.co.uk", "Google", "Organic Search"),
        ("https://www.google.com.hk/url?q=x", "google.com.hk", "Google", "Organic Search"),
        ("https://images.google.fr/imgres", "google.fr", "Google Images", "Organic Search"),
        ("https://r.duckduckgo.com/l/?kh=-1", "duckduckgo.com", "DuckDuckGo", "Organic Search"),
        ("https://de.search.yahoo.com/", "yahoo.com", "Yahoo!", "Organic Search"),
        ("https://yandex.com.tr/search", "yandex.com.tr", "Yandex", "Organic Search"),
        ("https://www.ecosia.org/", "ecosia.org", "Ecosia", "Organic Search"),
        ("https://mail.google.com/mail/u/0/", "google.com", "Gmail", "Email"),
        ("https://docs.google.com/document/d/1", "google.com", "Google Docs", "Referral"),
        ("https://google.github.io/", "google.github.io", "google.github.io", "Referral"),
        ("https://notgoogle.com/", "notgoogle.com", "notgoogle.com", "Referral"),
        ("https://google.com.evil.example/", "evil.example", "evil.example", "Referral"),
        ("https://t.co/abc", "t.co", "Twitter", "Organic Social"),
        ("https://m.facebook.com/", "facebook.com", "Facebook", "Organic Social"),
        ("https://l.instagram.com/?u=x", "instagram.com", "Instagram", "Organic Social"),
        (
            "https://news.ycombinator.com/item?id=1",
            "ycombinator.com",
            "Hacker News",
            "Organic Social",
        ),
        ("https://www.reddit.com/r/x/", "reddit.com", "Reddit", "Organic Social"),
        ("https://youtu.be/x", "youtu.be", "YouTube", "Organic Video"),
        ("https://www.amazon.de/dp/1", "amazon.de", "Amazon", "Organic Shopping"),
        ("https://chatgpt.com/c/1", "chatgpt.com", "ChatGPT", "AI Assistants"),
        ("https://gemini.google.com/app", "google.com", "Gemini", "AI Assistants"),
        ("https://www.perplexity.ai/", "perplexity.ai", "Perplexity", "AI Assistants"),
        ("https://github.com/a/b", "github.com", "GitHub", "Referral"),
        ("https://a.blog.example.co.uk/x", "example.co.uk", "example.co.uk", "Referral"),
        ("http://kufli.blogspot.com/", "kufli.blogspot.com", "kufli.blogspot.com", "Referral"),
        ("http://xn--e1afmkfd.xn--p1ai/", "xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd.xn--p1ai",
         "Referral"),
        ("https://john:secret@news.example:8443/x", "news.example", "news.example", "Referral"),
        ("HTTPS://WWW.Bing.COM/", "bing.com", "Bing", "Organic Search"),
        ("http://203.0.113.7/admin", "", "", "Referral"),
        ("http://intranet/wiki", "", "", "Referral"),
        ("https://github.io/", "", "", "Referral"),
        ("android-app://com.google.android.gm/", "com.google.android.gm", "Gmail", "Email"),
        (
            "android-app://com.google.android.googlequicksearchbox/https/www.google.com",
            "com.google.android.googlequicksearchbox",
            "Google",
            "Organic Search",
        ),
        ("android-app://com.linkedin.android", "com.linkedin.android", "LinkedIn",
         "Organic Social"),
        ("android-app://com.example.reader/", "com.example.reader", "com.example.reader",
         "Referral"),
        ("about:blank", "", "", "Direct"),
        ("google.com", "", "", "Direct"),
        ("https://", "", "", "Direct"),
        ("https://[::1]/", "", "", "Direct"),
    ],
)  # fmt: skip
def test_a_referrer_is_classified(
    referrer: str | None, domain: str, source: str, channel: str
) -> None:
    assert classify(referrer, "shop.test", NONE, False) == Referral(domain, source, channel)


@pytest.mark.parametrize(
    ("referrer", "own", "internal"),
    [
        ("https://example.com/a", "example.com", True),
        ("https://www.example.com/a", "example.com", True),
        ("https://example.com/a", "www.example.com", True),
        ("https://blog.example.com/a", "example.com", True),
        ("http://localhost:8000/a", "localhost:8000", True),
        ("https://example.com/a", "shop.example.com", False),
        ("https://notexample.com/a", "example.com", False),
        ("https://example.com.evil.test/", "example.com", False),
    ],
)
def test_navigation_within_the_site_has_no_referrer(
    referrer: str, own: str, internal: bool
) -> None:
    assert (classify(referrer, own, NONE, False) == Referral("", "", "Direct")) is internal


def campaign(**values: str) -> Mapping[str, str]:
    return {f"utm_{key}": value for key, value in values.items()}


@pytest.mark.parametrize(
    ("referrer", "stated", "click", "source", "channel"),
    [
        (None, campaign(source="google", medium="cpc"), False, "Google", "Paid Search"),
        (None, campaign(source="adwords", medium="ppc"), True, "Google", "Paid Search"),
        (None, NONE, True, "", "Paid Search"),
        ("https://www.google.com/", NONE, True, "Google", "Paid Search"),
        ("https://youtube.com/", NONE, True, "YouTube", "Paid Video"),
        (None, campaign(source="fb", medium="paid_social"), False, "Facebook", "Paid Social"),
        (None, campaign(source="Facebook", medium="social"), False, "Facebook", "Organic Social"),
        (None, campaign(source="portal", medium="video"), False, "portal", "Organic Video"),
        (None, campaign(source="youtube", medium="cpc"), False, "YouTube", "Paid Video"),
        (None, campaign(source="adnet", medium="cpm"), False, "adnet", "Display"),
        (None, campaign(source="adnet", medium="banner"), False, "adnet", "Display"),
        (None, campaign(source="adnet", medium="paid"), False, "adnet", "Paid Other"),
        (
            None,
            campaign(source="x", medium="cpc", campaign="shopping-eu"),
            False,
            "Twitter",
            "Paid Shopping",
        ),
        (
            None,
            campaign(source="google", campaign="eu Cross-Network"),
            False,
            "Google",
            "Cross-network",
        ),
        (None, campaign(source="newsletter"), False, "newsletter", "Email"),
        (None, campaign(source="mailchimp", medium="E-Mail"), False, "mailchimp", "Email"),
        (None, campaign(source="chatgpt.com"), False, "ChatGPT", "AI Assistants"),
        (None, campaign(source="partner", medium="affiliate"), False, "partner", "Affiliates"),
        (None, campaign(source="show", medium="audio"), False, "show", "Audio"),
        (None, campaign(source="sms"), False, "sms", "SMS"),
        (
            None,
            campaign(source="app", medium="web-push"),
            False,
            "app",
            "Mobile Push Notifications",
        ),
        (None, campaign(source="partner.example"), False, "partner.example", "Referral"),
        (None, campaign(source="hn"), False, "Hacker News", "Organic Social"),
        (None, campaign(medium="organic"), False, "", "Organic Search"),
        (None, campaign(campaign="spring"), False, "", "Direct"),
        ("https://www.facebook.com/", campaign(source="spring"), False, "spring", "Organic Social"),
        (
            "https://blog.example/",
            campaign(campaign="spring"),
            False,
            "blog.example",
            "Referral",
        ),
        (
            "https://shop.test/",
            campaign(source="newsletter", medium="email"),
            False,
            "newsletter",
            "Email",
        ),
    ],
)
def test_a_campaign_decides_source_and_channel(
    referrer: str | None, stated: Mapping[str, str], click: bool, source: str, channel: str
) -> None:
    referral = classify(referrer, "shop.test", stated, click)
    assert (referral.source, referral.channel) == (source, channel)


def test_every_alias_names_a_source_of_the_lists() -> None:
    assert {name for name in _ALIASES.values() if name not in _CATEGORIES} == set()


TEXT = st.text(max_size=80)


@given(
    TEXT | TEXT.map("https://{}".format) | TEXT.map("android-app://{}".format),
    st.dictionaries(st.sampled_from(["utm_source", "utm_medium", "utm_campaign"]), TEXT),
    st.booleans(),
)
def test_no_text_makes_it_raise(referrer: str, stated: dict[str, str], click: bool) -> None:
    referral = classify(referrer, "shop.test", stated, click)
    assert referral.channel in {name for name, _ in CHANNELS}
    assert not set(referral.domain) & set("/?#@: ")


@given(st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,8}){1,3}", fullmatch=True), TEXT)
def test_only_the_domain_of_a_referrer_is_kept(host: str, rest: str) -> None:
    with_rest = classify(f"https://{host}/{rest}?q={rest}#{rest}", "shop.test", NONE, False)
    assert with_rest == classify(f"https://{host}", "shop.test", NONE, False)


@pytest.mark.parametrize(
    ("referrer", "campaign", "spam"),
    [
        ("http://semalt.com/crawler.php?u=http://shop.test", {}, True),
        ("https://site17.semalt.com/", {}, True),
        ("https://WWW.Darodar.com", {}, True),
        (None, {"utm_source": "get-free-traffic-now.com"}, True),
        ("http://semalt.com/", {"utm_source": "newsletter"}, True),
        ("https://notsemalt.com/", {}, False),
        ("https://semalt.com.example.org/", {}, False),
        ("https://example.org/semalt.com", {}, False),
        ("https://www.google.com/", {"utm_source": "semalt"}, False),
        (None, {}, False),
    ],
)
def test_referrer_spam_is_known_by_its_registrable_domain(
    referrer: str | None, campaign: dict[str, str], spam: bool
) -> None:
    assert classify(referrer, "shop.test", campaign, False).spam is spam


def test_the_list_of_spammers_holds_registrable_domains_once_each_in_order() -> None:
    text = (_LISTS / "spam.txt").read_text(encoding="utf-8")
    domains = [line for line in text.splitlines() if not line.startswith("#")]
    assert domains == sorted(set(domains))
    assert len(domains) > 100
    suffixes = PublicSuffixList()
    assert [each for each in domains if suffixes.privatesuffix(each) != each] == []


def test_a_referrers_host_that_holds_an_address_is_not_kept_in_memory() -> None:
    asked: list[str] = []

    @_remembered(8)
    def known(host: str) -> Known:
        asked.append(host)
        return Known("isp.example", "isp.example")

    customer = "host-203-0-113-77.isp.example"
    for host in ("isp.example", "isp.example", customer, customer):
        assert known(host).domain == "isp.example"
    assert asked == ["isp.example", customer, customer]
