"""The languages that pages for everybody speak, and which one a request wants."""

from __future__ import annotations

from flask import request

LANGUAGES = {"nl": "Nederlands", "en": "English", "fr": "Français", "da": "Dansk"}
DEFAULT = "en"


def wanted() -> str:
    """The one that the address names, else the browser's own, else English."""
    named = request.args.get("lang", "")
    own = (tag.partition("-")[0].lower() for tag, _ in request.accept_languages)  # the best first
    return next((code for code in (named, *own) if code in LANGUAGES), DEFAULT)
