"""Nothing raw of any request is kept, whatever its basis and however it fails."""

import gzip
import json
import random
import socket

import pytest

from tests.service import eventually, running

CONSENTS = {
    "nothing stated": {},
    "granted": {"categoryPreferences": {"analytics": True, "account": True}},
    "refused": {"categoryPreferences": {"analytics": False}},
    "granted by storage": {"analytics_storage": "granted"},
    "objected": {"gpc": True},
}


TOKEN = "t" * 40


class Canaries:
    """Unique strings of every kind that must never be found again."""

    def __init__(self):
        self._chance = random.Random(3)
        self.all = set()

    def _keep(self, text):
        self.all.add(text)
        return text

    def word(self):
        return self._keep(f"cnry{self._chance.getrandbits(60):015x}")

    def address(self):
        return self._keep(".".join(str(self._chance.randrange(100, 256)) for _ in range(4)))

    def email(self):
        return self._keep(f"{self.word()}@{self.word()}.example")

    def agent(self):
        return self._keep(f"Mozilla/5.0 (X11; Linux x86_64; {self.word()}) Firefox/140.0")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    (folder / "token").write_text(TOKEN)
    more = {"DISCREET_TRUSTED_PROXIES": "1", "DISCREET_METRICS_TOKEN_FILE": str(folder / "token")}
    with running(folder / "home", "web", "worker", **more) as started:
        yield started


@pytest.fixture(scope="module")
def keys(service):
    """Write keys by domain: both policies, and a site for children."""
    made = {
        f"{name}.example.com": service.facts(
            "site", "add", f"{name}.example.com", "--policy", policy
        )["write_key"]
        for name, policy in (("opt-in", "opt-in"), ("exempt", "exempt"), ("kids", "exempt"))
    }
    service.cli("site", "set", "opt-in.example.com", "--property", "email", "--city")
    service.cli("site", "set", "kids.example.com", "--child-directed")
    return made


def segment_event(canaries, consent, number):
    """A track event with a canary in every field of the protocol, and in some that are not."""
    w = canaries.word
    return {
        "type": "track", "event": "Bought", "messageId": w(), "anonymousId": w(), "userId": w(),
        "sentAt": None, w(): w(),
        "properties": {
            "url": f"https://{w()}:{w()}@exempt.example.com/a?q={w()}&email={canaries.email()}#{w()}",
            "referrer": f"https://www.google.com/search?q={w()}",
            w(): w(), "email": canaries.email(), "title": w(), "nested": {w(): w()},
        },
        "traits": {"email": canaries.email(), w(): w()},
        "context": {
            "ip": canaries.address(), "userAgent": canaries.agent(), "sessionId": w(),
            "traits": {"name": w(), "email": canaries.email()},
            "consent": consent | {"tcString": w()} if number % 7 == 0 else consent,
            "device": {"id": w(), "advertisingId": w(), "name": w(), "token": w()},
            "location": {"latitude": 51.0, "city": w()},
            "page": {"search": f"?{w()}", "title": w()},
            "network": {"bssid": w(), "carrier": w()}, "groupId": w(), w(): {w(): w()},
        },
        "integrations": {w(): True},
    }  # fmt: skip


def headers(canaries):
    return {
        "User-Agent": canaries.agent(),
        "X-Forwarded-For": f"{canaries.address()}, {canaries.address()}",
        "Cookie": f"id={canaries.word()}",
        "Referer": f"https://exempt.example.com/?{canaries.word()}",
        "X-Request-Id": canaries.word(),
        "Forwarded": f"for={canaries.address()}",
    }


@pytest.mark.timeout(240)
def test_no_canary_of_thousands_is_found_anywhere(service, keys, tmp_path):
    canaries = Canaries()
    accepted = 0
    for number in range(80):
        for domain, key in keys.items():
            for consent in CONSENTS.values():
                batch = [segment_event(canaries, consent, number) for _ in range(2)]
                body = json.dumps({"writeKey": key, "batch": batch}).encode()
                more = {"Content-Encoding": "gzip"} if number % 3 == 0 else {}
                answer = service.post(
                    f"/v1/batch?{canaries.word()}={canaries.word()}",
                    gzip.compress(body) if more else body,
                    **headers(canaries), **more,
                )  # fmt: skip
                assert answer.status_code == 200, answer.text
                accepted += answer.json()["accepted"]
            url = f"https://{domain}/a?{canaries.word()}#{canaries.word()}"
            view = {
                "n": "pageview", "u": url, "d": domain, "r": f"https://t.co/{canaries.word()}",
                "p": {canaries.word(): canaries.email()},
            }  # fmt: skip
            assert service.post("/api/event", view, **headers(canaries)).status_code == 202
            accepted += 1
    provoke(service, keys["exempt.example.com"], canaries)
    eventually(lambda: service.stored() >= accepted, "everything accepted stored")
    service.cli("release", "run")
    answers = [service.get("/metrics", Authorization=f"Bearer {TOKEN}")]
    assert f"discreet_events_accepted_total {accepted}" in answers[0].text
    for path in ("/metrics", f"/{canaries.word()}", f"/sites/{canaries.word()}", "/api/v2/query"):
        answers.append(service.get(f"{path}?{canaries.word()}", **headers(canaries)))
    query = {"site_id": canaries.word(), "metrics": [canaries.word()]}
    answers.append(service.post("/api/v2/query", query, **headers(canaries)))
    for answer in answers:
        assert not [canary for canary in canaries.all if canary in answer.text], answer.url

    assert len(canaries.all) > 20_000
    (tmp_path / "canaries").write_text("\n".join(canaries.all))
    report = service.facts("leaks", str(tmp_path / "canaries"))
    assert report["found"] == []
    assert report["planted"] == ["control", "file", "keys", "spool", "store"]
    printed = service.printed()
    assert not [canary for canary in canaries.all if canary in printed]


def provoke(service, key, canaries):
    """Every kind of failure, each with canaries in it; none may be repeated in an answer."""
    w = canaries.word
    bad = [
        ("/v1/batch", f'{{"writeKey": "{key}", "batch": [{{"event": "{w()}'.encode()),
        ("/v1/batch", json.dumps({"writeKey": w(), "batch": []}).encode()),
        ("/v1/batch", json.dumps({"writeKey": key, "batch": w()}).encode()),
        ("/v1/track", json.dumps({"writeKey": key, "event": {w(): w()}}).encode()),
        ("/v1/track", json.dumps({"writeKey": key, "event": "e", "timestamp": w()}).encode()),
        ("/v1/page", json.dumps({"writeKey": key, "properties": {"url": f"//[{w()}"}}).encode()),
        ("/api/event", json.dumps({"n": "pageview", "u": f"http://[{w()}", "d": w()}).encode()),
        ("/api/event", w().encode()),
        ("/v1/batch", gzip.compress(w().encode())[:-6]),
        ("/v1/batch", b"\x00" * 600_000 + w().encode()),
    ]
    for path, body in bad:
        for more in ({}, {"Content-Type": w()}, {"Content-Encoding": "gzip"}):
            answer = service.post(path, body, **headers(canaries), **more)
            assert answer.status_code in (200, 400, 401, 413, 415), (path, answer.status_code)
            assert not [canary for canary in canaries.all if canary in answer.text]
    for request in (
        f"GET /{w()}?{w()} HTTP/1.1\r\n{w()}\r\n\r\n",
        f"POST /api/event HTTP/9.9\r\nUser-Agent: {canaries.agent()}\r\n\r\n",
        f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ{w()}\r\n",
        f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{w()}",
    ):
        with socket.create_connection(("127.0.0.1", service.port), timeout=5) as client:
            client.sendall(request.encode())
            client.shutdown(socket.SHUT_WR)
            client.recv(2000)
