"""Setting a site up, as somebody does who has just added it: real processes and a real browser."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.browser import browser  # noqa: F401  the fixture
from tests.service import running

SECONDS = 15_000  # milliseconds: a segment is sealed within one, the page looks every five


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service") / "home", "web", "worker") as started:
        yield started


def test_the_page_tells_within_seconds_what_became_of_the_first_event(service, browser):  # noqa: F811
    site = service.facts("site", "add", "shop.example")
    invited = service.facts("user", "invite", "ada@example.com", "--role", "admin",
                            "--purpose", "sets it up")  # fmt: skip
    page = browser.new_page(base_url=service.origin)
    page.goto(re.sub(r"^https?://[^/]+", "", invited["link"]))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Set it up on shop.example").click()
    status = page.get_by_role("status")
    expect(status).to_contain_text("Waiting for the first event")

    def send(**headers):
        event = {"name": "pageview", "url": "https://shop.example/", "domain": "shop.example"}
        answer = requests.post(
            f"{service.origin}/api/event", json=event, headers=headers, timeout=10
        )
        assert answer.status_code == 202

    send(**{"Sec-GPC": "1"})
    expect(status).to_contain_text("Reason: objected", timeout=SECONDS)
    send()
    expect(status).to_contain_text("First event received", timeout=SECONDS)
    snippet = page.get_by_label("The snippet", exact=True)
    expect(snippet).to_contain_text(site["write_key"])
    page.close()
