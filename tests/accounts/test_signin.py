"""Signing in over HTTP: links, cookies, forged requests."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from accounts import access, account, signin
from accounts.audit import Audit
from accounts.people import People
from accounts.signin import Door
from config.settings import load
from tests.accounts.conftest import Clock

pytestmark = pytest.mark.usefixtures("quick_hashes")

LAYOUT = "<title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}"


@pytest.fixture
def people(control: Engine, clock: Clock) -> People:
    return People(control, clock)


def make(tmp_path: Path, people: People, public_url: str = "") -> Flask:
    """An app of nothing but signing in, and one page behind it."""
    (tmp_path / "layout.html").write_text(LAYOUT)
    app = Flask("test", static_folder=None, template_folder=str(tmp_path))
    settings = load({"DISCREET_HOME": str(tmp_path), "DISCREET_PUBLIC_URL": public_url})
    audit = Audit(people._engine, bytes(32), tmp_path / "audit.head", now=people._now)
    door = Door.of(people._engine, audit, bytes(32), people._now)
    signin.init(app, door, settings, {"home": access.READ})
    app.register_blueprint(account.blueprint(door))
    app.extensions["door"] = door
    app.add_url_rule("/", "home", view_func=lambda: "inside")
    return app


@pytest.fixture
def client(tmp_path: Path, people: People) -> FlaskClient:
    return make(tmp_path, people).test_client()


@pytest.fixture
def token(people: People) -> str:
    return people.invite("ada@example.com", "viewer", "reads the figures").token


def form(client: FlaskClient, path: str) -> dict[str, str]:
    """The hidden field of a page's form, as a browser would send it back."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).get_data(as_text=True))
    assert found is not None
    return {"csrf_token": found[1]}


def sign_in(client: FlaskClient, token: str) -> None:
    path = f"/sign-in/{token}"
    assert client.post(path, data=form(client, path)).location == "/"


def test_a_link_opens_the_door(client: FlaskClient, token: str) -> None:
    assert client.get("/").location == "/sign-in"
    sign_in(client, token)
    assert client.get("/").text == "inside"


def test_looking_at_a_link_does_not_use_it(client: FlaskClient, token: str) -> None:
    for _ in range(3):
        assert client.get(f"/sign-in/{token}").status_code == 200
    assert client.get("/").location == "/sign-in"
    sign_in(client, token)


def test_a_link_works_once(tmp_path: Path, people: People, client: FlaskClient, token: str) -> None:
    other = make(tmp_path, people).test_client()
    fields = form(other, f"/sign-in/{token}")
    sign_in(client, token)
    assert other.post(f"/sign-in/{token}", data=fields).status_code == 410
    assert other.get(f"/sign-in/{token}").status_code == 410
    assert other.get("/").location == "/sign-in"


def test_a_forged_sign_in_is_refused_and_leaves_the_link_unused(
    client: FlaskClient, people: People, token: str
) -> None:
    response = client.post(f"/sign-in/{token}")
    assert response.status_code == 400
    assert "Please try that again" in response.text
    assert people.awaits(token)


def test_signing_out_ends_the_session_for_copies_of_the_cookie_too(
    client: FlaskClient, people: People, token: str
) -> None:
    sign_in(client, token)
    stolen = client.get_cookie("discreet")
    assert stolen is not None
    # Any form of the session carries its token; a second person's link shows one.
    fields = form(client, f"/sign-in/{people.invite('bob@example.com', 'viewer', 'reads').token}")
    assert client.post("/sign-out", data=fields).location == "/sign-in"
    assert "You are signed out." in client.get("/sign-in").text
    assert client.get("/").location == "/sign-in"
    client.set_cookie("discreet", stolen.value)
    assert client.get("/").location == "/sign-in"


def test_a_disabled_person_is_out_at_the_next_request(
    client: FlaskClient, people: People, token: str
) -> None:
    sign_in(client, token)
    people.disable("ada@example.com")
    assert client.get("/").location == "/sign-in"


def test_signing_in_starts_a_new_session(client: FlaskClient, token: str) -> None:
    with client.session_transaction() as before:
        before["planted"] = "by somebody else"
    sign_in(client, token)
    with client.session_transaction() as after:
        assert "planted" not in after


@pytest.mark.parametrize(
    ("public_url", "name", "secure"),
    [
        pytest.param("", "discreet", False, id="this machine"),
        pytest.param("https://stats.example.com", "__Host-discreet", True, id="https"),
    ],
)
def test_the_cookie_is_shut_to_scripts_and_other_sites(
    tmp_path: Path, people: People, token: str, public_url: str, name: str, secure: bool
) -> None:
    client = make(tmp_path, people, public_url).test_client()
    scheme = "https" if secure else "http"
    cookie = client.get(f"/sign-in/{token}", base_url=f"{scheme}://localhost").headers["Set-Cookie"]
    assert cookie.startswith(f"{name}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert ("Secure" in cookie) == secure


def test_the_session_holds_nothing_of_the_person_or_their_browser(
    client: FlaskClient, token: str
) -> None:
    sign_in(client, token)
    with client.session_transaction() as session:
        kept = dict(session)
    assert set(kept) == {"_user_id", "_fresh", "_permanent", "linked"}
    assert kept["_user_id"] != token


PASSWORD = "herring dances on the tin roof"
EMAIL = "ada@example.com"


def with_password(client: FlaskClient, token: str) -> None:
    """Signs in by the link, chooses a password, and leaves."""
    sign_in(client, token)
    fields = form(client, "/account") | {"new": PASSWORD, "again": PASSWORD}
    assert client.post("/account/password", data=fields).location == "/account"
    assert client.post("/sign-out", data=form(client, "/account")).location == "/sign-in"


def answer(client: FlaskClient, password: str = PASSWORD, email: str = EMAIL) -> TestResponse:
    fields = form(client, "/sign-in") | {"email": email, "password": password}
    return client.post("/sign-in", data=fields)


def with_factor(client: FlaskClient, clock: Clock) -> tuple[str, str]:
    """Sets up a second factor; returns its seed and a recovery code."""
    shown = client.get("/account/second-factor").text
    seed = re.search(r'name="seed" value="([A-Z2-7]{32})"', shown)
    assert seed is not None
    fields = form(client, "/account") | {
        "seed": seed[1],
        "password": PASSWORD,
        "code": pyotp.TOTP(seed[1]).at(clock.time),
    }
    done = client.post("/account/second-factor", data=fields)
    assert done.status_code == 200, done.text
    code = re.search(r"<li><code>([a-z2-7-]+)</code>", done.text)
    assert code is not None
    return seed[1], code[1]


def test_a_password_that_was_chosen_signs_in(client: FlaskClient, token: str) -> None:
    with_password(client, token)
    assert client.get("/").location == "/sign-in"
    assert answer(client).location == "/"
    assert client.get("/").text == "inside"
    client.post("/sign-out", data=form(client, "/account"))
    assert answer(client, email=" Ada@Example.COM").location == "/"


def test_a_wrong_password_and_an_unknown_address_are_refused_in_the_same_words(
    client: FlaskClient, token: str
) -> None:
    with_password(client, token)
    wrong = answer(client, "something else entirely")
    unknown = answer(client, email="bob@example.com")
    assert wrong.status_code == unknown.status_code == 401
    shown = [re.sub(r'value="[^"]*"', "", page.text) for page in (wrong, unknown)]
    assert shown[0] == shown[1]
    assert "do not belong together" in shown[0]
    assert client.get("/").location == "/sign-in"


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_after_five_failures_even_the_right_password_must_wait(
    client: FlaskClient, token: str, clock: Clock, email: str
) -> None:
    with_password(client, token)
    for _ in range(5):
        assert answer(client, "something else entirely", email).status_code == 401
    held = answer(client, PASSWORD, email)
    assert (held.status_code, held.headers["Retry-After"]) == (429, "15")
    assert "Please wait 15 seconds" in held.text
    clock.time += timedelta(seconds=15)
    assert answer(client, PASSWORD, email).status_code == (302 + 1 if email == EMAIL else 401)


def test_a_header_that_claims_another_address_does_not_shorten_the_wait(
    client: FlaskClient, token: str
) -> None:
    with_password(client, token)
    for number in range(6):
        fields = form(client, "/sign-in") | {"email": EMAIL, "password": "wrong"}
        forged = {"X-Forwarded-For": f"198.51.{number}.7", "X-Real-IP": f"198.51.{number}.7"}
        held = client.post("/sign-in", data=fields, headers=forged)
    assert held.status_code == 429


def test_with_a_second_factor_the_password_alone_opens_nothing(
    client: FlaskClient, token: str, clock: Clock
) -> None:
    with_password(client, token)
    answer(client)
    seed, recovery = with_factor(client, clock)
    client.post("/sign-out", data=form(client, "/account"))
    assert answer(client).location == "/sign-in/code"
    assert client.get("/").location == "/sign-in"
    clock.time += timedelta(seconds=60)
    fields = form(client, "/sign-in/code")
    assert client.post("/sign-in/code", data=fields | {"code": "000000"}).status_code == 401
    code = pyotp.TOTP(seed).at(clock.time)
    assert client.post("/sign-in/code", data=fields | {"code": code}).location == "/"
    assert client.get("/").text == "inside"
    client.post("/sign-out", data=form(client, "/account"))
    answer(client)
    fields = form(client, "/sign-in/code")
    replayed = client.post("/sign-in/code", data=fields | {"code": code})
    assert replayed.status_code == 401
    assert client.post("/sign-in/code", data=fields | {"code": recovery}).location == "/"


def test_with_a_second_factor_a_link_alone_opens_nothing(
    client: FlaskClient, token: str, clock: Clock, people: People
) -> None:
    with_password(client, token)
    answer(client)
    with_factor(client, clock)
    client.post("/sign-out", data=form(client, "/account"))
    again = f"/sign-in/{people.invite(EMAIL, 'viewer', 'reads the figures').token}"
    assert client.post(again, data=form(client, again)).location == "/sign-in/code"
    assert client.get("/").location == "/sign-in"


def test_the_second_step_is_open_for_five_minutes(
    client: FlaskClient, token: str, clock: Clock
) -> None:
    with_password(client, token)
    answer(client)
    seed, _ = with_factor(client, clock)
    client.post("/sign-out", data=form(client, "/account"))
    answer(client)
    fields = form(client, "/sign-in/code")
    clock.time += timedelta(minutes=5)
    late = client.post("/sign-in/code", data=fields | {"code": pyotp.TOTP(seed).at(clock.time)})
    assert late.location == "/sign-in"
    assert client.get("/").location == "/sign-in"


def test_codes_cannot_be_guessed_one_after_another(
    client: FlaskClient, token: str, clock: Clock
) -> None:
    with_password(client, token)
    answer(client)
    with_factor(client, clock)
    client.post("/sign-out", data=form(client, "/account"))
    statuses = []
    for number in range(7):
        answer(client)  # a new password step does not buy new tries of the code
        fields = form(client, "/sign-in/code") | {"code": f"{number:06}"}
        statuses.append(client.post("/sign-in/code", data=fields).status_code)
    assert statuses == [401] * 5 + [429] * 2


@pytest.mark.parametrize("role", ["admin", "privacy-officer"])
def test_whoever_can_change_things_in_production_sets_up_a_second_factor_first(
    tmp_path: Path, people: People, clock: Clock, role: str
) -> None:
    client = make(tmp_path, people, "https://stats.example.com").test_client()
    client.application.config["SESSION_COOKIE_NAME"] = "discreet"
    client.application.config["SESSION_COOKIE_SECURE"] = False
    client.application.config["WTF_CSRF_SSL_STRICT"] = False
    sign_in(client, people.invite(EMAIL, role, "runs it").token)
    for path in ("/", "/account"):
        assert client.get(path).location == "/account/second-factor"
    shown = client.get("/account/second-factor")
    assert shown.status_code == 200
    seed = re.search(r'name="seed" value="([A-Z2-7]{32})"', shown.text)
    assert seed is not None
    fields = form(client, "/account/second-factor") | {"seed": seed[1]}
    code = pyotp.TOTP(seed[1]).at(clock.time)
    assert client.post("/account/second-factor", data=fields | {"code": code}).status_code == 200
    assert client.get("/").text == "inside"
    assert client.post("/account/second-factor/remove", data=fields).status_code == 403


def test_a_changed_password_needs_the_current_one_and_ends_all_other_sessions(
    tmp_path: Path, people: People, client: FlaskClient, token: str
) -> None:
    with_password(client, token)
    answer(client)
    elsewhere = client.application.test_client()
    answer(elsewhere)
    assert elsewhere.get("/").text == "inside"
    new = {"new": "seven kettles under the stairs", "again": "seven kettles under the stairs"}
    fields = form(client, "/account") | new
    assert client.post("/account/password", data=fields).status_code == 403
    assert client.post("/account/password", data=fields | {"password": "x"}).status_code == 403
    differing = fields | {"password": PASSWORD, "again": "seven kettles"}
    refused = client.post("/account/password", data=differing)
    assert (refused.status_code, "differ" in refused.text) == (400, True)
    assert client.post("/account/password", data=fields | {"password": PASSWORD}).location
    assert client.get("/").text == "inside"
    assert elsewhere.get("/").location == "/sign-in"


def test_a_link_of_a_while_ago_does_not_choose_a_password(
    client: FlaskClient, token: str, clock: Clock
) -> None:
    sign_in(client, token)
    fields = form(client, "/account") | {"new": PASSWORD, "again": PASSWORD}
    clock.time += timedelta(minutes=30)
    assert client.post("/account/password", data=fields).status_code == 403
    assert answer(client).status_code == 401


def test_the_account_shows_where_one_is_signed_in_and_ends_it(
    client: FlaskClient, token: str
) -> None:
    with_password(client, token)
    answer(client)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
    elsewhere = client.application.test_client()
    fields = form(elsewhere, "/sign-in") | {"email": EMAIL, "password": PASSWORD}
    elsewhere.post("/sign-in", data=fields, headers={"User-Agent": agent})
    shown = client.get("/account").text
    assert "Firefox on Linux" in shown
    end = re.search(r'action="(/account/sessions/[0-9a-f]+/end)"', shown)
    assert end is not None
    client.post(end[1], data=form(client, "/account"))
    assert elsewhere.get("/").location == "/sign-in"
    assert client.get("/").text == "inside"


def test_nothing_of_an_account_can_be_posted_by_another_site(
    client: FlaskClient, token: str
) -> None:
    with_password(client, token)
    answer(client)
    for path in ("password", "second-factor", "second-factor/remove", "sessions/end-others"):
        assert client.post(f"/account/{path}", data={"password": PASSWORD}).status_code == 400


def test_what_signing_in_does_is_on_record(client: FlaskClient, token: str) -> None:
    with_password(client, token)
    answer(client, "something else entirely")
    answer(client)
    audit = client.application.extensions["door"].audit
    assert [(entry.actor, entry.action) for entry in audit.entries()] == [
        (EMAIL, "sign-in"),
        (EMAIL, "password chosen"),
        (EMAIL, "sign-out"),
        ("nobody", "sign-in refused"),
        (EMAIL, "sign-in"),
    ]
