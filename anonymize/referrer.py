"""Where a visit came from: the referrer's domain, the source that it belongs to, the channel.

Of a referrer only the registrable domain is kept, never its path or its search terms. Sources are
known by host name (`lists/`); channels follow the definitions that the field shares
(support.google.com/analytics/answer/9756891), with AI assistants beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from publicsuffixlist import PublicSuffixList

from anonymize.scrub import scrub
from anonymize.url import hostname

_LISTS = Path(__file__).with_name("lists")
_SUFFIXES = PublicSuffixList()  # the package's own copy: nothing is fetched

_REFERRER = re.compile(r"(https?|android-app)://([^/?#\\]*)", re.IGNORECASE)


class Referral(NamedTuple):
    """Each part but the channel is '' where there is none.

    `domain` is registrable (`example.co.uk`), or an app's package name; `source` a known name,
    else what `utm_source` states, else the domain. `spam`: whoever is named there sends machines
    and no visitors.
    """

    domain: str
    source: str
    channel: str
    spam: bool = False


class Known(NamedTuple):
    """What a host tells: its domain, the name of its source, the category of that source.

    The domain is '' for a host without one: an address, a name of an intranet.
    """

    domain: str
    source: str
    category: str = ""


def _read() -> Iterator[tuple[str, str, str]]:
    for line in (_LISTS / "spam.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield line, line, "spam"
    for file in ("sources.json", "additions.json"):
        for category, names in json.loads((_LISTS / file).read_text(encoding="utf-8")).items():
            for name, hosts in names.items():
                for host in hosts:
                    yield host, name, category


# host or package name, or `google.{}` → (source, category); what is read later wins
_HOSTS = {host: (name, category) for host, name, category in _read()}
_CATEGORIES = {name: category for _, name, category in _read()}

# What people write in `utm_source` for sources that have no such host.
_ALIASES = {
    "adwords": "Google", "bing": "Bing", "bluesky": "Bluesky", "chatgpt": "ChatGPT",
    "claude": "Claude", "copilot": "Copilot", "discord": "Discord", "duckduckgo": "DuckDuckGo",
    "ecosia": "Ecosia", "facebook": "Facebook", "facebook_ads": "Facebook", "facebookads":
    "Facebook", "fb": "Facebook", "gemini": "Gemini", "github": "GitHub", "gmail": "Gmail",
    "google": "Google", "google_ads": "Google", "googleads": "Google", "hackernews": "Hacker News",
    "hn": "Hacker News", "ig": "Instagram", "instagram": "Instagram", "linkedin": "LinkedIn",
    "mastodon": "Mastodon", "outlook": "Outlook", "perplexity": "Perplexity",
    "pinterest": "Pinterest", "producthunt": "Product Hunt", "quora": "Quora", "qwant": "Qwant",
    "reddit": "Reddit", "slack": "Slack", "snapchat": "Snapchat", "telegram": "Telegram",
    "threads": "Threads", "tiktok": "TikTok", "tw": "Twitter", "twitter": "Twitter", "vimeo":
    "Vimeo", "whatsapp": "WhatsApp", "x": "Twitter", "yahoo": "Yahoo!", "yandex": "Yandex",
    "youtube": "YouTube", "yt": "YouTube",
}  # fmt: skip


class Traffic(NamedTuple):
    """What a channel is decided by, in lower case. `paid`: the medium says so, or a click did."""

    category: str
    source: str
    medium: str
    campaign: str
    paid: bool
    paid_click: bool
    came: bool


_PAID = re.compile(r".*cp.*|ppc|retargeting|paid.*")
_SHOP = re.compile(r"(?:.*[^a-df-z])?shop.*|.*shopping.*")
_VIDEO = re.compile(r".*video.*")
_PUSH = re.compile(r".*push|.*(?:mobile|notification).*")
_DISPLAY = frozenset({"display", "banner", "expandable", "interstitial", "cpm"})
_SOCIAL = frozenset(
    {"social", "social-network", "social-media", "sm", "social network", "social media"}
)
_EMAIL = frozenset({"email", "e-mail", "e_mail", "e mail", "newsletter"})

# The first that holds decides.
CHANNELS: tuple[tuple[str, Callable[[Traffic], object]], ...] = (
    ("Cross-network", lambda t: "cross-network" in t.campaign),
    (
        "Paid Shopping",
        lambda t: t.paid and (t.category == "shopping" or _SHOP.fullmatch(t.campaign)),
    ),
    ("Paid Search", lambda t: t.paid and t.category == "search"),
    ("Paid Social", lambda t: t.paid and t.category == "social"),
    ("Paid Video", lambda t: t.paid and t.category == "video"),
    ("Display", lambda t: t.medium in _DISPLAY),
    ("Paid Search", lambda t: t.paid_click),
    ("Paid Other", lambda t: t.paid),
    ("Organic Shopping", lambda t: t.category == "shopping" or _SHOP.fullmatch(t.campaign)),
    ("Organic Social", lambda t: t.category == "social" or t.medium in _SOCIAL),
    ("Organic Video", lambda t: t.category == "video" or _VIDEO.fullmatch(t.medium)),
    ("Email", lambda t: t.category == "mail" or t.medium in _EMAIL or t.source in _EMAIL),
    ("AI Assistants", lambda t: t.category == "ai"),
    ("Organic Search", lambda t: t.category == "search" or t.medium == "organic"),
    ("Affiliates", lambda t: t.medium in ("affiliate", "affiliates")),
    ("Audio", lambda t: t.medium == "audio"),
    ("SMS", lambda t: "sms" in (t.medium, t.source)),
    ("Mobile Push Notifications", lambda t: _PUSH.fullmatch(t.medium) or t.source == "firebase"),
    ("Referral", lambda t: t.came),
    ("Direct", lambda t: True),
)


def classify(
    referrer: str | None, own_host: str, campaign: Mapping[str, str], paid_click: bool
) -> Referral:
    """Classifies a page view. `campaign` has the keys of `url.Page.campaign`.

    A referrer on the own host or one of its subdomains is navigation within the site and counts
    as none. Never raises.
    """
    known = _known(referrer, own_host)
    domain, source, category = known or ("", "", "")
    spam = category == "spam"
    stated = campaign.get("utm_source", "")
    if stated:
        source, category = _stated(stated, category)
    channel = _channel(
        category,
        stated.lower(),
        campaign.get("utm_medium", "").lower(),
        campaign.get("utm_campaign", "").lower(),
        paid_click,
        known is not None or bool(stated),
    )
    return Referral(domain, source, channel, spam or category == "spam")


@lru_cache(maxsize=1024)  # of texts that are scrubbed already
def _channel(
    category: str, source: str, medium: str, campaign: str, paid_click: bool, came: bool
) -> str:
    paid = paid_click or bool(_PAID.fullmatch(medium))
    traffic = Traffic(category, source, medium, campaign, paid, paid_click, came)
    return next(name for name, holds in CHANNELS if holds(traffic))


def _stated(source: str, category: str) -> tuple[str, str]:
    """(source, category) of a `utm_source`: an alias, a host name, or a name of the site's own,
    which leaves the referrer's category standing.
    """
    name = _ALIASES.get(source.lower())
    if name:
        return name, _CATEGORIES[name]
    if "." in source:
        host = hostname(source)
        known = _site(host) if host else None
        if known and known.category:
            return known.source, known.category
    return source, category


def _known(referrer: str | None, own_host: str) -> Known | None:
    """None where there is no referrer, or it is the site itself."""
    found = _REFERRER.match(referrer) if referrer else None
    host = hostname(found[2]) if found else None
    if found is None or host is None:
        return None
    if found[1].lower() == "android-app":
        return _app(host)
    own = own_host.partition(":")[0].removeprefix("www.")
    if host == own or host.endswith("." + own):
        return None
    return _site(host)


def _remembered(size: int) -> Callable[[Callable[[str], Known]], Callable[[str], Known]]:
    """The answers for the last `size` hosts, but for those that hold what would be marked: some
    providers name their customers by address (`host-203-0-113-77.isp.example`).
    """

    def remember(known: Callable[[str], Known]) -> Callable[[str], Known]:
        held = lru_cache(maxsize=size)(known)
        return lambda host: held(host) if scrub(host) == host else known(host)

    return remember


@_remembered(4096)
def _site(host: str) -> Known:
    domain = _SUFFIXES.privatesuffix(host)
    if not domain or host.rpartition(".")[2].isdigit():
        return Known("", "")
    for name in (*_upwards(host), *_upwards(_any_country(host))):
        if name in _HOSTS:
            return Known(domain, *_HOSTS[name])
    domain = scrub(domain)
    return Known(domain, domain)


@_remembered(1024)
def _app(package: str) -> Known:
    """An Android package, which is known as a whole or not at all: `com.google` is no source."""
    name = scrub(package)
    return Known(name, *_HOSTS.get(package, (name, "")))


def _upwards(host: str) -> Iterator[str]:
    """`a.b.example`, `b.example`, `example`."""
    while host:
        yield host
        host = host.partition(".")[2]


def _any_country(host: str) -> str:
    """`www.google.co.uk` as `www.google.{}`; '' where the suffix is no country's or general one,
    or else anybody's `google.github.io` would count as Google.
    """
    suffix = _SUFFIXES.publicsuffix(host) or ""
    if "." in suffix and not suffix.startswith(("co.", "com.")):
        return ""
    return host.removesuffix(suffix) + "{}"
