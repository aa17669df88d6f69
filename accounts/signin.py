"""Signing in by a password or a one-time link, and by a second factor; staying signed in; leaving.

A link is opened with GET and used with POST: scanners that follow every link in a mail open it
without using it up. Flask-Login's own session protection stays off, because it hashes the
forwarded address that the client supplies; the session is the server's instead
(`accounts.sessions`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import cast
from urllib.parse import urlsplit

import structlog
from flask import (
    Blueprint,
    Flask,
    Response,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import Engine
from user_agents import parse

from accounts import access
from accounts.access import Rule
from accounts.attempts import Attempts
from accounts.audit import Audit
from accounts.factor import Factor
from accounts.passwords import Passwords
from accounts.people import People, Person
from accounts.sessions import LONGEST, Session, Sessions
from anonymize.ip import truncate
from anonymize.sealing import Secrets
from config.settings import Settings

_PENDING = timedelta(minutes=5)  # between the password and the second factor
_NOBODY = "nobody"
# Of this machine itself; any other is a page of somebody else's that points here (DNS rebinding).
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_NO_RULES: Mapping[str, Rule] = MappingProxyType({})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Door:
    """What signing in works with."""

    people: People
    sessions: Sessions
    passwords: Passwords
    factor: Factor
    attempts: Attempts
    audit: Audit
    now: Callable[[], datetime]

    @classmethod
    def of(
        cls,
        engine: Engine,
        audit: Audit,
        secret: bytes | Secrets,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Door:
        """All over one control database. `secret` seals the second factors' seeds."""
        counting = secret()[0] if callable(secret) else secret
        return cls(
            People(engine, now),
            Sessions(engine, now),
            Passwords(engine),
            Factor(engine, secret, now),
            Attempts(engine, counting, now),
            audit,
            now,
        )


def init(
    app: Flask, door: Door, settings: Settings, rules: Mapping[str, Rule] = _NO_RULES
) -> CSRFProtect:
    """Registers the pages, the session, who may use which route (`rules`: beside those of
    `accounts.access`), and the protection against forged requests (CSRF).

    Every POST needs a token, but those of blueprints handed to `exempt` of what is returned: the
    collector's, which know no session. The pages extend `layout.html`, which the app provides.
    """
    secure = settings.public_url.startswith("https://")
    app.config.update(
        # The prefix makes browsers refuse the cookie from other hosts and over http (RFC 6265bis).
        SESSION_COOKIE_NAME="__Host-discreet" if secure else "discreet",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=LONGEST,
        # The end is fixed when signing in, and cached files must never carry a cookie.
        SESSION_REFRESH_EACH_REQUEST=False,
        # A form lives as long as the session that it belongs to.
        WTF_CSRF_TIME_LIMIT=None,
        # Where others can reach the service, a password alone changes nothing.
        SECOND_FACTOR_NEEDED=secure,
    )
    app.session_interface = _Signed(settings.secrets())
    manager = LoginManager(app)
    manager.session_protection = None
    manager.user_loader(lambda token: _seen_here(door.sessions.of(token)))
    manager.unauthorized_handler(lambda: redirect(url_for("signin.ask")))
    access.init(app, _OWN_NAMES | {urlsplit(settings.origin).hostname or ""}, rules)
    csrf = CSRFProtect(app)
    app.register_error_handler(CSRFError, _forged)
    app.register_blueprint(_blueprint(door))
    return csrf


def _seen_here(found: Session | None) -> Session | None:
    """At a site's page a person holds what they hold there, whoever asks."""
    domain = (request.view_args or {}).get("domain")
    return found.at(domain) if found and domain else found


def obliged(person: Person) -> bool:
    """Whether this person must have a second factor."""
    return access.needs_factor(person.strict)


class _Signed(SecureCookieSessionInterface):
    """Cookies and forms signed by the newest secret key, and read by those before it."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Asked for before every request, and so in time for the check of its form."""
        newest, *older = self._secrets()
        app.config.update(
            SECRET_KEY=newest,
            SECRET_KEY_FALLBACKS=older,
            WTF_CSRF_SECRET_KEY=[*reversed(older), newest],
        )
        return super().get_signing_serializer(app)


def here() -> Session:
    """The session of this request: Flask-Login hands out a proxy."""
    return cast(Session, current_user._get_current_object())


def network() -> str:
    """The truncated address of whoever asks: one wait holds for all of an IPv4 /24, an IPv6 /48."""
    return truncate(request.remote_addr)


def _uncached(response: Response) -> Response:
    """Nothing of signing in stays in a cache."""
    response.headers["Cache-Control"] = "no-store"
    return response


def must_wait(page: str, wait: timedelta, **values: object) -> ResponseReturnValue:
    """The page, saying when to try again."""
    seconds = math.ceil(wait.total_seconds())
    problem = f"Too many tries. Please wait {_words(seconds)}, then try again."
    shown = render_template(page, problem=problem, **values)
    return shown, 429, {"Retry-After": str(seconds)}


def _words(seconds: int) -> str:
    if seconds <= 90:
        return f"{seconds} seconds"
    return f"{math.ceil(seconds / 60)} minutes"


def _blueprint(door: Door) -> Blueprint:
    blueprint = Blueprint("signin", __name__, template_folder="templates")
    blueprint.after_request(_uncached)

    @blueprint.get("/sign-in")
    def ask() -> ResponseReturnValue:
        return render_template("accounts/sign_in.html", email="")

    @blueprint.post("/sign-in")
    def answer() -> ResponseReturnValue:
        email, password = request.form.get("email", ""), request.form.get("password", "")
        page = "accounts/sign_in.html"
        if wait := door.attempts.begin(email, network()):
            return must_wait(page, wait, email=email)
        person = door.people.by_email(email)
        if not door.passwords.fits(person, password) or person is None:
            _refused(door, person, "password")
            problem = "This address and password do not belong together."
            return render_template(page, email=email, problem=problem), 401
        door.attempts.succeeded(email, network())
        return _first_step(door, person, "password")

    @blueprint.get("/sign-in/code")
    def ask_code() -> ResponseReturnValue:
        if _pending(door) is None:
            return redirect(url_for("signin.ask"))
        return render_template("accounts/code.html")

    @blueprint.post("/sign-in/code")
    def answer_code() -> ResponseReturnValue:
        person = _pending(door)
        if person is None:
            flash("That took too long. Please begin again.")
            return redirect(url_for("signin.ask"), 303)
        source = f"second factor of {person.id}"
        if wait := door.attempts.begin(source, network()):
            return must_wait("accounts/code.html", wait)
        if not door.factor.passes(person, request.form.get("code", "")):
            _refused(door, person, "second factor")
            problem = "This code is wrong, was used already, or is too old."
            return render_template("accounts/code.html", problem=problem), 401
        door.attempts.succeeded(source, network())
        return _enter(door, person, str(session["by"]))

    @blueprint.get("/sign-in/<token>")
    def offer(token: str) -> ResponseReturnValue:
        person = door.people.awaits(token)
        if person is None:
            return render_template("accounts/void.html"), 410
        return render_template("accounts/offer.html", person=person)

    @blueprint.post("/sign-in/<token>")
    def consume(token: str) -> ResponseReturnValue:
        person = door.people.consume(token)
        if person is None:
            return render_template("accounts/void.html"), 410
        return _first_step(door, person, "link")

    @blueprint.post("/sign-out")
    def leave() -> ResponseReturnValue:
        if current_user.is_authenticated:
            leaving = here()
            door.sessions.end_one(leaving)
            door.audit.record(leaving.person.email, "sign-out")
        logout_user()
        session.clear()
        flash("You are signed out.")
        return redirect(url_for("signin.ask"), 303)

    return blueprint


def _first_step(door: Door, person: Person, by: str) -> ResponseReturnValue:
    """In, or on to the second factor."""
    if not person.factor:
        return _enter(door, person, by)
    session.clear()
    session["pending"] = [person.id, door.now().timestamp()]
    session["by"] = by
    return redirect(url_for("signin.ask_code"), 303)


def _pending(door: Door) -> Person | None:
    """Who has passed the first step and not the second, as long as that holds."""
    number, since = session.get("pending", (0, 0.0))
    if door.now().timestamp() - since >= _PENDING.total_seconds():
        return None
    return door.people.by_id(number)


def _enter(door: Door, person: Person, by: str) -> ResponseReturnValue:
    door.audit.record(person.email, "sign-in", by=by)
    session.clear()  # nothing from before signing in goes on (session fixation)
    session.permanent = True
    token = door.sessions.begin(person, _browser())
    login_user(door.sessions.of(token))
    # Flask-Login's mark of the browser: a hash of address and user agent, which nobody needs.
    session.pop("_id", None)
    if by == "link":
        session["linked"] = door.now().timestamp()
    return redirect("/", 303)


def _refused(door: Door, person: Person | None, what: str) -> None:
    log.warning("sign-in refused", reason=what)
    if person is not None:
        door.audit.record(_NOBODY, "sign-in refused", f"person {person.email}", by=what)


def _browser() -> str:
    agent = parse(request.headers.get("User-Agent", ""))
    return f"{agent.browser.family} on {agent.os.family}"[:64]


def _forged(_error: CSRFError) -> ResponseReturnValue:
    return render_template("accounts/stale.html"), 400
