"""One world for the module: the embedded engine starts once. And a browser that is signed in."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, expect
from werkzeug.serving import make_server

from tests.browser import browser  # noqa: F401  the fixture
from tests.dashboards.world import World, fill
from tests.dashboards.world import world as made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with made(tmp_path_factory.mktemp("home")) as world:
        fill(world)
        yield world


@pytest.fixture(scope="module")
def client(world: World) -> FlaskClient:
    """Somebody signed in."""
    return world.client()


@pytest.fixture(scope="module")
def origin(world: World) -> Iterator[str]:
    """The app, served on the loopback."""
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def state(world: World, browser: Browser, origin: str) -> object:  # noqa: F811
    """The cookies of somebody who signed in by pressing the button."""
    link = world.people.invite("eve@example.com", "viewer", "reads the figures")
    context = browser.new_context(base_url=origin)
    page = context.new_page()
    page.goto(f"/sign-in/{link.token}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Sites")).to_be_visible()
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def context(
    browser: Browser,  # noqa: F811
    origin: str,
    state: object,
    request: pytest.FixtureRequest,
) -> Iterator[BrowserContext]:
    """Signed in; indirect parameters are options of the context."""
    options = {"viewport": {"width": 1280, "height": 900}} | getattr(request, "param", {})
    context = browser.new_context(base_url=origin, storage_state=state, **options)
    yield context
    context.close()
