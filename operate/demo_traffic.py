"""A month of believable traffic from a fixed seed: the requests of a website and of an app.

Every request is the bytes that a real client sends: Plausible's tag where nobody was asked for
consent, Segment's formats where a choice was stated. All persons are invented; their addresses
are drawn at random inside well-known national networks, so that the geography has something to
find.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from anonymize.event import RawRequest

WEBSITE = "demo.example"
APP = "app.demo.example"
ZONE = ZoneInfo("Europe/Brussels")
_WEB_VISITS = 900  # on an ordinary weekday
_APP_VISITS = 280
_encode = msgspec.json.encode
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, repr=False)
class Sent:
    """One request: the wire format of its body, and what the collector sees of its sender."""

    domain: str
    wire: Literal["plausible", "segment"]
    body: bytes
    request: RawRequest

    @property
    def at(self) -> datetime:
        return self.request.received


class _Choice(Generic[_T]):
    """Draws from a table of weights."""

    def __init__(self, table: Sequence[tuple[_T, float]]) -> None:
        self._values = [value for value, _ in table]
        self._sums = list(accumulate(weight for _, weight in table))

    def draw(self, rng: random.Random) -> _T:
        return self._values[bisect(self._sums, rng.random() * self._sums[-1])]


# Country, and the first two bytes of networks of its large providers.
_COUNTRIES = _Choice(
    [
        (("BE", "nl-BE", ("81.241", "91.177", "78.22", "84.197", "109.131")), 21),
        (("BE", "fr-BE", ("81.241", "91.177", "109.131")), 11),
        (("NL", "nl-NL", ("84.26", "77.168", "145.53")), 15),
        (("FR", "fr-FR", ("90.12", "82.65", "176.150", "86.210")), 14),
        (("DE", "de-DE", ("84.150", "79.205", "93.210")), 10),
        (("GB", "en-GB", ("86.140", "81.155", "82.20")), 7),
        (("DK", "da-DK", ("87.50", "80.162", "2.104")), 5),
        (("US", "en-US", ("73.90", "24.5", "98.200")), 5),
        (("ES", "es-ES", ("83.40", "79.150")), 3),
        (("IE", "en-IE", ("86.42",)), 2),
        (("SE", "sv-SE", ("90.230", "78.70")), 2),
        (("IT", "it-IT", ("79.20", "82.50")), 2),
        (("CH", "de-CH", ("85.3", "83.78")), 1),
        (("LU", "fr-LU", ("158.64",)), 1),
        (("CA", "en-CA", ("70.26", "99.230")), 0.6),
        (("PL", "pl-PL", ("83.10",)), 0.6),
        (("IN", "en-IN", ("117.200",)), 0.4),
    ]
)

_CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 {}Safari/537.36"
_WINDOWS = "Windows NT 10.0; Win64; x64"
_MAC = "Macintosh; Intel Mac OS X 10_15_7"
_PHONE = "Linux; Android 10; K"
_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS {0} like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/{1} Mobile/15E148 Safari/604.1"
)
_AGENTS = _Choice(
    [
        (_CHROME.format(_PHONE, 142, "Mobile "), 17),
        (_CHROME.format(_PHONE, 141, "Mobile "), 6),
        (_IPHONE.format("18_7", "26.1"), 16),
        (_IPHONE.format("18_5", "18.5"), 7),
        (_CHROME.format(_WINDOWS, 142, ""), 15),
        (_CHROME.format(_WINDOWS, 141, ""), 5),
        (_CHROME.format(_MAC, 142, ""), 6),
        (_CHROME.format(_WINDOWS, 142, "") + " Edg/142.0.0.0", 7),
        (_CHROME.format(_PHONE, 142, "Mobile ").replace("Chrome", "SamsungBrowser/29.0 Chrome"), 3),
        (
            f"Mozilla/5.0 ({_MAC}) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/26.1 Safari/605.1.15",
            6,
        ),
        (f"Mozilla/5.0 ({_WINDOWS}; rv:145.0) Gecko/20100101 Firefox/145.0", 5),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", 2),
        ("Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", 1),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            3,
        ),
        (_CHROME.format("X11; CrOS x86_64 14541.0.0", 142, ""), 1),
    ]
)
_BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
    "+https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)

# Entry pages, with the query that a campaign's link carries, and the referrer.
_NEWS = "?utm_source=newsletter&utm_medium=email&utm_campaign="
_ENTRANCES = _Choice(
    [
        (("", ""), 34),
        (("", "https://www.google.com/"), 27),
        (("", "https://www.bing.com/"), 4),
        (("", "https://duckduckgo.com/"), 4),
        (("", "https://www.ecosia.org/"), 2),
        (("", "https://www.linkedin.com/"), 4),
        (("", "https://www.facebook.com/"), 2),
        (("", "https://www.reddit.com/"), 2),
        (("", "https://mastodon.social/"), 1.5),
        (("", "https://chatgpt.com/"), 4),
        (("", "https://www.perplexity.ai/"), 2),
        (("", "https://claude.ai/"), 1.5),
        (("", "https://www.railtech.example/"), 2.5),
        (("", "https://cycling-cities.example/guides"), 1.5),
        (("?utm_source=google&utm_medium=cpc&utm_campaign=city-trips&gclid=x", ""), 4),
        (("?utm_source=instagram&utm_medium=paid-social&utm_campaign=city-trips", ""), 2),
        ((f"{_NEWS}weekly", ""), 2.5),
    ]
)
_PAGES = _Choice(
    [
        ("/", 30),
        ("/plan", 16),
        ("/pricing", 9),
        ("/routes", 8),
        ("/about", 3),
        ("/blog", 4),
        ("/help", 3),
        ("/download", 5),
        *((f"/routes/{a}-{b}", 9 / rank) for rank, (a, b) in enumerate(
            (
                ("brussels", "amsterdam"), ("brussels", "paris"), ("antwerp", "rotterdam"),
                ("ghent", "lille"), ("brussels", "cologne"), ("liege", "aachen"),
                ("copenhagen", "hamburg"), ("paris", "london"), ("namur", "luxembourg"),
                ("bruges", "brussels"), ("utrecht", "berlin"), ("leuven", "liege"),
                ("mechelen", "antwerp"), ("lyon", "geneva"), ("aarhus", "copenhagen"),
                ("hasselt", "maastricht"), ("mons", "lille"), ("basel", "strasbourg"),
            ), start=1)),
        *((f"/blog/{name}", 6 / rank) for rank, name in enumerate(
            (
                "night-trains-are-back", "bikes-on-board", "how-we-count-without-cookies",
                "ten-stations-worth-a-detour", "delay-refunds-explained", "winter-timetable",
                "commuting-by-the-numbers", "accessible-journeys", "the-price-of-a-seat",
                "open-timetable-data", "packing-light", "ferries-of-the-north",
            ), start=1)),
        *((f"/help/{name}", 3 / rank) for rank, name in enumerate(
            ("refunds", "change-a-ticket", "lost-property", "group-tickets", "account", "invoices"),
            start=1)),
    ]
)  # fmt: skip
_ROUTES = ("Brussels–Amsterdam", "Brussels–Paris", "Antwerp–Rotterdam", "Ghent–Lille")

# Share of a day's visits by local hour, and of a week's by weekday from Monday.
_HOURS = _Choice(
    list(
        enumerate(
            (1, 0.6, 0.4, 0.3, 0.4, 0.9, 2.5, 5, 6.5, 6.3, 6, 5.8,
             6.6, 6.2, 5.6, 5.4, 5.6, 6.2, 6.3, 6.4, 6.3, 5.4, 3.6, 2)
        )
    )
)  # fmt: skip
_WEEKDAYS = (1.04, 1.08, 1.06, 1.02, 0.94, 0.62, 0.7)


RATINGS = ("good", "needs-improvement", "poor")
# What browsers rate, and how often it goes wrong.
_VITALS = {"lcp": 1.0, "inp": 0.6, "cls": 0.8, "ttfb": 0.5, "load": 1.1}
# Where the demo's own people look at drafts: the site excludes it.
PREVIEW = "/preview"


@dataclass(frozen=True, slots=True, repr=False)
class _Person:
    """An invented visitor. `choice` is what they told the consent banner, None where not asked."""

    address: str
    agent: str
    language: str
    choice: bool | None
    objects: bool
    id: str
    phone: _Phone | None = None
    patience: float = 0.0  # how many days they wait before they take an update


@dataclass(frozen=True, slots=True)
class _Phone:
    """A device with the app, as its SDK describes it."""

    os: str
    version: str
    model: str
    memory: int  # GiB
    storage: int  # GiB
    width: int  # CSS pixels
    height: int


_PHONES = _Choice(
    [
        (_Phone("Android", "15", "Galaxy S24", 8, 256, 360, 780), 14),
        (_Phone("Android", "15", "Pixel 8", 8, 128, 412, 915), 9),
        (_Phone("Android", "14", "Galaxy A54", 6, 128, 360, 780), 14),
        (_Phone("Android", "13", "Redmi Note 12", 4, 128, 393, 873), 8),
        (_Phone("iOS", "26.1", "iPhone15,4", 6, 128, 393, 852), 20),
        (_Phone("iOS", "18.5", "iPhone14,5", 4, 128, 390, 844), 16),
        (_Phone("iOS", "26.1", "iPhone17,1", 8, 256, 402, 874), 12),
        (_Phone("iOS", "18.5", "iPad13,18", 4, 64, 820, 1180), 4),
    ]
)
# Versions of the app, and on which of the thirty days each came out.
_VERSIONS = (
    ("3.0.2", "3021", -60),
    ("3.1.0", "3100", 4),
    ("3.1.1", "3110", 9),
    ("3.2.0", "3200", 20),
)
_SCREENS = _Choice([("Search", 8), ("Results", 9), ("Journey", 7), ("Tickets", 5), ("Map", 3),
                    ("Account", 2), ("Settings", 1)])  # fmt: skip


def generate(days: Sequence[date], until: datetime, seed: int = 20) -> Iterator[Sent]:
    """The requests of consecutive local days up to `until`, in order of time within each day.

    The same days and the same seed give the same requests.
    """
    rng = random.Random(seed)  # noqa: S311  nothing here is a secret
    readers = [_person(rng) for _ in range(9000)]
    riders = [_person(rng, _PHONES.draw(rng)) for _ in range(1500)]
    later: list[Sent] = []  # what phones without a network send on another day
    for number, day in enumerate(days):
        sent = later
        for _ in range(_visits(rng, _WEB_VISITS, number, day)):
            # Some come often: the square of a uniform number favours the front of the list.
            person = readers[int(len(readers) * rng.random() ** 2)]
            sent += _web_visit(rng, person, _start(rng, day))
        for _ in range(_visits(rng, _APP_VISITS, number, day)):
            person = riders[int(len(riders) * rng.random() ** 2)]
            sent += _app_visit(rng, person, _start(rng, day), number)
        sent += [_bot_view(rng, _start(rng, day)) for _ in range(60)]
        sent += [_preview(rng, rng.choice(readers), _start(rng, day)) for _ in range(24)]
        last = min(until, _midnight(day + timedelta(days=1)) - timedelta(seconds=1))
        later = [s for s in sent if s.at > last]
        yield from sorted((s for s in sent if s.at <= last), key=lambda s: s.at)


def _visits(rng: random.Random, ordinary: int, number: int, day: date) -> int:
    growth = 0.9 + 0.2 * number / 30
    campaign = 1.35 if number in (17, 18) else 1.0
    return round(ordinary * _WEEKDAYS[day.weekday()] * growth * campaign * rng.gauss(1, 0.05))


def _start(rng: random.Random, day: date) -> datetime:
    return _midnight(day) + timedelta(hours=_HOURS.draw(rng) + rng.random())


def _midnight(day: date) -> datetime:
    """The moment at which the local day begins, in UTC, where every hour has sixty minutes."""
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def _person(rng: random.Random, phone: _Phone | None = None) -> _Person:
    _, language, networks = _COUNTRIES.draw(rng)
    asked = rng.random()
    granted, refused = (0.5, 0.75) if phone else (0.25, 0.4)
    return _Person(
        address=f"{rng.choice(networks)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
        agent=_sdk_agent(phone) if phone else _AGENTS.draw(rng),
        language=language,
        choice=True if asked < granted else False if asked < refused else None,
        objects=rng.random() < 0.08,
        id=f"{rng.getrandbits(128):032x}",
        phone=phone,
        patience=rng.expovariate(1 / 4),
    )


def _sdk_agent(phone: _Phone) -> str:
    return (
        "analytics-kotlin/1.19.2"
        if phone.os == "Android"
        else "DemoRides/3 CFNetwork/3826 Darwin/24.6.0"
    )


def _request(person: _Person, at: datetime) -> RawRequest:
    return RawRequest(
        received=at,
        address=person.address,
        user_agent=person.agent,
        gpc="1" if person.objects else "",
        sdk=person.phone is not None,
    )


def _web_visit(rng: random.Random, person: _Person, at: datetime) -> Iterator[Sent]:
    query, referrer = _ENTRANCES.draw(rng)
    path = _PAGES.draw(rng)
    bought = False
    while True:
        url = f"https://{WEBSITE}{path}{query}"
        yield _web_event(person, at, "pageview", url, referrer)
        at += timedelta(seconds=min(1500, rng.lognormvariate(3.4, 1.0)))
        if path == "/download" and rng.random() < 0.4:
            yield _web_event(person, at, "Outbound Link: Click", url, "", {"to": "app store"})
        if path == "/pricing" and rng.random() < 0.25:
            yield _web_event(person, at, "Signup", url, "", {"plan": rng.choice(("free", "pass"))})
        if path.startswith("/routes/") and not bought and rng.random() < 0.25:
            bought = True
            fare = round(rng.lognormvariate(3.5, 0.5), 2)
            yield _web_event(person, at, "Purchase", url, "", {"class": "2"}, fare)
        if person.choice:  # browsers of those who agreed rate their load times
            yield _web_event(person, at, "Web Vitals", url, "", _ratings(rng, person, path))
        if rng.random() < 0.46:
            return
        path, query, referrer = _PAGES.draw(rng), "", url


def _ratings(rng: random.Random, person: _Person, path: str) -> dict[str, str]:
    """How quick a page was: worse on phones, and where there are maps."""
    slow = 0.06 + 0.12 * ("Mobile" in person.agent) + 0.14 * path.startswith("/routes")
    return {
        name: rng.choices(
            RATINGS, (1 - 2 * slow * weight, 1.3 * slow * weight, 0.7 * slow * weight)
        )[0]
        for name, weight in _VITALS.items()
    }


def _web_event(
    person: _Person,
    at: datetime,
    name: str,
    url: str,
    referrer: str,
    props: dict[str, str] | None = None,
    fare: float | None = None,
) -> Sent:
    if person.choice is None:
        body: dict[str, Any] = {"n": name, "u": url, "d": WEBSITE, "r": referrer or None}
        if props:
            body["p"] = props
        if fare is not None:
            body["$"] = {"amount": fare, "currency": "EUR"}
        return Sent(WEBSITE, "plausible", _encode(body), _request(person, at))
    event: dict[str, Any] = {"type": "track", "event": name, "properties": props or {}}
    if name == "pageview":
        event = {"type": "page", "properties": {"url": url, "referrer": referrer}}
    if fare is not None:
        event["properties"] = {**(props or {}), "revenue": fare, "currency": "EUR"}
    context = {
        "page": {"url": url, "referrer": referrer},
        "locale": person.language,
        "library": {"name": "analytics.js"},
    }
    return _segment(WEBSITE, person, at, [(at, event)], context)


def _segment(
    domain: str,
    person: _Person,
    at: datetime,
    events: Sequence[tuple[datetime, dict[str, Any]]],
    context: dict[str, Any],
) -> Sent:
    """One batch, sent when its last event happened."""
    if person.choice is not None:
        choice = person.choice
        context = context | {
            "consent": {
                "categoryPreferences": {
                    "analytics": choice, "product": choice, "attribution": choice,
                }
            }
        }  # fmt: skip
    batch = [
        event
        | {
            "messageId": f"{person.id[:16]}-{moment.timestamp():.3f}-{number}",
            "anonymousId": person.id if person.choice else None,
            "timestamp": moment.isoformat(timespec="milliseconds"),
            "context": context,
        }
        for number, (moment, event) in enumerate(events)
    ]
    body = {"batch": batch, "sentAt": at.isoformat(timespec="milliseconds"), "writeKey": ""}
    return Sent(domain, "segment", _encode(body), _request(person, at))


def _app_visit(rng: random.Random, person: _Person, at: datetime, number: int) -> Iterator[Sent]:
    phone = person.phone
    if phone is None:
        return
    version, build, _ = next(
        v for v in reversed(_VERSIONS) if number >= v[2] + person.patience or v[2] < 0
    )
    context = {
        "app": {"name": "Demo Rides", "version": version, "build": build},
        "os": {"name": phone.os, "version": phone.version},
        "device": {
            "type": phone.os.lower(),
            "model": phone.model,
            "memory": {"total": phone.memory * 2**30},
            "battery": {"level": round(rng.uniform(0.05, 1), 2)},
        },
        "network": {"wifi": (wifi := rng.random() < 0.55), "cellular": not wifi},
        "screen": {"width": phone.width, "height": phone.height},
        "locale": person.language,
        "session": {"id": f"{person.id[:8]}{at.timestamp():.0f}"},
    }
    if phone.os == "Android":
        context["device"] |= {"storage": {"total": phone.storage * 10**9}}  # type: ignore[operator]  # JSON to be
    events: list[tuple[datetime, dict[str, Any]]] = [(at, {"type": "screen", "name": "Home"})]
    for _ in range(min(12, math.floor(rng.expovariate(1 / 2.8)))):
        at += timedelta(seconds=min(900, rng.lognormvariate(2.8, 0.9)))
        screen = _SCREENS.draw(rng)
        events.append((at, {"type": "screen", "name": screen}))
        if screen == "Journey" and rng.random() < 0.4:
            fare = {"revenue": round(rng.lognormvariate(3.1, 0.5), 2), "currency": "EUR"}
            route = rng.choice(_ROUTES)
            track = {
                "type": "track",
                "event": "Ticket Bought",
                "properties": fare | {"route": route},
            }
            events.append((at + timedelta(seconds=5), track))
    # Some phones find a network on another day.
    away = timedelta(days=rng.expovariate(0.9), hours=6) if rng.random() < 0.05 else timedelta()
    yield _segment(APP, person, events[-1][0] + away, events, context)


def _preview(rng: random.Random, person: _Person, at: datetime) -> Sent:
    """Somebody of the house reads a draft."""
    return _web_event(person, at, "pageview", f"https://{WEBSITE}{PREVIEW}/winter", "")


def _bot_view(rng: random.Random, at: datetime) -> Sent:
    body = {"n": "pageview", "u": f"https://{WEBSITE}{_PAGES.draw(rng)}", "d": WEBSITE}
    request = RawRequest(
        received=at,
        address=f"66.249.{rng.randrange(64, 96)}.{rng.randrange(1, 255)}",
        user_agent=rng.choice(_BOTS),
    )
    return Sent(WEBSITE, "plausible", _encode(body), request)
