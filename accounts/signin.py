"""Signing in by a one-time link, staying signed in, signing out.

A link is opened with GET and used with POST: scanners that follow every link in a mail open it
without using it up. Flask-Login's own session protection stays off, because it hashes the
forwarded address that the client supplies; the session is bound to its link instead.
"""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Flask, Response, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError, CSRFProtect

from accounts.audit import Audit
from accounts.people import SESSION_LIFE, People, Session
from config.settings import Settings


def init(app: Flask, people: People, audit: Audit, settings: Settings) -> CSRFProtect:
    """Registers the pages, the session and the protection against forged requests (CSRF).

    Every POST needs a token, but those of blueprints handed to `exempt` of what is returned: the
    collector's, which know no session. The pages extend `layout.html`, which the app provides.
    """
    secure = settings.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=settings.secret_key(),
        # The prefix makes browsers refuse the cookie from other hosts and over http (RFC 6265bis).
        SESSION_COOKIE_NAME="__Host-discreet" if secure else "discreet",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_LIFE,
        # The end is fixed when signing in, and cached files must never carry a cookie.
        SESSION_REFRESH_EACH_REQUEST=False,
        # A form lives as long as the session that it belongs to.
        WTF_CSRF_TIME_LIMIT=None,
    )
    manager = LoginManager(app)
    manager.session_protection = None
    manager.user_loader(people.session)
    manager.unauthorized_handler(lambda: redirect(url_for("signin.explain")))
    csrf = CSRFProtect(app)
    app.register_error_handler(CSRFError, _forged)
    app.register_blueprint(_blueprint(people, audit))
    return csrf


def require() -> ResponseReturnValue | None:
    """A `before_request` of what only signed-in people see: sends everybody else to sign in."""
    return None if current_user.is_authenticated else redirect(url_for("signin.explain"))


def uncached(response: Response) -> Response:
    """An `after_request` of what only signed-in people see: nothing of it stays in a cache."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _blueprint(people: People, audit: Audit) -> Blueprint:
    blueprint = Blueprint("signin", __name__, template_folder="templates")
    blueprint.after_request(uncached)

    @blueprint.get("/sign-in")
    def explain() -> ResponseReturnValue:
        return render_template("accounts/explain.html")

    @blueprint.get("/sign-in/<token>")
    def offer(token: str) -> ResponseReturnValue:
        if not people.awaits(token):
            return render_template("accounts/void.html"), 410
        return render_template("accounts/offer.html")

    @blueprint.post("/sign-in/<token>")
    def consume(token: str) -> ResponseReturnValue:
        found = people.sign_in(token)
        if found is None:
            return render_template("accounts/void.html"), 410
        audit.record(found.person.email, "sign-in")
        session.clear()  # nothing from before signing in goes on (session fixation)
        session.permanent = True
        login_user(found)
        # Flask-Login's mark of the browser: a hash of address and user agent, which nobody needs.
        session.pop("_id", None)
        return redirect("/", 303)

    @blueprint.post("/sign-out")
    def leave() -> ResponseReturnValue:
        if current_user.is_authenticated:
            # Flask-Login hands out a proxy.
            leaving = cast(Session, current_user._get_current_object())
            people.sign_out(leaving)
            audit.record(leaving.person.email, "sign-out")
        logout_user()
        session.clear()
        flash("You are signed out.")
        return redirect(url_for("signin.explain"), 303)

    return blueprint


def _forged(_error: CSRFError) -> ResponseReturnValue:
    return render_template("accounts/stale.html"), 400
