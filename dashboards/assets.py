"""The built front end: found by its manifest, kept by browsers for good; and the beacon."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, abort, request

FOLDER = Path(__file__).with_name("static")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class AssetsMissing(RuntimeError):
    """The front end was not built."""


@cache
def manifest() -> dict[str, str]:
    """Hashed file names by plain ones. Raises `AssetsMissing`."""
    try:
        names: dict[str, str] = json.loads((FOLDER / "manifest.json").read_text())
    except FileNotFoundError:
        raise AssetsMissing("the front end is not built: make setup") from None
    return names


def blueprint() -> Blueprint:
    """`/static/<hashed name>` and `/js/discreet.js`."""
    assets = Blueprint("assets", __name__)

    @assets.get("/static/<name>")
    def file(name: str) -> Response:
        if name not in manifest().values():
            abort(404)
        response = _send(name)
        # The name holds a hash of the content, so the content never changes (RFC 8246).
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    @assets.get("/js/discreet.js")
    def beacon() -> Response:
        response = _send("discreet.js")
        response.headers["Cache-Control"] = "public, max-age=86400"
        # Sites under a Cross-Origin-Embedder-Policy load nothing that doesn't say this.
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return assets


def _send(name: str) -> Response:
    """The file, as it was gzipped when it was built where the browser takes that."""
    zipped = request.accept_encodings["gzip"] > 0
    response = Response(_content(f"{name}.gz" if zipped else name), mimetype=_TYPES[_suffix(name)])
    response.headers["Vary"] = "Accept-Encoding"
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.add_etag()
    response.make_conditional(request)
    return response


@cache
def _content(name: str) -> bytes:
    try:
        return (FOLDER / name).read_bytes()
    except FileNotFoundError:
        raise AssetsMissing("the front end is not built: make setup") from None


def _suffix(name: str) -> str:
    return name[name.rindex(".") :]
