"""Response headers that keep a page to itself: no inline code, no other host, no frame."""

from __future__ import annotations

from flask import Response

HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "font-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    # Not `no-referrer`: the check against forged requests needs the origin over https.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers older than frame-ancestors
    # What other sites may load says so itself: the collector's answers, the beacon.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def harden(response: Response) -> Response:
    """Adds what the response does not say already."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
