"""Makes `sources.json` and `bots.json` out of the lists that others keep.

    python anonymize/lists/refresh.py DIRECTORY

DIRECTORY holds `SearchEngines.yml`, `Socials.yml` and `AIAssistants.yml` from
matomo-org/searchengine-and-social-list (CC0) and `bot_user_agent_patterns.json`, which is
`src/patterns.json` of omrilotan/isbot (Unlicense). What the lists get wrong for our purpose is
corrected here, so that a refresh keeps it; what they lack stands in `additions.json` (sources)
and `machines.json` (patterns, by kind), which are our own. So is `spam.txt`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent

# Portals and providers that have a search box: most who come from there do not come from a search.
NOT_LISTED = {
    "arcor.de", "charter.net", "cnn.com", "fastweb.it", "kataweb.it", "login.live.com",
    "msnbc.msn.com", "online.no", "optuszoo.com.au", "skynet.be", "so-net.ne.jp", "talktalk.co.uk",
    "url.org", "web.nl",
}  # fmt: skip

# As they write themselves.
RENAMED = {
    "Deepseek": "DeepSeek", "reddit": "Reddit", "StackOverflow": "Stack Overflow",
    "StartPage": "Startpage", "tumblr": "Tumblr", "Vkontakte": "VK",
}  # fmt: skip

# The first two are JavaScript that Python's `re` does not take. The others would count people as
# bots: the browser of LG's television sets (`WebAppManager`), phones that state `(HTTPS)`, Emacs
# (`URL/Emacs`), and browsers whose agent is no more than their name, as a library's is.
REWRITTEN = {
    r"(?<! channel/|google/)google(?!(?:wv|app|/google| pixel))": (
        r"(?<! channel/)(?<!google/)google(?!(?:wv|app|/google| pixel))"
    ),
    r"^mozilla/\d\.\d\s\((?:compatible;)?(?:\s?[\w\d-.]+\/\d+\.\d+)?\)$": (
        r"^mozilla/\d\.\d\s\((?:compatible;)?(?:\s?[\w.-]+/\d+\.\d+)?\)$"
    ),
    "manager": "(?<!webapp)manager",
    "(?<!lib)http": r"(?<!lib)http(?!s\))",
    "url": "url(?!/emacs)",
    r"^[\w \.\-\(?:\):%]+(?:/v?\d+(?:\.\d+)?(?:\.\d{1,10})*?)?(?:,|$)": (
        r"^(?!dillo/|[\w ]*maui )[\w \.\-\(?:\):%]+(?:/v?\d+(?:\.\d+)?(?:\.\d{1,10})*?)?(?:,|$)"
    ),
}
# A plug-in that people put into Internet Explorer, and a browser.
DROPPED = frozenset({"chromeframe", "^netsurf"})


def hosts(path: Path) -> Iterator[tuple[str, str]]:
    """(name, host) of each entry. The files use so little of YAML that lines can be read alone:
    names at the margin, hosts under them as items, in search engines under `urls` only.
    """
    name, listed = "", True
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip().strip("'\"")
        if line and not line.startswith((" ", "-", "#")):
            name, listed = text.removesuffix(":").strip("'\"").replace("%2B", "+"), True
        elif text.endswith(":"):
            listed = text == "urls:"
        elif listed and (item := re.fullmatch(r"- *['\"]?([^'\"/]+?)['\"]?", line.strip())):
            host = item[1].lower().removeprefix("www.")
            if host not in NOT_LISTED:
                yield name, host


def sources(directory: Path) -> dict[str, dict[str, list[str]]]:
    """{category: {name: hosts}}. Where two lists name a host, the more specific list has it.

    A host stands for its subdomains, so those of the same name are left out; `google.{}` stands
    for every public suffix.
    """
    taken: set[str] = set()
    result: dict[str, dict[str, list[str]]] = {}
    for category, file in (
        ("ai", "AIAssistants.yml"),
        ("social", "Socials.yml"),
        ("search", "SearchEngines.yml"),
    ):
        names: dict[str, set[str]] = {}
        for name, host in hosts(directory / file):
            host = host.removeprefix("{}.")
            if host not in taken and "{}" not in host.removesuffix(".{}"):
                taken.add(host)
                names.setdefault(RENAMED.get(name, name), set()).add(host)
        result[category] = {
            name: sorted(host for host in listed if not any(map(listed.__contains__, above(host))))
            for name, listed in sorted(names.items())
        }
    return result


def above(host: str) -> Iterator[str]:
    while "." in (host := host.partition(".")[2]):
        yield host


def bots(directory: Path) -> list[str]:
    patterns = json.loads((directory / "bot_user_agent_patterns.json").read_text(encoding="utf-8"))
    unknown = (REWRITTEN.keys() | DROPPED) - set(patterns)
    if unknown:
        raise SystemExit(f"the list no longer has what is corrected here: {sorted(unknown)}")
    rewritten = [REWRITTEN.get(each, each) for each in patterns if each not in DROPPED]
    for pattern in rewritten:
        re.compile(pattern)
    return rewritten


def write(path: Path, facts: object) -> None:
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    write(HERE / "sources.json", sources(directory))
    write(HERE / "bots.json", bots(directory))
