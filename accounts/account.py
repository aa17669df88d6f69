"""One's own account: password, second factor, and where one is signed in.

Whoever changes how they sign in proves who they are again: by the password, or, where there is none
yet, by having come by a link a short while ago. Their other sessions end with the change.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from accounts import factor, signin
from accounts.passwords import PasswordError
from accounts.people import Person
from accounts.sessions import number_of
from accounts.signin import Door, here

_FRESH_LINK = timedelta(minutes=30)


def blueprint(door: Door) -> Blueprint:
    """The pages below `/account`."""
    pages = Blueprint("account", __name__, template_folder="templates", url_prefix="/account")

    @pages.get("")
    def show() -> ResponseReturnValue:
        return _shown(door)

    @pages.post("/password")
    def choose() -> ResponseReturnValue:
        person, form = here().person, request.form
        if refusal := _unproven(door, person):
            return refusal
        if form.get("new", "") != form.get("again", ""):
            return _shown(door, refused="The two new passwords differ."), 400
        try:
            door.passwords.choose(person, form.get("new", ""))
        except PasswordError as error:
            return _shown(door, refused=str(error)), 400
        door.sessions.end_all(person, but=here())
        door.audit.record(person.email, "password chosen")
        session.pop("linked", None)
        flash("Your password is set. You are signed out everywhere else.")
        return redirect(url_for("account.show"), 303)

    @pages.get("/second-factor")
    def set_up() -> ResponseReturnValue:
        return _offered(factor.new_seed())

    @pages.post("/second-factor")
    def enrol() -> ResponseReturnValue:
        person, seed = here().person, request.form.get("seed", "")
        if refusal := _unproven(door, person):
            return refusal
        codes = door.factor.enrol(person, seed, request.form.get("code", "").replace(" ", ""))
        if codes is None:
            return _offered(seed, "This code is not the one that the app shows now."), 400
        door.sessions.end_all(person, but=here())
        door.audit.record(person.email, "second factor set up")
        return render_template("accounts/recovery.html", codes=codes)

    @pages.post("/second-factor/remove")
    def remove() -> ResponseReturnValue:
        person = here().person
        if signin.obliged(person):
            problem = f"With the role {person.role} a second factor is needed."
            return render_template("accounts/refused.html", problem=problem), 403
        if refusal := _unproven(door, person):
            return refusal
        door.factor.remove(person)
        door.sessions.end_all(person, but=here())
        door.audit.record(person.email, "second factor removed")
        flash("From now on your password alone signs you in.")
        return redirect(url_for("account.show"), 303)

    @pages.post("/sessions/<number>/end")
    def end(number: str) -> ResponseReturnValue:
        if door.sessions.end(here().person, number):
            door.audit.record(here().person.email, "session ended")
            flash("That browser is signed out.")
        return redirect(url_for("account.show"), 303)

    @pages.post("/sessions/end-others")
    def end_others() -> ResponseReturnValue:
        count = door.sessions.end_all(here().person, but=here())
        door.audit.record(here().person.email, "session ended", count=count)
        flash("You are signed out everywhere else.")
        return redirect(url_for("account.show"), 303)

    return pages


def _shown(door: Door, **values: object) -> str:
    person = here().person
    return render_template(
        "accounts/account.html",
        person=person,
        proof=_proof(person),
        obliged=signin.obliged(person),
        codes_left=door.factor.left(person) if person.factor else 0,
        sessions=door.sessions.all_of(person),
        own=number_of(here()),
        **values,
    )


def _offered(seed: str, problem: str = "") -> str:
    person = here().person
    return render_template(
        "accounts/factor.html",
        person=person,
        proof=_proof(person),
        seed=seed,
        picture=Markup(factor.picture(seed, person.email)),  # noqa: S704  our own drawing
        problem=problem,
    )


def _proof(person: Person) -> str:
    """By what this person proves who they are before a change: `password`, `link` or nothing."""
    if person.password:
        return "password"
    return "link" if "linked" in session else ""


def _unproven(door: Door, person: Person) -> ResponseReturnValue | None:
    """A page that says why nothing was changed; None where the person has proved who they are."""
    if person.password:
        source = f"change of {person.id}"
        if wait := door.attempts.begin(source, signin.network()):
            return signin.must_wait("accounts/refused.html", wait)
        if not door.passwords.fits(person, request.form.get("password", "")):
            door.audit.record(person.email, "change refused")
            problem = "Your current password is another."
            return render_template("accounts/refused.html", problem=problem), 403
        door.attempts.succeeded(source, signin.network())
        return None
    if door.now().timestamp() - session.get("linked", 0.0) < _FRESH_LINK.total_seconds():
        return None
    problem = "You signed in a while ago. Sign in by a new link to change how you sign in."
    return render_template("accounts/refused.html", problem=problem), 403
