"""Attacks on the edge, each tried."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select
from werkzeug.middleware.proxy_fix import ProxyFix

from accounts import passwords
from accounts.passwords import Passwords
from accounts.people import People
from control.database import sign_in_failures
from operate import logs
from operate.access_page import routes
from operate.services import Services
from tests.edge.conftest import HERE, SignIn

ADA, PASSWORD = "ada@example.com", "herring dances on the tin roof"


class Counting:
    """A hasher that is quick, and counts."""

    def __init__(self) -> None:
        self._quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, kept: str, password: str) -> bool:
        self.verified += 1
        return self._quick.verify(kept, password)

    def __getattr__(self, name: str) -> object:
        return getattr(self._quick, name)


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch, services: Services) -> Iterator[Counting]:
    """Quick hashes, one of them ada's; and no failure from before."""
    counting = Counting()
    monkeypatch.setattr(passwords, "_hasher", counting)
    monkeypatch.setattr(passwords, "_NOBODYS", counting._quick.hash("nobody's"))
    person = People(services.control).invite(ADA, "viewer", "reads").person
    Passwords(services.control).choose(person, PASSWORD)
    forget(services)
    yield counting
    forget(services)


def forget(services: Services) -> None:
    with services.control.begin() as connection:
        connection.execute(delete(sign_in_failures))


def attempt(client: FlaskClient, email: str, password: str = "guess", **headers: str) -> int:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found is not None
    fields = {"csrf_token": found[1], "email": email, "password": password}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/sign-in", data=fields, headers=named).status_code


def test_an_account_that_does_not_exist_costs_the_same_work(
    app: Flask, services: Services, hasher: Counting
) -> None:
    People(services.control).invite("link@example.com", "viewer", "has no password yet")
    client, work = app.test_client(), {}
    for email in (ADA, "nobody@example.com", "link@example.com", "", "x" * 5000):
        before = hasher.verified
        assert attempt(client, email) == 401
        work[email] = hasher.verified - before
    assert set(work.values()) == {1}


def test_one_network_tries_forty_accounts_and_then_waits(app: Flask, hasher: Counting) -> None:
    client = app.test_client()
    answers = [attempt(client, f"person{number}@example.com") for number in range(42)]
    assert answers == [401] * 40 + [429] * 2
    assert attempt(client, ADA, PASSWORD) == 429


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "Via"],
)
def test_no_header_makes_another_network_of_a_sender(
    app: Flask, services: Services, hasher: Counting, header: str
) -> None:
    for number in range(3):
        attempt(app.test_client(), ADA, **{header.replace("-", "_"): f"198.51.{number}.7"})
    with services.control.connect() as connection:
        # One of the account, one of the network.
        assert len(connection.execute(select(sign_in_failures)).all()) == 2


def test_behind_a_proxy_what_the_sender_claims_is_not_believed(
    app: Flask, services: Services, hasher: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "wsgi_app", ProxyFix(app.wsgi_app, x_for=1, x_proto=1))
    for number in range(3):
        attempt(app.test_client(), ADA, X_Forwarded_For=f"198.51.{number}.7, 203.0.113.9")
    with services.control.connect() as connection:
        assert len(connection.execute(select(sign_in_failures)).all()) == 2


def test_what_is_typed_to_sign_in_reaches_no_log(
    app: Flask, hasher: Counting, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure()
    typed = 'x@y.be\n{"event": "sign-in", "level": "info"}\r\n\x1b[2J'
    attempt(app.test_client(), typed)
    app.test_client().get("/" + quote(typed))
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["sign-in refused"]
    assert not any("x@y.be" in line for line in lines)


def test_a_session_that_an_attacker_has_planted_is_not_the_one_that_is_signed_in(
    app: Flask, services: Services, hasher: Counting
) -> None:
    attacker, victim = app.test_client(), app.test_client()
    attacker.get("/sign-in")
    planted = attacker.get_cookie("discreet")
    assert planted is not None
    victim.set_cookie("discreet", planted.value)
    assert attempt(victim, ADA, PASSWORD) == 303
    assert victim.get("/account").status_code == 200
    assert attacker.get("/account").location == "/sign-in"


LINE = "\r\nSet-Cookie: planted=1\r\n\r\n<script>"


@pytest.mark.parametrize(
    "path",
    [
        "/opt-out?lang={}", "/sign-in?next={}", "/sites/{}", "/sites/shop.example.com?period={}",
        "/sites/shop.example.com?from={}&to={}", "/sites/shop.example.com/install?for={}",
        "/js/{}", "/static/{}", "/v1/consent/{}", "/v1/projects/{}/settings", "/sign-in/{}",
        "/pixel.gif?key={}", "/pixel.gif?domain={}&url={}",
        "/sites/shop.example.com/explore/{}.csv",
    ],
)  # fmt: skip
def test_no_line_of_a_request_becomes_a_header(
    app: Flask, services: Services, sign_in: SignIn, path: str
) -> None:
    client = sign_in(People(services.control).by_email("root@example.com"))
    answer = client.get(path.replace("{}", quote(LINE)), headers={"Origin": "https://evil.example"})
    assert answer.status_code < 500 or "no-store" in answer.headers["Cache-Control"]
    assert "planted" not in str(answer.headers.getlist("Set-Cookie"))
    assert not any("\n" in value or "\r" in value for value in answer.headers.values())
    assert b"<script>" not in answer.data.replace(b"<script src", b"")


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "%2F%2Fevil.example"]
)
def test_no_redirect_leads_to_another_origin(
    app: Flask, sign_in: SignIn, services: Services, target: str
) -> None:
    asked = dict.fromkeys(("next", "url", "to", "return", "lang", "redirect"), target)
    signed_in = sign_in(People(services.control).by_email("root@example.com"))
    for client in (app.test_client(), signed_in):
        for path in (target, f"/{target}", "/", "/sign-in", "/opt-out", "/account"):
            answer = client.get("/", query_string=asked, environ_overrides={"PATH_INFO": path})
            assert "evil" not in (answer.location or ""), path
    for route in routes(app):
        if "POST" in route.methods and route.endpoint in ("opt_out.decide", "signin.leave"):
            answer = app.test_client().post(route.path, query_string=asked, data=asked)
            assert re.match(r"/[a-z]", answer.location or "/a")


TRAVERSALS = (
    "../secret.key", "..%2Fsecret.key", "%2e%2e%2fsecret.key", "..%252fsecret.key",
    "....//secret.key", "..%5csecret.key", "%2Fetc%2Fpasswd", "/etc/passwd", "discreet.js%00.css",
    "..%c0%afsecret.key", "manifest.json", ".", "discreet.js/../../secret.key", "beacon.json",
)  # fmt: skip


@pytest.mark.parametrize("name", TRAVERSALS)
@pytest.mark.parametrize("folder", ["/static/", "/js/", "/.well-known/"])
def test_no_address_leads_out_of_the_static_files(app: Flask, folder: str, name: str) -> None:
    answer = app.test_client().get(folder + name)
    assert answer.status_code in (308, 404)
    assert b"root:" not in answer.data


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "{% debug %}", "${7*7}", "' OR '1'='1", "'; DROP TABLE sites; --", "\x00"]
)
def test_nothing_of_a_request_is_run(
    app: Flask, services: Services, sign_in: SignIn, hasher: Counting, text: str
) -> None:
    client = sign_in(People(services.control).by_email("root@example.com"))
    name = quote(text, safe="")
    paths = ("sites/{}", "sites/shop.example.com/{}", "sign-in/{}", "opt-out?lang={}",
             "v1/consent/{}", "sites/shop.example.com?period={}")  # fmt: skip
    for path in (f"/{each.format(name)}" for each in paths):
        answer = client.get(path)
        # A token may hold these figures by chance.
        assert "49" not in re.sub(r'value="[^"]*"', "", answer.text), path
        assert answer.status_code in (200, 400, 404, 410, 503), path
    assert attempt(app.test_client(), text, text) in (401, 429)
    assert services.sites.by_domain(HERE) is not None


@pytest.mark.parametrize(
    "error", ["/nothing", "/sites/no.example", "/static/none", "/sign-in/none"]
)
def test_a_page_of_an_error_quotes_nothing(app: Flask, error: str) -> None:
    answer = app.test_client().get(f"{error}?q=<i>quoted</i>")
    assert "quoted" not in answer.text
    assert "Traceback" not in answer.text
    assert "Werkzeug" not in answer.headers.get("Server", "")
