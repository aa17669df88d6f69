"""`/opt-out`: where anybody objects to being measured, without having an identifier.

The objection is a cookie of the collector's origin, `discreet_optout=1`: the one thing that is kept
on a device without consent, because it was asked for. The collector keeps nothing of a request that
carries it. Which requests carry it is the browser's decision, and the page says so.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import get_locale

from subjects.languages import LANGUAGES

COOKIE = "discreet_optout"
# What browsers keep at most (RFC 6265bis, 5.5): the page renews it at every visit.
_SECONDS = 400 * 24 * 3600


def blueprint(*, secure: bool) -> Blueprint:
    """The page. `secure` says that people reach it over https."""
    pages = Blueprint("opt_out", __name__, template_folder="templates")
    pages.after_request(_kept_by_nobody)

    @pages.get("/opt-out")
    def page() -> ResponseReturnValue:
        """Where anybody objects to being measured"""
        objected = request.cookies.get(COOKIE) == "1"
        shown = make_response(
            render_template(
                "subjects/opt_out.html",
                objected=objected,
                refuses=request.headers.get("Sec-GPC") == "1" or request.headers.get("DNT") == "1",
                locale=get_locale(),
                languages=LANGUAGES,
            )
        )
        if objected:
            _keep(shown)
        return shown

    @pages.post("/opt-out")
    def decide() -> ResponseReturnValue:
        """Objects, or takes the objection back"""
        # There is no session to hold a token; a browser says which page a form was on.
        origin = urlsplit(request.headers.get("Origin", "")).netloc
        if origin and origin != request.host:
            abort(403)
        lang = get_locale()
        answer = make_response(redirect(f"/opt-out?lang={lang}" if lang else "/opt-out", 303))
        if request.form.get("choice") == "undo":
            answer.delete_cookie(COOKIE, secure=secure, samesite="None" if secure else "Lax")
        else:
            _keep(answer)
        return answer

    def _keep(response: Response) -> None:
        # Sent along from other sites' pages too, where the browser allows it: they are measured.
        response.set_cookie(
            COOKIE,
            "1",
            max_age=_SECONDS,
            secure=secure,
            httponly=True,
            samesite="None" if secure else "Lax",
        )

    return pages


def _kept_by_nobody(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept-Language, Cookie"
    return response
