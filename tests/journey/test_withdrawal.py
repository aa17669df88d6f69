"""Consent taken back while events wait, on the device and in the spool: none of them is stored."""

import json

from tests.beacon.world import at_once, left, open_site
from tests.browser import browser  # noqa: F401  the fixture
from tests.service import eventually, running

STORED = "SELECT name, basis, visitor FROM events WHERE page LIKE '/%' ORDER BY ALL"


def test_what_waits_when_consent_is_taken_back_is_never_stored(tmp_path, browser):  # noqa: F811
    one = {"WEB_CONCURRENCY": "1"}  # what comes last is stored last
    with running(tmp_path / "home", "web", "worker", **one) as service:
        key = service.facts("site", "add", "shop.example", "--policy", "opt-in")["write_key"]
        with open_site(service, key) as site:
            site.attributes(data_policy="opt-in", data_consent="")
            site.html = at_once("window.told = discreet.consent({analytics: true})")
            tab = browser.new_page()
            tab.goto(f"{site.origin}/granted")
            site.html = ""
            assert tab.evaluate("told")["status"] == "given"
            tab.evaluate("discreet('Earlier')")
            eventually(lambda: "Earlier" in str(service.rows(STORED)), "stored as agreed to")
            before = service.rows(STORED)
            assert {(basis, visitor != 0) for _, basis, visitor in before} == {("consent", True)}

            service.kill("worker")
            with tab.expect_response("**/v1/batch") as answer:
                tab.evaluate("discreet('In the spool')")
            assert answer.value.json()["accepted"] == 1

            tab.context.route("**/v1/*", lambda route: route.abort("internetdisconnected"))
            with tab.expect_event("requestfailed"):
                tab.evaluate("discreet('On the device')")
            left(site, tab)
            assert "On the device" in tab.evaluate("localStorage.discreet")
            with tab.expect_event("requestfailed"):
                tab.goto(f"{site.origin}/granted")
            tab.evaluate(
                "discreet('In memory'); window.told = discreet.consent({analytics: false}); 0"
            )

            kept = json.loads(tab.evaluate("localStorage.discreet"))
            assert kept.keys() == {"said", "choice", "until"}
            tab.context.unroute("**/v1/*")
            assert tab.evaluate("told")["status"] == "withdrawn"

            tab.goto(f"{site.origin}/refused")
            service.start("worker")
            assert site.rows("/refused", "name", "basis", "visitor") == [("pageview", "none", 0)]
            assert sorted(service.rows(STORED)) == sorted([*before, ("pageview", "none", 0)])
            withheld = "SELECT sum(n) FROM tallies WHERE reason = 'withdrawn'"
            eventually(lambda: service.rows(withheld) == [(1,)], "the one in the spool counted")
            tab.context.close()
