"""A site that loads Plausible's script from here instead: in a real Chromium, up to the spool."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page
from playwright.sync_api import Request as Sent
from werkzeug.serving import make_server

from dashboards import assets
from ingest.views import init
from tests.browser import browser  # noqa: F401  the fixture
from tests.ingest.world import CHROME, World, make

BODY = """<!doctype html><title>Shop</title><link rel=icon href=data:,>
<a id=out href="http://127.0.0.2:9/there?secret=1">out</a>
<a id=file href="/price-list.pdf?secret=1">file</a>
<a id=tagged class="plausible-event-name=Sign+up plausible-event-plan--pro
  plausible-revenue-amount=12.50 plausible-revenue-currency=EUR"
  href="http://127.0.0.2:9/join?secret=1"><b id=inside>join</b></a>
<form id=form onsubmit="return false"><button id=send>send</button></form>
<script>addEventListener('click', (event) => event.target.closest('a') && event.preventDefault())
</script>"""
# What Plausible shows to be pasted, since October 2025.
SNIPPET = """<script>window.plausible=window.plausible||function(){(plausible.q=plausible.q||[])
.push(arguments)},plausible.init=plausible.init||function(i){plausible.o=i||{}};
plausible.init(%s)</script>"""


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def serving(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Shop:
    """A page of another origin that loads a tag, and what it told the collector."""

    world: World
    origin: str
    tab: Page
    html: str = ""
    port: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)

    def open(self, name: str, attributes: str = 'data-domain="example.com"', **more: str) -> None:
        """The page with the script of that name; `before` and `after` stand around its tag."""
        tag = f'<script defer {attributes} src="{self.origin}/js/{name}"></script>'
        self.html = f"{BODY}{more.get('before', '')}{tag}{more.get('after', '')}"
        self.tab.goto(f"http://127.0.0.1:{self.port}{more.get('path', '/pricing')}")

    def hear(self, request: Sent) -> None:
        if request.method == "POST":
            self.told += json.loads(request.post_data or "{}")["batch"]

    def names(self, count: int) -> list[str]:
        """The names of so many events, sorted, once they are stored; and of no more."""
        for _ in range(100):
            if len(self.world.rows()) >= count:
                break
            self.tab.wait_for_timeout(50)
        self.tab.wait_for_timeout(350)  # longer than the beacon waits for others
        return sorted(row["name"] for row in self.world.rows())

    def properties(self, name: str) -> dict[str, Any]:
        [event] = [event for event in self.told if event["event"] == name]
        properties: dict[str, Any] = event["properties"]
        return properties


@pytest.fixture
def shop(tmp_path: Path, browser: Browser) -> Iterator[Shop]:  # noqa: F811
    world = make(tmp_path)
    app = Flask("shop")
    init(app, world)
    app.register_blueprint(assets.blueprint())
    collector = make_server("127.0.0.1", 0, app, threaded=True)
    context = browser.new_context(user_agent=CHROME)
    made = Shop(world, f"http://127.0.0.1:{collector.port}", context.new_page())
    context.on("request", made.hear)

    class Pages(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(made.html.encode())

    pages = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    made.port = pages.server_port
    with serving(collector), serving(pages):
        yield made
        context.close()
    world.spool.close()
    world.control.dispose()
    world.keys._engine.dispose()


def test_changing_one_address_is_enough(shop: Shop) -> None:
    shop.open("script.local.js?v=/2")
    assert shop.names(1) == ["pageview"]
    [row] = shop.world.rows()
    assert (row["page"], row["browser"], row["basis"]) == ("/pricing", "Chrome", "exempt")


def test_links_and_files_are_told_where_the_name_says_so(shop: Shop) -> None:
    shop.open("plausible.outbound-links.local.file-downloads.js")
    for target in ("out", "file", "send"):
        shop.tab.click(f"#{target}")
    assert shop.names(3) == ["File Download", "Outbound Link: Click", "pageview"]
    assert shop.properties("Outbound Link: Click")["url"] == "http://127.0.0.2:9/there"
    assert shop.properties("File Download")["url"].endswith("/price-list.pdf")


def test_links_and_files_are_not_told_where_it_does_not(shop: Shop) -> None:
    shop.open("script.local.js")
    for target in ("out", "file", "tagged", "send"):
        shop.tab.click(f"#{target}")
    assert shop.names(1) == ["pageview"]


def test_manual_tells_what_the_page_tells(shop: Shop) -> None:
    calls = "<script>plausible('pageview', {u: 'https://example.com/chosen?utm_source=x'})</script>"
    queue = "<script>plausible = function() { (plausible.q = plausible.q || []).push(arguments) }"
    shop.open("script.local.manual.js", before=f"{queue}</script>", after=calls)
    assert shop.names(1) == ["pageview"]
    [row] = shop.world.rows()
    assert (row["hostname"], row["page"], row["utm_source"]) == ("example.com", "/chosen", "x")


def test_an_event_with_properties_money_and_a_callback(shop: Shop) -> None:
    shop.open("script.local.revenue.js")
    shop.tab.evaluate(
        """() => new Promise((callback) => plausible('Bought', {
            props: { plan: 'pro' }, revenue: { amount: '12.50', currency: 'EUR' }, callback }))"""
    )
    assert shop.names(2) == ["Bought", "pageview"]
    assert shop.properties("Bought") == {"plan": "pro", "revenue": 12.5, "currency": "EUR"}


def test_tagged_elements_have_events_of_their_own_and_no_others(shop: Shop) -> None:
    shop.open("script.local.outbound-links.tagged-events.js")
    shop.tab.click("#inside")
    assert shop.names(2) == ["Sign up", "pageview"]
    assert shop.properties("Sign up") == {
        "plan": "pro",
        "url": "http://127.0.0.2:9/join",
        "revenue": 12.5,
        "currency": "EUR",
    }


def test_properties_of_the_tag_go_with_every_event(shop: Shop) -> None:
    attributes = 'data-domain="example.com" event-author="ann" event-plan=pro'
    shop.open("script.local.pageview-props.js", attributes)
    assert shop.names(1) == ["pageview"]
    told = shop.properties("pageview")
    assert (told["author"], told["plan"]) == ("ann", "pro")


def test_a_hash_counts_as_a_page(shop: Shop) -> None:
    shop.open("script.hash.local.js", path="/app#/orders")
    shop.tab.evaluate("location.hash = '#/orders/7'")
    assert shop.names(2)[-2:] == ["pageview", "pageview"]
    pages = [row["page"] for row in shop.world.rows() if row["name"] == "pageview"]
    assert pages == ["/app/orders", "/app/orders/7"]


@pytest.mark.parametrize(
    ("attribute", "path", "counted"),
    [
        ("data-exclude='/admin/**, /blog/*'", "/admin/a/b", False),
        ("data-exclude='/admin/**, /blog/*'", "/blog/first/second", True),
        ("data-exclude='/a.b'", "/axb", True),
        ("data-include='/shop**'", "/pricing", False),
    ],
)
def test_excluded_pages_are_not_counted(
    shop: Shop, attribute: str, path: str, counted: bool
) -> None:
    shop.open("script.exclusions.local.js", f"data-domain=example.com {attribute}", path=path)
    shop.tab.evaluate("plausible('Always')")
    assert "Always" in shop.names(1 + counted)
    assert [row["page"] for row in shop.world.rows() if row["name"] == "pageview"] == (
        [path] if counted else []
    )


def test_the_script_of_a_site_waits_for_its_settings(shop: Shop) -> None:
    shop.world.sites.add("127.0.0.1", "Europe/Brussels", "exempt", "BE")
    config = """{ captureOnLocalhost: true, outboundLinks: false, customProperties: { plan: 'pro' },
      transformRequest: (p) => p.n === 'Secret' ? null : { ...p, u: p.u + '?utm_source=t' } }"""
    shop.open("pa-Abc123.js", "", after=SNIPPET % config)
    shop.tab.evaluate("plausible('Secret')")
    for target in ("out", "file", "send"):
        shop.tab.click(f"#{target}")
    assert shop.names(3) == ["File Download", "Form: Submission", "pageview"]
    assert {row["utm_source"] for row in shop.world.rows()} == {"t"}
    assert shop.properties("pageview")["plan"] == "pro"


def test_nothing_is_told_of_a_machine_of_ones_own_unless_asked_for(shop: Shop) -> None:
    shop.open("script.js")
    shop.tab.evaluate("plausible('Bought')")
    assert shop.names(0) == []


def test_an_objecting_browser_is_silent(shop: Shop) -> None:
    shop.tab.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true })"
    )
    shop.open("script.local.outbound-links.js")
    shop.tab.click("#out")
    assert shop.names(0) == []
    assert shop.told == []
