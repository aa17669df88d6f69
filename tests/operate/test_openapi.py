"""What `/openapi.json` says: all that there is, in OpenAPI 3.1, and what is really answered."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from accounts.tokens import Tokens
from control.definitions import Definitions, funnel
from operate import openapi
from operate.application import assemble
from tests.operate.world import services

DOMAIN = "example.com"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with services(tmp_path_factory.mktemp("home")) as built:
        site = built.sites.add(DOMAIN, "Europe/Brussels", "exempt", "BE")
        Definitions(built.control).add(site, funnel("Buy", ["/shop", "Purchase"]))
        made = assemble(built)
        made.extensions["token"] = Tokens(built.control).add(site, "stats:read").text
        made.extensions["write key"] = site.write_key
        yield made


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert response.content_type == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    return json.loads(response.get_data())


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1.")


def test_it_has_the_version_of_the_package(document: dict[str, Any]) -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert document["info"]["version"] == package["version"]


def test_it_has_every_route_of_the_application_and_no_other(
    app: Flask, document: dict[str, Any]
) -> None:
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods - {"HEAD", "OPTIONS"} or rule.methods)
    }
    described = {
        (method.upper(), path) for path, all_of in document["paths"].items() for method in all_of
    }
    assert routes == described


def test_a_route_of_which_nothing_is_said_stops_the_description() -> None:
    bare = Flask("bare", static_folder=None)
    bare.add_url_rule("/v1/new", "new", lambda: "")
    with pytest.raises(KeyError, match="/v1/new"):
        openapi.describe(bare)


def test_it_describes_nothing_that_there_is_not(app: Flask) -> None:
    there = {(m, rule.rule) for rule in app.url_map.iter_rules() for m in rule.methods or ()}
    assert openapi.OPERATIONS.keys() <= there


def test_what_has_no_key_says_so_and_what_has_one_names_it(document: dict[str, Any]) -> None:
    security = {
        f"{method} {path}": operation["security"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert security["post /api/event"] == security["get /healthz"] == []
    assert security["post /api/v2/query"] == [{"token": []}]
    assert security["post /v1/batch"] == [{"writeKey": []}, {}]
    assert security["get /sites/{domain}"] == [{"session": []}]
    known = document["components"]["securitySchemes"].keys()
    assert {name for each in security.values() for one in each for name in one} <= known


def test_no_two_types_share_a_name_and_none_shows_that_it_is_private(
    document: dict[str, Any],
) -> None:
    schemas = openapi._Schemas()
    _, named = openapi.msgspec.json.schema_components(schemas._types)
    assert len(schemas.components) == len(named)
    assert not [name for name in schemas.components if name.startswith("_") or "." in name]
    assert {
        "Event",
        "PlausibleEvent",
        "Batch",
        "Query",
        "Reason",
        "Decision",
    } <= schemas.components.keys()


def conforms(document: dict[str, Any], method: str, path: str, response: TestResponse) -> None:
    operation = document["paths"][path][method]
    answers = operation["responses"]
    assert str(response.status_code) in answers, response.get_data(as_text=True)
    answer = answers[str(response.status_code)]
    for name in answer.get("headers", {}):
        assert name in response.headers or name.startswith("X-"), name
    if "content" not in answer:
        assert not response.get_data()
        return
    schema = answer["content"][response.mimetype].get("schema", {})
    if response.mimetype == "application/json":
        whole = schema | {"components": document["components"]}
        Draft202012Validator(whole).validate(response.get_json())


VIEW = {"type": "page", "messageId": "a", "context": {"page": {"url": "https://example.com/"}}}
BAD = {"type": "track", "messageId": "b"}
GROUP = {"type": "group", "messageId": "c"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"batch": [VIEW, BAD, GROUP]}, 200, id="of each kind one"),
        pytest.param({"batch": []}, 200, id="none"),
        pytest.param({"batch": 1}, 400, id="malformed"),
        pytest.param({"batch": [], "writeKey": "nobody's"}, 401, id="no site"),
    ],
)
def test_what_the_collector_answers_to_a_batch_is_what_it_says(
    client: FlaskClient, document: dict[str, Any], body: dict[str, Any], status: int
) -> None:
    key = client.application.extensions["write key"]
    response = client.post("/v1/batch", json={"writeKey": key} | body)
    assert response.status_code == status
    conforms(document, "post", "/v1/batch", response)


def test_a_batch_that_conforms_is_taken(document: dict[str, Any]) -> None:
    asked = document["paths"]["/v1/batch"]["post"]["requestBody"]["content"]["application/json"]
    check = Draft202012Validator(asked["schema"] | {"components": document["components"]})
    check.validate({"batch": [VIEW]})
    assert not check.is_valid({"batch": [VIEW | {"properties": 1}]})
    assert not check.is_valid({})


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({}, id="totals"),
        pytest.param({"dimensions": ["visit:source"], "metrics": ["visitors", "percentage"]},
                     id="a table"),
        pytest.param({"metrics": ["total_revenue"], "dimensions": ["event:name"]}, id="money"),
        pytest.param({"metrics": ["visitors", "unique_visitors"], "dimensions": ["time:week"],
                      "include": {"time_labels": True, "total_rows": True,
                                  "comparisons": {"mode": "previous_period"}}}, id="series"),
        pytest.param({"metrics": ["cells"]}, id="refused"),
        pytest.param({"site_id": "other.example"}, id="not the token's"),
    ],
)  # fmt: skip
def test_what_the_stats_api_answers_is_what_it_says(
    client: FlaskClient, document: dict[str, Any], query: dict[str, Any]
) -> None:
    body = {"site_id": DOMAIN, "metrics": ["visitors"], "date_range": "28d"} | query
    response = client.post("/api/v2/query", json=body, headers=bearer(client))
    conforms(document, "post", "/api/v2/query", response)
    asked = document["paths"]["/api/v2/query"]["post"]["requestBody"]["content"]
    schema = asked["application/json"]["schema"] | {"components": document["components"]}
    # What is refused by its form alone does not conform either.
    understood = response.status_code != 400
    assert Draft202012Validator(schema).is_valid(body) == understood


@pytest.mark.parametrize(
    ("path", "more"),
    [
        pytest.param("/api/v1/stats/funnels", "&date_range=28d", id="funnels"),
        pytest.param("/api/v1/stats/funnels", "", id="no range"),
        pytest.param("/api/v1/stats/retention", "&date_range=91d", id="retention"),
        pytest.param("/api/v1/stats/realtime/visitors", "", id="now"),
        pytest.param("/healthz", "", id="healthz"),
        pytest.param("/readyz", "", id="readyz"),
        pytest.param("/metrics", "", id="metrics"),
        pytest.param("/pixel.gif", "&domain=example.com&url=https://example.com/x", id="pixel"),
        pytest.param("/sign-in", "", id="a page"),
    ],
)
def test_what_other_addresses_answer_is_what_they_say(
    client: FlaskClient, document: dict[str, Any], path: str, more: str
) -> None:
    response = client.get(f"{path}?site_id={DOMAIN}{more}", headers=bearer(client))
    conforms(document, "get", path, response)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"categoryPreferences": {"analytics": True}}, id="a grant"),
        pytest.param({"categoryPreferences": {"analytics": False}}, id="a refusal"),
        pytest.param({"objection": True}, id="an objection"),
        pytest.param({}, id="nothing decided"),
        pytest.param({"objection": True, "writeKey": "nobody's"}, id="no site"),
    ],
)
def test_what_becomes_of_a_decision_is_what_it_says(
    client: FlaskClient, document: dict[str, Any], told: dict[str, Any]
) -> None:
    key = client.application.extensions["write key"]
    body = {"writeKey": key, "anonymousId": "0b7c8c50-3df4-4c5f-9d22-94b5a0f9a8a1"} | told
    answer = client.post("/v1/consent", json=body)
    conforms(document, "post", "/v1/consent", answer)
    receipt = answer.get_json().get("receipt", "abcdef-AAAAAAAAAAAAAAAAAAAAAA")
    conforms(document, "get", "/v1/consent/{text}", client.get(f"/v1/consent/{receipt}"))


def test_settings_for_sdks_and_plausibles_answers_are_what_they_say(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    key = client.application.extensions["write key"]
    path = "/v1/projects/{write_key}/settings"
    conforms(document, "get", path, client.get(f"/v1/projects/{key}/settings"))
    conforms(document, "get", path, client.get("/v1/projects/nobody/settings"))
    event = {"name": "pageview", "url": "https://example.com/", "domain": DOMAIN}
    conforms(document, "post", "/api/event", client.post("/api/event", json=event))
    conforms(document, "post", "/api/event", client.post("/api/event", json={"name": 1}))


def bearer(client: FlaskClient) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.application.extensions['token']}"}
