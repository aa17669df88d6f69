"""The built front end: found by its manifest, kept by browsers for good; and the beacon."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, request

FOLDER = Path(__file__).with_name("static")
_PINNED = re.compile(r"-[0-9a-f]{12}\.js$")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


# What Plausible's tags may have in the name of their script, in any order.
_EXTENSIONS = frozenset({
    "compat", "engagement", "exclusions", "file-downloads", "hash", "local", "manual",
    "outbound-links", "pageleave", "pageview-props", "revenue", "tagged-events",
})  # fmt: skip
_TAGS = frozenset({"script", "plausible", "analytics", "p"})
_TAG_OF_SITE = re.compile(r"pa-[A-Za-z0-9_-]{1,64}")


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


@cache
def scripts() -> dict[str, dict[str, Any]]:
    """What sites load, by plain name: `name` with a hash in it, `integrity` and `size` in bytes.

    Raises `AssetsMissing`.
    """
    try:
        built: dict[str, dict[str, Any]] = json.loads((FOLDER / "beacon.json").read_text())
    except FileNotFoundError:
        raise AssetsMissing("the front end is not built: make setup") from None
    return built


@cache
def banner_notices() -> dict[str, str]:
    """The SHA-256 of the banner's texts, by their version: what people were shown who decided."""
    try:
        content = (FOLDER / "banner.json").read_bytes()
    except FileNotFoundError:
        return {}
    return {json.loads(content)["version"]: hashlib.sha256(content).hexdigest()}


@cache
def world() -> dict[str, str]:
    """The outlines of countries as SVG paths in a box of 960 by 440, by ISO 3166-1 code."""
    try:
        built: dict[str, str] = json.loads((FOLDER / "world.json").read_text())
    except FileNotFoundError:
        raise AssetsMissing("the front end is not built: make setup") from None
    return built


def blueprint() -> Blueprint:
    """`/static/<hashed name>`, and `/js/`: the beacon, also as Plausible's script is named."""
    assets = Blueprint("assets", __name__)

    @assets.get("/static/<name>")
    def file(name: str) -> Response:
        if name not in manifest().values():
            abort(404)
        response = _send(name)
        # The name holds a hash of the content, so the content never changes (RFC 8246).
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    @assets.get("/js/<name>")
    def script(name: str) -> Response:
        if name in scripts():
            return _for_sites(name, "max-age=86400")
        plain = _PINNED.sub(".js", name)
        if name == scripts().get(plain, {}).get("name"):
            # A page that states an integrity asks for exactly these bytes.
            return _for_sites(plain, "max-age=31536000, immutable")
        if not is_plausibles(name):
            abort(404)
        return _for_sites("plausible.js", "max-age=86400")

    return assets


def _for_sites(name: str, kept: str) -> Response:
    """A script that pages of other origins load."""
    response = _send(name)
    response.headers["Cache-Control"] = f"public, {kept}"
    # Sites under a Cross-Origin-Embedder-Policy load nothing that doesn't say this, and an
    # integrity or an import of another origin is checked by CORS alone.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def is_plausibles(name: str) -> bool:
    """Whether Plausible serves its script under this name: one of ours takes its place.

    It finds the extensions in its own address, and does what they say.
    """
    stem = name.removesuffix(".js")
    tag, *extensions = stem.split(".")
    if tag in _TAGS:
        return stem != name and _EXTENSIONS.issuperset(extensions)
    return stem != name and _TAG_OF_SITE.fullmatch(stem) is not None


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
