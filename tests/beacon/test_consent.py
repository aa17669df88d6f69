"""Nothing before a grant, what a grant allows, and nothing of it after a withdrawal."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.beacon.world import Site, arrived, at_once, left, sent, until

GRANT = "void discreet.consent({analytics: true, product: false})"
REFUSE = "void discreet.consent({analytics: false, product: false})"
RECEIPT = "JSON.parse(localStorage.discreet).receipt"
DAY = 86_400_000  # milliseconds

# Counts every use of what tells something of a device or keeps something on it. Allowed is what the
# beacon needs and the request says anyway: the page's address and referrer, whether it is shown
# and focused, objections, and the ways to send.
TRAPS = """
window.used = [];
const note = (name) => { used.push(name); };
const trap = (owner, name) => {
  const found = owner && Object.getOwnPropertyDescriptor(owner, name);
  if (!found || !found.configurable) return;
  const {get, set, value} = found;
  if (get) Object.defineProperty(owner, name, {configurable: true,
    get() { note(name); return get.call(this); },
    set(given) { note(name); return set && set.call(this, given); }});
  else if (typeof value === "function") Object.defineProperty(owner, name, {configurable: true,
    value: function (...given) { note(name); return value.apply(this, given); }});
};
const allowed = {
  Navigator: ["sendBeacon", "globalPrivacyControl", "doNotTrack", "constructor"],
  Document: ["hidden", "hasFocus", "referrer", "currentScript", "prerendering"],
};
for (const name of Object.getOwnPropertyNames(Navigator.prototype))
  if (!allowed.Navigator.includes(name)) trap(Navigator.prototype, name);
for (const owner of [Screen, Storage, HTMLCanvasElement, CanvasRenderingContext2D,
    WebGLRenderingContext, Performance, NavigatorUAData, MediaDevices, IDBFactory, CookieStore,
    ScreenOrientation, CacheStorage, StorageManager, PerformanceObserver].filter(Boolean))
  for (const name of Object.getOwnPropertyNames(owner.prototype))
    if (name !== "constructor") trap(owner.prototype, name);
for (const name of ["cookie", "title", "fonts", "lastModified", "characterSet"])
  trap(Document.prototype, name);
for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches", "cookieStore",
    "screen", "name", "devicePixelRatio", "innerWidth", "innerHeight", "outerWidth", "outerHeight",
    "screenX", "scrollY", "visualViewport", "matchMedia", "getComputedStyle", "speechSynthesis",
    "AudioContext", "OfflineAudioContext", "RTCPeerConnection"]) trap(window, name);
for (const name of ["clientWidth", "clientHeight", "scrollHeight", "scrollTop",
    "getBoundingClientRect"]) trap(Element.prototype, name);
trap(Intl.DateTimeFormat.prototype, "resolvedOptions");
const zone = Date.prototype.getTimezoneOffset;
Date.prototype.getTimezoneOffset = function () { note("timezone"); return zone.call(this); };
"""


# One use of every kind of thing, to see that the traps would catch the beacon at it.
USES = [
    "navigator.userAgent", "navigator.language", "navigator.onLine", "navigator.plugins",
    "navigator.hardwareConcurrency", "navigator.userAgentData", "navigator.connection",
    "screen.width", "innerWidth", "devicePixelRatio", "scrollY", "matchMedia('print')",
    "document.documentElement.clientWidth", "document.body.getBoundingClientRect()",
    "document.cookie", "document.cookie = 'a=1'", "document.fonts", "localStorage.a",
    "localStorage.a = 1", "sessionStorage.getItem('a')", "indexedDB", "caches", "cookieStore",
    "document.createElement('canvas').getContext('2d')", "new OfflineAudioContext(1, 1, 8000)",
    "performance.now()", "new PerformanceObserver(() => {}).observe({type: 'paint'})",
    "new Date().getTimezoneOffset()", "new Intl.DateTimeFormat().resolvedOptions()", "window.name",
]  # fmt: skip


def kept(tab: Page) -> dict[str, Any]:
    return json.loads(tab.evaluate("localStorage.discreet || '{}'"))


def rewrite(site: Site, tab: Page, entry: dict[str, Any]) -> None:
    """As if something else had been kept, from a page without the beacon."""
    left(site, tab)
    tab.evaluate("(entry) => { localStorage.discreet = JSON.stringify(entry) }", entry)


def test_the_traps_catch_every_use_of_what_tells_of_a_device(site: Site, tab: Page) -> None:
    site.tag = ""
    tab.add_init_script(TRAPS)
    tab.goto(f"{site.origin}/trapped")
    caught = "(use) => { used.length = 0; try { eval(use) } catch {} return used.length }"
    assert [use for use in USES if not tab.evaluate(caught, use)] == []


def test_before_a_grant_no_storage_and_no_property_of_the_device_is_touched(
    site: Site, tab: Page
) -> None:
    site.attributes(data_policy="opt-in")
    site.html = "<a id=out href='http://127.0.0.2:9/'>out</a><div style='height: 3000px'>long</div>"
    tab.add_init_script(TRAPS)
    tab.goto(f"{site.origin}/untouched")
    tab.mouse.wheel(0, 500)
    tab.evaluate("addEventListener('click', (event) => event.preventDefault())")
    tab.click("#out", force=True)
    then = "used.length = 0; discreet('Asked'); history.pushState({}, '', '/untouched/b')"
    sent(tab, lambda: tab.evaluate(then))
    assert tab.evaluate("used") == []
    sent(tab, lambda: tab.goto(f"{site.origin}/untouched/c"))
    assert tab.evaluate("used") == []
    assert tab.context.storage_state() == {"cookies": [], "origins": []}
    assert tab.context.cookies() == []


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param({"data_policy": "opt-in", "data_consent": ""}, id="a tag that asks"),
        pytest.param({"data_policy": "exempt"}, id="under an exemption"),
        pytest.param({"data_policy": "exempt", "script": "core.js"}, id="the core, under one"),
    ],
)
def test_looking_for_a_choice_reads_one_entry_and_nothing_else(
    site: Site, tab: Page, tag: dict[str, str]
) -> None:
    site.attributes(**tag)
    tab.add_init_script(TRAPS)
    sent(tab, lambda: tab.goto(f"{site.origin}/looked"))
    assert tab.evaluate("used") == ["localStorage"]
    assert tab.context.storage_state() == {"cookies": [], "origins": []}


def test_a_tag_of_plausibles_that_speaks_of_no_exemption_looks_for_nothing(
    site: Site, tab: Page
) -> None:
    address = f"{site.service.origin}/js/script.local.js"
    site.tag = f"<script defer data-domain=shop.example src={address}></script>"
    tab.add_init_script(TRAPS)
    sent(tab, lambda: tab.goto(f"{site.origin}/moved"))
    assert tab.evaluate("used") == []


@pytest.mark.parametrize("script", ["discreet.js", "core.js"])
def test_an_objection_lasts_on_a_site_that_asks_nobody(
    site: Site, tab: Page, told: list[dict[str, Any]], script: str
) -> None:
    site.attributes(script)
    path = f"/lasting/{script}"
    sent(tab, lambda: tab.goto(f"{site.origin}{path}"))
    tab.evaluate("discreet.ignore()")
    tab.add_init_script(TRAPS)
    tab.goto(f"{site.origin}{path}/next")
    tab.evaluate("discreet('More'); history.pushState({}, '', '?a'); discreet('pageview')")
    assert tab.evaluate("used") == ["localStorage"]
    tab.goto(f"{site.origin}/none.txt")
    site.nothing(f"{path}/next")
    assert kept(tab) == {"objected": True}
    assert told == []


def test_an_objection_in_another_tab_holds_here_too(
    site: Site, tab: Page, context: BrowserContext
) -> None:
    tab.goto(f"{site.origin}/both")
    tab.evaluate("addEventListener('storage', () => { window.heard = true })")
    other = context.new_page()
    other.goto(f"{site.origin}/none.txt")
    other.evaluate("localStorage.discreet = JSON.stringify({objected: true})")
    until(tab, "window.heard")
    tab.evaluate("history.pushState({}, '', '/both/here'); discreet('More')")
    tab.goto(f"{site.origin}/none.txt")
    site.nothing("/both/here")


def test_a_grant_is_kept_told_and_stated_in_every_event(
    site: Site, tab: Page, told: list[dict[str, Any]]
) -> None:
    site.attributes(data_consent="")
    site.html = at_once(GRANT)
    tab.goto(f"{site.origin}/granted")
    until(tab, RECEIPT)
    tab.goto(f"{site.origin}/granted/next")
    columns = ("page", "basis", "toString(purposes)", "uniqExact(visitor) OVER ()")
    rows = site.rows("/granted", *columns, least=2)
    assert {row[1:] for row in rows} == {("consent", "['audience']", 1)}
    [body] = told
    now = kept(tab)
    assert body["categoryPreferences"] == {"analytics": True, "product": False}
    assert body["anonymousId"] == now["id"] == str(uuid.UUID(now["id"]))
    assert body["writeKey"] == site.key
    assert (now["receipt"], now["subjectToken"]) == ("r-1", "t-1")


def test_the_same_choice_again_is_no_new_one(
    site: Site, tab: Page, told: list[dict[str, Any]]
) -> None:
    tab.goto(f"{site.origin}/repeated")
    tab.evaluate(GRANT)
    until(tab, RECEIPT)
    before = kept(tab)
    tab.goto(f"{site.origin}/repeated")
    assert tab.evaluate(GRANT.removeprefix("void ")) is None  # once it is told, if it is
    assert kept(tab) == before
    assert len(told) == 1


def test_an_identifier_is_never_prolonged_and_ends_with_what_it_was_kept_for(
    site: Site, tab: Page, told: list[dict[str, Any]]
) -> None:
    site.attributes(data_consent="")
    tab.goto(f"{site.origin}/old")
    tab.evaluate(GRANT)
    until(tab, RECEIPT)
    before = kept(tab)
    assert before["until"] - before["born"] == pytest.approx(365 * DAY, abs=5000)
    # Eleven months later the person agrees to more.
    born = before["born"] - 335 * DAY
    rewrite(site, tab, before | {"born": born})
    tab.goto(f"{site.origin}/old")
    tab.evaluate("void discreet.consent({analytics: true, product: true})")
    after = kept(tab)
    assert (after["id"], after["born"]) == (before["id"], born)
    assert after["until"] == born + 395 * DAY
    rewrite(site, tab, after | {"until": 1})
    tab.goto(f"{site.origin}/old")
    assert kept(tab) == {}


def test_a_withdrawal_takes_the_identifier_and_what_waits(
    site: Site, tab: Page, told: list[dict[str, Any]]
) -> None:
    site.attributes(data_consent="")
    tab.goto(f"{site.origin}/withdrawn")
    tab.evaluate(GRANT)
    until(tab, RECEIPT)
    site.rows("/withdrawn", "page")
    known = kept(tab)["id"]
    tab.evaluate(f"discreet('Waits'); {REFUSE}")
    tab.goto(f"{site.origin}/withdrawn/after")
    names = site.rows("/withdrawn/after", "name", "basis", "visitor")
    assert names == [("pageview", "none", 0)]
    assert ("Waits",) not in site.rows("/withdrawn", "name", least=2)
    now = kept(tab)
    assert now.keys() == {"said", "choice", "until"}
    assert known not in json.dumps(now)
    assert told[-1]["anonymousId"] == known
    assert told[-1]["subjectToken"] == "t-1"


def test_a_refusal_leaves_a_mark_that_names_nobody(
    site: Site, tab: Page, told: list[dict[str, Any]]
) -> None:
    site.attributes(data_consent="")
    tab.goto(f"{site.origin}/refused")
    tab.evaluate(REFUSE)
    tab.goto(f"{site.origin}/refused/next")
    assert site.rows("/refused/next", "basis", "visitor") == [("none", 0)]
    now = kept(tab)
    assert now.keys() == {"said", "choice", "until"}
    months = (now["until"] - tab.evaluate("Date.now()")) / DAY
    assert 182 < months <= 183
    assert "anonymousId" not in told[0]


def test_a_withdrawal_in_another_tab_holds_here_too(
    site: Site, tab: Page, context: BrowserContext, told: list[dict[str, Any]]
) -> None:
    tab.goto(f"{site.origin}/tabs")
    tab.evaluate(f"{GRANT}; addEventListener('storage', () => {{ window.heard = true }})")
    other = context.new_page()
    other.goto(f"{site.origin}/tabs/other")
    other.evaluate(REFUSE)
    until(tab, "window.heard")
    tab.bring_to_front()
    tab.evaluate("history.pushState({}, '', '/tabs/here')")
    assert site.rows("/tabs/here", "basis") == [("none",)]


def test_an_objection_is_kept_and_stops_everything(
    site: Site, tab: Page, told: list[dict[str, Any]]
) -> None:
    site.attributes(data_consent="")
    site.html = at_once(f"{GRANT}; void discreet.optOut(); discreet('More')")
    tab.goto(f"{site.origin}/objected")
    site.html = ""
    tab.goto(f"{site.origin}/objected/next")
    tab.evaluate(f"{GRANT}; discreet('More')")
    site.nothing("/objected")
    assert kept(tab) == {"objected": True}
    assert (told[1]["objection"], told[1]["method"]) == (True, "opt-out")
    assert told[1]["anonymousId"] == told[0]["anonymousId"]


@pytest.mark.parametrize(
    "signal",
    [
        pytest.param("'globalPrivacyControl', {get: () => true}", id="GPC"),
        pytest.param("'doNotTrack', {get: () => '1'}", id="DNT"),
    ],
)
def test_an_objecting_browser_leaves_no_row_and_no_request(
    site: Site, tab: Page, signal: str, told: list[dict[str, Any]]
) -> None:
    site.attributes(data_consent="")
    tab.add_init_script(f"Object.defineProperty(Navigator.prototype, {signal})")
    posts: list[str] = []
    tab.on("request", lambda request: posts.append(request.url) if request.post_data else None)
    tab.goto(f"{site.origin}/signal")
    tab.evaluate(f"{GRANT}; discreet('More'); history.pushState({{}}, '', '/signal/next')")
    tab.goto(f"{site.origin}/signal/more")
    site.nothing("/signal")
    assert posts == []
    assert tab.context.storage_state() == {"cookies": [], "origins": []}


TCF = """window.__tcfapi = (command, version, then) => then({eventStatus: "tcloaded",
  tcString: "%s", purposeOneTreatment: false, purpose: {consents: %s}}, true)"""


@pytest.mark.parametrize(
    ("adapter", "page", "expected"),
    [
        pytest.param(
            "tcf", TCF % ("A-STRING", "{1: true, 8: true, 10: true}"),
            {"audience": True, "product": True, "attribution": False}, id="TCF agreed",
        ),
        pytest.param(
            "tcf", TCF % ("A-STRING", "{8: true}"),
            {"audience": False, "product": False, "attribution": False}, id="TCF without storage",
        ),
        pytest.param(
            "consent-mode",
            "window.dataLayer = []; function gtag() { dataLayer.push(arguments) }"
            "gtag('consent', 'default', {analytics_storage: 'denied'});"
            "addEventListener('load', () => setTimeout(() =>"
            " gtag('consent', 'update', {analytics_storage: 'granted'}), 100))",
            {"analytics": True}, id="consent mode, later",
        ),
        pytest.param(
            "consent-mode",
            "window.dataLayer = [['consent', 'default', {analytics_storage: 'granted'}],"
            " ['consent', 'update', {analytics_storage: 'denied'}]]",
            {"analytics": False}, id="consent mode, denied before",
        ),
    ],
)  # fmt: skip
def test_the_choice_is_read_from_what_the_page_has(
    site: Site,
    tab: Page,
    told: list[dict[str, Any]],
    adapter: str,
    page: str,
    expected: dict[str, bool],
) -> None:
    site.attributes(data_consent=adapter)
    site.html = f"<script>{page}</script>"
    tab.goto(f"{site.origin}/adapted")
    until(tab, "localStorage.discreet")
    arrived(tab, told)
    assert told[0]["categoryPreferences"] == expected
    assert told[0]["method"] == adapter
    assert ("id" in kept(tab)) is any(expected.get(name) for name in ("analytics", "audience"))


def test_the_ledger_answers_a_grant_with_a_receipt_and_obeys_a_withdrawal(
    site: Site, tab: Page, context: BrowserContext
) -> None:
    context.unroute("**/v1/consent")
    site.attributes(data_consent="")
    tab.goto(f"{site.origin}/recorded")
    receipt = tab.evaluate("discreet.consent({analytics: true})")
    assert receipt["status"] == "given"
    assert kept(tab)["receipt"] == receipt["receipt"]
    assert kept(tab)["subjectToken"] == receipt["subjectToken"]
    answer = tab.evaluate("discreet.consent({analytics: false})")
    assert answer["status"] == "withdrawn"
    tab.evaluate("discreet.consent({analytics: true})")
    assert tab.evaluate("discreet.optOut()")["status"] == "objected"
