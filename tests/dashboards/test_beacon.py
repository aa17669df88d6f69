"""The beacon in a real Chromium, on a page of another origin than the collector."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from dashboards.assets import FOLDER
from tests.browser import browser  # noqa: F401  the fixture

# Longer than any view takes to arrive here: what has not come by then was not sent.
ENOUGH_MS = 250


@dataclass
class Collector:
    """Takes posts, serves the beacon and, on a second port, the pages of a site."""

    posts: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    port: int = 0
    site: str = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/js/discreet.js":
                    self._answer("text/javascript", (FOLDER / "discreet.js").read_bytes())
                else:
                    self._answer("text/html", collector.html().encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                collector.posts.append((headers | {"path": self.path}, json.loads(body)))
                self._answer("application/json", b"{}")

            def _answer(self, kind: str, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Says nothing."""

        return Handler

    def html(self) -> str:
        source = f"http://127.0.0.1:{self.port}/js/discreet.js"
        return (
            "<!doctype html><title>A title of its own</title><link rel=icon href=data:,>"
            f'<script defer src="{source}" data-key="a-write-key"></script>'
        )

    def urls(self) -> list[str]:
        return [body["batch"][0]["context"]["page"]["url"] for _, body in self.posts]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), collector.handler()) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    collector.port = servers[0].server_port
    collector.site = f"http://127.0.0.1:{servers[1].server_port}"
    yield collector
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:  # noqa: F811
    context = browser.new_context()
    yield context.new_page()
    context.close()


def wait(page: Page, condition: Callable[[], bool]) -> None:
    """Polls for five seconds at most."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(50)
    pytest.fail("nothing arrived")


def test_a_view_is_one_segment_page_event(collector: Collector, page: Page) -> None:
    page.goto(f"{collector.site}/shop?utm_source=mail#top", referer="https://search.example/")
    wait(page, lambda: len(collector.posts) == 1)
    headers, body = collector.posts[0]
    assert headers["path"] == "/v1/batch"
    assert headers["content-type"].startswith("text/plain")
    assert body["writeKey"] == "a-write-key"
    assert datetime.fromisoformat(body["sentAt"]).tzinfo is not None
    (event,) = body["batch"]
    url = f"{collector.site}/shop?utm_source=mail"
    assert len(event.pop("messageId")) == 36
    assert event.pop("timestamp") == body["sentAt"]
    assert event == {
        "type": "page",
        "properties": {"url": url, "path": "/shop", "referrer": "https://search.example/"},
        "context": {"page": {"url": url, "referrer": "https://search.example/"}},
    }


def test_every_view_has_an_id_of_its_own(collector: Collector, page: Page) -> None:
    page.goto(f"{collector.site}/")
    page.goto(f"{collector.site}/")
    wait(page, lambda: len(collector.posts) == 2)
    assert len({body["batch"][0]["messageId"] for _, body in collector.posts}) == 2


@pytest.mark.parametrize(
    ("script", "path"),
    [
        pytest.param("history.pushState({}, '', '/next')", "/next", id="pushState"),
        pytest.param("history.replaceState({}, '', '/next')", "/next", id="replaceState"),
        pytest.param("location.hash = '#/orders/7'", "/first/orders/7", id="hash router"),
        pytest.param("location.hash = '#!/orders'", "/first/orders", id="hashbang router"),
    ],
)
def test_a_router_within_one_document_makes_views(
    collector: Collector, page: Page, script: str, path: str
) -> None:
    page.goto(f"{collector.site}/first")
    wait(page, lambda: len(collector.posts) == 1)
    page.evaluate(script)
    wait(page, lambda: len(collector.posts) == 2)
    assert collector.urls() == [collector.site + "/first", collector.site + path]
    event = collector.posts[1][1]["batch"][0]
    assert event["context"]["page"]["referrer"] == collector.site + "/first"


def test_going_back_within_one_document_is_a_view(collector: Collector, page: Page) -> None:
    page.goto(f"{collector.site}/first")
    page.evaluate("history.pushState({}, '', '/next'); history.back()")
    wait(page, lambda: len(collector.posts) == 3)
    # Each on a connection of its own: in which order they arrive is the network's affair.
    assert sorted(collector.urls()) == [
        collector.site + path for path in ("/first", "/first", "/next")
    ]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("history.replaceState({}, '', location.href)", id="the same address"),
        pytest.param("history.pushState({}, '', '?sort=price')", id="another sort order"),
        pytest.param("location.hash = '#prices'", id="a place on the page"),
    ],
)
def test_what_stays_on_the_page_is_no_view(collector: Collector, page: Page, script: str) -> None:
    page.goto(f"{collector.site}/first")
    wait(page, lambda: len(collector.posts) == 1)
    page.evaluate(script)
    page.wait_for_timeout(ENOUGH_MS)
    assert len(collector.posts) == 1


def test_global_privacy_control_silences_it(collector: Collector, page: Page) -> None:
    page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"
    )
    page.goto(f"{collector.site}/")
    page.evaluate("history.pushState({}, '', '/next')")
    page.wait_for_timeout(ENOUGH_MS)
    assert collector.posts == []


def test_where_sending_a_beacon_fails_it_fetches(collector: Collector, page: Page) -> None:
    page.add_init_script("Navigator.prototype.sendBeacon = () => false")
    page.goto(f"{collector.site}/")
    wait(page, lambda: len(collector.posts) == 1)
    assert collector.posts[0][0]["content-type"].startswith("text/plain")


def test_it_stores_nothing_and_reads_nothing_of_the_device(
    collector: Collector, page: Page
) -> None:
    page.add_init_script("""
      window.read = [];
      const watch = (owner, name) => {
        const {get, ...rest} = Object.getOwnPropertyDescriptor(owner, name);
        Object.defineProperty(owner, name, {...rest, get() { read.push(name); return get.call(this); }});
      };
      for (const name of ["userAgent", "language", "languages", "platform", "hardwareConcurrency",
                          "deviceMemory", "plugins"]) {
        if (name in Navigator.prototype) watch(Navigator.prototype, name);
      }
      for (const name of ["width", "height", "colorDepth"]) watch(Screen.prototype, name);
      for (const name of ["cookie", "title"]) watch(Document.prototype, name);
      for (const name of ["localStorage", "sessionStorage", "indexedDB"]) watch(window, name);
    """)  # noqa: E501
    page.goto(f"{collector.site}/")
    wait(page, lambda: len(collector.posts) == 1)
    assert page.evaluate("read") == []
    assert page.context.storage_state() == {"cookies": [], "origins": []}
    headers, body = collector.posts[0]
    assert "cookie" not in headers
    assert "title" not in json.dumps(body)
