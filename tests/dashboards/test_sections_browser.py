"""The pages beside the overview in a real Chromium: one tour of all of them, and the moment's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from werkzeug.serving import make_server

from tests.browser import browser, watch  # noqa: F401  the fixture
from tests.dashboards.axe import LOOKS, faults
from tests.dashboards.sections_world import RIDES, WEB, fill, tell
from tests.dashboards.world import NOW, World
from tests.dashboards.world import world as empty

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with empty(tmp_path_factory.mktemp("home")) as built:
        fill(built)
        yield built


@pytest.fixture(scope="module")
def origin(made: World) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, made.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def state(made: World, browser: Browser, origin: str) -> object:  # noqa: F811
    """The cookies of an analyst."""
    link = made.people.invite("grace@example.com", "analyst", "asks questions")
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
    options = {"viewport": {"width": 1280, "height": 900}} | getattr(request, "param", {})
    made = browser.new_context(base_url=origin, storage_state=state, **options)
    yield made
    made.close()


@pytest.mark.parametrize("context", LOOKS, ids=["phone, dark", "desktop, light"], indirect=True)
def test_on_no_page_does_axe_find_a_fault_or_the_console_a_word(
    made: World, context: BrowserContext, origin: str
) -> None:
    site = made.sites.by_domain(RIDES)
    assert site is not None
    tell(made, site, {0: "20", 5: "<10", 10: "0"})
    page = context.new_page()
    seen = watch(page)
    for path in (
        f"{RIDES}/apps", f"{RIDES}/explore", f"{RIDES}/realtime", f"{RIDES}/data",
        f"{RIDES}/privacy", f"{WEB}/apps", f"{WEB}/explore",
    ):  # fmt: skip
        page.goto(f"/sites/{path}")
        for more in page.locator("details.behind > summary, .forms summary").all():
            more.click()
        assert faults(page) == [], path
    assert seen.errors == []
    assert seen.hosts == {origin.removeprefix("http://")}


def test_by_keyboard_an_explanation_opens_and_closes_and_a_goal_is_declared_and_withdrawn(
    context: BrowserContext,
) -> None:
    page = context.new_page()
    page.goto(f"/sites/{WEB}/explore")
    asked = page.locator("#funnels details.explain")
    asked.locator("summary").press("Enter")
    expect(asked.get_by_text("Steps that people take")).to_be_visible()
    page.keyboard.press("Escape")
    expect(asked).not_to_have_attribute("open", "")
    expect(asked.locator("summary")).to_be_focused()

    page.locator("#goals").get_by_role("link", name="Declare one").press("Enter")
    form = page.locator("#declare-goal")
    expect(form).to_have_attribute("open", "")
    form.get_by_label("Name", exact=True).fill("Called us")
    form.get_by_label("An event’s exact name").fill("Call")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Called us is declared")
    page.get_by_role("button", name="Withdraw Called us").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("You can take that back")
    page.get_by_role("button", name="Take back Called us").press("Enter")
    expect(page.get_by_role("row", name="Called us goal Call")).to_be_visible()


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], ids=[""], indirect=True)
def test_without_a_script_everything_can_be_read_and_done(
    made: World, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"/sites/{RIDES}/apps")
    page.get_by_text("The figures behind the chart").first.click()
    expect(page.get_by_role("rowheader", name="Sat 21 Nov 2026 not final").first).to_be_visible()
    page.goto(f"/sites/{RIDES}/realtime")
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Realtime")


def test_the_page_of_the_moment_looks_by_the_clock_and_not_while_it_is_hidden(
    made: World, context: BrowserContext
) -> None:
    site = made.sites.by_domain(RIDES)
    assert site is not None
    tell(made, site, {5: "<10"})
    page = context.new_page()
    page.clock.install(time=NOW + timedelta(seconds=1))
    page.goto(f"/sites/{RIDES}/realtime")
    expect(page.locator("#pulse")).to_have_text("Refreshes itself")
    expect(page.locator(".tier")).to_have_text("fewer than 10")
    tell(made, site, {0: "50", 5: "<10"})
    page.clock.run_for(20_000)
    expect(page.locator(".tier")).to_have_text("50 or more")

    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(HIDE, True)
    expect(page.locator("#pulse")).to_have_text("Paused while hidden")
    page.clock.run_for(300_000)
    assert asked == []
    tell(made, site, {0: "100"})
    page.evaluate(HIDE, False)
    expect(page.locator(".tier")).to_have_text("100 or more")
    expect(page.locator("#pulse")).to_have_text("Refreshes itself")

    page.route("**/realtime", lambda route: route.abort())
    page.clock.run_for(20_000)
    expect(page.locator("#pulse")).to_have_text("Out of reach; tries again")
    expect(page.locator(".tier")).to_have_text("100 or more")
