"""The short form of `make fuzz`: every parameter that is described, with what nobody expects."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from accounts.people import People
from accounts.tokens import Tokens
from operate.services import Services
from tests.edge.conftest import HERE, SignIn

NASTY = {
    "nothing": "",
    "a nought": "\x00",
    "half a character": "\ud83d",
    "a line's end": "a\r\nb",
    "SQL": "' OR 1=1; --",
    "a template": "{{7*7}}{% x %}",
    "a path": "../../../etc/passwd",
    "a large number": "9" * 400,
    "a negative number": "-1",
    "no number": "NaN",
    "right to left": "\u202e%s%n",
    "long": "x" * 9000,
}
_BODIES: tuple[Any, ...] = (
    None, [], "text", 0, True, {"": None}, [[[]]], {"batch": [None, 7, {}]},
    {"site_id": [], "metrics": {}}, {"writeKey": {}, "n": 1e999},
)  # fmt: skip


@pytest.fixture(scope="module")
def described(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get("/openapi.json").get_json()["paths"]
    return found


@pytest.fixture
def client(app: Flask, services: Services, sign_in: SignIn, monkeypatch: Any) -> FlaskClient:
    """Who may do most, without the check that would keep their forms from every handler."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", False)
    return sign_in(People(services.control).by_email("root@example.com"))


@pytest.mark.parametrize("text", NASTY.values(), ids=list(NASTY))
def test_whatever_a_parameter_holds_the_answer_is_no_error_of_ours(
    described: dict[str, Any], client: FlaskClient, services: Services, text: str
) -> None:
    site = services.sites.by_domain(HERE)
    assert site is not None
    bearer = {"Authorization": f"Bearer {Tokens(services.control).add(site, 'stats:read').text}"}
    encoded = quote(text.encode("utf-8", "surrogatepass"), safe="")
    for path, methods in described.items():
        if path == "/sign-out":
            continue
        address = re.sub(r"\{[^}]+\}", encoded or "1", path.replace("{domain}", HERE))
        for method, operation in methods.items():
            names = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
            query = "&".join(f"{name}={encoded}" for name in (*names, "period", "from", "lang"))
            names = ["email", "password", "code", "name", "step", "kind", "role", "site", "until"]
            form = {name: text.encode("utf-8", "replace") for name in names}
            answer = client.open(
                f"{address}?{query}", method=method.upper(), headers=bearer,
                data=form if method == "post" else None,
            )  # fmt: skip
            assert answer.status_code < 500 or answer.status_code == 503, f"{method} {path}"
            assert b"Traceback" not in answer.data


@pytest.mark.parametrize("body", _BODIES, ids=repr)
def test_whatever_a_body_holds_the_answer_is_no_error_of_ours(
    described: dict[str, Any], client: FlaskClient, services: Services, body: Any
) -> None:
    site = services.sites.by_domain(HERE)
    assert site is not None
    bearer = {"Authorization": f"Bearer {Tokens(services.control).add(site, 'stats:read').text}"}
    for path, methods in described.items():
        if "post" in methods and path.startswith(("/v1/", "/api/")):
            answer = client.post(path, json=body, headers=bearer)
            assert answer.status_code < 500 or answer.status_code == 503, path
