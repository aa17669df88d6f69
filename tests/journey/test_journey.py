"""From a real client to the dashboard: real processes, real SDKs, a real browser."""

import re
import uuid
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import segment.analytics as segment
from segment.analytics.client import Client

from tests.browser import browser, watch  # noqa: F401  the fixture
from tests.service import ROOT, eventually, running

TRACKER = ROOT / "clients/node_modules/@plausible-analytics/tracker/plausible.js"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with running(tmp_path_factory.mktemp("service") / "home", "serve") as started:
        yield started


@pytest.fixture(scope="module")
def site(service):
    return service.facts("site", "add", "example.com", "--policy", "exempt", "-k", "3")


def test_ready_names_the_state_of_every_part(service):
    answer = service.get("/readyz")
    assert answer.status_code == 200
    parts = answer.json()
    assert set(parts) == {"status", "spool", "keys", "control", "store", "worker", "releases"}
    assert all(parts[name]["ok"] for name in parts if name != "status"), parts


def test_what_segments_own_client_sends_arrives(service, site):
    failures = []
    client = Client(
        site["write_key"], host=service.origin,
        on_error=lambda error, batch: failures.append(error),
    )  # fmt: skip
    consent = {"consent": {"categoryPreferences": {"analytics": True}}}
    for number in range(12):
        client.page(
            anonymous_id=str(uuid.uuid4()), name="Pricing", context=consent,
            properties={"url": f"https://example.com/segment?n={number}"},
        )  # fmt: skip
    client.track(anonymous_id="an-1", event="Signed Up", context=consent, properties={"plan": "x"})
    client.screen(anonymous_id="an-1", name="Home", context=consent)
    client.shutdown()
    assert not failures
    counted = (
        "SELECT name, count(), uniqExact(visitor) FROM events WHERE basis = 'consent' GROUP BY name"
    )
    expected = {("pageview", 12, 12), ("Signed Up", 1, 1), ("screen", 1, 1)}
    eventually(lambda: set(service.rows(counted)) == expected, "all of the client's events stored")
    assert segment.VERSION


def test_what_segments_client_sends_in_vain_comes_back_with_its_reason(service, site):
    batch = [
        {"type": "track", "event": "fine", "anonymousId": "a", "messageId": "m-0"},
        {"type": "group", "groupId": "g", "anonymousId": "a", "messageId": "m-1"},
        {"type": "track", "event": 7, "anonymousId": "a", "messageId": "m-2"},
        {"type": "track", "event": "no", "messageId": "m-3", "context": {"consent": {"gpc": True}}},
        {"type": "track", "event": "old", "messageId": "m-4", "timestamp": "2020-01-01T00:00:00Z"},
    ]
    answer = service.post("/v1/batch", {"writeKey": site["write_key"], "batch": batch})
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "accepted": 1,
        "dropped": [
            {"index": 1, "messageId": "m-1", "reason": "unsupported_type"},
            {"index": 3, "messageId": "m-3", "reason": "objected"},
            {"index": 4, "messageId": "m-4", "reason": "too_old"},
        ],
        "rejected": [
            {"index": 2, "messageId": "m-2", "reason": "wrong_type", "pointer": "/batch/2/event"}
        ],
    }


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page(tmp_path_factory, service):
    """The address of a page that carries Plausible's own tracker, from npm."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "plausible.js").write_bytes(TRACKER.read_bytes())
    (folder / "index.html").write_text(
        "<!doctype html><title>A page</title><script type=module>"
        "import { init, track } from './plausible.js';"
        f"init({{ domain: 'example.com', endpoint: '{service.origin}/api/event',"
        " captureOnLocalhost: true, hashBasedRouting: false });"
        "window.track = track;</script>"
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def visit(browser, address, agent, **options):  # noqa: F811
    """Opens the page as one more visitor: the status, text and headers of the answer."""
    context = browser.new_context(user_agent=agent, **options)
    try:
        tab = context.new_page()
        with tab.expect_response("**/api/event") as sent:
            tab.goto(address)
        answer = sent.value
        return answer.status, answer.text(), answer.all_headers()
    finally:
        context.close()


def test_a_page_view_of_plausibles_tracker_reaches_the_dashboard(service, site, browser, page):  # noqa: F811
    for version in range(120, 132):
        address = f"{page}/?utm_source=news&secret=s3cret"
        status, text, _ = visit(browser, address, FIREFOX.format(version, version))
        assert (status, text) == (202, "ok")
    counted = (
        "SELECT uniqExact(visitor), any(utm_source) FROM events"
        " WHERE basis = 'exempt' AND name = 'pageview'"
    )
    eventually(lambda: service.rows(counted) == [(12, "news")], "12 visitors")
    service.cli("release", "run")

    invited = service.facts(
        "user", "invite", "ann@example.com", "--role", "viewer", "--purpose", "reading figures"
    )
    tab = browser.new_context().new_page()
    seen = watch(tab)
    tab.goto(invited["link"])
    tab.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    tab.goto(f"{service.origin}/sites/example.com?period=day")
    shown = tab.locator("main").inner_text()
    assert "/segment" in shown
    tab.get_by_role("link", name="Browsers", exact=True).click()
    tab.locator("main").get_by_text("Firefox").first.wait_for()
    assert "s3cret" not in tab.content()
    assert seen.errors == []
    assert seen.hosts == {service.origin.removeprefix("http://")}
    tab.context.close()


def test_an_objecting_browser_leaves_no_row_and_is_told_so(service, site, browser, page):  # noqa: F811
    before = service.stored()
    headers = {"Sec-GPC": "1"}
    status, _, told = visit(browser, page, FIREFOX.format(150, 150), extra_http_headers=headers)
    assert status == 202
    assert told["x-discreet-reason"] == "objected"
    tallied = "SELECT sum(n) FROM tallies WHERE reason = 'objected'"
    eventually(lambda: (service.rows(tallied)[0][0] or 0) >= 1, "the objection tallied")
    assert service.stored() == before


def test_stopping_the_supervisor_stops_both(tmp_path):
    with running(tmp_path / "home", "serve") as service:
        supervisor = service._processes["serve"]
        service.stop()
        assert supervisor.returncode == 0
        assert not service.answers()
        assert not (service.home / "clickhouse.json").exists()
