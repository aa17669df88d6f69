"""The stats API: Plausible's query language over releases, for tools that hold a token.

A site that does not exist and one that the token does not open are answered alike, so that nobody
learns from the answers which sites there are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TypeVar

import msgspec
from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from accounts.tokens import Tokens
from control.definitions import Definitions
from control.sites import Site, Sites
from dashboards import stats_answer, stats_language, stats_people, stats_plan
from dashboards.stats_language import StatsError
from releases.reading import Reading, ReleasesUnavailable

SCOPE = "stats:read"
MOST_BYTES = 64 * 1024
_MISSING = "Missing API key. Please use a valid API key as a Bearer token."
_FORBIDDEN = (
    "Invalid API key or site ID. Please make sure you're using a valid API key with access to the"
    " site you've requested."
)
_AWAY = "The figures cannot be read at the moment; what was collected is safe."


_Found = TypeVar("_Found")


class _Refused(Exception):
    """No token, or none that opens the site: the message is the answer."""


def blueprint(
    reading: Reading,
    sites: Sites,
    tokens: Tokens,
    definitions: Definitions,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Blueprint:
    """The routes. They know no session: the check against forged requests is not for them."""
    routes = Blueprint("stats", __name__)

    def opened(domain: str) -> Site:
        """The site of this domain, if the request's token opens it; raises `_Refused`."""
        bearer = request.authorization
        if bearer is None or bearer.type != "bearer" or not bearer.token:
            raise _Refused(_MISSING)
        number = tokens.opens(bearer.token, SCOPE)
        site = sites.by_domain(domain)
        if site is None or site.id != number:
            raise _Refused(_FORBIDDEN)
        return site

    @routes.post("/api/v2/query")
    def query() -> Response:
        request.max_content_length = MOST_BYTES
        body = request.get_data()
        # Nothing is said about a question before its token: not even how it is wrong.
        site = opened(_site_of(body))
        asked = stats_language.decode(body)
        today = site.calendar.local_day(now())
        oldest = reading.oldest_day(site) if asked.date_range == "all" else None
        planned = stats_plan.plan(asked, site, today, oldest, definitions)
        return _answered(stats_answer.answer(reading, site, planned), stats_answer.as_csv)

    @routes.get("/api/v1/stats/funnels")
    def funnels() -> Response:
        """Every funnel of the site, step by step."""
        site = opened(request.args.get("site_id", ""))
        first, last = days_of(site)
        declared = definitions.funnels(site)
        found = stats_people.funnels(reading, site, declared, first, last)
        return _answered(found, stats_people.funnels_as_csv)

    @routes.get("/api/v1/stats/retention")
    def retention() -> Response:
        """Who came back, by the week in which they were new."""
        site = opened(request.args.get("site_id", ""))
        first, last = days_of(site)
        found = stats_people.retention(reading, site, first, last)
        return _answered(found, stats_people.retention_as_csv)

    def days_of(site: Site) -> tuple[date, date]:
        asked = stats_people.date_range(request.args)
        oldest = reading.oldest_day(site) if asked == "all" else None
        return stats_language.days("date_range", asked, site.calendar.local_day(now()), oldest)

    @routes.get("/api/v1/stats/realtime/visitors")
    def realtime() -> Response:
        """A tier: a number of persons at least, or "<10"."""
        tier = reading.realtime(opened(request.args.get("site_id", "")), now())
        if tier is None:
            return _error(503, _AWAY)
        body = msgspec.json.encode(int(tier) if tier.isdigit() else tier)
        return _response(body, "application/json")

    @routes.errorhandler(_Refused)
    def refused(error: _Refused) -> Response:
        response = _error(401, str(error))
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    @routes.errorhandler(StatsError)
    def wrong(error: StatsError) -> Response:
        return _error(400, str(error))

    @routes.errorhandler(RequestEntityTooLarge)
    def large(_error_: RequestEntityTooLarge) -> Response:
        return _error(413, f"query: larger than {MOST_BYTES} bytes")

    @routes.errorhandler(ReleasesUnavailable)
    def away(_error_: ReleasesUnavailable) -> Response:
        return _error(503, _AWAY)

    return routes


class _Named(msgspec.Struct):
    site_id: str = ""


def _site_of(body: bytes) -> str:
    """The site that a question names, '' where it names none or is none."""
    try:
        return msgspec.json.decode(body, type=_Named).site_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _answered(found: _Found, as_csv: Callable[[_Found], str]) -> Response:
    """As JSON, or as a table where that is what the client takes."""
    best = request.accept_mimetypes.best_match(["application/json", "text/csv"])
    if best == "text/csv":
        return _response(as_csv(found).encode(), "text/csv; charset=utf-8")
    return _response(msgspec.json.encode(found), "application/json")


def _error(status: int, message: str) -> Response:
    response = _response(msgspec.json.encode({"error": message}), "application/json", status)
    if status == 503:
        response.headers["Retry-After"] = "30"
    return response


def _response(body: bytes, content_type: str, status: int = 200) -> Response:
    # Figures are for who holds the token, and change: nothing of them stays in a cache.
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Authorization"}
    return Response(body, status, headers, content_type=content_type)
