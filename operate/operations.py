"""What every address does that a program may use: one table, by method and path.

What a request reads and what its answers hold are types: where there are some, those that the code
itself decodes and encodes. `operate.openapi` makes a description of it. A new route gets its line
in `OPERATIONS`, or a test fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from anonymize.event import Reason
from dashboards import stats_answer, stats_language, stats_people
from dashboards.install import FirstEvent
from ingest import consent, plausible, rights, segment
from ingest.views import PATHS
from subjects import ledger

JSON, TEXT, CSV = "application/json", "text/plain", "text/csv"


class Refused(msgspec.Struct):
    """Why a request was refused as a whole; `pointer` (RFC 6901) names the fault in its body."""

    error: str
    reason: Reason
    pointer: str


class DroppedEvent(msgspec.Struct, rename="camel"):
    """An event that is well-formed and by policy not kept. `index` counts from 0."""

    index: int
    message_id: str | None
    reason: Reason


class RejectedEvent(msgspec.Struct, rename="camel"):
    """An event in which the sender made a mistake, at `pointer` in the body (RFC 6901)."""

    index: int
    message_id: str | None
    reason: Reason
    pointer: str


class Report(msgspec.Struct):
    """What became of the events of a request."""

    success: Literal[True]
    accepted: int
    dropped: list[DroppedEvent]
    rejected: list[RejectedEvent]


class StatsError(msgspec.Struct):
    """Which field of a question cannot be answered, why, and what is possible."""

    error: str


class Destination(msgspec.Struct, rename="camel"):
    api_key: str
    api_host: str


class Integrations(msgspec.Struct):
    segment: Destination = msgspec.field(name="Segment.io")


class OwnFigures(msgspec.Struct, rename="camel"):
    sample_rate: float
    host: str


class SdkSettings(msgspec.Struct):
    """Where Segment's SDKs send to."""

    integrations: Integrations
    plan: dict[str, Any]
    metrics: OwnFigures


class Alive(msgspec.Struct):
    status: Literal["ok"]


class Part(msgspec.Struct):
    ok: bool
    reason: str


class Readiness(msgspec.Struct):
    """Whether events can be accepted: that takes spool, keys and control database alone."""

    status: Literal["ready", "unavailable"]
    spool: Part
    keys: Part
    control: Part
    store: Part
    worker: Part
    releases: Part


# A tier: how many at least, or that there are few.
Tier = int | Annotated[str, msgspec.Meta(pattern=r"^<[0-9]+$")]


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a request is answered: what it says, as what, with which headers."""

    says: str
    body: Any = None
    media: str = JSON
    headers: tuple[str, ...] = ()
    also: str = ""  # a media type whose body is text


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route does. `reads` is the type of its body, `query` are its parameters by name, each
    with what it is; they are needed unless they begin with an optional `?`.
    """

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    reads: Any = None
    media: tuple[str, ...] = (JSON,)
    query: Mapping[str, str] = field(default_factory=dict)
    security: tuple[str, ...] = ()
    unsigned: bool = True  # whether it is answered without any of `security`, too


_REASON, _RETRY = "X-Discreet-Reason", "Retry-After"
_LATER = {
    429: Answer("More than a network or a site may send.", Refused, headers=(_REASON, _RETRY)),
    503: Answer("Nothing can be stored at the moment.", Refused, headers=(_REASON, _RETRY)),
}
_MALFORMED = {
    400: Answer("Nothing can be made of the body.", Refused, headers=(_REASON,)),
    413: Answer("The body, or what it unpacks to, is too large.", Refused, headers=(_REASON,)),
    415: Answer("Neither JSON nor text.", Refused, headers=(_REASON,)),
}
_REPORT = {
    200: Answer("What became of each event.", Report),
    401: Answer("No site has this write key or domain.", Refused, headers=(_REASON,)),
}
_BATCH = Operation(
    "Collecting",
    "Several events at once, in Segment's format",
    _REPORT | _MALFORMED | _LATER,
    reads=segment._Batch,
    media=(JSON, TEXT),
    security=("writeKey",),
)
_PREFLIGHT = Operation(
    "Collecting",
    "What scripts of other origins may send (CORS)",
    {204: Answer("Anything.", headers=("Access-Control-Allow-Origin",))},
)
_ASKED = {
    400: Answer("Not published, or not understood.", StatsError),
    401: Answer(
        "No token, or none that opens the site.", StatsError, headers=("WWW-Authenticate",)
    ),
    503: Answer("The figures cannot be read at the moment.", StatsError, headers=(_RETRY,)),
}
_SITE = {"site_id": "the site's domain"}
_RANGE = {"date_range": "28d, 6mo, all …, or two days: 2026-05-01,2026-05-31"}


def _figures(summary: str, says: str, body: Any, **more: Any) -> Operation:
    answers = {200: Answer(says, body, also=CSV)} | _ASKED
    return Operation(
        "Figures", summary, answers | more.pop("answers", {}),
        security=("token",), unsigned=False, **more,
    )  # fmt: skip


# A batch is decoded event by event, so that one bad event never costs the others.
EVENT = segment._Event

# By method and path.
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/v1/batch"): _BATCH,
    ("POST", "/v1/b"): _BATCH,
    **{
        ("POST", path): Operation(
            "Collecting",
            "One event of the type that the path names, in Segment's format",
            _REPORT | _MALFORMED | _LATER,
            reads=EVENT,
            media=(JSON, TEXT),
            security=("writeKey",),
        )
        for path in PATHS - {"/v1/batch", "/v1/b", "/api/event"}
    },
    **{("OPTIONS", path): _PREFLIGHT for path in PATHS},
    ("POST", "/api/event"): Operation(
        "Collecting",
        "One page view or event, in Plausible's format",
        {202: Answer("Taken, or by policy not kept.", str, TEXT, ("X-Plausible-Dropped", _REASON))}
        | _MALFORMED
        | _LATER,
        reads=plausible._Event,
        media=(JSON, TEXT),
    ),
    ("GET", "/pixel.gif"): Operation(
        "Collecting",
        "One page view of a page without script",
        {200: Answer("The image, whatever became of the view.", bytes, "image/gif", (_REASON,))},
        query={
            "key": "? the site's write key",
            "domain": "? the site's domain, instead of the key",
            "url": "? the page; else the one that shows the image (Referer)",
            "referrer": "? where the visitor came from",
        },
    ),
    ("POST", "/v1/consent"): Operation(
        "Collecting",
        "What a person decided about being measured",
        {
            201: Answer("It is on record, and holds.", consent.Answered),
            401: Answer("No site has this write key or domain.", Refused, headers=(_REASON,)),
        }
        | _MALFORMED
        | _LATER,
        reads=consent._Body,
        media=(JSON, TEXT),
        security=("writeKey",),
    ),
    ("OPTIONS", "/v1/consent"): _PREFLIGHT,
    ("GET", "/v1/consent/<text>"): Operation(
        "Collecting",
        "What a receipt says, for who holds it",
        {
            200: Answer("The decision, as a consent record.", ledger.Record),
            404: Answer("There is no such receipt.", consent.NoReceipt),
        },
    ),
    ("POST", "/v1/subject/requests"): Operation(
        "Rights",
        "What a data subject asks for (GDPR, chapter III)",
        {
            202: Answer("It is filed; what it ends has ended.", rights.Filed),
            401: Answer(
                "No such site, or the token is not this identifier's.", Refused, headers=(_REASON,)
            ),
        }
        | _MALFORMED
        | _LATER,
        reads=rights._Request,
        media=(JSON, TEXT),
        security=("writeKey",),
    ),
    ("OPTIONS", "/v1/subject/requests"): _PREFLIGHT,
    ("GET", "/v1/subject/requests/<receipt>"): Operation(
        "Rights",
        "How far a request is, for who holds its receipt",
        {
            200: Answer("As far as it is; with `X-Subject-Token`, the answer.", rights.Progress),
            404: Answer("There is no such request.", rights.NoRequest),
        },
    ),
    ("OPTIONS", "/v1/subject/requests/<receipt>"): _PREFLIGHT,
    ("GET", "/v1/projects/<write_key>/settings"): Operation(
        "Collecting",
        "What Segment's SDKs fetch when they start",
        {
            200: Answer("Where to send to.", SdkSettings),
            401: Answer("No site has this write key.", Refused, headers=(_REASON,)),
        },
    ),
    ("POST", "/api/v2/query"): _figures(
        "Figures, in Plausible's query language",
        "The rows asked for.",
        stats_answer.Answer,
        reads=stats_language.Query,
        answers={413: Answer("A question larger than any.", StatsError)},
    ),
    ("GET", "/api/v1/stats/funnels"): _figures(
        "Every funnel of a site, step by step",
        "The funnels.",
        stats_people.Funnels,
        query=_SITE | _RANGE,
    ),
    ("GET", "/api/v1/stats/retention"): _figures(
        "Who came back, by the week in which they were new",
        "The cohorts.",
        stats_people.Retention,
        query=_SITE | _RANGE,
    ),
    ("GET", "/api/v1/stats/realtime/visitors"): Operation(
        "Figures",
        "How many are there now, as a tier",
        {200: Answer("How many at least, or that there are few.", Tier)} | _ASKED,
        query=_SITE,
        security=("token",),
        unsigned=False,
    ),
    **{
        ("GET", f"/sites/<domain>/{page}/<name>.csv"): Operation(
            "Pages",
            f"A table of the page {page} of a site, to take along",
            {
                200: Answer("The table.", str, CSV, ("Content-Disposition",)),
                302: Answer("To where one signs in.", headers=("Location",)),
                404: Answer("There is no such site or table.", str, "text/html"),
            },
            query={
                "period": "? 7d, 28d, 12mo …, or custom with from and to",
                "from": "? the first day",
                "to": "? the last day",
            },
            security=("session",),
            unsigned=False,
        )
        for page in ("apps", "explore", "data")
    },
    ("GET", "/sites/<domain>/install/first-event"): Operation(
        "Pages",
        "Whether the site's first event has come, or why the newest was not kept",
        {
            200: Answer("As far as it has come.", FirstEvent),
            302: Answer("To where one signs in.", headers=("Location",)),
            404: Answer("There is no such site.", str, "text/html"),
        },
        security=("session",),
        unsigned=False,
    ),
    ("GET", "/healthz"): Operation(
        "Operating", "Whether the process lives", {200: Answer("It does.", Alive)}
    ),
    ("GET", "/readyz"): Operation(
        "Operating",
        "Whether events can be accepted, and the state of each part",
        {200: Answer("They can.", Readiness), 503: Answer("They cannot.", Readiness)},
    ),
    ("GET", "/metrics"): Operation(
        "Operating",
        "Counters for Prometheus; without a token for the machine itself alone",
        {
            200: Answer("Text format 0.0.4.", str, TEXT),
            403: Answer("Neither the token nor the machine itself.", str, TEXT),
        },
        security=("metricsToken",),
    ),
    ("GET", "/.well-known/security.txt"): Operation(
        "Operating",
        "Whom to tell of a weakness (RFC 9116)",
        {
            200: Answer("The contact.", str, TEXT),
            404: Answer("None is set.", str, "text/html"),
        },
    ),
    ("GET", "/openapi.json"): Operation(
        "Operating", "This description", {200: Answer("OpenAPI 3.1.", dict[str, Any])}
    ),
}  # fmt: skip
