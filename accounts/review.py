"""`/access`: who is authorised to what; admins look at it again, grant, prolong and withdraw.

Whoever administers one site sees and changes what was granted at that site, and nothing else. A
link to sign in by is made for people who are new alone: one for somebody else's account would be
a way into it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from accounts.grants import EVERYWHERE, ROLES, Grant, PersonError, Wanted
from accounts.people import Person
from accounts.signin import Door, here
from control.sites import Site

# How long before its end an authorisation stands out.
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Line:
    """An authorisation, and how it stands: `over`, `soon` or `good`."""

    grant: Grant
    state: str


def blueprint(door: Door, sites: Callable[[], tuple[Site, ...]], origin: str) -> Blueprint:
    """The page below `/access`. `origin` stands in links."""
    pages = Blueprint("access", __name__, template_folder="templates", url_prefix="/access")

    @pages.get("")
    def show() -> ResponseReturnValue:
        return _shown()

    @pages.post("")
    def give() -> ResponseReturnValue:
        form, me = request.form, here().person
        domain, email = form.get("site", ""), form.get("email", "").strip().lower()
        if not reaches(me, domain):
            abort(404)
        try:
            until = date.fromisoformat(text) if (text := form.get("until", "")) else None
        except ValueError:
            return _shown("until: not a day such as 2027-01-31"), 400
        wanted = Wanted(form.get("role", ""), form.get("purpose", ""), until, domain, me.email)
        door.audit.record(
            me.email, "access granted", f"person {email[:254]}",
            role=wanted.role[:16], site=domain or "every", until=str(until or ""),
        )  # fmt: skip
        try:
            return _given(email, wanted, me)
        except PersonError as error:
            return _shown(str(error)), 400

    @pages.post("/<int:number>/renew")
    def renew(number: int) -> ResponseReturnValue:
        found = _mine(number)
        _record("access reviewed", found)
        door.people.renew(number)
        flash(f"{found.email} stays {found.role} at {found.domain or 'every site'}.")
        return redirect(url_for("access.show"), 303)

    @pages.post("/<int:number>/withdraw")
    def withdraw(number: int) -> ResponseReturnValue:
        found = _mine(number)
        _record("access withdrawn", found)
        try:
            door.people.withdraw(number)
        except PersonError as error:
            return _shown(str(error)), 400
        flash(f"{found.email} is no longer {found.role} at {found.domain or 'every site'}.")
        return redirect(url_for("access.show"), 303)

    def _given(email: str, wanted: Wanted, me: Person) -> ResponseReturnValue:
        known = {person.email: person for person in door.people.all()}.get(email)
        if known is None or (known.disabled and reaches(me, EVERYWHERE)):
            made = door.people.invite(
                email, wanted.role, wanted.purpose, wanted.until, domain=wanted.domain, by=wanted.by
            )
            link = f"{origin}/sign-in/{made.token}"
            return render_template("accounts/invited.html", person=made.person, link=link)
        door.people.grant(email, wanted)
        flash(f"{email} is {wanted.role} at {wanted.domain or 'every site'} now.")
        return redirect(url_for("access.show"), 303)

    def _mine(number: int) -> Grant:
        """The authorisation of this number, if whoever asks may change it: else there is none."""
        found = (grant for grant in _reached() if grant.number == number)
        return next(found, None) or abort(404)

    def _reached() -> list[Grant]:
        me = here().person
        return [grant for grant in door.people.granted() if reaches(me, grant.domain)]

    def _record(action: str, grant: Grant) -> None:
        door.audit.record(
            here().person.email, action, f"person {grant.email}",
            role=grant.role, site=grant.domain or "every",
        )  # fmt: skip

    def _shown(problem: str = "") -> str:
        me, today = here().person, door.now().date()
        return render_template(
            "accounts/access.html",
            lines=[Line(grant, _state(grant, today)) for grant in _reached()],
            roles=ROLES,
            everywhere=reaches(me, EVERYWHERE),
            places=[site.domain for site in sites() if reaches(me, site.domain)],
            problem=problem.partition(": ")[2] or problem,
            form=request.form,
            today=today,
        )

    return pages


def reaches(person: Person, domain: str) -> bool:
    """Whether this person administers the site, or with `EVERYWHERE` all of them."""
    return any(grant.role == "admin" and grant.covers(domain) for grant in person.grants)


def _state(grant: Grant, today: date) -> str:
    if grant.last_day < today:
        return "over"
    return "soon" if grant.last_day - today <= SOON else "good"
