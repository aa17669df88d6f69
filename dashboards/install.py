"""How a site is set up: the one line in its variants, and what to do where an event is refused."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

import msgspec

from control.first_events import First
from control.sites import Site
from dashboards import assets

# The ways to collect, as tabs: by the key that the address names.
_VARIANTS = {
    "website": "Website",
    "banner": "Consent banner",
    "proxy": "Own address",
    "app": "Apps, servers",
    "plausible": "Plausible’s tag",
}
SCRIPT = "/js/discreet.js"
# Where a site that passes requests on has them, so that no list of trackers knows the address.
OWN_PATH = "/stats"
# Seconds between two looks of a page that waits; the first of a minute is on the minute.
LOOK_EVERY = 5

# What an event was not kept for, and what to do about it. The words are those of docs/reasons.md.
ADVICE = {
    "objected": "The browser asks not to be measured (Global Privacy Control or Do Not Track), or"
    " somebody objected. Try a browser without that setting: yours is obeyed, too.",
    "withdrawn": "Whoever made it took their consent back, or objected, before it was stored. Open"
    " a page once more, in a private window.",
    "excluded_address": "It came from a network that this site excludes, such as your own office."
    " Try from another network, a phone for instance.",
    "excluded_host": "The page is on a host that this site excludes, such as a test server. Open a"
    " page of the real one.",
    "excluded_path": "The page lies under a path that this site excludes. Open another page.",
    "unsupported_type": "It was of a type that is not kept, such as group or alias. Send a page,"
    " screen or track event.",
    "no_traits": "It only told who somebody is, and nothing of that may be stored. Send a page,"
    " screen or track event.",
    "asset": "The line of the log is an image, a script or another part of a page.",
    "not_a_view": "The line of the log is no page that was shown.",
    "day_final": "It is of a day whose figures are final. Check the clock of the sender.",
    "too_old": "It is older than late events may be. Check the clock of the sender.",
    "missing_field": "A field is missing that every event needs. The answer to the request names"
    " it.",
    "wrong_type": "A field is of another type than the protocol’s. The answer to the request names"
    " it.",
    "too_long": "A text is too long. The answer to the request names it.",
    "too_many": "It has more properties, or the request more events, than the limit.",
    "too_deep": "Its properties are nested too deeply. Send them flat.",
    "too_large": "It is larger than an event may be. Send fewer properties.",
    "bad_number": "A number is not finite or too large. The answer to the request names it.",
    "bad_timestamp": "Its time is not ISO 8601, or of no possible year.",
    "bad_url": "The address of the page is not one. A page opened from a file has none: put it on a"
    " web server.",
    "bad_consent_string": "Its TC string is not valid. Ask who provides the consent banner.",
    "unparsable_line": "The log is in neither the common nor the combined format.",
    "not_json": "What was sent is not JSON. Check how the request is made.",
    "unknown_site": "The key or the domain is of no site. Copy the snippet once more.",
    "wrong_token": "It was no event: somebody asked about their data with a token of other data."
    " Open a page.",
    "unsupported_media": "What was sent is of another type than JSON or text.",
}
_GENERAL = "The answer to the request says more."


class FirstEvent(msgspec.Struct):
    """All that can be asked about a site's first event. `reason` is a word of docs/reasons.md."""

    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Setup:
    """What the page says. `code` is to be copied; `pinned` is the same of one version of the script
    alone, with its integrity. `first` and `advice` tell how far it has come.
    """

    variant: str
    code: str
    pinned: str
    first: First
    advice: str
    host: str


def setup(site: Site, origin: str, variant: str, first: First) -> Setup:
    advice = ADVICE.get(first.reason, _GENERAL) if first.reason else ""
    code = _CODE[variant](site, origin)
    return Setup(variant, code, _pinned(site, origin), first, advice, urlsplit(origin).netloc)


def variants() -> dict[str, str]:
    """The names of the tabs by their keys: without the banner where none was built."""
    has_banner = "banner.js" in assets.scripts()
    return {key: name for key, name in _VARIANTS.items() if has_banner or key != "banner"}


def website(site: Site, origin: str) -> str:
    """The one line for every page of a site."""
    return _tag(src=f"{origin}{SCRIPT}", **_of(site))


def _pinned(site: Site, origin: str) -> str:
    """With the hash that browsers hold the script to (https://www.w3.org/TR/SRI/)."""
    script = assets.scripts()["discreet.js"]
    src = f"{origin}/js/{script['name']}"
    return _tag(src=src, integrity=script["integrity"], crossorigin="anonymous", **_of(site))


def _of(site: Site) -> dict[str, str]:
    policy = {"data-policy": "exempt"} if site.policy == "exempt" else {}
    return {"data-key": site.write_key} | policy


def _banner(site: Site, origin: str) -> str:
    own = _of(site) | {"data-consent": "banner"}
    return _tag(src=f"{origin}{SCRIPT}", **own)


def _proxy(site: Site, origin: str) -> str:
    return _tag(src=f"https://{site.domain}{OWN_PATH}{SCRIPT}", **_of(site))


def _plausible(site: Site, origin: str) -> str:
    return _tag(src=f"{origin}/js/script.js", **{"data-domain": site.domain})


def _app(site: Site, origin: str) -> str:
    host = urlsplit(origin).netloc
    return f"writeKey  {site.write_key}\napiHost   {host}/v1\ncdnHost   {host}/v1"


def _tag(**attributes: str) -> str:
    stated = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<script defer {stated}></script>"


_CODE = {
    "website": website,
    "banner": _banner,
    "proxy": _proxy,
    "app": _app,
    "plausible": _plausible,
}
