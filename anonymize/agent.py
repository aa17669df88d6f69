"""What a user agent tells: browser, system, class of device, and whether it is a machine.

The text itself goes no further than a bounded cache in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ua_parser import BestAvailableResolver, Domain, Resolver, load_lazy_builtins
from user_agents.parsers import UserAgent, parse_browser, parse_device, parse_operating_system

from anonymize.scrub import cut, scrub

MAX_LENGTH = 512  # characters considered; browsers stay below 300
MAX_NAME = 32  # characters of a family
_LISTS = Path(__file__).with_name("lists")


class Agent(NamedTuple):
    """Each part is '' where unknown; versions are major versions.

    `device` is Desktop, Mobile, Tablet, TV or Other; `bot` is '', 'automation' or 'bot'. Of a
    machine and of an SDK nothing else is told.
    """

    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""
    bot: str = ""


SDK = Agent()
BOT = Agent(bot="bot")
AUTOMATION = Agent(bot="automation")


class Agents:
    """Classifies user agents, remembering the last `size` different ones: one that was not seen
    takes longer than all the rest of its event.
    """

    def __init__(self, size: int = 4096) -> None:
        self._agent = lru_cache(maxsize=size)(_classify)

    def classify(self, user_agent: str, sdk: bool) -> Agent:
        """`sdk`: the request came from an app's or server's SDK. Its agent is a library's
        (`okhttp/…`), which looks like a bot's and tells nothing of a browser.
        """
        return SDK if sdk else self._agent(user_agent[:MAX_LENGTH])


def _classify(user_agent: str) -> Agent:
    if _AUTOMATION.search(user_agent.lower()):
        return AUTOMATION
    if is_bot(user_agent):
        return BOT
    parsed = _Parsed(user_agent)
    return Agent(
        _family(parsed.browser.family, _BROWSERS),
        _major(parsed.browser.version),
        _family(parsed.os.family, _SYSTEMS),
        _major(parsed.os.version),
        _device(parsed, user_agent),
    )


class _Parsed(UserAgent):  # type: ignore[misc]  # it has no types
    """What `user_agents` tells of a text, which is taken apart by ua-parser's native resolver.

    The package itself asks ua-parser's older interface, which tries a thousand regular expressions
    in Python, and remembers the text.
    """

    def __init__(self, user_agent: str) -> None:
        found = _resolver()(user_agent, Domain.ALL).complete().with_defaults()
        browser, os, device = found.user_agent, found.os, found.device
        self.ua_string = user_agent
        self.browser = parse_browser(browser.family, browser.major, browser.minor, browser.patch)
        self.os = parse_operating_system(os.family, os.major, os.minor, os.patch)
        self.device = parse_device(device.family, device.brand, device.model)


@lru_cache(maxsize=1)
def _resolver() -> Resolver:
    """It takes a tenth of a second and 30 MB to build: only where an agent is classified."""
    return BestAvailableResolver(load_lazy_builtins())


def of_headers(purpose: str, brands: str) -> str:
    """The kind of machine that request headers tell of: 'prefetch', 'automation' or ''.

    `purpose` is `Sec-Purpose` (Fetch standard) or one of its forerunners: a page that was fetched
    ahead of a visit that may never happen. `brands` is `Sec-CH-UA`, which goes on naming a
    headless browser when its user agent was changed.
    """
    if purpose and _AHEAD.search(purpose.lower()):
        return "prefetch"
    return "automation" if brands and _AUTOMATION.search(brands.lower()) else ""


def is_bot(user_agent: str) -> bool:
    """Whether it states to be, or looks like, a machine: crawlers, monitors, libraries, nothing."""
    text = user_agent.lower()
    return not text.strip(" -") or bool(_STARTS.match(text) or _CONTAINS.search(text))


def _patterns(file: str) -> Any:
    return json.loads((_LISTS / file).read_text(encoding="utf-8"))


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One expression of them all, for texts in lower case: ignoring case takes twice as long.

    Most were written for JavaScript, where `\\w` and `\\d` are ASCII.
    """
    return re.compile("|".join(f"(?:{each})" for each in patterns), re.ASCII)


_OWN = _patterns("machines.json")
_BOTS = [*_patterns("bots.json"), *_OWN["bot"]]
_STARTS = _any_of(each for each in _BOTS if each.startswith("^"))
_CONTAINS = _any_of(each for each in _BOTS if not each.startswith("^"))
# Browsers that a program drives, by what they or their drivers put into agent or brands.
_AUTOMATION = _any_of(_OWN["automation"])
# Safari's word for fetching a page to draw it among the top sites is `preview`.
_AHEAD = re.compile(r"\b(?:prefetch|prerender|preview)\b")

# One family for a browser on every system; names that the parser gives otherwise stay.
_BROWSERS = {
    "Other": "",
    "Android": "Android Browser",
    "AppleMail": "Apple Mail",
    "Brave Mobile": "Brave",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Edge Mobile": "Edge",
    "Firefox iOS": "Firefox",
    "Firefox Mobile": "Firefox",
    "Firefox Focus": "Firefox",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Mobile Safari": "Safari",
    "MobileSafari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Opera Mobile": "Opera",
    "Opera Tablet": "Opera",
    "QQ Browser Mobile": "QQ Browser",
}

_LINUX = (
    "Linux", "Arch Linux", "CentOS", "Debian", "Fedora", "Gentoo", "Kubuntu", "Linux Mint",
    "Mageia", "Mandriva", "Puppy", "Red Hat", "Slackware", "SUSE", "Ubuntu", "VectorLinux",
)  # fmt: skip
_SYSTEMS = {
    "Other": "",
    "iPadOS": "iOS",
    "Mac OS": "Mac",
    "Mac OS X": "Mac",
    "macOS": "Mac",
    "Web0S": "webOS",
    "Windows CE": "Windows",
    **dict.fromkeys(_LINUX, "GNU/Linux"),
}

_TV = re.compile(
    r"\bTV\b|SmartTV|SMART-TV|GoogleTV|AppleTV|Apple TV|HbbTV|CrKey|Roku|BRAVIA|\bAFT[A-Z]"
    r"|Web0S|NetCast|PlayStation \d|Xbox"
)


def _device(parsed: UserAgent, user_agent: str) -> str:
    if _TV.search(user_agent):
        return "TV"
    if parsed.is_tablet:
        return "Tablet"
    if parsed.is_mobile:
        return "Mobile"
    return "Desktop" if parsed.is_pc or "X11" in user_agent else "Other"


def _family(parsed: str, table: dict[str, str]) -> str:
    """The parser quotes what it does not know from the agent: anything may stand there."""
    return table[parsed] if parsed in table else cut(scrub(parsed), MAX_NAME)


def _major(version: tuple[int | str, ...]) -> str:
    return str(version[0])[:8] if version else ""
