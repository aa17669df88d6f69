"""What an app's SDK sends and what is stored of it: real shapes in, rows of the spool out."""

import json
import plistlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.ingest.world import CHROME
from tests.service import ROOT

CONSENT = {"categoryPreferences": {"analytics": True, "product": True, "account": True}}
# Nobody may find these in what is stored: what SDKs can say to recognise a device or a person.
NEVER = {
    "device.id": "never-device-id",
    "device.name": "never-device-name",
    "device.token": "never-push-token",
    "device.advertisingId": "never-advertising-id",
    "device.idfa": "never-idfa",
    "device.adTrackingEnabled": True,
    "device.trackingStatus": "never-status",
    "device.manufacturer": "never-maker",
    "network.carrier": "never-carrier",
    "traits.email": "never@example.com",
    "ip": "203.0.113.99",
    "location.city": "never-city",
    "location.latitude": 50.8503,
    "userAgent": "never-web-view/1.0",
    "instanceId": "never-instance",
    "app.namespace": "never.name.space",
    "referrer.link": "never-link",
}


def phone(**more):
    """What analytics-kotlin states of a phone, with everything that its plugins can add."""
    context = {
        "app": {"name": "Shop", "version": "3.1.4", "build": 3104},
        "os": {"name": "Android", "version": "15"},
        "device": {
            "type": "android",
            "model": "Pixel 8",
            "memory": {"total": 8_000_000_000, "free": 1_000_000_000},
            "storage": {"total": 128_000_000_000, "free": 10_000_000_000},
            "battery": {"level": 0.42},
        },
        "network": {"wifi": False, "cellular": True, "bluetooth": False},
        "screen": {"width": 1080, "height": 2400, "density": 2.625},
        "locale": "nl-BE",
        "timezone": "Europe/Brussels",
        "library": {"name": "analytics-kotlin", "version": "1.19.1"},
        "sessionId": "s-1",
        "consent": CONSENT,
    }
    for name, value in NEVER.items():
        *path, last = name.split(".")
        place = context
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return context | more


@pytest.fixture
def send(world):
    """Posts a batch as an SDK does; its answer."""
    client = world.app().test_client()
    client.environ_base |= {
        "HTTP_USER_AGENT": "analytics-kotlin/1.19.1",
        "REMOTE_ADDR": "192.0.2.77",
    }

    def post(*events, path="/v1/b", **envelope):
        body = {"batch": list(events), "writeKey": world.site.write_key} | envelope
        answer = client.post(path, json=body, content_type="text/plain")
        assert answer.status_code == 200, answer.json
        return answer.json

    return post


def track(name, at=None, **fields):
    at = at or datetime.now(UTC)
    event = {"type": "track", "event": name, "timestamp": at.isoformat(), "context": phone()}
    return event | {"anonymousId": "an-1", "messageId": f"m-{name}-{at}"} | fields


def test_a_phones_facts_are_stored_in_buckets_and_nothing_that_recognises_it(world, send):
    assert send(track("Bought", userId="u-1"))["accepted"] == 1
    [row] = world.rows()
    facts = ("app", "app_version", "app_build", "os", "os_version", "model", "memory", "storage")
    assert [row[name] for name in facts] == [
        "Shop", "3.1.4", "3104", "Android", "15", "Pixel 8", "4–8 GB", "64–128 GB",
    ]  # fmt: skip
    more = ("device", "battery", "connection", "screen_size", "language")
    assert [row[name] for name in more] == ["Mobile", "20–50 %", "Cellular", "<576", "nl-BE"]
    assert row["visitor"]
    assert row["user"]
    assert row["visit"]
    stored = str(row).lower()
    assert [value for value in map(str, NEVER.values()) if value.lower() in stored] == []


LIFECYCLE = {
    "Application Installed": {"version": "3.1.4", "build": 3104},
    "Application Opened": {
        "version": "3.1.4", "build": 3104, "from_background": False,
        "referring_application": "com.other.app", "url": "https://example.com/invite?token=secret1",
    },
    "Application Updated": {
        "version": "3.1.4", "build": 3104, "previous_version": "3.0", "previous_build": 3000,
    },
    "Application Backgrounded": {},
}  # fmt: skip


def test_a_lifecycle_is_four_events_and_a_screen(world, send):
    events = [track(name, properties=properties) for name, properties in LIFECYCLE.items()]
    screen = track("x") | {"type": "screen", "name": "Home", "properties": {"name": "Home"}}
    assert send(*events, screen)["accepted"] == 5
    assert [row["name"] for row in world.rows()] == [*LIFECYCLE, "screen"]
    assert world.rows()[-1]["screen"] == "Home"
    assert "secret1" not in str(world.rows())
    assert len({row["visit"] for row in world.rows()}) == 1  # they state one session


def test_no_storage_of_an_iphone_whatever_it_states(world, send):
    device = {"model": "iPhone15,2", "manufacturer": "Apple", "storage": {"total": 128e9}}
    for system in ({"name": "iOS"}, {"name": "iPadOS"}, {}, {"name": "visionOS"}):
        send(track("Opened", context=phone(device=device | {"type": "ios"}, os=system)))
    assert [row.get("storage") for row in world.rows()] == [None] * 4


@pytest.mark.parametrize(
    ("library", "sent_after"),
    [("analytics-kotlin", timedelta(seconds=30)), ("analytics-python", timedelta(days=3))],
    ids=["sending time in a file", "sending time of the request"],
)
def test_what_waited_on_a_phone_without_network_keeps_its_time(world, send, library, sent_after):
    happened = datetime.now(UTC) - timedelta(days=3)
    context = phone(library={"name": library})
    event = track("Read", happened, context=context)
    send(event, sentAt=(happened + sent_after).isoformat())
    [row] = world.rows()
    assert abs(row["time"] - happened.timestamp()) < 10


@pytest.mark.parametrize("skew", [timedelta(hours=-5), timedelta(days=400)], ids=["slow", "fast"])
def test_a_wrong_clock_is_corrected_where_the_sending_time_tells(world, send, skew):
    now = datetime.now(UTC)
    happened = now - timedelta(hours=2)
    context = phone(library={"name": "@segment/analytics-react-native"})
    event = track("Read", happened + skew, context=context)
    send(event, sentAt=(now + skew).isoformat())
    [row] = world.rows()
    assert abs(row["time"] - happened.timestamp()) < 10


def test_a_flutter_app_states_local_times_without_an_offset(world, send):
    """`DateTime.now().toIso8601String()`, for the event and for the sending: the two cancel out."""
    now = datetime.now(UTC)
    local = (now + timedelta(hours=9)).replace(tzinfo=None)
    context = phone(library={"name": "analytics-flutter"})
    event = track("Read", context=context) | {"timestamp": (local - timedelta(hours=1)).isoformat()}
    send(event, sentAt=local.isoformat())
    [row] = world.rows()
    assert abs(row["time"] - (now - timedelta(hours=1)).timestamp()) < 10


def test_a_batch_that_is_sent_again_has_the_same_event_ids(world, send):
    events = [track(f"Step {n}") for n in range(5)]
    for _ in range(2):
        assert send(*events)["accepted"] == 5
    first, again = world.rows()[:5], world.rows()[5:]
    assert [row["event_id"] for row in first] == [row["event_id"] for row in again]


def identify(**fields):
    traits = {"plan": "pro", "email": "ann@example.com", "note": "call ann@example.com"}
    event = {"type": "identify", "anonymousId": "an-1", "userId": "u-1", "traits": traits}
    return event | {"context": phone()} | fields


def test_traits_that_the_site_allows_are_stored_scrubbed_and_no_others(world, send):
    world.sites.set(world.site, properties=["plan", "note"])
    assert send(identify())["accepted"] == 1
    [row] = world.rows()
    assert (row["name"], row["props"]) == ("identify", {"plan": "pro", "note": "call {email}"})
    assert row["user"]
    assert "u-1" not in str(row)


@pytest.mark.parametrize(
    ("properties", "consent"),
    [([], CONSENT), (["plan"], {}), (["plan"], {"categoryPreferences": {"analytics": False}})],
    ids=["nothing allowed", "nothing stated", "refused"],
)
def test_an_identify_of_which_nothing_may_be_stored_leaves_no_row(world, send, properties, consent):
    world.sites.set(world.site, properties=properties)
    answer = send(identify(context=phone(consent=consent)))
    assert [entry["reason"] for entry in answer["dropped"]] == ["no_traits"]
    assert world.rows() == []


def test_an_account_is_a_pseudonym_and_only_where_its_purpose_is_granted(world, send):
    send(track("A", userId="u-1"))
    send(track("B", userId="u-1", context=phone(consent={"analytics_storage": "granted"})))
    linked, not_linked = world.rows()
    assert linked["user"] != "u-1"
    assert "user" not in not_linked


def test_children_are_counted_and_not_described(world, send):
    send(track("Played", context=phone(childDirected=True)))
    [row] = world.rows()
    assert row["basis"] == "none"
    assert {"visitor", "user", "visit", "model", "props"} & set(row) == set()


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/t", {"type": "track", "event": "Bought"}, "Bought"),
        ("/v1/p", {"type": "page", "properties": {"url": "https://example.com/"}}, "pageview"),
        ("/v1/s", {"type": "screen", "name": "Home"}, "screen"),
    ],
)
def test_the_one_letter_paths_of_analytics_js(world, path, body, name):
    client = world.app().test_client()
    answer = client.post(path, json=body | {"writeKey": world.site.write_key})
    assert answer.json["accepted"] == 1
    assert [row["name"] for row in world.rows()] == [name]


@pytest.mark.parametrize("path", ["/v1/group", "/v1/g", "/v1/alias", "/v1/a"])
def test_groups_and_aliases_are_dropped_by_name(world, path):
    answer = world.app().test_client().post(path, json={"writeKey": world.site.write_key})
    assert [entry["reason"] for entry in answer.json["dropped"]] == ["unsupported_type"]


@pytest.mark.parametrize("domain", ["example.com", "www.example.com", "other.org, EXAMPLE.com"])
def test_a_batch_may_name_its_site_by_domain(world, domain):
    client = world.app().test_client()
    event = {"type": "page", "properties": {"url": "https://example.com/"}}
    for path, body in (("/v1/batch", {"batch": [event]}), ("/v1/page", event)):
        answer = client.post(path, json=body | {"domain": domain}, headers={"User-Agent": CHROME})
        assert answer.json["accepted"] == 1


def test_a_domain_helps_no_unknown_key_and_is_named_where_it_is_unknown_itself(world):
    client = world.app().test_client()
    for body, pointer in (
        ({"writeKey": "none", "domain": "example.com"}, "/writeKey"),
        ({"domain": "unknown.org"}, "/domain"),
    ):
        answer = client.post("/v1/batch", json=body | {"batch": []})
        assert (answer.status_code, answer.json["pointer"]) == (401, pointer)


def test_sdks_start_with_what_we_tell_them_and_talk_to_nobody_else(world):
    world.public_host = "stats.example"
    key = world.site.write_key
    told = world.app().test_client().get(f"/v1/projects/{key}/settings").json
    # Where events go, as analytics-swift, -kotlin, -react-native and .js read it; without an own
    # rate the SDKs would send figures about themselves to Segment.
    assert told["integrations"] == {"Segment.io": {"apiKey": key, "apiHost": "stats.example/v1"}}
    assert told["metrics"] == {"sampleRate": 0, "host": "stats.example/v1"}
    assert told["plan"] == {}
    assert "segment" not in str(told).lower().replace("segment.io", "")


def blocks(language):
    """The code of docs/apps.md in a language."""
    text = (ROOT / "docs" / "apps.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_pages_privacy_manifest_is_one_and_claims_no_tracking():
    [xml] = blocks("xml")
    manifest = plistlib.loads(xml.encode())
    assert manifest["NSPrivacyTracking"] is False
    assert manifest["NSPrivacyTrackingDomains"] == []
    for collected in manifest["NSPrivacyCollectedDataTypes"]:
        assert set(collected) == {f"NSPrivacyCollectedDataType{part}" for part in (
            "", "Linked", "Tracking", "Purposes")}  # fmt: skip
        assert collected["NSPrivacyCollectedDataTypeTracking"] is False
    accessed = [api["NSPrivacyAccessedAPIType"] for api in manifest["NSPrivacyAccessedAPITypes"]]
    assert accessed == ["NSPrivacyAccessedAPICategoryUserDefaults"]


def test_the_pages_examples_can_be_read_and_send_here_alone():
    [python] = blocks("python")
    compile(python, "docs/apps.md", "exec")
    [stated] = blocks("json")
    assert json.loads(stated)["categoryPreferences"]["analytics"] is True
    for language in ("swift", "kotlin", "ts", "dart", "js", "python"):
        [code] = blocks(language)
        assert "stats.example" in code
        assert "segment.io" not in code
