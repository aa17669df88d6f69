"""Every route, everybody, every method: who gets in is what the table of access says."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from accounts import access
from accounts.grants import ROLES
from accounts.people import People
from accounts.tokens import Tokens
from operate.access_page import Route, allows, routes
from operate.services import Services
from tests.edge.conftest import ELSEWHERE, HERE, SignIn

NOBODY, STRANGER = "nobody", "an admin elsewhere"
WHO = (NOBODY, *ROLES, STRANGER)


@pytest.fixture(scope="module")
def browsers(services: Services, sign_in: SignIn) -> dict[str, FlaskClient]:
    """One of each: who holds a role at one site, and who administers another."""
    people = People(services.control)
    found = {NOBODY: sign_in(None)}
    for role in ROLES:
        made = people.invite(f"{role}@example.com", role, "works there", domain=HERE)
        found[role] = sign_in(made.person)
    made = people.invite("stranger@example.com", "admin", "runs that", domain=ELSEWHERE)
    return found | {STRANGER: sign_in(made.person)}


def address(route: Route) -> str:
    """The route's address at the site, with names and numbers of nothing."""
    return re.sub(r"<[^>]+>", "1", route.path.replace("<domain>", HERE))


def outcome(answer: TestResponse) -> str:
    if answer.location == "/sign-in":
        return "sign in"
    if answer.status_code == 400 and "Please try that again" in answer.text:
        return "in, with the form's token"
    return {401: "token", 403: "refused", 404: "none"}.get(answer.status_code, "in")


def expected(route: Route, who: str, method: str) -> set[str]:
    rule = route.rule
    assert rule is not None
    at_site = "<domain>" in route.path
    if rule.token:
        # The machine itself reads the metrics: in this process everybody comes from it.
        return {"in"} if route.endpoint.startswith("metrics.") else {"token"}
    if (who == NOBODY and rule.session) or (route.endpoint, method) == ("signin.ask_code", "GET"):
        return {"sign in"}
    if who == STRANGER and at_site:
        return {"none"}
    role = "admin" if who == STRANGER else who
    if rule.session and not allows(rule, role):
        return {"refused"}
    if method == "POST" and rule.browser and route.endpoint != "opt_out.decide":
        return {"in, with the form's token"}
    # A page may know nothing of the name in the address; the collector's keys and receipts too.
    if rule is access.OPEN or "<" in route.path.replace("<domain>", ""):
        return {"in", "none", "token"}
    return {"in"}


def test_every_route_has_a_rule_and_only_reads_or_posts(app: Flask) -> None:
    for route in routes(app):
        assert route.rule is not None, f"{route.endpoint}: name it in accounts/access.py"
        assert set(route.methods) <= {"GET", "POST"}, route.path


def test_no_rule_is_left_of_a_route_that_is_gone(app: Flask) -> None:
    assert not access.RULES.keys() - {route.endpoint for route in routes(app)}


def test_every_route_that_acts_at_a_site_is_for_those_who_hold_something_there(app: Flask) -> None:
    for route in routes(app):
        if "<domain>" in route.path:
            assert route.rule is not None
            assert route.rule.roles, route.path


@pytest.mark.parametrize("who", WHO)
def test_whoever_asks_gets_what_the_table_says(
    app: Flask, browsers: dict[str, FlaskClient], who: str
) -> None:
    asked = 0
    for route in routes(app):
        # An endpoint of the collector looks at no session: once is enough.
        if route.rule is access.OPEN and who != NOBODY:
            continue
        for method in route.methods:
            if route.endpoint == "signin.leave" or (route.rule is access.OPEN and method == "POST"):
                continue
            answer = browsers[who].open(address(route), method=method)
            found = outcome(answer)
            assert found in expected(route, who, method), f"{method} {route.path}: {found}"
            asked += 1
    assert asked >= 40


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_method_that_no_route_names_does_nothing(
    app: Flask, browsers: dict[str, FlaskClient], method: str
) -> None:
    for route in routes(app):
        answer = browsers["admin"].open(address(route), method=method)
        # `/sign-in/code` is also an address of the form `/sign-in/<token>`, and so on.
        assert answer.status_code == 405, f"{method} {route.path}: {answer.status_code}"


def test_a_route_that_nobody_thought_of_is_refused(services: Services) -> None:
    from operate import application

    app = application.assemble(services)
    app.add_url_rule("/forgotten", view_func=lambda: "secret")
    answer = app.test_client().get("/forgotten")
    assert answer.status_code == 403
    assert "secret" not in answer.text


def test_a_token_opens_its_own_site_alone(app: Flask, services: Services) -> None:
    elsewhere = services.sites.by_domain(ELSEWHERE)
    assert elsewhere is not None
    text = Tokens(services.control).add(elsewhere, "stats:read").text
    client, bearer = app.test_client(), {"Authorization": f"Bearer {text}"}
    for route in routes(app):
        if route.rule is not access.TOKEN:
            continue
        for domain in (HERE, "no.example.net", "' OR 1=1 --", ""):
            [method] = route.methods
            body = {"site_id": domain, "metrics": ["visitors"], "date_range": "7d"}
            answer = client.open(
                route.path, method=method, headers=bearer, query_string={"site_id": domain},
                json=body if method == "POST" else None,
            )  # fmt: skip
            assert answer.status_code == 401, f"{route.path} {domain}"


def test_a_site_where_one_holds_nothing_looks_like_one_that_does_not_exist(
    browsers: dict[str, FlaskClient],
) -> None:
    there = browsers["viewer"].get(f"/sites/{ELSEWHERE}")
    nowhere = browsers["viewer"].get("/sites/no.example.net")
    assert there.status_code == nowhere.status_code == 404
    assert there.data == nowhere.data


@pytest.mark.parametrize(
    "spelling", [HERE.upper(), f"{HERE}.", f"%20{HERE}", f"{HERE}%00", f"..%2F{HERE}", f"{HERE}%2F"]
)
def test_another_spelling_of_a_site_is_no_way_in(
    browsers: dict[str, FlaskClient], spelling: str
) -> None:
    assert browsers[STRANGER].get(f"/sites/{spelling}").status_code == 404


def test_the_list_of_sites_has_those_alone_where_one_holds_something(
    app: Flask, services: Services, browsers: dict[str, FlaskClient]
) -> None:
    shown = browsers["viewer"].get("/")
    assert ELSEWHERE not in shown.text
