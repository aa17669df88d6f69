"""Signing in over HTTP: links, cookies, forged requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from accounts import signin
from accounts.audit import Audit
from accounts.people import People, digest
from config.settings import load
from control.database import open_control

LAYOUT = "<title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}"


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Engine]:
    engine = open_control(f"sqlite:///{tmp_path / 'control.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def people(control: Engine) -> People:
    return People(control)


def make(tmp_path: Path, people: People, public_url: str = "") -> Flask:
    """An app of nothing but signing in, and one page behind it."""
    (tmp_path / "layout.html").write_text(LAYOUT)
    app = Flask("test", static_folder=None, template_folder=str(tmp_path))
    settings = load({"DISCREET_HOME": str(tmp_path), "DISCREET_PUBLIC_URL": public_url})
    audit = Audit(people._engine, bytes(32), tmp_path / "audit.head")
    signin.init(app, people, audit, settings)
    app.add_url_rule("/", view_func=lambda: signin.require() or "inside")
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
    assert set(kept) == {"_user_id", "_fresh", "_permanent"}
    assert kept["_user_id"] == digest(token)
