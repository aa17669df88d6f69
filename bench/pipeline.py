"""Microseconds an event through `anonymize`, in a batch and alone; memory of the caches.

Everything is real but the network: the key store, the geography, the classifier of user agents, the
list of those who objected.
Each figure is the best of several runs, since whatever else the machine does only adds to it.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

from werkzeug.test import create_environ

from anonymize import referrer
from anonymize.agent import Agents
from anonymize.calendar import Calendar
from anonymize.event import Accepted, RawClient, RawConsent, RawEvent, RawRequest
from anonymize.geo import open_geo
from anonymize.keys import KeyStore
from anonymize.pipeline import Context, SitePolicy, anonymize
from bench.null import app
from bench.start import AGENTS
from config.settings import GEO_DB
from control.database import open_control
from control.objections import Objections

EVENTS = 500  # a batch
ROUNDS = 20
NOW = datetime.now(UTC)
HOME = TemporaryDirectory()
KEYS = KeyStore(f"sqlite:///{HOME.name}/keys.db", bytes(32), lambda: datetime.now(UTC))
RECORDED = Objections(open_control(f"sqlite:///{HOME.name}/control.db"))
SITE = SitePolicy(
    1,
    "example.com",
    Calendar.of("Europe/Brussels"),
    "exempt",
    frozenset({"plan", "theme", "level"}),
)
GRANTED = RawConsent(categories={"analytics": True})
PHONE = RawClient(
    anonymous_id="5f4c3a0e-2a9e-4a2f-8df4-9f3f1c0c7a10",
    session_id="1",
    language="nl-BE",
    screen_width=390,
    app_name="Shop",
    app_version="4.2.1",
    app_build="421",
    os_name="Android",
    os_version="14",
    device_model="SM-G991B",
    memory_total=8 * 1024**3,
    storage_total=128 * 1024**3,
    battery=0.6,
    connection="wifi",
)
SCREEN = RawClient(screen_width=1440)


def app_event(number: int, request: RawRequest) -> RawEvent:
    """As a mobile SDK sends them: device, consent, two properties, no page."""
    return RawEvent(
        request,
        "Video Played",
        message_id=f"0f8fad5b-d9cb-469f-a165-{number:012}",
        occurred=NOW - timedelta(seconds=number),
        sent=NOW,
        consent=GRANTED,
        client=PHONE,
        props={"plan": "pro", "level": number % 50, "other": "dropped"},
        screen_name="Player",
    )


def page_view(number: int, request: RawRequest) -> RawEvent:
    """As a web tag sends them, on the exempt basis."""
    return RawEvent(
        request,
        "pageview",
        message_id=f"0f8fad5b-d9cb-469f-a165-{number:012}",
        url=f"https://example.com/blog/2026/05/article-{number}?q=secret",
        referrer="https://www.google.com/",
        client=SCREEN,
    )


def campaign_view(number: int, request: RawRequest) -> RawEvent:
    """The same from a newsletter."""
    return RawEvent(
        request,
        "pageview",
        message_id=f"0f8fad5b-d9cb-469f-a165-{number:012}",
        url=f"https://example.com/page/{number}?utm_source=news&utm_medium=email&utm_campaign=may",
        client=SCREEN,
    )


def main() -> None:
    geo = open_geo(GEO_DB)
    agents = Agents()

    def context(classifier: Agents = agents) -> Context:
        return Context(SITE, NOW, timedelta(days=7), KEYS, geo, classifier, recorded=RECORDED)

    def batch(make: Callable[[int, RawRequest], RawEvent], sdk: bool) -> float:
        request = RawRequest(NOW, "81.2.69.142", AGENTS[0], sdk=sdk)
        events = [make(number, request) for number in range(EVENTS)]
        return _best(lambda: _run([(event, shared) for shared in [context()] for event in events]))

    def alone(make: Callable[[int, RawRequest], RawEvent], sdk: bool) -> float:
        events = [
            make(number, RawRequest(NOW, f"81.2.69.{number % 250}", AGENTS[number % 50], sdk=sdk))
            for number in range(EVENTS)
        ]
        return _best(lambda: _run([(event, context()) for event in events]))

    def cold() -> float:
        events = [page_view(n, RawRequest(NOW, "81.2.69.142", _agent(n))) for n in range(EVENTS)]
        return _run([(event, shared) for shared in [context(Agents())] for event in events])

    print("## The pipeline\n")
    print(f"| event | µs in a batch of {EVENTS} | µs alone |\n|---|---|---|")
    for make, sdk in ((app_event, True), (page_view, False), (campaign_view, False)):
        name = make.__name__.replace("_", " ")
        print(f"| {name} | {batch(make, sdk):.1f} | {alone(make, sdk):.1f} |")
    print(f"| page view, user agent never seen before | | {_best(cold):.0f} |")
    print(f"| *Flask's part of a request to the null route* | | {_null():.0f} |")
    print()
    _memory()


def _run(work: Sequence[tuple[RawEvent, Context]]) -> float:
    """Microseconds an event."""
    began = time.perf_counter()
    for event, context in work:
        anonymize(event, context)
    seconds = time.perf_counter() - began
    assert all(isinstance(anonymize(event, context), Accepted) for event, context in work[:3])
    return seconds / len(work) * 1e6


def _best(run: Callable[[], float]) -> float:
    return min(run() for _ in range(ROUNDS))


def _null() -> float:
    """What Flask alone takes for a request, without gunicorn and the socket."""

    def run() -> float:
        environs = [create_environ("/null", method="POST", data=b"{}") for _ in range(EVENTS)]
        began = time.perf_counter()
        for environ in environs:
            b"".join(app(environ, lambda status, headers, error=None: None))
        return (time.perf_counter() - began) / EVENTS * 1e6

    return _best(run)


def _agent(number: int) -> str:
    """No two are the same, as in the tail of real ones."""
    return (
        f"Mozilla/5.0 (Linux; Android {number % 9 + 6}; SM-G{number:03}B) AppleWebKit/537.36 "
        f"(KHTML, like Gecko) Chrome/{100 + number % 40}.0.{number}.0 Mobile Safari/537.36"
    )


def _memory() -> None:
    print("| cache | entries | KB |\n|---|---|---|")
    agents = Agents()
    for name, entries, fill in (
        ("user agents", 4096, lambda n: agents.classify(_agent(n), False)),
        (
            "referring hosts",
            4096,
            lambda n: referrer.classify(f"https://host-{n}.example/", "example.com", {}, False),
        ),
        (
            "channels of campaigns",
            1024,
            lambda n: referrer.classify(None, "example.com", {"utm_campaign": f"c{n}"}, False),
        ),
    ):
        fill(-1)
        gc.collect()
        tracemalloc.start()
        for number in range(entries):
            fill(number)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"| {name} | {entries} | {size / 1024:.0f} |")
    print()


if __name__ == "__main__":
    main()
