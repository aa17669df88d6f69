"""What every answer keeps to: HTTPS, one host, no frame, no cache, no other origin's script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from accounts import access
from accounts.people import People
from config.settings import SettingsError, load
from operate import application
from operate.access_page import routes
from operate.services import Services, build
from tests.edge.conftest import HERE, SignIn, entered
from tests.edge.test_routes import address

ORIGIN = "https://stats.example.com"
TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """As it runs behind a proxy that ends TLS."""
    environment = {
        "DISCREET_HOME": str(tmp_path_factory.mktemp("public")),
        "DISCREET_PUBLIC_URL": ORIGIN,
        "DISCREET_TRUSTED_PROXIES": "1",
        "DISCREET_SECURITY_CONTACT": "mailto:security@example.com",
    }
    made = build(load(environment))
    yield application.assemble(made)
    made.control.dispose()


@pytest.fixture(scope="module")
def answers(app: Flask, services: Services, sign_in: SignIn) -> dict[str, TestResponse]:
    """What an administrator gets from every route that can be asked with GET."""
    client = sign_in(People(services.control).by_email("root@example.com"))
    found = [route for route in routes(app) if "GET" in route.methods]
    other = {"Origin": "https://evil.example", "Accept-Encoding": "identity"}
    return {r.endpoint: client.get(address(r), headers=other) for r in found}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/opt-out", "/js/discreet.js", "/openapi.json"])
def test_a_plain_request_is_sent_to_https(public: Flask, path: str) -> None:
    answer = public.test_client().get(f"{path}?a=b", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.location) == (308, f"{ORIGIN}{path}?a=b")
    assert "Strict-Transport-Security" not in answer.headers


def test_a_plain_event_is_sent_to_https_with_its_body(public: Flask) -> None:
    answer = public.test_client().post("/v1/batch", data=b"{}")
    assert (answer.status_code, answer.location) == (308, f"{ORIGIN}/v1/batch")


def test_browsers_remember_to_ask_by_https(public: Flask) -> None:
    for path in ("/sign-in", "/v1/projects/none/settings", "/nothing"):
        answer = public.test_client().get(path, base_url=ORIGIN, headers=TLS)
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
        assert answer.status_code != 308


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_needs_no_tls(public: Flask, path: str) -> None:
    assert public.test_client().get(path).status_code in (200, 503)


def test_without_a_proxy_nobody_is_believed_who_says_it_was_https(app: Flask) -> None:
    answer = app.test_client().get("/sign-in", headers=TLS | {"X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 200
    assert "evil.example" not in answer.text
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.io"]
)
def test_pages_are_answered_under_their_own_name_alone(
    app: Flask, public: Flask, host: str
) -> None:
    for made, headers in ((app, {}), (public, TLS)):
        answer = made.test_client().get("/sign-in", headers={**headers, "Host": host})
        assert answer.status_code == 400
        assert "evil" not in answer.text
        assert "Set-Cookie" not in answer.headers
    answer = public.test_client().get("/sign-in", headers=TLS | {"Host": "stats.example.com"})
    assert answer.status_code == 200


def test_the_collector_answers_under_any_name_of_a_sites_own(app: Flask) -> None:
    answer = app.test_client().post("/v1/batch", headers={"Host": HERE}, json={"batch": []})
    assert answer.status_code == 401


def test_cookies_are_for_this_host_and_https_alone(public: Flask) -> None:
    answer = public.test_client().get("/sign-in", base_url=ORIGIN, headers=TLS)
    cookies = answer.headers.getlist("Set-Cookie")
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        words = set(cookie.split("; "))
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= words
        assert "Domain" not in cookie


def test_no_page_can_be_framed_or_run_what_is_not_ours(answers: dict[str, TestResponse]) -> None:
    pages = [a for a in answers.values() if a.mimetype == "text/html"]
    assert len(pages) > 15
    for answer in pages:
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son[a-z]+=|\sstyle=", answer.text)


def test_other_origins_read_what_collecting_needs_and_nothing_else(
    app: Flask, answers: dict[str, TestResponse]
) -> None:
    rules = {route.endpoint: route.rule for route in routes(app)}
    for endpoint, answer in answers.items():
        if "Access-Control-Allow-Origin" in answer.headers:
            assert rules[endpoint] is access.OPEN, endpoint
        assert "Access-Control-Allow-Credentials" not in answer.headers
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/", "/sign-in", "/account/password", "/access", "/api/v2/query"):
        answer = app.test_client().options(path, headers=asking)
        assert not [n for n, _ in answer.headers if n.startswith("Access-Control")], path


def test_what_is_for_who_is_signed_in_is_cached_nowhere(
    app: Flask, answers: dict[str, TestResponse]
) -> None:
    for route in routes(app):
        if route.rule is not None and route.rule.session and "GET" in route.methods:
            assert answers[route.endpoint].headers["Cache-Control"] == "no-store", route.path


def test_what_caches_may_keep_carries_no_cookie_and_names_nobody(
    answers: dict[str, TestResponse],
) -> None:
    kept = [a for a in answers.values() if "public" in a.headers.get("Cache-Control", "")]
    assert kept
    for answer in kept:
        assert "Set-Cookie" not in answer.headers
        assert "root@example.com" not in answer.text


def test_security_txt_says_whom_to_tell(app: Flask, public: Flask) -> None:
    path = "/.well-known/security.txt"
    told = public.test_client().get(path, base_url=ORIGIN, headers=TLS).text
    assert "Contact: mailto:security@example.com\n" in told
    assert re.search(r"^Expires: \d{4}-\d\d-\d\dT00:00:00\+00:00$", told, re.M)
    assert f"Canonical: {ORIGIN}{path}\n" in told
    assert app.test_client().get(path).status_code == 404


@pytest.mark.parametrize("contact", ["security@example.com", "mailto:a@b.be\nExpires: never"])
def test_a_contact_is_an_address_in_one_line(tmp_path: Path, contact: str) -> None:
    with pytest.raises(SettingsError, match="SECURITY_CONTACT"):
        load({"DISCREET_HOME": str(tmp_path), "DISCREET_SECURITY_CONTACT": contact})


def test_who_must_have_a_second_factor_gets_nowhere_without(public: Flask) -> None:
    services = public.extensions["discreet"]
    person = People(services.control).invite("root@example.com", "admin", "runs it").person
    client: FlaskClient = entered(public, services, person, ORIGIN)
    for route in routes(public):
        if route.rule is None or not route.rule.session or route.rule.incomplete:
            continue
        for method in route.methods:
            answer = client.open(address(route), method=method, base_url=ORIGIN, headers=TLS)
            assert answer.location == "/account/second-factor", f"{method} {route.path}"
