"""What is kept of a page's address: host, path and the campaign. The rest is never stored.

The query is dropped but for the campaign parameters; fragments, user names, passwords, ports and
matrix parameters (`;jsessionid=…`) are dropped always. Nothing is cached here, since a cache of
addresses would hold raw queries for longer than the request; `urllib.parse.urlsplit` has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from anonymize.scrub import cut, scrub

PATH_LENGTH = 500  # characters; longer paths are cut
CAMPAIGN_LENGTH = 200  # characters

# What browsers send, and what apps put in place of it.
_SCHEMES = frozenset({"http", "https", "app", "android-app", "ios-app"})

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\\]*)([^?#]*)(?:\?([^#]*))?")  # RFC 3986 B
# In the midst of a text an address ends with a space, a quotation mark or a bracket (RFC 3986 C).
_WITHIN = re.compile(
    r'\b([A-Za-z][A-Za-z0-9+.-]{0,30})://([^\s/?#\\"<>]*)([^\s?#"<>]*)(?:[?#][^\s"<>]*)?'
)
_RELATIVE = re.compile(r'([^\s?#"<>]*)[?#]\S*=\S*')
_NOT_BARE = re.compile("[?#@]")
_HOST = re.compile(r"[a-z0-9_][a-z0-9_-]*+(?:\.[a-z0-9_-]++)*+")
_PORT = re.compile(r"(?::[0-9]{0,5})?")

# A path that is normal already: no escapes, parameters, empty or dot segments.
_NORMAL = re.compile(r"(?:/[A-Za-z0-9_~@-][A-Za-z0-9._~@-]*)*/?")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_PARAMETERS = re.compile(r";[^/]*")
# RFC 3986 section 2.3, and '@', which pages use in plain and escaped form for the same thing.
_DECODED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@")
_PATH_SAFE = "/%:@!$&'()*+,="
# What a cut may leave at the end: a character of several bytes, half an escape, half a mark.
_CUT = re.compile(r"(?:%[C-F][0-9A-F](?:%[89AB][0-9A-F])*)?(?:%[0-9A-F]?|\{[a-z-]*)?$")

# What most campaign values are: nothing to decode, to scrub or to cut.
_WORD = re.compile(rf"[A-Za-z_-]{{1,{CAMPAIGN_LENGTH}}}")

CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
# They mean the same as `utm_source`, and yield to it in this order.
_SOURCES = ("source", "ref")
# Click identifiers name one click of one person: that there was one is kept, never which.
_CLICKS = frozenset({"gclid", "gbraid", "wbraid", "msclkid", "yclid"})
_PARAMETER = re.compile(
    rf"(?:^|&)(?:amp;)?({'|'.join(sorted({*_SOURCES, *CAMPAIGN, *_CLICKS}))})=([^&]+)",
    re.IGNORECASE,
)


class Page(NamedTuple):
    """`campaign` holds the keys utm_source, utm_medium, utm_campaign, utm_content and utm_term,
    those that are stated. `paid_click`: a search engine marked the visit as one that it was
    paid for.
    """

    hostname: str
    path: str
    campaign: Mapping[str, str]
    paid_click: bool


def clean(url: str | None) -> Page | None:
    """None for what is not the absolute address of a page or of an app's screen. Never raises."""
    parts = _PARTS.match(url.strip()) if url else None
    if parts is None:
        return None
    scheme, authority, path, query = parts.groups()
    host = hostname(authority) if scheme.lower() in _SCHEMES else None
    if host is None:
        return None
    campaign, paid_click = _campaign(query) if query else ({}, False)
    return Page(host, clean_path(path), campaign, paid_click)


def bare(text: str) -> str:
    """The addresses in a text without user name, query and fragment; the rest as it is.

    A text that is an address ends before its query, whatever follows there.
    """
    if not _NOT_BARE.search(text):  # most texts
        return text
    parts = _PARTS.match(text.strip())
    if parts is not None:
        scheme, authority, path, _ = parts.groups()
        return f"{scheme}://{authority.rpartition('@')[2]}{path}"
    relative = _RELATIVE.fullmatch(text.strip())
    return relative[1] if relative else _WITHIN.sub(_bare, text)


def _bare(found: re.Match[str]) -> str:
    return f"{found[1]}://{found[2].rpartition('@')[2]}{found[3]}"


def hostname(authority: str) -> str | None:
    """The host of `user:password@host:port` in lower case, in its ASCII form (RFC 5891).

    None for an IPv6 literal, as for whatever else no public page is served from.
    """
    if len(authority) <= 253 and _HOST.fullmatch(authority):  # mostly it is nothing but a host
        return authority
    host, colon, port = authority.rpartition("@")[2].partition(":")
    if len(host) > 253 or not _PORT.fullmatch(colon + port):
        return None
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    host = host.lower().removesuffix(".")
    return host if _HOST.fullmatch(host) else None


def clean_path(path: str) -> str:
    """A path normalised (RFC 3986 section 6.2.2), scrubbed and cut, so that one page has one name.

    A trailing slash stays: servers tell the two apart.
    """
    if not _NORMAL.fullmatch(path):
        path = _normalise(path)
    path = scrub(path) or "/"
    return _CUT.sub("", path[:PATH_LENGTH]) if len(path) > PATH_LENGTH else path


def _normalise(path: str) -> str:
    path = _PARAMETERS.sub("", path.replace("\\", "/"))
    path = quote(_ESCAPE.sub(_escape, path), safe=_PATH_SAFE, errors="replace")
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    directory = segments[-1] in ("", ".", "..") and kept
    return "/" + "/".join(kept) + ("/" if directory else "")


def _escape(escape: re.Match[str]) -> str:
    if not escape[1]:
        return "%25"
    character = chr(int(escape[1], 16))
    return character if character in _DECODED else escape[0].upper()


def campaign_value(value: str) -> str:
    """One campaign parameter, decoded: white space collapsed, addresses bare, scrubbed, cut."""
    return cut(scrub(bare(" ".join(value.split()))), CAMPAIGN_LENGTH)


def _campaign(query: str) -> tuple[dict[str, str], bool]:
    found: dict[str, str] = {}
    for key, value in _PARAMETER.findall(query):
        found.setdefault(key.lower(), value)
    if not found:
        return found, False
    if "utm_source" not in found:
        for key in _SOURCES:
            if key in found:
                found["utm_source"] = found[key]
                break
    campaign = {}
    for key in CAMPAIGN:
        value = found.get(key)
        if value and not _WORD.fullmatch(value):
            value = campaign_value(unquote_plus(value))
        if value:
            campaign[key] = value
    return campaign, not _CLICKS.isdisjoint(found)
