"""The consent banner: purposes one by one, refusing as near as accepting, for everybody. And the
page of those who object without having been asked, which has to be as easy to use.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from dashboards.assets import FOLDER
from tests.beacon.world import Site, arrived, until
from tests.browser import watch
from tests.dashboards.axe import AXE

BANNER = json.loads((FOLDER / "banner.json").read_text())
TEXTS: dict[str, dict[str, str]] = BANNER["texts"]
NOTHING = {"analytics": False, "product": False, "attribution": False}
# What a careful site allows: scripts of the service, and no style that is written into the page.
POLICY = "script-src {}; style-src 'none'; connect-src *; img-src data:"


@pytest.fixture(params=["en", "nl", "fr", "da"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def asked(site: Site, tab: Page) -> Page:
    """A page in English that asks, with a link to ask again."""
    return show(site, tab, "en")


def show(site: Site, tab: Page, language: str) -> Page:
    site.attributes(data_policy="opt-in", data_consent="banner", data_link="", data_notice="/p")
    site.html = "<main><h1>A page</h1><a id=first href=/>home</a></main>"
    site.language = language
    site.policy = POLICY.format(site.service.origin)
    tab.goto(f"{site.origin}/asked")
    tab.get_by_role("button").first.wait_for()
    return tab


def violations(tab: Page, where: str = "document") -> Any:
    """What axe-core finds there, by a way that no content-security policy forbids."""
    session = tab.context.new_cdp_session(tab)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    found = session.send(
        "Runtime.evaluate",
        {
            "expression": f"axe.run({where}).then((it) => it.violations.map(({{id}}) => id))",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    return found["result"]["value"]


def names(tab: Page) -> list[str]:
    return [button.inner_text() for button in tab.locator("dialog").get_by_role("button").all()]


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 390), ("dark", 1280)], ids=["light phone", "dark desktop"]
)
def test_axe_finds_nothing_in_any_language(
    site: Site, tab: Page, language: str, scheme: Any, width: int
) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": width, "height": 800})
    show(site, tab, language)
    texts = TEXTS[language]
    assert names(tab) == [texts["refuse"], texts["accept"], texts["save"]]
    assert violations(tab, "document.querySelector('div[lang]')") == []
    box = tab.locator("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_refusing_is_as_near_as_accepting(asked: Page) -> None:
    refuse, accept = (
        asked.get_by_role("button", name=TEXTS["en"][name]) for name in ("refuse", "accept")
    )
    first, second = refuse.bounding_box(), accept.bounding_box()
    assert first is not None
    assert second is not None
    assert [first[side] for side in ("y", "width", "height")] == [
        pytest.approx(second[side], abs=1) for side in ("y", "width", "height")
    ]
    look = (
        "(one) => { const s = getComputedStyle(one); return [s.color, s.backgroundColor, s.font] }"
    )
    assert refuse.evaluate(look) == accept.evaluate(look)
    assert asked.get_by_role("checkbox", checked=True).count() == 0


def test_it_asks_without_shifting_the_page_or_taking_the_focus(asked: Page) -> None:
    shifts = asked.evaluate(
        "new Promise((done) => { new PerformanceObserver((list) => done(list.getEntries().length))"
        ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(0), 200) })"
    )
    assert shifts == 0
    assert asked.evaluate("document.activeElement.tagName") == "BODY"


def test_the_keyboard_alone_can_choose_each_purpose(
    asked: Page, told: list[dict[str, Any]]
) -> None:
    words = TEXTS["en"]
    asked.locator("#first").focus()
    for _ in range(3):  # the notice, the first purpose, the second
        asked.keyboard.press("Tab")
    asked.keyboard.press("Space")
    focused = asked.get_by_role("checkbox", name=words["product"])
    assert focused.is_checked()
    for _ in range(4):  # the third, refuse, accept, save
        asked.keyboard.press("Tab")
    asked.keyboard.press("Enter")
    assert asked.get_by_role("dialog").count() == 0
    until(asked, "localStorage.discreet")
    arrived(asked, told)
    assert told[0]["categoryPreferences"] == NOTHING | {"product": True}


def test_escape_is_no_answer(asked: Page, told: list[dict[str, Any]]) -> None:
    asked.get_by_role("checkbox").first.focus()
    asked.keyboard.press("Escape")
    assert asked.get_by_role("dialog").count() == 0
    assert asked.evaluate("localStorage.length") == 0
    asked.reload()
    asked.get_by_role("dialog").wait_for()
    assert told == []


def test_a_choice_is_told_with_the_version_of_what_was_shown(
    site: Site, tab: Page, language: str, told: list[dict[str, Any]]
) -> None:
    show(site, tab, language)
    tab.get_by_role("button", name=TEXTS[language]["accept"]).click()
    arrived(tab, told)
    said = told[0]
    assert said["categoryPreferences"] == dict.fromkeys(NOTHING, True)
    assert said["noticeVersion"] == BANNER["version"]
    assert (said["language"], said["method"]) == (language, "banner")


def test_after_a_refusal_nobody_is_asked_again_for_six_months(
    asked: Page, told: list[dict[str, Any]]
) -> None:
    asked.get_by_role("button", name=TEXTS["en"]["refuse"]).click()
    until(asked, "localStorage.discreet")
    asked.reload()
    asked.get_by_role("button", name=TEXTS["en"]["reopen"]).wait_for()
    assert asked.get_by_role("dialog").count() == 0
    assert told[0]["categoryPreferences"] == NOTHING


def test_the_choice_can_always_be_changed(asked: Page, told: list[dict[str, Any]]) -> None:
    words = TEXTS["en"]
    asked.get_by_role("button", name=words["accept"]).click()
    until(asked, "JSON.parse(localStorage.discreet).receipt")
    asked.get_by_role("button", name=words["reopen"]).click()
    assert asked.get_by_role("checkbox", checked=True).count() == 3
    assert asked.evaluate("document.querySelector('div[lang]').shadowRoot.activeElement.id") == (
        "title"
    )
    asked.keyboard.press("Escape")
    asked.evaluate("discreet.banner()")
    asked.get_by_role("button", name=words["refuse"]).click()
    until(asked, "!JSON.parse(localStorage.discreet).id")


def test_nobody_is_asked_who_objects(site: Site, tab: Page) -> None:
    tab.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})"
    )
    show(site, tab, "en")
    assert tab.get_by_role("dialog").count() == 0


def test_axe_finds_nothing_where_people_object_and_a_phone_shows_all_of_it(
    site: Site, tab: Page, language: str
) -> None:
    seen = watch(tab)
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.goto(f"{site.service.origin}/opt-out?lang={language}")
    tab.keyboard.press("Tab")
    while tab.evaluate("document.activeElement.tagName") != "BUTTON":
        tab.keyboard.press("Tab")
    before = violations(tab)
    tab.keyboard.press("Enter")
    tab.get_by_role("status").wait_for()
    assert before + violations(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert seen.errors == []
    assert seen.hosts == {site.service.origin.removeprefix("http://")}
