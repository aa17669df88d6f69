"""Every capability of the beacon in a real Chromium, by what the service stored in the end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page

from dashboards.assets import scripts
from tests.beacon.world import OWN_PATH, Site, at_once, left, until
from tests.browser import launch

GRANT = "void discreet.consent({analytics: true})"
# Fulfilled once the largest paint was observed, which the beacon's observer was told before.
PAINTED = """new Promise((then) =>
  new PerformanceObserver(then).observe({type: "largest-contentful-paint", buffered: true}))
  .then(() => true)"""
DENY_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("blocked", "SecurityError"); }
})"""


def leave(tab: Page) -> None:
    """As a person leaves a page for another."""
    tab.goto("about:blank")


def test_a_page_view_is_stored(site: Site, tab: Page) -> None:
    address = "/viewed?secret=1&utm_source=letter&utm_campaign=may#top"
    tab.goto(site.origin + address, referer="https://www.google.com/")
    columns = ("name", "page", "source", "utm_source", "utm_campaign", "basis")
    assert site.rows("/viewed", *columns) == [
        ("pageview", "/viewed", "letter", "letter", "may", "exempt")
    ]


@pytest.mark.parametrize(
    ("path", "script", "then"),
    [
        pytest.param("/push", "history.pushState({}, '', '/push/next')", "/push/next", id="push"),
        pytest.param("/repl", "history.replaceState({}, '', '/repl/b')", "/repl/b", id="replace"),
        pytest.param("/hash", "location.hash = '#/orders/7?a=1'", "/hash/orders/7", id="hash"),
        pytest.param("/bang", "location.hash = '#!/orders'", "/bang/orders", id="hashbang"),
    ],
)
def test_a_router_within_one_document_makes_views(
    site: Site, tab: Page, path: str, script: str, then: str
) -> None:
    tab.goto(f"{site.origin}{path}?sort=1")
    tab.evaluate(script)
    assert site.rows(path, "page", "name", least=2) == [(path, "pageview"), (then, "pageview")]


def test_going_back_is_a_view_and_what_stays_on_the_page_is_none(site: Site, tab: Page) -> None:
    tab.goto(f"{site.origin}/back")
    tab.evaluate("history.pushState({}, '', '?sort=price'); location.hash = '#prices'")
    tab.evaluate("history.pushState({}, '', '/back/next')")
    tab.evaluate("history.back()")
    tab.wait_for_url("**/back?sort=price#prices")
    leave(tab)
    assert site.rows("/back", "page", least=3) == [("/back",), ("/back",), ("/back/next",)]


def test_a_page_out_of_the_back_forward_cache_is_seen_again(
    site: Site,
    browser: Browser,
) -> None:
    chromium = launch(browser.browser_type, without=["--disable-back-forward-cache"])
    tab = chromium.new_page()
    with tab.expect_response("**/v1/batch"):  # a page that waits for one may not be cached
        tab.goto(f"{site.origin}/cached")
    tab.evaluate("window.cached = true")
    tab.goto(f"{site.origin}/none.txt")
    tab.evaluate("setTimeout(() => history.back())")
    until(tab, "window.cached")
    assert len(site.rows("/cached", "page", least=2)) == 2
    chromium.close()


def test_a_page_prepared_in_the_background_is_seen_when_it_is_shown(site: Site, tab: Page) -> None:
    tab.add_init_script(
        "window.preparing = true;"
        "Object.defineProperty(Document.prototype, 'prerendering', {get: () => preparing})"
    )
    tab.goto(f"{site.origin}/prepared")
    site.nothing("/prepared")
    tab.evaluate("preparing = false; document.dispatchEvent(new Event('prerenderingchange'))")
    assert len(site.rows("/prepared", "page")) == 1


def test_engagement_and_scrolling_are_reported_when_a_page_is_left(site: Site, tab: Page) -> None:
    site.html = "<div style='height: 4000px'>long</div>"
    tab.set_viewport_size({"width": 800, "height": 1000})
    tab.clock.install()
    tab.goto(f"{site.origin}/long")
    tab.mouse.wheel(0, 1000)
    until(tab, "scrollY > 900")
    tab.clock.run_for(1100)
    leave(tab)
    [(_, _), (name, spent, depth)] = [
        row if row[0] == "engagement" else row[:2]
        for row in reversed(site.rows("/long", "name", "engagement", "scroll", least=2))
    ]
    assert name == "engagement"
    assert 1000 <= spent < 20_000
    assert 45 <= depth <= 60


def test_the_time_of_a_page_in_the_background_does_not_count(site: Site, tab: Page) -> None:
    now = int(time.time())
    tab.clock.install(time=now)
    tab.clock.pause_at(now + 1)
    tab.goto(f"{site.origin}/aside")
    tab.clock.run_for(1100)
    tab.evaluate(
        "Object.defineProperty(Document.prototype, 'hasFocus', {value: () => false});"
        "dispatchEvent(new Event('blur'))"
    )
    tab.clock.run_for(900)
    leave(tab)
    [engaged] = [row[1] for row in site.rows("/aside", "name", "engagement", least=2) if row[1]]
    assert engaged == 1100


def test_a_router_s_pages_have_their_own_engagement(site: Site, tab: Page) -> None:
    tab.clock.install()
    tab.goto(f"{site.origin}/spa")
    tab.clock.run_for(1100)
    tab.evaluate("history.pushState({}, '', '/spa/next')")
    leave(tab)
    assert site.rows("/spa", "page", "name", least=3) == [
        ("/spa", "engagement"), ("/spa", "pageview"), ("/spa/next", "pageview"),
    ]  # fmt: skip


def test_links_files_and_forms_are_events_without_what_was_asked_or_typed(
    site: Site, tab: Page
) -> None:
    site.html = """<a id=out href="http://127.0.0.2:9/there?secret=1"><b>out</b></a>
      <a id=file href="/prices.PDF?secret=1">file</a><a id=in href="/linked/in">in</a>
      <form id=order method=post><input name=mail value=secret><button>send</button></form>
      <script>addEventListener("click", (event) => event.preventDefault())</script>
      <script>addEventListener("submit", (event) => event.preventDefault())</script>"""
    tab.goto(f"{site.origin}/linked")
    tab.evaluate(GRANT)
    tab.click("#out b")
    tab.click("#file", button="middle")
    tab.click("#out", button="right")
    tab.click("#in")
    tab.evaluate("document.forms[0].requestSubmit()")
    assert site.rows("/linked", "name", "props", least=4) == [
        ("File Download", {"url": site.origin.replace("127.0.0.1", "{address}") + "/prices.PDF"}),
        ("Form: Submission", {"form": "order"}),
        ("Outbound Link: Click", {"url": "http://{address}:9/there"}),
        ("pageview", {}),
    ]


def test_a_page_that_does_not_exist_says_so(site: Site, tab: Page) -> None:
    site.attributes(data_404="")
    tab.goto(f"{site.origin}/missing")
    assert site.rows("/missing", "name", least=2) == [("404",), ("pageview",)]


def test_events_of_the_page_carry_properties_and_revenue(site: Site, tab: Page) -> None:
    site.html = "<script>window.discreet = {q: [['Early', {}]]}</script>"
    tab.goto(f"{site.origin}/bought")
    tab.evaluate(GRANT)
    props = {"plan": "pro", "unheard": "x", "revenue": 12.5, "currency": "EUR"}
    tab.evaluate("(props) => discreet('Bought', {props})", props)
    rows = site.rows("/bought", "name", "props", "toFloat64(revenue)", "currency", least=3)
    assert rows == [
        ("Bought", {"plan": "pro"}, 12.5, "EUR"), ("Early", {}, 0.0, ""), ("pageview", {}, 0.0, ""),
    ]  # fmt: skip


def test_a_page_may_tell_its_views_itself(site: Site, tab: Page) -> None:
    site.attributes(data_manual="")
    tab.goto(f"{site.origin}/self")
    tab.evaluate("discreet('pageview', {url: location.origin + '/self/told'})")
    assert site.rows("/self", "name", "page") == [("pageview", "/self/told")]


def test_vitals_are_told_as_ratings_of_those_who_agreed(site: Site, tab: Page) -> None:
    site.html = "<h1>Something to paint</h1>"
    tab.goto(f"{site.origin}/quick")
    tab.evaluate(GRANT)
    tab.evaluate(PAINTED)
    leave(tab)
    [told] = [row[1] for row in site.rows("/quick", "name", "props", least=2) if row[1]]
    assert told.keys() >= {"lcp", "ttfb", "load"}
    assert set(told.values()) <= {"good", "needs-improvement", "poor"}


def test_a_hook_changes_an_event_or_stops_it(site: Site, tab: Page) -> None:
    site.html = """<script>window.discreet = {before(event) {
      event.context.page.url = event.context.page.url.replace("anna", "name");
      return event.event !== "Stopped" && event;
    }}</script>"""
    tab.goto(f"{site.origin}/hooked/anna")
    tab.evaluate("discreet('Stopped'); discreet('Passed')")
    assert site.rows("/hooked", "name", "page", least=2) == [
        ("Passed", "/hooked/name"), ("pageview", "/hooked/name"),
    ]  # fmt: skip


def test_a_browser_can_be_left_out_of_the_figures(site: Site, tab: Page) -> None:
    site.attributes(data_consent="")
    tab.goto(f"{site.origin}/mine")
    tab.evaluate("discreet.ignore(); discreet('Mine')")
    tab.goto(f"{site.origin}/mine/again")
    site.nothing("/mine")
    tab.evaluate("discreet.ignore(false)")
    tab.goto(f"{site.origin}/mine/back")
    leave(tab)
    assert ("/mine/back", "pageview") in site.rows("/mine/back", "page", "name")


def test_events_travel_in_batches(site: Site, tab: Page) -> None:
    posts: list[Any] = []
    tab.on(
        "request", lambda request: posts.append(request.post_data) if request.post_data else None
    )
    site.html = at_once("for (let number = 0; number < 30; number++) discreet('Many')")
    tab.goto(f"{site.origin}/many")
    assert len(site.rows("/many", "name", least=31)) == 31
    tab.evaluate("1")  # Playwright tells of requests in between only
    assert [len(json.loads(body)["batch"]) for body in posts] == [20, 11]


def test_what_did_not_arrive_is_sent_again_and_counts_once(
    site: Site, tab: Page, context: BrowserContext
) -> None:
    tries: list[str] = []

    def refuse(route: Any) -> None:
        tries.append(route.request.post_data)
        if len(tries) == 1:
            route.fulfill(status=503)
        elif len(tries) == 2:
            route.fetch()  # arrives, and the answer is lost
            route.abort()
        else:
            route.continue_()

    context.route("**/v1/batch", refuse)
    tab.clock.install()
    tab.goto(f"{site.origin}/again")
    for _ in range(100):
        tab.clock.run_for(4000)
        tab.wait_for_timeout(50)
        if len(tries) == 3:
            break
    assert len(tries) == 3
    assert len({json.loads(body)["batch"][0]["messageId"] for body in tries}) == 1
    assert site.rows("/again", "name") == [("pageview",)]


def test_a_tab_that_is_closed_at_once_is_counted(site: Site, tab: Page) -> None:
    tab.goto(f"{site.origin}/gone")
    tab.close(run_before_unload=True)
    assert site.rows("/gone", "name") == [("pageview",)]


def test_where_no_beacon_can_be_sent_a_request_outlives_the_page(site: Site, tab: Page) -> None:
    tab.add_init_script("Navigator.prototype.sendBeacon = () => false")
    tab.goto(f"{site.origin}/outlived")
    leave(tab)
    assert site.rows("/outlived", "name") == [("pageview",)]


def test_events_without_a_network_wait_for_the_next_page_of_those_who_agreed(
    site: Site, tab: Page, context: BrowserContext
) -> None:
    site.attributes(data_consent="")
    tab.goto(f"{site.origin}/offline")
    tab.evaluate(GRANT)
    until(tab, "JSON.parse(localStorage.discreet).id")
    context.set_offline(True)
    tab.evaluate("discreet('Alone')")
    left(site, tab, lambda: context.set_offline(False))
    tab.goto(f"{site.origin}/offline/later")
    leave(tab)
    names = site.rows("/offline", "name", "page", "uniqExact(visitor) OVER ()", least=3)
    assert ("Alone", "/offline", 1) in names


def test_the_network_may_be_cut_and_come_back(
    site: Site, tab: Page, context: BrowserContext
) -> None:
    tab.goto(f"{site.origin}/cut")
    context.set_offline(True)
    with tab.expect_event("requestfailed"):
        tab.evaluate("discreet('In between')")
    context.set_offline(False)
    assert site.rows("/cut", "name", least=2) == [("In between",), ("pageview",)]
    assert tab.evaluate("localStorage.length") == 0


def test_where_storage_is_blocked_nothing_breaks_and_nobody_is_followed(
    site: Site, tab: Page
) -> None:
    tab.add_init_script(DENY_STORAGE)
    tab.goto(f"{site.origin}/blocked")
    tab.evaluate(GRANT)
    tab.evaluate("discreet('Done', {props: {plan: 'pro'}})")
    rows = site.rows("/blocked", "name", "basis", "props", least=2)
    assert ("Done", "consent", {"plan": "pro"}) in rows


def test_it_works_in_a_frame_of_another_site(site: Site, tab: Page) -> None:
    frame = f"<iframe sandbox=allow-scripts src='{site.origin}/framed'></iframe>"
    tab.route("**/framing", lambda route: route.fulfill(body=frame, content_type="text/html"))
    tab.goto(f"{site.origin}/framing")
    assert site.rows("/framed", "name") == [("pageview",)]


def test_under_a_path_of_the_site_s_own_blockers_find_nothing_to_block(
    site: Site, tab: Page, context: BrowserContext
) -> None:
    blocked: list[str] = []
    context.route(
        "**/js/discreet.js", lambda route: (blocked.append(route.request.url), route.abort())
    )
    tab.goto(f"{site.origin}/blocker")
    assert len(blocked) == 1
    site.nothing("/blocker")
    # The script may have any name there, and posts beside itself.
    site.attributes(src=f"{site.origin}{OWN_PATH}/js/core.js")
    tab.goto(f"{site.origin}/blocker")
    assert site.rows("/blocker", "name") == [("pageview",)]


def test_a_tag_with_an_integrity_runs_these_bytes_or_none(site: Site, tab: Page) -> None:
    script = scripts()["discreet.js"]
    address = f"{site.service.origin}/js/{script['name']}"
    answer = requests.get(address, timeout=20)
    assert "immutable" in answer.headers["Cache-Control"]
    site.attributes(src=address, integrity=script["integrity"], crossorigin="anonymous")
    tab.goto(f"{site.origin}/pinned")
    assert site.rows("/pinned", "name") == [("pageview",)]
    site.attributes(src=address, integrity="sha384-" + "A" * 64, crossorigin="anonymous")
    tab.goto(f"{site.origin}/pinned/other")
    site.nothing("/pinned/other")


def test_the_module_does_what_the_tag_does(site: Site, tab: Page) -> None:
    site.tag = f"""<script type=module>import {{ init }} from "/module.js";
      const discreet = init({{key: "{site.key}", api: "{site.service.origin}/v1/batch"}});
      discreet("From the module");</script>"""
    tab.goto(f"{site.origin}/module")
    assert site.rows("/module", "name", least=2) == [("From the module",), ("pageview",)]


def test_the_core_counts_views_and_engagement(site: Site, tab: Page) -> None:
    site.attributes("core.js")
    tab.clock.install()
    tab.goto(f"{site.origin}/core")
    tab.evaluate("history.pushState({}, '', '/core/next')")
    tab.clock.run_for(1100)
    leave(tab)
    assert site.rows("/core", "name", "page", least=3) == [
        ("engagement", "/core/next"), ("pageview", "/core"), ("pageview", "/core/next"),
    ]  # fmt: skip
