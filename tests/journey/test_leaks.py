"""Nothing raw of any request is kept, whatever its basis and however it fails."""

import gzip
import json
import random
import re
import socket
import uuid

import pyotp
import pytest
import requests

from tests.service import eventually, running

CONSENTS = {
    "nothing stated": {},
    "granted": {"categoryPreferences": {"analytics": True, "account": True}},
    "refused": {"categoryPreferences": {"analytics": False}},
    "granted by storage": {"analytics_storage": "granted"},
    "objected": {"gpc": True},
}


TOKEN = "t" * 40
# Fields of forms that are shown to nobody again.
SECRET = ("password", "new", "again", "code")


class Canaries:
    """Unique strings of every kind that must never be found again."""

    def __init__(self):
        self._chance = random.Random(3)
        self.all = set()

    def keep(self, text):
        self.all.add(text)
        return text

    def word(self):
        return self.keep(f"cnry{self._chance.getrandbits(60):015x}")

    def address(self):
        return self.keep(".".join(str(self._chance.randrange(100, 256)) for _ in range(4)))

    def email(self):
        return self.keep(f"{self.word()}@{self.word()}.example")

    def strong(self):
        """As hard to guess as an identifier has to be."""
        return self.word() + self.word()

    def agent(self):
        return self.keep(f"Mozilla/5.0 (X11; Linux x86_64; {self.word()}) Firefox/140.0")


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
    for number in range(50):
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
    for key in keys.values():
        accepted += decide(service, key, canaries)
    accepted += look_at_pixels(service, canaries)
    object_to_it(service, canaries)
    sign_in(service, canaries)
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


def decide(service, key, canaries):
    """Every decision and every failure of one; returns how many events were accepted in between."""
    w, strong = canaries.word, canaries.strong
    agreed = {"categoryPreferences": {"analytics": True, w(): True}}
    person = {"writeKey": key, "anonymousId": canaries.keep(str(uuid.uuid4()))}
    told = [
        person | agreed,
        person | {"categoryPreferences": {"analytics": False, "product": w()}},
        person | {"objection": True},
        {"writeKey": key, "anonymousId": strong(), "analytics_storage": "granted"},
        {"writeKey": key, "categoryPreferences": {w(): False}},
    ]
    accepted = 0
    for body in told:
        body |= {"messageId": w(), "userId": w(), "traits": {w(): canaries.email()}, w(): w()}
        for _ in range(2):
            answer = post(service, "/v1/consent", body, canaries, **headers(canaries))
            assert answer.status_code == 201, answer.text
            receipt, token = answer.json()["receipt"], answer.json().get("subjectToken")
            for bits in filter(None, (receipt.partition("-")[2], token)):
                canaries.keep(bits)
        assert service.get(f"/v1/consent/{receipt}", **headers(canaries)).status_code == 200
        if body.get("anonymousId") == person["anonymousId"]:
            continue  # of whom events are held back while they wait
        view = {"type": "page", "anonymousId": body.get("anonymousId"), "context": {}}
        view["context"]["consent"] = {"categoryPreferences": {"analytics": True}}
        batch = {"writeKey": key, "batch": [view]}
        accepted += service.post("/v1/batch", batch, **headers(canaries)).json()["accepted"]
    bad = [
        f'{{"writeKey": "{key}", "anonymousId": "{w()}'.encode(),
        {"writeKey": w(), "anonymousId": strong()} | agreed,
        {"domain": w(), "anonymousId": strong()} | agreed,
        {"anonymousId": strong()} | agreed,
        {"writeKey": key, "anonymousId": canaries.email()} | agreed,
        {"writeKey": key, "anonymousId": {w(): w()}} | agreed,
        {"writeKey": key, "anonymousId": strong(), "categoryPreferences": w()},
        {"writeKey": key, "anonymousId": strong(), "tcString": w()},
        {"writeKey": key, "anonymousId": strong(), "method": w()} | agreed,
        {"writeKey": key, "anonymousId": strong(), "decidedAt": w()} | agreed,
        {"writeKey": key, "anonymousId": strong(), "language": w()} | agreed,
        {"writeKey": key, "anonymousId": strong()},
        {"writeKey": key, "objection": True, w(): w()},
        b"\x00" * 600_000 + w().encode(),
    ]
    for body in bad:
        answer = post(service, f"/v1/consent?{w()}", body, canaries, **headers(canaries))
        assert answer.status_code in (400, 401, 413), (body, answer.status_code)
    for text in (w(), f"x-{w()}", f"{w()}-"):
        answer = service.get(f"/v1/consent/{text}?{w()}", **headers(canaries))
        assert (answer.status_code, text in answer.text) == (404, False)
    return accepted


def post(service, path, body, canaries, **more):
    """Posts, and sees that no canary comes back but the proofs of a decision, of which nothing is
    a canary yet.
    """
    answer = service.post(path, body, **more)
    assert "cnry" not in answer.text
    return answer


def look_at_pixels(service, canaries):
    """Views by an image, most of them wrong; returns how many were accepted."""
    w = canaries.word
    queries = [
        f"domain=kids.example.com&url=https://kids.example.com/a?{w()}&referrer=https://t.co/{w()}",
        f"key={w()}&url=https://exempt.example.com/a",
        f"domain={w()}&url={w()}",
        f"url=//[{w()}",
        w(),
        "&".join(f"{w()}={w()}" for _ in range(12)),
        f"domain=exempt.example.com&url={w() * 300}",
    ]
    answers = [service.get(f"/pixel.gif?{query}", **headers(canaries)) for query in queries]
    assert "cnry" not in str([(answer.content, answer.headers) for answer in answers])
    return sum("X-Discreet-Reason" not in answer.headers for answer in answers)


def object_to_it(service, canaries):
    """The page without an identifier: taken, refused, and asked for in no language."""
    w = canaries.word
    address = f"{service.origin}/opt-out?lang={w()}&{w()}={w()}"
    for origin, expected in ((service.origin, 303), (f"https://{w()}.example", 403)):
        for choice in ("object", "undo", w()):
            sent = {"choice": choice, w(): canaries.email()}
            more = headers(canaries) | {"Origin": origin}
            answer = requests.post(address, sent, headers=more, timeout=20, allow_redirects=False)
            assert answer.status_code == expected
            assert "cnry" not in answer.text + str(answer.headers)
    for cookie in (f"discreet_optout={w()}", f"{w()}={w()}"):
        answer = requests.get(address, headers=headers(canaries) | {"Cookie": cookie}, timeout=20)
        assert "cnry" not in answer.text


def sign_in(service, canaries):
    """Tries that fail until they have to wait, and an account whose every form is filled in wrong
    and then right. What is typed comes back to nobody but, as a name in its field, to who typed it.
    """
    w = canaries.word
    invited = service.facts(
        "user", "invite", "ann@example.com", "--role", "viewer", "--purpose", "reading figures"
    )

    def agent():
        return {"User-Agent": canaries.agent(), "X-Forwarded-For": f"203.0.113.{number % 200}"}

    def fill(browser, page, to, **fields):
        token = re.search(r'csrf_token" value="([^"]+)', browser.get(service.origin + page).text)
        fields |= {"csrf_token": token[1] if token else "", w(): w()}
        answer = browser.post(f"{service.origin}{to}", fields, headers=agent(), timeout=20)
        assert not [text for name, text in fields.items() if name in SECRET and text in answer.text]
        return answer

    number = 0
    with requests.Session() as browser:
        stranger = canaries.email()
        for expected in (401,) * 5 + (429,):
            tried = fill(browser, "/sign-in", "/sign-in", email=stranger, password=w())
            assert tried.status_code == expected
        wrong = [
            browser.post(f"{service.origin}/sign-in", {"email": stranger, "password": w()}),
            browser.post(f"{service.origin}/sign-in/code", {"code": w()}),
            browser.get(f"{service.origin}/sign-in/{w()}?{w()}", headers=agent()),
            fill(browser, "/sign-in", f"/sign-in/{w()}"),
        ]
        assert [answer.status_code for answer in wrong] == [400, 400, 410, 410]
    with requests.Session() as browser:
        link = invited["link"].removeprefix(service.origin)
        assert fill(browser, link, link).status_code == 200
        secret = canaries.strong()
        for new, again, expected in (
            (w(), w(), 400),
            ("short", "short", 400),
            (secret,) * 2 + (200,),
        ):
            chosen = fill(browser, "/account", "/account/password", new=new, again=again)
            assert chosen.status_code == expected
        assert (
            fill(
                browser, "/account", "/account/password", password=w(), new=w(), again=w()
            ).status_code
            == 403
        )
        page = browser.get(f"{service.origin}/account/second-factor").text
        seed = canaries.keep(re.search(r'name="seed" value="([^"]+)', page)[1])
        for code, proof, expected in (
            (w(), secret, 400), (w(), w(), 403), (pyotp.TOTP(seed).now(), secret, 200),
        ):  # fmt: skip
            shown = fill(
                browser, "/account", "/account/second-factor", seed=seed, code=code, password=proof
            )
            assert shown.status_code == expected
        for code in re.findall(r"<li><code>([^<]+)", shown.text):
            canaries.keep(code)
            canaries.keep(code.replace("-", ""))
        fill(browser, "/account", f"/account/sessions/{w()}/end")
    with requests.Session() as browser:
        fill(browser, "/sign-in", "/sign-in", email="ann@example.com", password=secret)
        for _ in range(2):
            assert fill(browser, "/sign-in/code", "/sign-in/code", code=w()).status_code == 401


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
