"""The image that counts a page view without JavaScript."""

import mmap
from urllib.parse import urlencode

import pytest

from ingest.limits import SIZE, Limiter, Limits
from ingest.pixel import IMAGE
from tests.ingest.world import CHROME

PAGE = "https://example.com/pricing?utm_source=news&secret=s3cret"


@pytest.fixture
def client(world):
    client = world.app().test_client()
    client.environ_base |= {"HTTP_USER_AGENT": CHROME, "REMOTE_ADDR": "192.0.2.77"}
    return client


def asked(client, headers=(), **parameters):
    answer = client.get(f"/pixel.gif?{urlencode(parameters)}", headers=dict(headers))
    assert (answer.status_code, answer.data, answer.mimetype) == (200, IMAGE, "image/gif")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    return answer.headers.get("X-Discreet-Reason")


def test_a_page_view_by_its_parameters(world, client):
    assert asked(client, domain="example.com", url=PAGE, referrer="https://www.bing.com/") is None
    [row] = world.rows()
    assert (row["name"], row["page"], row["hostname"]) == ("pageview", "/pricing", "example.com")
    assert (row["utm_source"], row["referrer"]) == ("news", "bing.com")
    assert "s3cret" not in str(row)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"domain": "example.com"}, {"domain": "other.org,www.example.com"}, {"key": ""}],
    ids=["nothing", "domain", "several domains", "empty key"],
)
def test_a_page_view_by_the_page_that_the_browser_names(world, client, parameters):
    assert asked(client, {"Referer": "https://www.example.com/a"}, **parameters) is None
    assert [row["page"] for row in world.rows()] == ["/a"]


def test_a_page_view_by_the_write_key(world, client):
    assert asked(client, key=world.site.write_key, url="https://elsewhere.org/") is None
    assert [row["hostname"] for row in world.rows()] == ["elsewhere.org"]


@pytest.mark.parametrize("headers", [{"Sec-GPC": "1"}, {"DNT": "1"}])
def test_an_objection_leaves_no_row(world, client, headers):
    assert asked(client, headers, url=PAGE) == "objected"
    assert world.rows() == []
    assert world.tallied() == {(world.site.id, "objected"): 1}


def test_a_prefetched_image_is_kept_apart(world, client):
    assert asked(client, {"Sec-Purpose": "prefetch;prerender"}, url=PAGE) is None
    assert [row["bot"] for row in world.rows()] == ["prefetch"]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "missing_field"),
        ({"domain": "example.com", "url": "nowhere"}, "bad_url"),
        ({"url": "nowhere"}, "bad_url"),
        ({"url": "https://unknown.org/"}, "unknown_site"),
        ({"domain": "unknown.org", "url": PAGE}, "unknown_site"),
        ({"key": "none", "domain": "example.com", "url": PAGE}, "unknown_site"),
        ({"url": "https://example.com/" + "a" * 2048}, "too_long"),
        ({"url": "https://example.com/" + "a" * 9000}, "too_large"),
        ({str(n): n for n in range(11)}, "too_many"),
    ],
    ids=[
        "no page", "bad page", "bad page alone", "unknown host", "unknown domain", "unknown key",
        "long page", "huge query", "many parameters",
    ],
)  # fmt: skip
def test_a_refusal_is_still_an_image_and_is_counted(world, client, parameters, reason):
    assert asked(client, **parameters) == reason
    assert world.rows() == []
    assert [key[1] for key in world.tallied()] == [reason]


def test_the_limits_hold_for_images_too(world, monkeypatch):
    monkeypatch.setattr("ingest.views.Limiter", lambda: Limiter(mmap.mmap(-1, SIZE), lambda: 1e6))
    world.limits = Limits.of(sender=1, site=0)
    client = world.app().test_client()
    reasons = [asked(client, url=PAGE) for _ in range(12)]
    assert reasons == [None] * 10 + ["rate_limited"] * 2


def test_whoever_asks_about_the_image_has_seen_nothing(world, client):
    answer = client.head(f"/pixel.gif?{urlencode({'url': PAGE})}")
    assert (answer.status_code, answer.data) == (200, b"")
    assert world.rows() == []
