"""The collecting endpoints. Nothing of a request outlives it but what the pipeline lets through.

No session, no cookie, no page: the answers say only what became of the events. Scripts of any
site may send and read them (CORS), without credentials.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import structlog
from flask import Blueprint, Response, request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from anonymize.agent import Agents
from anonymize.event import Accepted, Dropped, Outcome, RawRequest, Reason, Rejected
from anonymize.geo import Geo
from anonymize.keys import Keys
from control.objections import Objections
from control.sites import Site, Sites
from ingest import body, plausible, segment
from ingest.collector import Collector, Sink
from ingest.final_days import RecentFinalDays
from ingest.wire import EXPLANATIONS, Item, Malformed
from spool.writer import SpoolFull

_ALLOWED = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Plausible-Dropped, X-Discreet-Reason",
}
_PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Encoding, Content-Type",
    "Access-Control-Max-Age": "86400",  # seconds; browsers cap it lower
}
# Why a browser asks: the Fetch standard's header, and what Chrome, Safari and Firefox sent before.
_PURPOSE = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
_STATUS = {Reason.TOO_LARGE: 413, Reason.UNSUPPORTED_MEDIA: 415}
_RETRY_AFTER = 10.0  # seconds, where the spool does not say
_NO_KEY = "no site has this write key"

_View = Callable[[datetime], Response]

log = structlog.get_logger()


class Services(Protocol):
    """What the endpoints work with."""

    @property
    def control(self) -> Engine: ...
    @property
    def sites(self) -> Sites: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def spool(self) -> Sink: ...
    @property
    def geo(self) -> Geo: ...
    @property
    def agents(self) -> Agents: ...
    @property
    def late(self) -> timedelta: ...
    @property
    def public_host(self) -> str:
        """The host of the public origin, '' where none is set."""
        ...


class _Refusal(Exception):
    """The request as a whole is answered with this status."""

    def __init__(self, status: int, reason: Reason, pointer: str, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.reason = reason
        self.pointer = pointer


class _Endpoints:
    def __init__(self, services: Services) -> None:
        self._sites = services.sites
        self._host = services.public_host
        self._collector = Collector(
            services.spool,
            services.keys,
            services.geo,
            services.agents,
            services.late,
            RecentFinalDays(services.control, services.late, lambda: datetime.now(UTC).date()),
            Objections(services.control),
        )

    def batch(self, now: datetime) -> Response:
        return self._segment(segment.open_batch(body.read(request)), now)

    def single(self, kind: str) -> _View:
        return lambda now: self._segment(segment.open_single(body.read(request), kind), now)

    def event(self, now: datetime) -> Response:
        parcel = plausible.open_event(body.read(request))
        site = next((s for name in parcel.domains if (s := self._sites.by_domain(name))), None)
        if site is None:
            pointer = parcel.domain_pointer
            raise _Refusal(400, Reason.UNKNOWN_SITE, pointer, "no site has this domain")
        item = parcel.item(_raw_request(now, keyed=False))
        [outcome] = self._collector.collect(site, [item], now, counted=now)
        return _plausible_answer(outcome)

    def settings(self, write_key: str) -> Response:
        """What Segment's SDKs fetch when they start: where to send to, and nothing else."""
        if self._sites.by_write_key(write_key) is None:
            return _refused(401, Reason.UNKNOWN_SITE, "/writeKey", _NO_KEY)
        destination = {"apiKey": write_key, "apiHost": f"{self._host or request.host}/v1"}
        return _json({"integrations": {"Segment.io": destination}, "plan": {}}, 200)

    def guarded(self, view: _View) -> Callable[[], Response]:
        """The view with every failure turned into an answer, and counted."""

        def answer() -> Response:
            now = datetime.now(UTC)
            try:
                try:
                    return view(now)
                except Malformed as error:
                    status = _STATUS.get(error.reason, 400)
                    refusal = _Refusal(status, error.reason, error.pointer, str(error))
                except _Refusal as error:
                    refusal = error
                # A refusal stays one when it cannot be counted: sending it again would not help.
                with contextlib.suppress(SpoolFull, OSError):
                    self._collector.refused(self._stated_site(), refusal.reason, now)
                return _refused(refusal.status, refusal.reason, refusal.pointer, str(refusal))
            except SpoolFull as full:
                return _unavailable(full.retry_after)
            except (OSError, SQLAlchemyError):
                log.error("cannot accept events", exc_info=True)
                return _unavailable(_RETRY_AFTER)

        return answer

    def _segment(self, parcel: segment.Parcel, now: datetime) -> Response:
        site = self._sites.by_write_key(_basic_user() or parcel.write_key or "")
        if site is None:
            raise _Refusal(401, Reason.UNKNOWN_SITE, "/writeKey", _NO_KEY)
        items = parcel.items(_raw_request(now, keyed=True))
        return _json(_report(items, self._collector.collect(site, items, now, counted=now)), 200)

    def _stated_site(self) -> Site | None:
        """The site of a request whose body said nothing."""
        user = _basic_user()
        return self._sites.by_write_key(user) if user else None


def blueprint(services: Services) -> Blueprint:
    """Every collecting endpoint. They take posts from other origins: no CSRF check may apply."""
    routes = Blueprint("ingest", __name__)
    endpoints = _Endpoints(services)
    views: dict[str, _View] = {
        "/v1/batch": endpoints.batch,
        "/v1/b": endpoints.batch,
        "/api/event": endpoints.event,
    } | {f"/v1/{kind}": endpoints.single(kind) for kind in ("track", "page", "screen", "identify")}
    for path, view in views.items():
        routes.add_url_rule(
            path,
            path,
            endpoints.guarded(view),
            methods=["POST"],
            provide_automatic_options=False,
        )
        routes.add_url_rule(path, f"{path}:preflight", _preflight, methods=["OPTIONS"])
    routes.add_url_rule("/v1/projects/<write_key>/settings", "settings", endpoints.settings)
    return routes


def _preflight() -> Response:
    return Response(status=204, headers=_PREFLIGHT)


def _basic_user() -> str:
    """The user of Basic authentication (RFC 7617), '' where there is none that can be read."""
    try:
        stated = request.authorization
    except ValueError:  # werkzeug: not ASCII
        return ""
    return (stated.username or "") if stated is not None and stated.type == "basic" else ""


def _raw_request(now: datetime, *, keyed: bool) -> RawRequest:
    headers = request.environ
    user_agent = headers.get("HTTP_USER_AGENT", "")
    return RawRequest(
        received=now,
        address=request.remote_addr,
        user_agent=user_agent,
        gpc=headers.get("HTTP_SEC_GPC", ""),
        dnt=headers.get("HTTP_DNT", ""),
        purpose=",".join(headers[name] for name in _PURPOSE if name in headers),
        brands=headers.get("HTTP_SEC_CH_UA", ""),
        # Every browser's user agent starts so; with a write key, another one is an SDK's.
        sdk=keyed and not user_agent.startswith("Mozilla/"),
    )


def _report(items: list[Item], outcomes: list[Outcome]) -> dict[str, Any]:
    dropped, rejected = [], []
    for index, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        if isinstance(outcome, Accepted):
            continue
        entry = {"index": index, "messageId": item.message_id, "reason": outcome.reason}
        if isinstance(outcome, Dropped):
            dropped.append(entry)
        else:
            rejected.append(entry | {"pointer": item.pointer + outcome.pointer})
    return {
        "success": True,
        "accepted": len(items) - len(dropped) - len(rejected),
        "dropped": dropped,
        "rejected": rejected,
    }


def _plausible_answer(outcome: Outcome) -> Response:
    if isinstance(outcome, Rejected):
        return _refused(400, outcome.reason, outcome.pointer, EXPLANATIONS[outcome.reason])
    headers = _ALLOWED
    if isinstance(outcome, Dropped):
        headers = _ALLOWED | {
            "X-Plausible-Dropped": "1",
            "X-Discreet-Reason": outcome.reason.value,
        }
    return Response(b"ok", 202, headers, content_type="text/plain; charset=utf-8")


def _refused(status: int, reason: Reason, pointer: str, error: str) -> Response:
    response = _json({"error": error, "reason": reason, "pointer": pointer}, status)
    response.headers["X-Discreet-Reason"] = reason.value
    return response


def _unavailable(retry_after: float) -> Response:
    reason = Reason.UNAVAILABLE
    response = _refused(503, reason, "", EXPLANATIONS[reason])
    response.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


def _json(answer: object, status: int) -> Response:
    return Response(msgspec.json.encode(answer), status, _ALLOWED, content_type="application/json")
