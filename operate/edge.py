"""HTTPS only, where a proxy in front ends TLS and says so; and whom to tell of a weakness.

What a probe inside the network asks is answered over plain HTTP too: there is no proxy between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, Response, abort

from config.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# Two years, as browsers' preload lists ask for; subdomains may be somebody else's.
HSTS = ("Strict-Transport-Security", "max-age=63072000")
# RFC 9116, 2.5.5: less than a year ahead. It moves on as long as the service is looked after.
_VALID = timedelta(days=180)


class HttpsOnly:
    """Sends plain requests to `origin` (308: with method and body), and lets browsers remember it.

    Stands inside `ProxyFix`, which says by which scheme a request came.
    """

    def __init__(self, app: WSGIApplication, origin: str) -> None:
        self._app = app
        self._origin = origin

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["wsgi.url_scheme"] == "https":
            return self._app(environ, _remembered(start_response))
        path = environ.get("PATH_INFO", "")
        if path in PROBES:
            return self._app(environ, start_response)
        # Quoted anew: what was decoded may hold a line's end.
        address = self._origin + quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~")
        if query := environ.get("QUERY_STRING", ""):
            address += "?" + quote(query, safe="/:@!$&'()*+,;=~?%")
        start_response(
            "308 Permanent Redirect",
            [("Location", address), ("Content-Length", "0"), ("Cache-Control", "no-store")],
        )
        return []


def _remembered(start_response: StartResponse) -> StartResponse:
    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        return start_response(status, [*headers, HSTS], exc_info)

    return start


def https_only(settings: Settings) -> bool:
    """Whether people reach the service by https, and a proxy that is trusted says who does."""
    return settings.public_url.startswith("https://") and settings.trusted_proxies > 0


def blueprint(settings: Settings, now: Callable[[], datetime]) -> Blueprint:
    """`/.well-known/security.txt` (RFC 9116), where a contact is set."""
    routes = Blueprint("edge", __name__)

    @routes.get("/.well-known/security.txt")
    def disclosure() -> Response:
        """Whom to tell of a weakness"""
        if not settings.security_contact:
            abort(404)
        midnight = datetime.combine(now().date(), time(), UTC)
        lines = [
            f"Contact: {settings.security_contact}",
            f"Expires: {(midnight + _VALID).isoformat()}",
            "Preferred-Languages: en, nl, fr, da",
            f"Canonical: {settings.origin}/.well-known/security.txt",
        ]
        text = "\n".join([*lines, ""])
        headers = {"Cache-Control": "public, max-age=86400"}
        return Response(text, content_type="text/plain; charset=utf-8", headers=headers)

    return routes
