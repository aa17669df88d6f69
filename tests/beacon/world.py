"""A site of another origin than the service, whose pages load the beacon, and what was stored."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Error, Page

from tests.service import ROOT, Service, eventually

# Under this path the site's own server passes everything on to the service, as docs/beacon.md says.
OWN_PATH = "/blog-assets"


@dataclass
class Site:
    """`html` is what every page shows besides the tag, under `policy` for its contents."""

    service: Service
    key: str
    origin: str = ""
    tag: str = ""
    html: str = ""
    language: str = "en"
    policy: str = "default-src * 'unsafe-inline' data:"

    def attributes(self, script: str = "discreet.js", **attributes: str) -> None:
        """The tag of every page from now on; `data_consent` stands for `data-consent`."""
        standard = {
            "src": f"{self.service.origin}/js/{script}",
            "data-key": self.key,
            "data-policy": "exempt",
        }
        attributes = standard | {k.replace("_", "-"): v for k, v in attributes.items()}
        words = " ".join(f'{name}="{value}"' for name, value in attributes.items())
        self.tag = f"<script defer {words}></script>"

    def page(self) -> bytes:
        return (
            f"<!doctype html><html lang={self.language}><title>A title</title>"
            "<link rel=icon href=data:,><meta name=viewport content='width=device-width'>"
            f"<body>{self.html}{self.tag}"
        ).encode()

    def rows(self, path: str, *columns: str, least: int = 1) -> list[tuple[Any, ...]]:
        """What was stored of a page and those below it, as soon as it is so many, without doubles.

        In the order of the columns' values. 0 is for `nothing`.
        """
        sql = (
            f"SELECT {', '.join(columns)} FROM (SELECT * FROM events WHERE page LIKE"
            " {path:String} ORDER BY received LIMIT 1 BY event_id) ORDER BY ALL"
        )
        return eventually(
            lambda: len(found := self.service.rows(sql, path=f"{path}%")) >= least and found,
            lambda: f"{least} rows of {path}; there are {self.service.rows(sql, path=f'{path}%')}",
        )

    def nothing(self, path: str) -> None:
        """Nothing of this page was stored, though what came after it was."""
        requests.post(
            f"{self.service.origin}/v1/page",
            json={"writeKey": self.key, "properties": {"url": f"{self.origin}/after{path}"}},
            timeout=20,
        )
        self.rows(f"/after{path}", "page")
        assert (
            self.service.rows(
                "SELECT name FROM events WHERE page LIKE {path:String}", path=f"{path}%"
            )
            == []
        )

    def handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path.startswith(OWN_PATH):
                    answer = requests.get(
                        site.service.origin + path.removeprefix(OWN_PATH), timeout=20
                    )
                    self._answer(answer.headers["Content-Type"], answer.content)
                elif path == "/module.js":
                    module = ROOT / "clients/beacon/dist/discreet.js"
                    self._answer("text/javascript", module.read_bytes())
                elif path.endswith(".txt"):
                    self._answer("text/plain", b"")
                else:
                    self._answer("text/html; charset=utf-8", site.page())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not self.path.startswith(OWN_PATH):
                    self._answer("text/html; charset=utf-8", site.page())
                    return
                answer = requests.post(
                    site.service.origin + self.path.removeprefix(OWN_PATH),
                    body,
                    headers={name: self.headers[name] for name in ("Content-Type", "User-Agent")},
                    timeout=20,
                )
                self._answer(answer.headers["Content-Type"], answer.content)

            def _answer(self, kind: str, content: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Security-Policy", site.policy)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


def at_once(call: str) -> str:
    """What a page says as soon as the beacon is there: before its first event leaves."""
    return f"<script>addEventListener('DOMContentLoaded', () => {{ {call} }})</script>"


def arrived(tab: Page, told: list[Any]) -> None:
    """Waits until something was told: Playwright only hears of it while it waits itself."""
    for _ in range(200):
        if told:
            return
        tab.wait_for_timeout(50)


def sent(tab: Page, lead: Callable[[], Any]) -> None:
    """Does what leads to a batch, and returns once it is on its way."""
    with tab.expect_request("**/v1/batch"):
        lead()


def left(site: Site, tab: Page, network: Callable[[], Any] = lambda: None) -> None:
    """Leaves the page for one without the beacon, which has done by then what it does when it is
    left. `network` is done in between.
    """
    tab.evaluate("addEventListener('visibilitychange', () => localStorage.setItem('left', 1))")
    tab.goto("about:blank")
    network()
    tab.goto(f"{site.origin}/none.txt")
    until(tab, "localStorage.left")
    tab.evaluate("localStorage.removeItem('left')")


@contextmanager
def open_site(service: Service, key: str) -> Iterator[Site]:
    site = Site(service, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), site.handler())
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    site.origin = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def until(tab: Page, expression: str, seconds: float = 30) -> None:
    """Returns once an expression is true on the page. Playwright's own way to wait evaluates text
    in the page, which its content-security policy forbids.
    """
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(Error):  # what it looks at may not be there yet
            if tab.evaluate(expression):
                return
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {expression}"
        tab.wait_for_timeout(50)
