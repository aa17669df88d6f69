"""How a site is set up: what each way says, and that the page sees the first event arrive."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from itertools import count

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import BrowserContext, expect

from anonymize.event import Reason
from control.first_events import FirstEvents
from control.sites import Site
from dashboards import install
from spool.segment import lines
from tests.browser import watch
from tests.dashboards.axe import LOOKS, faults
from tests.dashboards.world import NOW, World
from tests.spool.rows import row

_NUMBERS = count(1)


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    """One of which no event came yet."""
    made = world.sites.add(f"fresh-{next(_NUMBERS)}.example", "Europe/Brussels", "opt-in", "BE")
    yield made
    world.sites.remove(made)


@pytest.fixture
def first(world: World) -> FirstEvents:
    return FirstEvents(world.control, lambda: NOW)


def address(site: Site, way: str = "website") -> str:
    return f"/sites/{site.domain}/install?for={way}"


def receive(first: FirstEvents, site: Site) -> None:
    first.note("events", [lines([row(1, site=site.id)])])


def refuse(first: FirstEvents, site: Site, reason: str) -> None:
    line = f'{{"site":{site.id},"day":"2026-11-22","reason":"{reason}","segment":5,"n":1}}\n'
    first.note("tallies", [line.encode()])


def code(client: FlaskClient, path: str) -> list[str]:
    """What is there to be copied."""
    page = client.get(path).get_data(as_text=True)
    found = re.findall(r"<pre.*?>(.*?)</pre>", page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", text)).strip() for text in found]


def test_the_one_line_has_the_sites_key_and_says_nothing_more_than_needed(
    client: FlaskClient, site: Site
) -> None:
    (snippet, pinned, _) = code(client, address(site))
    assert snippet.startswith("<script defer src=")
    assert f'data-key="{site.write_key}"' in snippet
    assert "data-policy" not in snippet
    assert "\n" not in snippet
    assert f'data-key="{site.write_key}"' in pinned


def test_a_pinned_line_names_the_bytes_that_are_served(client: FlaskClient, site: Site) -> None:
    (_, pinned, _) = code(client, address(site))
    stated = re.search(
        r'src="http://127.0.0.1:8000(/js/discreet-\w+\.js)" integrity="([^"]+)"', pinned
    )
    assert stated is not None
    served = client.get(stated[1])
    digest = base64.b64encode(hashlib.sha384(served.get_data()).digest()).decode()
    assert stated[2] == f"sha384-{digest}"
    assert 'crossorigin="anonymous"' in pinned
    assert served.headers["Access-Control-Allow-Origin"] == "*"


def test_a_site_that_may_measure_without_consent_says_so(client: FlaskClient) -> None:
    (snippet, *_) = code(client, "/sites/shop.example.com/install")
    assert 'data-policy="exempt"' in snippet


@pytest.mark.parametrize(
    ("way", "holds"),
    [
        ("banner", ['data-consent="banner"', 'data-key="KEY"']),
        ("proxy", ["location /stats/ {", 'src="https://DOMAIN/stats/js/discreet.js"']),
        ("app", ["writeKey  KEY", "apiHost   127.0.0.1:8000/v1"]),
        ("plausible", ['src="http://127.0.0.1:8000/js/script.js"', 'data-domain="DOMAIN"']),
    ],
    ids=["banner", "own address", "apps", "Plausible's tag"],
)
def test_each_way_has_its_code(client: FlaskClient, site: Site, way: str, holds: list[str]) -> None:
    if way not in install.variants():  # the front end was built without it
        assert client.get(address(site, way)).status_code == 404
        return
    whole = "\n".join(code(client, address(site, way)))
    for part in holds:
        assert part.replace("KEY", site.write_key).replace("DOMAIN", site.domain) in whole


def test_a_way_that_there_is_not_is_not_found(client: FlaskClient, site: Site) -> None:
    assert client.get(address(site, "carrier-pigeon")).status_code == 404
    assert client.get("/sites/nowhere.example/install").status_code == 404
    assert client.get("/sites/nowhere.example/install/first-event").status_code == 404


def test_the_list_and_an_empty_sites_page_lead_there(client: FlaskClient, site: Site) -> None:
    there = f'href="/sites/{site.domain}/install"'
    assert there in client.get("/").get_data(as_text=True)
    assert there in client.get(f"/sites/{site.domain}").get_data(as_text=True)
    assert 'href="/sites/shop.example.com/install"' in client.get(
        "/sites/shop.example.com"
    ).get_data(as_text=True)


def test_what_may_be_asked_of_a_first_event_is_how_far_it_came_and_why_not(
    world: World, client: FlaskClient, site: Site, first: FirstEvents
) -> None:
    path = f"/sites/{site.domain}/install/first-event"
    assert client.get(path).get_json() == {"state": "waiting", "reason": ""}
    refuse(first, site, "bad_url")
    assert client.get(path).get_json() == {"state": "refused", "reason": "bad_url"}
    receive(first, site)
    assert client.get(path).get_json() == {"state": "received", "reason": ""}
    assert client.get(path).headers["Cache-Control"] == "no-store"
    stranger = world.client(signed_in=False).get(path)
    assert (stranger.status_code, stranger.location) == (302, "/sign-in")


def test_each_reason_that_is_tallied_has_its_advice(
    client: FlaskClient, site: Site, first: FirstEvents
) -> None:
    told_to_come_again = {Reason.RATE_LIMITED, Reason.UNAVAILABLE}  # counted nowhere: not lost
    assert install.ADVICE.keys() == set(Reason) - told_to_come_again
    for reason, advice in install.ADVICE.items():
        refuse(first, site, reason)
        page = html.unescape(client.get(address(site)).get_data(as_text=True))
        assert f"<code>{reason}</code>" in page
        assert advice in page


@pytest.mark.parametrize(
    ("role", "command"),
    [("admin", True), ("viewer", False), ("analyst", False), ("privacy-officer", False)],
    ids=lambda value: str(value),
)
def test_who_is_no_admin_is_told_to_ask_one(
    world: World, site: Site, role: str, command: bool
) -> None:
    client = world.app.test_client()
    link = world.people.invite(f"{role}@example.com", role, "looks")
    client.post(f"/sign-in/{link.token}")
    page = client.get(address(site)).get_data(as_text=True)
    assert ("flask --app wsgi site set" in page) == command
    assert ("An admin can change that" in page) != command
    assert site.write_key in page  # it allows to send, and stands in every page of the site


@pytest.mark.parametrize("context", LOOKS, ids=["phone", "desktop"], indirect=True)
def test_axe_finds_nothing_in_any_state(
    context: BrowserContext, site: Site, first: FirstEvents
) -> None:
    page = context.new_page()
    for way in install.variants():
        page.goto(address(site, way))
        for more in page.locator("details > summary").all():
            more.click()
        assert faults(page) == [], way
    page.route("**/first-event", lambda route: route.abort())
    page.clock.install()
    page.goto(address(site))
    page.clock.run_for(6000)
    expect(page.get_by_role("alert")).to_contain_text("Trying again")
    assert faults(page) == []
    page.unroute("**/first-event")
    refuse(first, site, "objected")
    page.goto(address(site))
    assert faults(page) == []
    receive(first, site)
    page.goto(address(site))
    assert faults(page) == []


def test_the_page_sees_a_refusal_and_then_the_first_event_by_itself(
    context: BrowserContext, site: Site, first: FirstEvents
) -> None:
    page = context.new_page()
    seen = watch(page)
    page.clock.install()
    page.goto(address(site))
    status = page.get_by_role("status")
    expect(status).to_contain_text("Waiting for the first event")
    expect(page.get_by_role("link", name="Look again")).to_be_hidden()
    refuse(first, site, "objected")
    page.clock.run_for(5000)
    expect(status).to_contain_text("Reason: objected. The browser asks not to be measured")
    receive(first, site)
    page.clock.run_for(5000)
    expect(status).to_contain_text("First event received")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(30000)
    assert asked == []  # it is seen: nothing is left to look for
    status.get_by_role("link", name="To the figures").click()
    expect(page).to_have_url(re.compile(f"/sites/{site.domain}$"))
    assert seen.errors == []


def test_while_the_service_is_away_the_page_says_so_and_goes_on_looking(
    context: BrowserContext, site: Site, first: FirstEvents
) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(address(site))
    page.route("**/first-event", lambda route: route.fulfill(status=503))
    page.clock.run_for(5000)
    expect(page.get_by_role("alert")).to_be_visible()
    page.unroute("**/first-event")
    receive(first, site)
    page.clock.run_for(5000)
    expect(page.get_by_role("status")).to_contain_text("First event received")
    expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True, ids=[""])
def test_without_a_script_the_ways_and_another_look_are_links(
    context: BrowserContext, site: Site, first: FirstEvents
) -> None:
    page = context.new_page()
    page.goto(address(site))
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_role("link", name="Apps, servers").click()
    expect(page.get_by_text("writeKey")).to_be_visible()
    receive(first, site)
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("status")).to_contain_text("First event received")


def test_the_keyboard_reaches_the_ways_the_code_and_the_button_that_copies_it(
    context: BrowserContext, site: Site
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(address(site))
    ways = [*install.variants().values()]
    order = [""]
    while not order[-1].startswith("Copy"):
        assert len(order) < 50, order
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.innerText.trim().split('\\n')[0]"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert order[-2 - len(ways) : -2] == ways
    assert order[-2].startswith("<script")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied the snippet")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("<script defer ")
    assert copied.endswith("></script>")
