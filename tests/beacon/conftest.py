"""One service for every test of this folder, and one tab for each test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.beacon.world import Site, open_site
from tests.browser import browser  # noqa: F401  the fixture
from tests.service import Service, running

KEPT = ("url", "form", "plan", "revenue", "lcp", "cls", "ttfb", "load")


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service") / "home", "web", "worker") as started:
        yield started


@pytest.fixture(scope="package")
def opened(service: Service) -> Iterator[Site]:
    key = service.facts("site", "add", "shop.example", "--policy", "exempt")["write_key"]
    kept = [word for name in KEPT for word in ("--property", name)]
    service.cli("site", "set", "shop.example", *kept)
    with open_site(service, key) as site:
        yield site


@pytest.fixture
def site(opened: Site) -> Site:
    """With the standard tag, on pages without anything."""
    opened.attributes()
    opened.html = ""
    opened.language = "en"
    opened.policy = "default-src * 'unsafe-inline' data:"
    return opened


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:  # noqa: F811
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def told(context: BrowserContext) -> list[dict[str, Any]]:
    """What the ledger was told; it answers as POST /v1/consent does."""
    bodies: list[dict[str, Any]] = []

    def answer(route: Route) -> None:
        bodies.append(json.loads(route.request.post_data or "null"))
        headers = {"Access-Control-Allow-Origin": "*"}
        receipt = {"receipt": "r-1", "status": "given", "subjectToken": "t-1"}
        route.fulfill(status=201, json=receipt, headers=headers)

    context.route("**/v1/consent", answer)
    return bodies


@pytest.fixture
def tab(context: BrowserContext, told: list[dict[str, Any]]) -> Page:
    return context.new_page()
