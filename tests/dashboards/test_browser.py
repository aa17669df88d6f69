"""The pages in a real Chromium: what its console says, whom it asks, where the keyboard leads."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser import watch
from tests.dashboards.axe import LOOKS, faults
from tests.dashboards.world import World

SHOP = "/sites/shop.example.com"
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  const seen = (list) => list.getEntries().forEach((entry) => { sum += entry.value; });
  new PerformanceObserver(seen).observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => done(sum)));
})"""


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({"viewport": {"width": width, "height": 844}, "color_scheme": scheme}, id=name)
        for name, width, scheme in (
            ("phone, light", 390, "light"),
            ("phone, dark", 390, "dark"),
            ("desktop, light", 1280, "light"),
            ("desktop, dark", 1280, "dark"),
        )
    ],
    indirect=True,
)
def test_pages_are_quiet_ask_nobody_else_and_stand_still(
    context: BrowserContext, origin: str
) -> None:
    page = context.new_page()
    seen = watch(page)
    for path in ("/", SHOP, f"{SHOP}?period=day", f"{SHOP}/page", "/sites/blog.example.org",
                 "/sites/tiny.example.net", "/sites/new.example.com"):  # fmt: skip
        page.goto(path)
        if path.startswith(SHOP) and "/page" not in path:
            expect(page.locator("#chart .plot polyline").first).to_be_visible()
        assert page.evaluate(SHIFTS) < 0.01, path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert seen.errors == []
    assert seen.hosts == {origin.removeprefix("http://")}


@pytest.mark.parametrize("context", LOOKS, ids=["phone", "desktop"], indirect=True)
def test_axe_finds_nothing_on_any_page(context: BrowserContext) -> None:
    page = context.new_page()
    for path in ("/", SHOP, f"{SHOP}/page", "/sites/blog.example.org", "/sites/tiny.example.net",
                 "/sites/new.example.com", "/sites/nowhere.example", "/sign-in"):  # fmt: skip
        page.goto(path)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert faults(page) == [], path


def test_the_chart_tells_its_figures_to_pointer_and_keyboard(context: BrowserContext) -> None:
    page = context.new_page()
    seen = watch(page)
    page.goto(f"{SHOP}?period=7d")
    plot = page.get_by_role("slider", name="Visitors over time")
    plot.hover()
    expect(page.locator("#chart .tip strong")).to_contain_text("visitors")
    plot.focus()
    page.keyboard.press("End")
    expect(plot).to_have_attribute(
        "aria-valuetext", re.compile(r"Sunday 22 Nov 2026 still open: \d+")
    )
    page.keyboard.press("ArrowLeft")
    expect(plot).to_have_attribute("aria-valuetext", re.compile("Saturday 21 Nov 2026 provisional"))
    assert seen.errors == []


def test_a_tab_changes_its_card_alone_and_a_row_filters_the_page(context: BrowserContext) -> None:
    page = context.new_page()
    seen = watch(page)
    page.goto(SHOP)
    page.get_by_role("link", name="Map", exact=True).press("Enter")
    country = page.get_by_role("link", name=re.compile("Belgium: [0-9,]+"))
    expect(country).to_be_visible()
    expect(page).to_have_url(re.compile("places=map"))
    expect(page.get_by_role("link", name="Map", exact=True)).to_be_focused()
    country.press("Enter")
    expect(page.get_by_text("Countries: Belgium")).to_be_visible()
    expect(page).to_have_url(re.compile("country=BE"))
    page.get_by_role("link", name="Remove the filter Countries: Belgium").press("Enter")
    expect(page.get_by_text("Countries: Belgium")).to_have_count(0)
    assert seen.errors == []


def test_an_analyst_notes_a_day_of_the_chart_by_keyboard_alone(
    world: World, browser: Browser, origin: str
) -> None:
    link = world.people.invite("ann@example.com", "analyst", "keeps the figures")
    context = browser.new_context(base_url=origin)
    page = context.new_page()
    page.goto(f"/sign-in/{link.token}")
    page.get_by_role("button", name="Sign in").press("Enter")
    expect(page.get_by_role("heading", name="Sites")).to_be_visible()
    page.goto(SHOP)
    page.get_by_role("slider", name="Visitors over time").focus()
    for key in ("Home", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_label("Note: a release")).to_be_focused()
    expect(page.get_by_label("Day", exact=True)).to_have_value("2026-10-27")
    page.keyboard.type("Release 4")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The note is on the chart.")).to_be_visible()
    expect(page.locator(".mark title")).to_have_text("Release 4")
    page.get_by_role("button", name=re.compile("Remove.*Release 4")).press("Enter")
    expect(page.get_by_text("The note is removed.")).to_be_visible()
    expect(page.locator(".mark")).to_have_count(0)
    context.close()


def test_the_keyboard_leads_through_the_page_in_reading_order(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(SHOP)
    order = []
    for _ in range(26):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert order[:3] == ["Skip to content", "Discreet", "eve@example.com"]
    wanted = ["Overview", "All sites", "Set up", "Visitors", "Visits", "Bounce rate"]
    assert [text for text in order if text in wanted] == wanted


def test_the_skip_link_skips_to_the_content(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(SHOP)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="All sites")).to_be_focused()


def test_the_period_menu_works_by_keyboard_and_closes_with_escape(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(SHOP)
    menu = page.locator("details.menu").last
    menu.locator("> summary").press("Enter")
    expect(menu).to_have_attribute("open", "")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Today")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(menu.locator("> summary")).to_be_focused()


@pytest.mark.parametrize(
    "context", [{"java_script_enabled": True}, {"java_script_enabled": False}],
    ids=["with a script", "without a script"], indirect=True,
)  # fmt: skip
def test_days_of_ones_own_can_be_chosen(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{SHOP}?metric=pageviews")
    menu = page.locator("details.menu").last
    menu.locator("> summary").click()
    page.get_by_label("From").fill("2026-11-02")
    page.get_by_label("To").fill("2026-11-08")
    page.get_by_role("button", name="Show these days").click()
    expect(menu.locator("> summary")).to_contain_text("2 – 8 Nov 2026")
    expect(page.locator(".tile.current")).to_contain_text("Page views")


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True, ids=[""])
def test_without_a_script_the_page_says_the_same(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{SHOP}?period=7d")
    expect(page.locator("#chart .plot polyline").first).to_be_visible()
    page.get_by_text("The figures behind the chart").click()
    expect(page.get_by_role("rowheader", name="Sunday 22 Nov 2026 still open")).to_be_visible()


def test_signing_out_leads_back_to_the_door(world: World, browser: Browser, origin: str) -> None:
    link = world.people.invite("bob@example.com", "viewer", "reads the figures")
    context = browser.new_context(base_url=origin)
    page = context.new_page()
    page.goto(f"/sign-in/{link.token}")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    page.goto(SHOP)
    expect(page).to_have_url(f"{origin}/sign-in")
    context.close()
