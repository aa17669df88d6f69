"""Floods: who sends too much is told when to come again, alone, by all processes alike."""

import json
import mmap

import pytest
import requests

from ingest.limits import NONE, SIZE, Limit, Limiter, Limits
from tests.ingest.world import CHROME, make
from tests.service import eventually, running

VIEW = {"n": "pageview", "u": "https://example.com/a", "d": "example.com"}
PAGE = {"type": "page", "properties": {"url": "https://example.com/a"}}
TEN = Limit(rate=1, burst=10)
REASON = "X-Discreet-Reason"


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """A world under limits, whose buckets are its own and stand still."""
    monkeypatch.setattr("ingest.views.Limiter", lambda: Limiter(mmap.mmap(-1, SIZE), lambda: 1e6))
    worlds = []

    def make_limited(sender=NONE, site=NONE):
        world = make(tmp_path)
        worlds.append(world)
        world.limits = Limits(sender, site)
        client = world.app().test_client()
        client.environ_base |= {"HTTP_USER_AGENT": CHROME, "REMOTE_ADDR": "192.0.2.77"}
        return world, client

    yield make_limited
    for world in worlds:
        world.spool.close()
        world.control.dispose()


def batch(world, events: int) -> dict:
    return {"writeKey": world.site.write_key, "batch": [PAGE] * events}


def test_too_much_is_refused_with_its_reason_and_when_to_come_again(limited):
    world, client = limited(sender=TEN)
    assert client.post("/v1/batch", json=batch(world, 10)).status_code == 200
    answer = client.post("/v1/batch", json=batch(world, 3))
    assert answer.status_code == 429
    assert (answer.json["reason"], answer.headers[REASON]) == ("rate_limited", "rate_limited")
    assert answer.headers["Retry-After"] == "3"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert len(world.rows()) == 10


def test_what_is_to_come_again_is_counted_and_not_tallied(limited):
    world, _ = limited(sender=TEN)
    told = []
    client = world.app(told.append).test_client()
    for _ in range(12):
        client.post("/api/event", json=VIEW, environ_base={"REMOTE_ADDR": "192.0.2.77"})
    assert told == ["rate_limited"] * 2
    assert world.tallied() == {}


@pytest.mark.parametrize("neighbour", ["192.0.2.1", "::ffff:192.0.2.9"])
def test_a_network_shares_one_limit_and_another_has_its_own(limited, neighbour):
    _, client = limited(sender=TEN)

    def status(address: str) -> int:
        return client.post(
            "/api/event", json=VIEW, environ_base={"REMOTE_ADDR": address}
        ).status_code

    assert {status("192.0.2.77") for _ in range(10)} == {202}
    assert status(neighbour) == 429
    assert status("192.0.3.77") == 202


def test_a_site_has_a_limit_whoever_sends(limited):
    world, client = limited(site=TEN)
    other = world.sites.add("other.example", "Europe/Brussels", "exempt", "BE")
    for number in range(10):
        client.post("/api/event", json=VIEW, environ_base={"REMOTE_ADDR": f"192.0.{number}.1"})
    assert client.post("/api/event", json=VIEW).status_code == 429
    assert client.post("/api/event", json=VIEW | {"d": other.domain}).status_code == 202


def test_what_its_sender_is_refused_costs_the_site_nothing(limited):
    _, client = limited(sender=TEN, site=Limit(1, 20))
    for _ in range(100):
        client.post("/api/event", json=VIEW)
    other = {"REMOTE_ADDR": "198.51.100.1"}
    assert {
        client.post("/api/event", json=VIEW, environ_base=other).status_code for _ in range(10)
    } == {202}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/event", b"{", 400),
        ("/v1/batch", b'{"writeKey":"none","batch":[]}', 401),
        ("/api/event", b'{"n":"pageview","u":"https://a.org/","d":"a.org"}', 400),
        ("/v1/track", b"x" * 600_000, 413),
    ],
    ids=["not JSON", "unknown key", "unknown domain", "too large"],
)
def test_requests_that_are_refused_cost_their_sender_too(limited, path, body, status):
    world, client = limited(sender=TEN)
    seen = [client.post(path, data=body, content_type="text/plain").status_code for _ in range(12)]
    assert seen == [status] * 10 + [429] * 2
    assert sum(world.tallied().values()) == 10


def test_an_empty_batch_is_not_free(limited):
    world, client = limited(sender=TEN)
    seen = [client.post("/v1/batch", json=batch(world, 0)).status_code for _ in range(11)]
    assert seen == [200] * 10 + [429]


def test_a_limit_holds_over_all_processes_of_a_node(tmp_path):
    """500 at once and 50 a second: whatever two processes take in shares one bucket."""
    with running(tmp_path / "home", DISCREET_SENDER_LIMIT="50", DISCREET_SITE_LIMIT="0") as service:
        service.cli("site", "add", "example.com", "--policy", "exempt")
        service.start("web")

        def figures():
            return list((tmp_path / "home" / "metrics").glob("*.counts"))

        key = service.facts("site", "show", "example.com")["write_key"]
        body = json.dumps({"writeKey": key, "batch": [PAGE] * 100}).encode()
        # A connection each, so that both processes get some; each has a file of figures.
        eventually(lambda: service.answers() and len(figures()) == 2, "both processes answer")
        answers = [requests.post(f"{service.origin}/v1/batch", body, timeout=20) for _ in range(40)]
        taken = sum(answer.status_code == 200 for answer in answers)
        seconds = sum(answer.elapsed.total_seconds() for answer in answers)
        assert {answer.status_code for answer in answers} == {200, 429}
        assert taken <= 5 + seconds * 50 / 100 + 2
        refused = 'discreet_events_not_stored_total{outcome="refused",reason="rate_limited"}'
        assert f"{refused} {40 - taken}\n" in service.get("/metrics").text
