"""The collecting endpoints. Nothing of a request outlives it but what the pipeline lets through.

No session, no cookie, no page: the answers say only what became of the events. Scripts of any
site may send and read them (CORS), without credentials.

An endpoint is a function of the WSGI environment. Flask knows them as routes like any other;
`init` also puts them in front of it, because what Flask does for a page (a request context, a
session, headers) costs more than everything that is done with an event.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import msgspec
import structlog
from flask import Blueprint, Flask, Response, request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import Authorization

from anonymize.agent import Agents
from anonymize.basis import CATEGORIES, says_one
from anonymize.event import Accepted, Dropped, Outcome, RawRequest, Reason, Rejected
from anonymize.geo import Geo
from anonymize.ip import truncated
from anonymize.keys import KeyStore
from control.objections import Objections
from control.sites import Site, Sites
from ingest import body, consent, pixel, plausible, rights, segment
from ingest.collector import Collector, Sink
from ingest.final_days import RecentFinalDays
from ingest.limits import Limiter, Limits
from ingest.wire import EXPLANATIONS, Item, Malformed
from spool.writer import SpoolFull
from subjects.ledger import Decision, Ledger
from subjects.requests import Requests, Unproved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ALLOWED = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Plausible-Dropped, X-Discreet-Reason, Retry-After",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_OK = _ALLOWED | {"Content-Type": "text/plain; charset=utf-8"}
_JSON = _ALLOWED | {"Content-Type": "application/json"}
_UNSTORED = {"Cache-Control": "no-store"}
_PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Encoding, Content-Type,"
    " X-Subject-Token",
    "Access-Control-Max-Age": "86400",  # seconds; browsers cap it lower
}
# Why a browser asks: the Fetch standard's header, and what Chrome, Safari and Firefox sent before.
_PURPOSE = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
# Each has a path of its own, and one of a single letter, which analytics.js sends to.
_KINDS = ("track", "page", "screen", "identify", "group", "alias")
_SINGLES = {f"/v1/{path}": kind for kind in _KINDS for path in (kind, kind[0])}
# Where events are sent: what asks for anything else answers differently.
PATHS = frozenset({"/v1/batch", "/v1/b", "/api/event", *_SINGLES})
_PIXEL = _ALLOWED | {"Content-Type": "image/gif", "Cache-Control": "no-store"}
_STATUS = {Reason.TOO_LARGE: 413, Reason.UNSUPPORTED_MEDIA: 415}
_RETRY_AFTER = 10.0  # seconds, where the spool does not say
_NO_KEY = "no site has this write key"
_NO_PROPERTY = "this site stores no such property"
_OTHERS = "the subject token does not belong to this identifier"
_NO_DOMAIN = "no site has this domain"

_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

log = structlog.get_logger()


def _nobody(reason: Reason) -> None:
    """Is told of nothing."""


class Services(Protocol):
    """What the endpoints work with."""

    @property
    def control(self) -> Engine: ...
    @property
    def sites(self) -> Sites: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def spool(self) -> Sink: ...
    @property
    def geo(self) -> Geo: ...
    @property
    def agents(self) -> Agents: ...
    @property
    def late(self) -> timedelta: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def notices(self) -> Mapping[str, str]:
        """The SHA-256 of the text of each version of the banner that this service knows."""
        ...

    @property
    def public_host(self) -> str:
        """The host of the public origin, '' where none is set."""
        ...


class Answer(NamedTuple):
    """What is sent back: a status, headers and a body."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


Endpoint = Callable[["WSGIEnvironment"], Answer]
_View = Callable[["WSGIEnvironment", datetime], Answer]


class _Refusal(Exception):
    """The request as a whole is answered with this status."""

    def __init__(self, status: int, reason: Reason, pointer: str, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.reason = reason
        self.pointer = pointer


class _Later(Exception):
    """Nothing of the request can be taken now; `seconds` says when it may come again."""

    def __init__(self, reason: Reason, seconds: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


class _Endpoints:
    def __init__(self, services: Services, postponed: Callable[[Reason], None]) -> None:
        self._sites = services.sites
        self._limits = services.limits
        self._limiter = Limiter()
        self._postponed = postponed
        self._host = services.public_host
        objections = Objections(services.control)
        self._ledger = Ledger(services.control, services.keys, objections)
        self._requests = Requests(services.control, services.keys, self._ledger)
        self._notices = services.notices
        self._collector = Collector(
            services.spool,
            services.keys,
            services.geo,
            services.agents,
            services.late,
            RecentFinalDays(services.control, services.late, lambda: datetime.now(UTC)),
            objections,
        )

    def batch(self, environ: WSGIEnvironment, now: datetime) -> Answer:
        return self._segment(segment.open_batch(body.read(environ)), environ, now)

    def single(self, kind: str) -> _View:
        def view(environ: WSGIEnvironment, now: datetime) -> Answer:
            return self._segment(segment.open_single(body.read(environ), kind), environ, now)

        return view

    def event(self, environ: WSGIEnvironment, now: datetime) -> Answer:
        parcel = plausible.open_event(body.read(environ))
        site = self._of_domains(parcel.domains)
        if site is None:
            raise _Refusal(400, Reason.UNKNOWN_SITE, parcel.domain_pointer, _NO_DOMAIN)
        return _plausible_answer(self._collect_one(site, parcel, environ, now))

    def image(self, environ: WSGIEnvironment, now: datetime) -> Answer:
        query, referer = environ.get("QUERY_STRING", ""), environ.get("HTTP_REFERER", "")
        parcel = pixel.open_pixel(query, referer)
        key, names = parcel.key, parcel.domains
        site = self._sites.by_write_key(key) if key else self._of_domains(names)
        if site is None:
            raise _Refusal(400, Reason.UNKNOWN_SITE, parcel.pointer, _NO_DOMAIN)
        if environ["REQUEST_METHOD"] == "HEAD":  # asks about the image; shows it to nobody
            return Answer(200, {})
        outcome = self._collect_one(site, parcel, environ, now)
        reason = None if isinstance(outcome, Accepted) else outcome.reason
        return Answer(200, {"X-Discreet-Reason": reason.value} if reason else {})

    def _of_domains(self, names: list[str]) -> Site | None:
        """The first site that is known; as Plausible does it, without a leading `www.` too."""
        found = (self._sites.by_domain(n) for name in names for n in (name, _without_www(name)))
        return next(filter(None, found), None)

    def _collect_one(
        self,
        site: Site,
        parcel: plausible.Parcel | pixel.Parcel,
        environ: WSGIEnvironment,
        now: datetime,
    ) -> Outcome:
        self._admit(environ, site, 1)
        item = parcel.item(_raw_request(environ, now, keyed=False))
        [outcome] = self._collector.collect(site, [item], now, counted=now)
        return outcome

    def consent(self, environ: WSGIEnvironment, now: datetime) -> Answer:
        told = consent.open_consent(body.read(environ))
        site = self._stated(environ, told.write_key, told.domains)
        self._admit(environ, site, 1)
        signal = _says_no(environ)
        refuses = signal or site.child_directed
        categories = {**CATEGORIES, **dict(site.categories)}
        decision = Decision(
            told.granted(categories, now, refuses=refuses),
            told.at(now),
            told.anonymous_id,
            told.objection,
            told.notice_version,
            self._notices.get(told.notice_version, ""),
            told.language,
            told.method,
            told.message_id,
        )
        receipt = self._ledger.record(site.id, decision, now)
        overridden = refuses and told.granted(categories, now, refuses=False)
        because: Literal["signal", "child_directed"] = "signal" if signal else "child_directed"
        answer = consent.Answered(
            receipt.text,
            receipt.status.value,
            dict(receipt.purposes),
            receipt.expires_at,
            receipt.token,
            because if overridden else "",
        )
        return _json(answer, 201, _UNSTORED)

    def receipt(self, text: str) -> Response:
        """What a receipt says, for whoever holds it."""
        entry = self._ledger.entry(text, datetime.now(UTC))
        if entry is None:
            return _response(_json(consent.NoReceipt(), 404, _UNSTORED))
        return _response(_json(entry, 200, _UNSTORED))

    def ask(self, environ: WSGIEnvironment, now: datetime) -> Answer:
        asked, key, names = rights.open_request(body.read(environ))
        site = self._stated(environ, key, names)
        self._admit(environ, site, 1)
        if not asked.properties.keys() <= set(site.properties):
            raise Malformed(Reason.WRONG_TYPE, "/properties", _NO_PROPERTY)
        try:
            filed = self._requests.file(site.id, asked, now)
        except Unproved:
            raise _Refusal(401, Reason.WRONG_TOKEN, "/subjectToken", _OTHERS) from None
        return _json(rights.Filed(filed.receipt, filed.state, filed.due_at), 202, _UNSTORED)

    def request(self, receipt: str) -> Response:
        """How far a data subject's request is, for whoever holds its receipt."""
        found = self._requests.progress(receipt)
        if found is None:
            return _response(_json(rights.NoRequest(), 404, _UNSTORED))
        token = request.headers.get("X-Subject-Token", "")
        result = self._requests.answer(receipt, token) if found.answered and token else None
        progress = rights.Progress(
            found.kind,
            found.state,
            found.received_at,
            found.due_at,
            found.answered_at,
            found.reason,
            found.rows,
            msgspec.UNSET if result is None else msgspec.Raw(result),
        )
        return _response(_json(progress, 200, _UNSTORED))

    def settings(self, write_key: str) -> Response:
        """What Segment's SDKs fetch when they start: where to send to, and nothing else.

        Without a rate of their own, the SDKs' figures about themselves go to Segment.
        """
        if self._sites.by_write_key(write_key) is None:
            return _response(_refused(401, Reason.UNKNOWN_SITE, "/writeKey", _NO_KEY))
        host = f"{self._host or request.host}/v1"
        settings = {
            "integrations": {"Segment.io": {"apiKey": write_key, "apiHost": host}},
            "plan": {},
            "metrics": {"sampleRate": 0, "host": host},
        }
        return _response(_json(settings, 200))

    def guarded(self, view: _View) -> Endpoint:
        """The view with every failure turned into an answer, and counted."""

        def answer(environ: WSGIEnvironment) -> Answer:
            now = datetime.now(UTC)
            try:
                try:
                    return view(environ, now)
                except Malformed as error:
                    status = _STATUS.get(error.reason, 400)
                    refusal = _Refusal(status, error.reason, error.pointer, str(error))
                except _Refusal as error:
                    refusal = error
                self._admit(environ, None, 1)
                # A refusal stays one when it cannot be counted: sending it again would not help.
                with contextlib.suppress(SpoolFull, OSError):
                    self._collector.refused(self._stated_site(environ), refusal.reason, now)
                return _refused(refusal.status, refusal.reason, refusal.pointer, str(refusal))
            except _Later as error:
                later = error
            except SpoolFull as full:
                later = _Later(Reason.UNAVAILABLE, full.retry_after)
            except (OSError, SQLAlchemyError):
                log.error("cannot accept events", exc_info=True)
                later = _Later(Reason.UNAVAILABLE, _RETRY_AFTER)
            self._postponed(later.reason)
            return _come_again(later)

        return answer

    def _admit(self, environ: WSGIEnvironment, site: Site | None, events: int) -> None:
        """Raises `_Later` where the sender, or the site, has used up what it may send."""
        sender = truncated(environ.get("REMOTE_ADDR"))
        number = site.id if site else None
        if seconds := self._limiter.wait(sender, number, max(1, events), self._limits):
            raise _Later(Reason.RATE_LIMITED, seconds)

    def _segment(self, parcel: segment.Parcel, environ: WSGIEnvironment, now: datetime) -> Answer:
        site = self._stated(environ, parcel.write_key or "", parcel.domains)
        by_name = not (_basic_user(environ) or parcel.write_key)
        self._admit(environ, site, len(parcel.events))
        items = parcel.items(_raw_request(environ, now, keyed=not by_name))
        return _json(_report(items, self._collector.collect(site, items, now, counted=now)), 200)

    def _stated(self, environ: WSGIEnvironment, key: str, names: list[str]) -> Site:
        """The site of a key, in the header or the body, or else of a domain."""
        key = _basic_user(environ) or key
        by_name = not key and bool(names)
        site = self._of_domains(names) if by_name else self._sites.by_write_key(key)
        if site is None:
            pointer, why = ("/domain", _NO_DOMAIN) if by_name else ("/writeKey", _NO_KEY)
            raise _Refusal(401, Reason.UNKNOWN_SITE, pointer, why)
        return site

    def _stated_site(self, environ: WSGIEnvironment) -> Site | None:
        """The site of a request whose body said nothing."""
        user = _basic_user(environ)
        return self._sites.by_write_key(user) if user else None


def init(
    app: Flask, services: Services, postponed: Callable[[Reason], None] = _nobody
) -> Blueprint:
    """Gives the application every collecting endpoint, and returns their routes.

    `postponed` is told of every request that was sent away to come again: no tally counts it, since
    its events are not lost. They take posts from other origins: no CSRF check may apply to these.
    """
    endpoints = _Endpoints(services, postponed)
    views: dict[str, _View] = {
        "/v1/batch": endpoints.batch,
        "/v1/b": endpoints.batch,
        "/api/event": endpoints.event,
        "/v1/consent": endpoints.consent,
        "/v1/subject/requests": endpoints.ask,
    } | {path: endpoints.single(kind) for path, kind in _SINGLES.items()}
    table = {("POST", path): endpoints.guarded(view) for path, view in views.items()}
    table |= {("OPTIONS", path): _preflight for path in views}
    table[("GET", "/pixel.gif")] = _pictured(endpoints.guarded(endpoints.image))
    routes = Blueprint("ingest", __name__)
    for (method, path), endpoint in table.items():
        routes.add_url_rule(
            path,
            f"{method} {path}".replace(".", "_"),
            _routed(endpoint),
            methods=[method],
            provide_automatic_options=False,
        )
    routes.add_url_rule("/v1/consent/<text>", "receipt", endpoints.receipt)
    asked = "/v1/subject/requests/<receipt>"
    # A browser asks first whether it may send the token along.
    for method, view in (("GET", endpoints.request), ("OPTIONS", _may_request)):
        routes.add_url_rule(
            asked, f"{method} request", view, methods=[method], provide_automatic_options=False
        )
    routes.add_url_rule("/v1/projects/<write_key>/settings", "settings", endpoints.settings)
    app.register_blueprint(routes)
    in_front = _in_front(table, app.wsgi_app)
    app.wsgi_app = in_front  # type: ignore[method-assign,assignment]  # Flask's own way
    return routes


def _in_front(
    table: dict[tuple[str, str], Endpoint], application: WSGIApplication
) -> WSGIApplication:
    """The endpoints of the table, and for everything else the application."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        endpoint = table.get((environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")))
        if endpoint is None:
            return application(environ, start_response)
        status, headers, content = endpoint(environ)
        length = [("Content-Length", str(len(content)))] if status != 204 else []
        start_response(_STATUS_LINES[status], [*headers.items(), *length])
        return [content]

    return answer


def _routed(endpoint: Endpoint) -> Callable[[], Response]:
    return lambda: _response(endpoint(request.environ))


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)


_ANYTHING = Answer(204, _PREFLIGHT)


def _preflight(environ: WSGIEnvironment) -> Answer:
    return _ANYTHING


def _may_request(receipt: str) -> Response:
    return _response(_ANYTHING)


def _pictured(endpoint: Endpoint) -> Endpoint:
    """The image whatever the answer is, since a page shows it; why, stands in the header."""

    def answer(environ: WSGIEnvironment) -> Answer:
        told = endpoint(environ).headers.get("X-Discreet-Reason")
        reason = {"X-Discreet-Reason": told} if told else {}
        return Answer(200, _PIXEL | reason, pixel.IMAGE)

    return answer


def _says_no(environ: WSGIEnvironment) -> bool:
    """Whether the browser's own signal refuses for its person."""
    signals = ("HTTP_SEC_GPC", "HTTP_DNT")
    return _opted_out(environ) or any(says_one(environ.get(name, "")) for name in signals)


def _opted_out(environ: WSGIEnvironment) -> bool:
    """Whether the person objected on our own page, and their browser sends that along."""
    cookies = environ.get("HTTP_COOKIE", "")
    return "discreet_optout=1" in cookies and any(
        cookie.strip() == "discreet_optout=1" for cookie in cookies.split(";")
    )


def _without_www(name: str) -> str:
    return name.lower().removeprefix("www.")


def _basic_user(environ: WSGIEnvironment) -> str:
    """The user of Basic authentication (RFC 7617), '' where there is none that can be read."""
    header = environ.get("HTTP_AUTHORIZATION")
    if not header:
        return ""
    try:
        stated = Authorization.from_header(header)
    except ValueError:  # not ASCII
        return ""
    return (stated.username or "") if stated is not None and stated.type == "basic" else ""


def _raw_request(environ: WSGIEnvironment, now: datetime, *, keyed: bool) -> RawRequest:
    user_agent = environ.get("HTTP_USER_AGENT", "")
    return RawRequest(
        received=now,
        address=environ.get("REMOTE_ADDR"),
        user_agent=user_agent,
        gpc=environ.get("HTTP_SEC_GPC", ""),
        dnt="1" if _opted_out(environ) else environ.get("HTTP_DNT", ""),
        purpose=",".join(environ[name] for name in _PURPOSE if name in environ),
        brands=environ.get("HTTP_SEC_CH_UA", ""),
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


def _plausible_answer(outcome: Outcome) -> Answer:
    if isinstance(outcome, Rejected):
        return _refused(400, outcome.reason, outcome.pointer, EXPLANATIONS[outcome.reason])
    if isinstance(outcome, Dropped):
        why = {"X-Plausible-Dropped": "1", "X-Discreet-Reason": outcome.reason.value}
        return Answer(202, _OK | why, b"ok")
    return Answer(202, _OK, b"ok")


def _refused(status: int, reason: Reason, pointer: str, error: str) -> Answer:
    told = {"error": error, "reason": reason, "pointer": pointer}
    return _json(told, status, {"X-Discreet-Reason": reason.value})


def _come_again(later: _Later) -> Answer:
    reason = later.reason
    told = {"error": EXPLANATIONS[reason].replace("`", ""), "reason": reason, "pointer": ""}
    seconds = str(max(1, math.ceil(later.seconds)))
    headers = {"X-Discreet-Reason": reason.value, "Retry-After": seconds}
    return _json(told, 429 if reason is Reason.RATE_LIMITED else 503, headers)


def _json(answer: object, status: int, headers: dict[str, str] = {}) -> Answer:  # noqa: B006  read
    return Answer(status, _JSON | headers, msgspec.json.encode(answer))
