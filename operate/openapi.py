"""`/openapi.json`: every address that a program may use, described in OpenAPI 3.1.

What is read and answered is described by the types that the code itself decodes and encodes, which
addresses there are by the application's own routes, and what they do by `operate.operations`. Pages
for people are listed as what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from flask import Blueprint, Flask, Response, current_app
from werkzeug.routing import Rule

from anonymize.event import DROPS, REFUSALS, REJECTIONS
from dashboards import stats_language
from dashboards.stats_plan import GOAL, HOUR, METRICS, SEGMENT, TIMES
from ingest import consent, plausible
from operate.operations import EVENT, JSON, OPERATIONS, Answer, Operation
from releases.tables import DIMENSIONS

# Blueprints of pages that people read in a browser.
PAGES = frozenset({"access", "account", "opt_out", "pages", "sections", "signin"})
# What is built with the front end, and the beacon: files, whatever asks.
ASSETS = "assets"

_HEADERS = {
    "X-Discreet-Reason": "the reason for which nothing was kept",
    "Retry-After": "seconds after which to come again",
    "X-Plausible-Dropped": "1 where the event was not kept",
    "WWW-Authenticate": "Bearer",
    "Content-Disposition": "the name under which to keep it",
    "Access-Control-Allow-Origin": "*",
}
_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "a token of one site with the scope stats:read (`token add`)",
    },
    "writeKey": {
        "type": "http",
        "scheme": "basic",
        "description": "the site's write key as the user; it may stand in the body instead",
    },
    "metricsToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "the content of DISCREET_METRICS_TOKEN_FILE",
    },
}
_CONDITION = {
    "type": "array",
    "minItems": 2,
    "maxItems": 4,
    "description": "[operator, dimension, [values], {case_sensitive}], or [and, [conditions]]",
    "prefixItems": [{"enum": [*stats_language.OPERATORS, "and"]}],
}
_DAYS = {
    "anyOf": [
        {"type": "string", "pattern": r"^(day|month|year|all|[1-9][0-9]{0,4}(d|mo))$"},
        {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "string", "format": "date"},
        },
    ]
}
_NAMES = [
    d.contract for d in DIMENSIONS if d.contract and d.level != "alone" and d.contract != HOUR
]
# What a field may hold that its type does not say, since what is wrong is told in words.
_FINER: dict[tuple[str, str], dict[str, Any]] = {
    ("Batch", "batch"): {"items": {"$ref": "#/components/schemas/Event"}},
    ("Query", "metrics"): {"minItems": 1, "uniqueItems": True, "items": {"enum": [*METRICS]}},
    ("Query", "dimensions"): {
        "uniqueItems": True,
        "items": {
            "anyOf": [
                {"enum": ["time", HOUR, *TIMES, GOAL, *_NAMES]},
                {"type": "string", "pattern": "^event:props:"},
            ]
        },
    },
    ("Query", "filters"): {
        "items": _CONDITION,
        "description": f"dimensions, and {SEGMENT} with one number",
    },
    ("Query", "date_range"): _DAYS,
    ("Pagination", "limit"): {"minimum": 1, "maximum": stats_language.MOST_ROWS},
    ("Pagination", "offset"): {"minimum": 0},
    ("Comparisons", "mode"): {"enum": [*stats_language.COMPARISONS]},
}
_MEANINGS = {
    reason: text for kind in (DROPS, REJECTIONS, REFUSALS) for reason, text in kind.items()
}


def blueprint() -> Blueprint:
    """The route; the description is made once, when it is first asked for."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def document() -> Response:
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # not the proxy
        made = app.extensions.get("openapi")
        if made is None:
            made = app.extensions["openapi"] = msgspec.json.encode(describe(app))
        # Viewers of such descriptions run in browsers, on hosts of their own.
        headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=3600"}
        return Response(made, headers=headers, content_type=JSON)

    return routes


def describe(app: Flask) -> dict[str, Any]:
    """The whole description. Raises `KeyError` for a route of which nothing is said."""
    schemas = _Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=str):
        for method, operation in _operations(app, rule):
            place = paths.setdefault(_path(rule), {})
            place[method.lower()] = _described(rule, method, operation, schemas)
    session = {"type": "apiKey", "in": "cookie", "name": app.config["SESSION_COOKIE_NAME"]}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Discreet",
            "version": "0.1.0",
            "description": "Collecting events, and asking for what was released of them.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": tag}
            for tag in ("Collecting", "Rights", "Figures", "Operating", "Pages", "Files")
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": _SECURITY | {"session": session},
        },
    }


def _operations(app: Flask, rule: Rule) -> Iterator[tuple[str, Operation]]:
    room = rule.endpoint.partition(".")[0]
    methods = rule.methods or set()
    # What Flask answers by itself to the other two methods is said of every route alike.
    for method in sorted(methods - {"HEAD", "OPTIONS"} or methods):
        if (method, rule.rule) in OPERATIONS:
            yield method, OPERATIONS[method, rule.rule]
        elif room in PAGES:
            yield method, _page(app, rule, method)
        elif room == ASSETS:
            yield method, Operation("Files", "A file", {200: Answer("The file.", bytes, "*/*")})
        else:
            yield method, OPERATIONS[method, rule.rule]


def _page(app: Flask, rule: Rule, method: str) -> Operation:
    said = (app.view_functions[rule.endpoint].__doc__ or "").partition("\n")[0].strip(' ."')
    summary = said or f"The page {rule.endpoint.partition('.')[2]}"
    open_to_all = rule.endpoint.startswith(("signin.", "opt_out."))
    signed_in = () if open_to_all else ("session",)
    away = Answer("To another page: the next, or where to sign in.", headers=("Location",))
    if method == "POST":
        form = dict[str, str]
        return Operation(
            "Pages", summary, {302: away}, form, ("application/x-www-form-urlencoded",),
            security=signed_in, unsigned=False,
        )  # fmt: skip
    answers = {200: Answer("A page.", str, "text/html")}
    if signed_in:
        answers[302] = away
    return Operation("Pages", summary, answers, security=signed_in, unsigned=False)


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"{\1}", rule.rule)


def _described(rule: Rule, method: str, operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    named = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in sorted(rule.arguments)
    ]
    asked = [
        {
            "name": name,
            "in": "query",
            "required": not says.startswith("?"),
            "description": says.lstrip("? "),
            "schema": {"type": "string"},
        }
        for name, says in operation.query.items()
    ]
    described: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}_{rule.rule}").strip("_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": named + asked,
        "responses": {
            str(status): _answered(answer, schemas) for status, answer in operation.answers.items()
        },
        "security": [{name: []} for name in operation.security]
        + ([{}] if operation.security and operation.unsigned else []),
    }
    if operation.reads is not None:
        schema = schemas.of(operation.reads)
        content = {media: {"schema": schema} for media in operation.media}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _answered(answer: Answer, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.says}
    if answer.headers:
        described["headers"] = {
            name: {"description": _HEADERS.get(name, ""), "schema": {"type": "string"}}
            for name in answer.headers
        }
    if answer.body is bytes:  # neither text nor JSON: its media type says it all
        described["content"] = {answer.media: {}}
    elif answer.body is not None:
        described["content"] = {answer.media: {"schema": schemas.of(answer.body)}}
    if answer.also:
        described["content"][answer.also] = {"schema": {"type": "string"}}
    return described


class _Schemas:
    """The components: every type that an operation reads or answers, and those within them."""

    def __init__(self) -> None:
        # All at once, so that types of one name are told apart.
        self._types = list(_types())
        found, named = msgspec.json.schema_components(
            self._types, ref_template="#/components/schemas/{name}"
        )
        self._schemas = [_renamed(schema) for schema in found]
        self.components = {_name(name): _renamed(schema) for name, schema in named.items()}
        for (name, member), finer in _FINER.items():
            properties = self.components[name]["properties"]
            kept = {} if "anyOf" in finer else properties[member]
            properties[member] = kept | finer
        self.components["Reason"]["description"] = "\n".join(
            f"- `{reason}`: {meaning}" for reason, meaning in _MEANINGS.items()
        )

    def of(self, body: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._schemas[self._types.index(body)]
        return found


def _types() -> Iterator[Any]:
    """What operations read and answer, the events of a batch included, each once."""
    seen: list[Any] = [EVENT, str, dict[str, str]]
    for operation in OPERATIONS.values():
        bodies = [operation.reads, *(answer.body for answer in operation.answers.values())]
        seen += [body for body in bodies if body not in (None, bytes, *seen)]
    return iter(seen)


def _name(name: str) -> str:
    """A component's: of a type that its module keeps to itself without the underscore."""
    room, _, own = name.rpartition(".")
    named = own.lstrip("_")
    if room == plausible.__name__ and named == "Event":
        return "PlausibleEvent"
    return "Decision" if named == consent._Body.__name__.lstrip("_") else named


def _renamed(schema: Any) -> Any:
    match schema:
        case {"$ref": str(target), **more}:
            room, _, name = target.rpartition("/")
            return {"$ref": f"{room}/{_name(name)}"} | _renamed(more)
        case dict():
            titled = {"title": _name(schema["title"])} if "title" in schema else {}
            return {key: _renamed(value) for key, value in schema.items()} | titled
        case list():
            return [_renamed(value) for value in schema]
    return schema
