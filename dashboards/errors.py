"""Pages for what went wrong: what to do, and nothing of what was asked or how it failed."""

from __future__ import annotations

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import (
    BadRequest,
    Forbidden,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
)

from dashboards.period import PeriodError
from releases.reading import ReleasesUnavailable


def init(app: Flask) -> None:
    """Registers the pages. What machines ask for (`/v1/…`, `/api/…`) keeps its plain errors."""
    app.register_error_handler(NotFound, _http)
    app.register_error_handler(BadRequest, _wrong)
    app.register_error_handler(MethodNotAllowed, _wrong)
    app.register_error_handler(Forbidden, _http)
    app.register_error_handler(InternalServerError, _http)
    app.register_error_handler(ReleasesUnavailable, _away)
    app.register_error_handler(PeriodError, _period)


def _http(error: HTTPException) -> ResponseReturnValue:
    if request.path.startswith(("/v1/", "/api/")):
        return error
    return render_template(f"errors/{error.code}.html"), error.code or 500


def _wrong(error: HTTPException) -> ResponseReturnValue:
    """A page that no link of ours leads to: a plain line will do, and quotes nothing."""
    said = f"{error.code}: this cannot be asked so.\n"
    headers = [(name, value) for name, value in error.get_headers() if name == "Allow"]
    return said, error.code or 400, [*headers, ("Content-Type", "text/plain; charset=utf-8")]


def _away(_error: ReleasesUnavailable) -> ResponseReturnValue:
    return render_template("errors/503.html"), 503, {"Retry-After": "30"}


def _period(error: PeriodError) -> ResponseReturnValue:
    return render_template("errors/400.html", message=str(error)), 400
