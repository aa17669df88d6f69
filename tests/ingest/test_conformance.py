"""JSON as the standard says: what is none is refused with its place, and nothing is ever a 5xx."""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from anonymize.event import Reason
from tests.ingest.conformance import INVALID, OPEN, VALID
from tests.ingest.world import CHROME, make


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = make(tmp_path_factory.mktemp("home"))
    yield made
    made.spool.close()
    made.control.dispose()


@pytest.fixture(scope="module")
def client(world):
    client = world.app().test_client()
    client.environ_base |= {"HTTP_USER_AGENT": CHROME, "REMOTE_ADDR": "192.0.2.77"}
    return client


def cases(table):
    return [pytest.param(value, id=name) for name, value in table.items()]


def batch(world, value: bytes) -> bytes:
    """A batch whose second event has the value as a property, between two good ones."""
    good = b'{"type":"track","event":"Good","messageId":"%d"}'
    odd = b'{"type":"track","event":"Odd","messageId":"2","properties":{"value":%s}}' % value
    key = world.site.write_key.encode()
    return b'{"writeKey":"%s","batch":[%s,%s,%s]}' % (key, good % 1, odd, good % 3)


def post(client, path, body):
    return client.post(path, data=body, content_type="application/json")


def reason(answer):
    return answer.json["reason"]


def test_the_set_is_large():
    assert len(VALID) + len(INVALID) + len(OPEN) >= 220


@pytest.mark.parametrize("text", cases(VALID))
def test_what_is_json_is_read_wherever_it_stands(world, client, text):
    assert json.loads(text) is not Ellipsis
    answer = post(client, "/v1/batch", batch(world, text))
    assert (answer.status_code, answer.json["accepted"]) == (200, 3)


@pytest.mark.parametrize("text", cases(VALID))
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/api/event"])
def test_what_is_json_and_no_request_is_refused_for_what_it_lacks(client, path, text):
    answer = post(client, path, text)
    assert answer.status_code in (400, 401)
    assert reason(answer) in {"wrong_type", "missing_field", "unknown_site"}


@pytest.mark.parametrize("text", cases(INVALID))
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/api/event"])
def test_what_is_not_json_is_refused_as_a_whole(client, path, text):
    answer = post(client, path, text)
    assert answer.status_code == 400
    # What was read of the body before the fault may already be no request.
    assert reason(answer) in {"not_json", "too_deep", "wrong_type", "missing_field"}


@pytest.mark.parametrize("text", [pytest.param(v, id=k) for k, v in INVALID.items() if v.strip()])
def test_a_batch_with_what_is_not_json_stores_nothing_of_it(world, client, text):
    before = len(world.rows())
    answer = post(client, "/v1/batch", batch(world, text))
    if answer.status_code == 200:  # letters that are none cost the event that they stand in
        assert (answer.json["accepted"], len(world.rows()) - before) == (2, 2)
        assert [entry["reason"] for entry in answer.json["rejected"]] == ["not_json"]
    else:
        assert (answer.status_code, len(world.rows())) == (400, before)


@pytest.mark.parametrize(("text", "becomes"), OPEN.values(), ids=OPEN)
def test_what_the_standard_leaves_open_costs_no_other_event(world, client, text, becomes):
    answer = post(client, "/v1/batch", batch(world, text))
    if becomes == "read":
        assert (answer.status_code, answer.json["accepted"]) == (200, 3)
    elif answer.status_code == 200:
        assert answer.json["accepted"] == 2
        [rejected] = answer.json["rejected"]
        assert (rejected["index"], rejected["reason"]) == (1, becomes)
        assert rejected["pointer"].startswith("/batch/1")
    else:
        assert (answer.status_code, reason(answer)) == (400, becomes)


def test_of_a_key_that_stands_twice_the_last_counts(world, client):
    """RFC 8259 section 4 leaves it open; nobody before us reads the body in another way."""
    event = b'{"n":"First","n":"Last","u":"https://example.com/","d":"nobody.test","d":"%s"}'
    answer = post(client, "/api/event", event % world.site.domain.encode())
    assert (answer.status_code, world.rows()[-1]["name"]) == (202, "Last")
    consent = (
        b'"consent":{"categoryPreferences":{"analytics":%s}},'
        b'"consent":{"categoryPreferences":{"analytics":%s}}'
    )
    for stated, basis in (((b"true", b"false"), "none"), ((b"false", b"true"), "consent")):
        track = b'{"writeKey":"%s","type":"track","event":"E","anonymousId":"a","context":{%s}}'
        answer = post(
            client, "/v1/track", track % (world.site.write_key.encode(), consent % stated)
        )
        assert (answer.status_code, world.rows()[-1]["basis"]) == (200, basis)


PIECES = [
    b"", b"\x00", b"\xff", b"\xed\xa0\x80", b'"', b"{", b"}", b"[", b"]", b",", b":", b"-", b"null",
    b"e9999", b"1e400", b"9" * 40, rb"\u", rb"\ud800", b"\\", b"NaN", b"[[[[[[[[", b'{"a":' * 9,
    b" " * 99, b"true", b'""', b"[]", b"{}", b"0.1", b"-1", b'"2026-13-45T99:99:99Z"',
    b'"http://[::1"',
]  # fmt: skip


ODD = [
    None, True, -1, 0, 2**63, 2**64, -(2**70), 0.5, -0.0, 1e308, "", " ", "a" * 400, "a" * 40_000,
    "\x00", "\ud800", "\u202e", "é" * 300, "2026-13-45T99:99:99Z", "1969-01-01", "1,5", "NaN",
    "9999-12-31T23:59Z", "http://[::1", "javascript:alert(1)", "//", "https://" + "a." * 200,
    "granted", [], {}, [[[[[1]]]]], [{}] * 99, {"": {"": {"": {"": 1}}}}, {"a" * 70: 1},
    {str(n): n for n in range(40)},
]  # fmt: skip


def mutated(body: bytes, random: random.Random) -> bytes:
    """The body with odd values or keys, or with pieces that were cut out, doubled or replaced."""
    if random.random() < 0.5:
        value = json.loads(body)
        for _ in range(random.randint(1, 3)):
            value = replaced(value, random)
        return json.dumps(value).encode()
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(body) + 1)
        to = min(len(body), at + random.choice((0, 1, 1, 2, 5, 20)))
        what = random.choice((random.choice(PIECES), body[at:to] * 2, random.randbytes(3)))
        body = body[:at] + what + body[to:]
    return body


def replaced(value, random: random.Random):
    """The value with something odd in a random place of it, or without what was there."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.1:
        return random.choice(ODD)
    copy = value.copy()
    place = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
    deed = random.random()
    if deed < 0.1:
        del copy[place]
    elif deed < 0.15 and isinstance(copy, dict):
        copy[random.choice(["", "__proto__", "type", "a" * 70])] = copy.pop(place)
    else:
        copy[place] = replaced(value[place], random)
    return copy


def whole(world, path: str) -> bytes:
    """What uses every field: a batch, a single event of Segment's, or one of Plausible's."""
    if path == "/api/event":
        view = {
            "n": "Order", "u": "https://example.com/a?utm_source=b#c", "d": "example.com",
            "r": "https://a.test/", "p": {"plan": "pro", "n": 1, "flag": True}, "i": False,
            "$": {"currency": "EUR", "amount": "12.50"}, "e": 100, "sd": 50, "v": 3, "h": 1, "w": 9,
        }  # fmt: skip
        return json.dumps(view).encode()
    event = {
        "type": "track", "event": "Order", "messageId": "m", "anonymousId": "a", "userId": 7,
        "timestamp": "2026-11-22T12:00:00Z", "sentAt": "2026-11-22T12:00:01Z",
        "properties": {"revenue": 12.5, "currency": "EUR", "list": [1, {"a": None}], "flag": True},
        "context": {
            "app": {"name": "App", "version": "1.2", "build": 3}, "locale": "nl-BE",
            "campaign": {"name": "c", "source": "s", "medium": "m", "term": "t", "content": "x"},
            "consent": {
                "categoryPreferences": {"analytics": True}, "analytics_storage": "granted",
                "gpc": False, "updatedAt": "2026-01-01T00:00:00Z",
            },
            "device": {
                "type": "ios", "model": "iPhone14,3", "memory": {"total": 4e9},
                "storage": {"total": 1e11}, "battery": {"level": 0.5},
            },
            "os": {"name": "iOS", "version": 17}, "network": {"wifi": True},
            "screen": {"width": 390, "height": 844}, "sessionId": 1, "childDirected": False,
            "page": {"url": "https://example.com/a?utm_source=b#c", "referrer": "https://a.test/"},
        },
    }  # fmt: skip
    key = {"writeKey": world.site.write_key}
    return json.dumps(key | ({"batch": [event] * 2} if path == "/v1/batch" else event)).encode()


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/api/event"])
def test_no_mutation_of_what_is_good_is_an_error_of_ours(world, client, path):
    """4,500 here; `python -m tests.ingest.mutations` tries 100,000."""
    assert mutations(world, client, path, seed=0, count=1500).answers["5xx"] == 0


@dataclass
class Mutated:
    """How many were answered how, and for which reasons; the slowest's processor time."""

    answers: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0


def mutations(world, client, path: str, seed: int, count: int) -> Mutated:
    """Posts so many mutations of what is good there. Every refusal has its reason."""
    random_ = random.Random(f"{path} {seed}")
    good, came = whole(world, path), Mutated()
    assert post(client, path, good).status_code in (200, 202)
    for _ in range(count):
        body = mutated(good, random_)
        began = time.process_time()
        answer = post(client, path, body)
        came.slowest = max(came.slowest, time.process_time() - began)
        status = answer.status_code
        came.answers[str(status) if status < 500 else "5xx"] += 1
        if path == "/api/event":
            told = answer.headers.get("X-Discreet-Reason", "")
            came.reasons[told] += 1
            assert told in set(Reason) if status != 202 else not told or told in set(Reason)
        elif status == 200:
            left = answer.json["dropped"] + answer.json["rejected"]
            came.reasons.update(entry["reason"] for entry in left)
            assert all(entry["reason"] in set(Reason) for entry in left)
            assert all(isinstance(entry["pointer"], str) for entry in answer.json["rejected"])
        else:
            came.reasons[reason(answer)] += 1
            assert reason(answer) in set(Reason)
            assert answer.json["error"]
    return came
