"""Clients as their makers publish them, against the running service: what they sent, what was kept.

`python -m tests.journey.sdks` writes the tables into docs/clients.md.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import requests
from playwright.sync_api import Browser, Page, sync_playwright
from segment.analytics.client import Client

from control.database import open_control
from control.sites import Site, Sites
from tests.browser import executable
from tests.service import ROOT, Service, eventually, running

PAGE = ROOT / "docs" / "clients.md"
MODULES = ROOT / "clients" / "node_modules"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
EMAIL = "ann@example.com"
SECRETS = (EMAIL, "an-17", "us-17", "pw-17", "never-advertised")  # nobody may find these again

CONSENT = {
    "consent": {"categoryPreferences": {"analytics": True, "account": True, "product": True}},
    "device": {"model": "Pixel 8", "advertisingId": "never-advertised"},
    "app": {"name": "Shop", "version": "3.1"},
}
PROPERTIES = {"plan": "pro", "contact": EMAIL, "revenue": 12.5, "currency": "EUR"}
TRAITS = {"plan": "pro", "email": EMAIL}
URL = "https://shop.example/pricing?utm_source=news&password=pw-17"

# Of a row's columns those that every row has, and those that say who: told as what they are.
_ALWAYS = {"site", "day", "time", "received", "event_id", "expires", "purposes", "is_view"}
_PSEUDONYMS = {"visitor", "user", "visit"}


@dataclass
class Told:
    """One request of a client: its JSON, and the answer."""

    path: str
    sent: Any
    status: int
    headers: dict[str, str]
    answer: str


@dataclass
class Recorder:
    """Stands between a client and the service, changes nothing, and keeps what went through."""

    service: Service
    told: list[Told] = field(default_factory=list)
    origin: str = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = requests.post(
                    recorder.service.origin + self.path, body, headers=dict(self.headers),
                    timeout=20,
                )  # fmt: skip
                packed = self.headers.get("Content-Encoding") == "gzip"
                sent = json.loads(gzip.decompress(body) if packed else body)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                recorder.told.append(
                    Told(self.path, sent, answer.status_code, headers, answer.text)
                )
                self.send_response(answer.status_code)
                for name in ("access-control-allow-origin", "content-type"):
                    self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


class Files(SimpleHTTPRequestHandler):
    """A folder, where a module may leave out its suffix, as those of npm do."""

    def translate_path(self, path: str) -> str:
        found = super().translate_path(path)
        return found if Path(found).exists() else f"{found}.js"

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def served(handler: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def recording(service: Service) -> Iterator[Recorder]:
    recorder = Recorder(service)
    with served(recorder.handler()) as origin:
        recorder.origin = origin
        yield recorder


def python(recorder: Recorder, key: str) -> None:
    """segment-analytics-python."""
    failed: list[Exception] = []
    client = Client(
        key, host=recorder.origin, gzip=True, on_error=lambda error, _: failed.append(error)
    )
    who = {"anonymous_id": "an-17", "context": CONSENT}
    client.page(name="Pricing", properties={"url": URL}, **who)
    client.screen(name="Home", **who)
    client.track(event="Bought", user_id="us-17", properties=PROPERTIES, **who)
    client.identify(user_id="us-17", traits=TRAITS, **who)
    client.group(user_id="us-17", group_id="g", traits=TRAITS, **who)
    client.alias(previous_id="an-17", user_id="us-17", context=CONSENT)
    client.shutdown()
    assert not failed


_NODE = """
const { Analytics } = require('@segment/analytics-node')
const { key, origin, context, properties, traits, url } = JSON.parse(process.env.CALLS)
const client = new Analytics({ writeKey: key, host: origin })
const who = { anonymousId: 'an-17', context }
client.on('error', (error) => { console.error(error); process.exitCode = 1 })
client.page({ ...who, name: 'Pricing', properties: { url } })
client.screen({ ...who, name: 'Home' })
client.track({ ...who, userId: 'us-17', event: 'Bought', properties })
client.identify({ ...who, userId: 'us-17', traits })
client.group({ ...who, userId: 'us-17', groupId: 'g', traits })
client.alias({ previousId: 'an-17', userId: 'us-17', context })
client.closeAndFlush()
"""


def node(recorder: Recorder, key: str) -> None:
    """@segment/analytics-node."""
    calls = {
        "key": key,
        "origin": recorder.origin,
        "context": CONSENT,
        "properties": PROPERTIES,
        "traits": TRAITS,
        "url": URL,
    }
    subprocess.run(
        [ROOT / "clients" / "npm.sh", "exec", "-c", 'node -e "$SCRIPT"'],
        env=os.environ | {"SCRIPT": _NODE, "CALLS": json.dumps(calls)},
        timeout=100,
        check=True,
    )


_TRACKER = """
import { init, track } from './tracker/plausible.js'
init({ domain: 'tracker.example', endpoint: '%(origin)s/api/event', captureOnLocalhost: true,
  outboundLinks: true, fileDownloads: true, formSubmissions: true,
  customProperties: { plan: 'pro', contact: 'ann@example.com' } })
track('Bought', { revenue: { amount: '12.50', currency: 'EUR' }, interactive: false })
"""
_OLD_TRACKER = """
import Plausible from './old/index.js'
const plausible = Plausible({
  domain: 'old-tracker.example', apiHost: '%(origin)s', trackLocalhost: true, hashMode: true })
plausible.trackPageview()
plausible.enableAutoOutboundTracking()
plausible.trackEvent('Bought', { props: { plan: 'pro', contact: 'ann@example.com' } })
"""
_HTML = """<!doctype html><title>Shop</title><link rel=icon href=data:,>
<a id=out href="http://127.0.0.2:9/there?password=pw-17" onclick="return false">out</a>
<a id=file href="/price-list.pdf?password=pw-17" onclick="return false">file</a>
<form onsubmit="return false"><button id=send>send</button></form>
<script type=module>%s</script>
"""


_HIDE = """() => {
  Object.defineProperty(document, 'visibilityState', { value: 'hidden' })
  document.dispatchEvent(new Event('visibilitychange'))
}"""


def _browse(recorder: Recorder, browser: Browser, script: str, steps: dict[str, int]) -> None:
    """Opens a page with the script; after each step so many events must have been sent.

    A step is "" for the opened page, the id of what is clicked, or "hide". (The agent that this
    browser pretends to be does not hold for what it sends while it leaves a page.)
    """
    with tempfile.TemporaryDirectory(prefix="discreet-sdks-") as path, ExitStack() as stack:
        folder = Path(path)
        (folder / "index.html").write_text(_HTML % (script % {"origin": recorder.origin}))
        (folder / "tracker").symlink_to(MODULES / "@plausible-analytics" / "tracker")
        (folder / "old").symlink_to(MODULES / "plausible-tracker" / "build" / "module")
        origin = stack.enter_context(served(partial(Files, directory=path)))
        context = browser.new_context(user_agent=AGENT)
        stack.callback(context.close)
        tab = context.new_page()
        tab.goto(f"{origin}/?utm_source=news&password=pw-17#/orders")
        for step, events in steps.items():
            if step == "hide":
                tab.evaluate(_HIDE)
            elif step:
                tab.click(f"#{step}", no_wait_after=True)
            _until(tab, recorder, events)


def _until(tab: Page, recorder: Recorder, events: int) -> None:
    """Polls for ten seconds, during which the page goes on."""
    for _ in range(200):
        if len(recorder.told) >= events:
            return
        tab.wait_for_timeout(50)
    raise AssertionError([told.sent for told in recorder.told])


def tracker(recorder: Recorder, browser: Browser) -> None:
    """@plausible-analytics/tracker."""
    steps = {"": 2, "out": 3, "file": 4, "send": 5, "hide": 6}
    _browse(recorder, browser, _TRACKER, steps)


def old_tracker(recorder: Recorder, browser: Browser) -> None:
    """plausible-tracker."""
    _browse(recorder, browser, _OLD_TRACKER, {"": 2, "out": 3})


@dataclass(frozen=True)
class Event:
    """What a client sent of one event, as paths in its JSON, and what became of it."""

    name: str
    sent: tuple[str, ...]
    stored: dict[str, str]
    reason: str = ""


@dataclass(frozen=True)
class Heard:
    """All of one client, in the order of names."""

    client: str
    told: list[Told]
    events: list[Event]
    rows: list[dict[str, Any]]


CLIENTS = {
    "segment-analytics-python": "python.example",
    "@segment/analytics-node": "node.example",
    "@plausible-analytics/tracker": "tracker.example",
    "plausible-tracker": "old-tracker.example",
}


def run(service: Service, browser: Browser) -> list[Heard]:
    """Every client against a site of its own, until everything that was accepted is stored."""
    sites = add_sites(service)
    service.start("web", "worker")
    calls: dict[str, Callable[[Recorder, str], None]] = {
        "segment-analytics-python": python,
        "@segment/analytics-node": node,
        "@plausible-analytics/tracker": lambda recorder, _: tracker(recorder, browser),
        "plausible-tracker": lambda recorder, _: old_tracker(recorder, browser),
    }
    heard = []
    for client, call in calls.items():
        site = sites[CLIENTS[client]]
        with recording(service) as recorder:
            call(recorder, site.write_key)
        heard.append(_heard(service, client, site, recorder.told))
    return heard


def add_sites(service: Service) -> dict[str, Site]:
    """Before the service starts: every process knows them at once."""
    engine = open_control(service.settings.control_url)
    sites = Sites(engine)
    made = {
        domain: sites.set(
            sites.add(domain, "Europe/Brussels", "exempt", "BE"),
            properties=["plan", "contact", "url"],
        )
        for domain in CLIENTS.values()
    }
    engine.dispose()
    return made


def _heard(service: Service, client: str, site: Site, told: list[Told]) -> Heard:
    sent = [(event, reason) for request in told for event, reason in _events(request)]
    kept = sum(not reason for _, reason in sent)
    mine = "FROM events WHERE site = {site:UInt32}"
    counted = f"SELECT count() {mine}"
    eventually(lambda: service.rows(counted, site=site.id) == [(kept,)], f"{kept} rows of {client}")
    every = f"SELECT formatRow('JSONEachRow', *) {mine}"
    rows = [json.loads(row) for (row,) in service.rows(every, site=site.id)]
    by_name = {row["name"]: row for row in rows}
    events = [
        Event(_name(event), tuple(sorted(_paths(event))),
              {} if reason else _stored(by_name[_name(event)]), reason)
        for event, reason in sent
    ]  # fmt: skip
    return Heard(client, told, sorted(events, key=lambda event: event.name), rows)


def _events(told: Told) -> list[tuple[dict[str, Any], str]]:
    """The events of a request, each with the reason why it was not stored, '' where it was."""
    if "batch" not in told.sent:
        return [(told.sent, told.headers.get("x-discreet-reason", ""))]
    answer = json.loads(told.answer)
    left = {entry["index"]: entry["reason"] for entry in answer["dropped"] + answer["rejected"]}
    return [(event, left.get(index, "")) for index, event in enumerate(told.sent["batch"])]


def _name(event: dict[str, Any]) -> str:
    """What the event is called in the store."""
    kind = "pageview" if event.get("type") == "page" else event.get("type")
    return str(event.get("event") or event.get("n") or kind)


def _paths(value: Any, path: str = "") -> list[str]:
    """The paths of everything in an event that is not empty."""
    if isinstance(value, dict):
        return [
            found
            for key, member in value.items()
            for found in _paths(member, f"{path}.{key}" if path else key)
        ]
    return [path] if value not in (None, "", [], {}) else []


def _stored(row: dict[str, Any]) -> dict[str, str]:
    """The columns of a row that say something; of times and pseudonyms only that they are there."""
    kept = {}
    for column, value in row.items():
        if column in _ALWAYS or value in ("", "0", 0, {}, [], "0.0000", False):
            continue
        if column in _PSEUDONYMS:
            kept[column] = "pseudonym"
        elif column == "engagement":
            kept[column] = "milliseconds"
        elif isinstance(value, dict):
            kept[column] = ", ".join(f"{key}: {text}" for key, text in sorted(value.items()))
        else:
            kept[column] = str(value)
    return kept


def render(heard: list[Heard]) -> str:
    """The tables of docs/clients.md."""
    parts = []
    for client in heard:
        sent = set[str].intersection(*(set(event.sent) for event in client.events))
        kept = [set(event.stored.items()) for event in client.events if event.stored]
        stored = set[tuple[str, str]].intersection(*kept)
        parts += [
            f"### {client.client}",
            "",
            f"Every event: {_listed(sorted(sent))}",
            "",
            f"Every row: {_columns(dict(sorted(stored)))}",
            "",
            "| event | also sent | also stored |",
            "|---|---|---|",
        ]
        for event in client.events:
            also = _listed([path for path in event.sent if path not in sent])
            more = {column: value for column, value in event.stored.items()
                    if (column, value) not in stored}  # fmt: skip
            what = f"nothing: `{event.reason}`" if event.reason else _columns(more)
            parts.append(f"| {event.name} | {also} | {what} |")
        parts.append("")
    return "\n".join(parts).strip()


def _listed(paths: list[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)


def _columns(stored: dict[str, str]) -> str:
    return ", ".join(f"`{column}` {value}" for column, value in stored.items())


BEGIN, END = "<!-- tests/journey/sdks.py -->\n", "<!-- until here -->\n"


def documented() -> str:
    """What docs/clients.md says now."""
    return PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as path, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable(playwright.chromium.executable_path), args=["--no-sandbox"]
        )
        with running(Path(path) / "home") as service:
            tables = render(run(service, chromium))
        chromium.close()
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
