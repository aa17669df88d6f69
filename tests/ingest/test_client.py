"""Segment's own Python client against the collecting endpoints, over a real socket."""

import threading

import pytest
from segment.analytics.client import Client
from werkzeug.serving import make_server

CONSENT = {"consent": {"categoryPreferences": {"analytics": True}}}


@pytest.fixture
def origin(world):
    server = make_server("127.0.0.1", 0, world.app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_everything_that_the_client_can_send_is_understood(world, origin, packed):
    failed = []
    client = Client(
        world.site.write_key,
        host=origin,
        gzip=packed,
        max_retries=0,
        on_error=lambda error, _: failed.append(error),
    )
    client.page(anonymous_id="a", properties={"url": "https://example.com/"}, context=CONSENT)
    client.screen(anonymous_id="a", name="Home", context=CONSENT)
    client.track(anonymous_id=7, event="Bought", properties={"revenue": 3.5}, context=CONSENT)
    client.identify(user_id="u", traits={"email": "ann@example.com"})
    client.group(user_id="u", group_id="g")
    client.alias(previous_id="a", user_id="u")
    client.flush()
    client.join()
    assert failed == []
    assert sorted(row["name"] for row in world.rows()) == ["Bought", "pageview", "screen"]
    assert world.tallied() == {
        (world.site.id, "no_traits"): 1,
        (world.site.id, "unsupported_type"): 2,
    }
    spooled = str(world.rows())
    assert "ann@example.com" not in spooled
    assert "127.0.0.1" not in spooled


def test_the_client_is_told_that_its_key_is_unknown(world, origin):
    failed = []
    client = Client(
        "nobody",
        host=origin,
        max_retries=0,
        on_error=lambda error, _: failed.append(error.status),
    )
    client.track(anonymous_id="a", event="e")
    client.flush()
    client.join()
    assert failed == [401]
