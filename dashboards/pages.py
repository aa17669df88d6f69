"""The pages that signed-in people see: the list of sites, a site, a table, how to set it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    flash,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import access, signin
from accounts.audit import Audit
from config.settings import Settings
from control.annotations import LONGEST, AnnotationError, checked
from control.first_events import FirstEvents
from control.sites import Sites
from dashboards import assets, errors, headers, install, look, panels, stats_answer, text, view
from dashboards import period as periods
from dashboards.look import Look
from dashboards.measures import BY_KEY
from dashboards.panels import PAGE, Order, Tab
from dashboards.stats_language import StatsError


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages work with."""

    shown: view.Parts
    sites: Sites
    first: FirstEvents
    audit: Audit
    settings: Settings
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def init(app: Flask, parts: Parts) -> None:
    """Registers pages, assets, error pages and the headers of every response.

    `accounts.signin.init` must have been called: the pages ask it who is signed in.
    """
    app.after_request(headers.harden)
    errors.init(app)
    app.register_blueprint(assets.blueprint())
    pages = Blueprint("pages", __name__, template_folder="templates")
    _show(pages, parts)
    _note(pages, parts)
    _install(pages, parts.sites, parts.first, parts.settings)
    app.register_blueprint(pages)
    app.add_template_filter(text.count, "figure")
    app.add_template_filter(text.share, "share")
    app.add_template_filter(text.day, "day")
    app.add_template_global(text.span, "span")
    app.add_template_global(
        lambda name: url_for("assets.file", name=assets.manifest()[name]), "asset"
    )


def _looked(parts: Parts, domain: str) -> Look:
    """What the request looks at."""
    site = parts.sites.by_domain(domain) or abort(404)
    today = site.calendar.local_day(parts.now())
    return look.look(site, request.args, today, parts.shown.definitions, panels.CHOICES)


def _show(pages: Blueprint, parts: Parts) -> None:
    """Adds what is read."""

    @pages.get("/")
    def home() -> ResponseReturnValue:
        """The sites that somebody may see"""
        person = signin.here().person
        seen = [site for site in parts.sites.all() if person.at(site.domain).grants]
        cards = [view.card(parts.shown.reading, site, parts.now()) for site in seen]
        return render_template("sites.html", cards=cards)

    @pages.get("/sites/<domain>")
    def site(domain: str) -> ResponseReturnValue:
        """A site's figures"""
        return _site(parts, _looked(parts, domain))

    @pages.get("/sites/<domain>/<table>")
    def table(domain: str, table: str) -> ResponseReturnValue:
        """One of its tables, with every row"""
        seen, tab = _looked(parts, domain), _tab(table)
        order = _order()
        found = view.table(parts.shown, seen, tab, order)
        return render_template(
            "table.html",
            panel=found,
            order=order,
            look=seen,
            site=seen.site,
            period=seen.period,
            choices=periods.CHOICES,
            chips=view.chips(seen),
            page_length=PAGE,
        )

    @pages.get("/sites/<domain>/<table>.csv")
    def csv(domain: str, table: str) -> ResponseReturnValue:
        """The same to take along"""
        seen, tab = _looked(parts, domain), _tab(table)
        order = Order(request.args.get("q", ""), limit=panels.MOST_ROWS)
        found = view.table(parts.shown, seen, tab, order)
        period = seen.period
        name = f"{domain.replace(':', '-')}-{table}-{period.first}-{period.last}.csv"
        return Response(
            _as_csv(found),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )


def _tab(name: str) -> Tab:
    found = panels.TABS.get(name)
    if found is None or found.kind == "map":
        abort(404)
    return found


def _order() -> Order:
    asked = request.args
    number = asked.get("nr", 1, type=int)
    return Order(
        search=asked.get("q", "").strip()[:200],
        sort=asked.get("sort", "") if asked.get("sort") in {*BY_KEY, "name"} else "",
        ascending=asked.get("order") == "asc",
        start=PAGE * (min(max(number, 1), 10_000) - 1),
    )


def _as_csv(panel: panels.Panel) -> str:
    header = ("value", panel.unit.key, *(column.key for column in panel.columns))
    return stats_answer.table(header, ((line.value, *line.raw) for line in panel.lines))


def _site(parts: Parts, seen: Look, problem: str = "") -> str:
    """The page; `problem` says why a note was refused."""
    refused = ""
    try:
        page = view.page(parts.shown, seen, parts.now())
    except StatsError as error:
        refused = str(error).partition(": ")[2]
        page = view.Page(seen, "refused", chips=tuple(view.chips(seen)))
    return render_template(
        "site.html",
        page=page,
        look=seen,
        refused=refused,
        problem=problem,
        site=seen.site,
        period=seen.period,
        choices=periods.CHOICES,
        comparisons=periods.COMPARED,
        snippet=install.website(seen.site, parts.settings.origin),
        may_note=bool(access.DECLARE.roles & signin.here().person.roles),
        longest_note=LONGEST,
        world=assets.world() if seen.tabs.get("places") == "map" else {},
    )


def _note(pages: Blueprint, parts: Parts) -> None:
    """Adds how notes are made and taken away. Each is put on record before it happens."""

    @pages.post("/sites/<domain>/notes")
    def note(domain: str) -> ResponseReturnValue:
        """Adds a note to a day of the chart"""
        seen = _looked(parts, domain)
        person = signin.here().person.email
        try:
            day = _day(request.form.get("day", ""))
            words = checked(request.form.get("text", ""))
            parts.audit.record(person, "note add", f"site {domain}", day=str(day), text=words)
            parts.shown.annotations.add(seen.site, day, words, person)
        except AnnotationError as error:
            return _site(parts, seen, problem=str(error)), 400
        flash(gettext("The note is on the chart."))
        return _back(seen)

    @pages.post("/sites/<domain>/notes/<int:number>/remove")
    def unnote(domain: str, number: int) -> ResponseReturnValue:
        """Takes a note away"""
        seen = _looked(parts, domain)
        parts.audit.record(
            signin.here().person.email, "note remove", f"site {domain}", number=number
        )
        if not parts.shown.annotations.remove(seen.site, number):
            abort(404)
        flash(gettext("The note is removed."))
        return _back(seen)


def _day(asked: str) -> date:
    try:
        return date.fromisoformat(asked)
    except ValueError:
        raise AnnotationError(gettext("Choose the day that the note is about.")) from None


def _back(seen: Look) -> ResponseReturnValue:
    query: dict[str, Any] = dict(seen.query())
    return redirect(f"{url_for('pages.site', domain=seen.site.domain, **query)}#notes", 303)


def _install(pages: Blueprint, sites: Sites, first: FirstEvents, settings: Settings) -> None:
    """Adds how a site is set up, and whether its first event has come."""

    @pages.get("/sites/<domain>/install")
    def setup(domain: str) -> ResponseReturnValue:
        found = sites.by_domain(domain) or abort(404)
        variant = request.args.get("for", "website")
        variants = install.variants()
        if variant not in variants:
            abort(404)
        return render_template(
            "install.html",
            setup=install.setup(found, settings.origin, variant, first.of(found.id)),
            site=found,
            variants=variants,
            adapters=assets.scripts().keys(),
            origin=settings.origin,
            own_path=install.OWN_PATH,
            look_every=install.LOOK_EVERY,
        )

    @pages.get("/sites/<domain>/install/first-event")
    def first_event(domain: str) -> Response:
        found = sites.by_domain(domain) or abort(404)
        state = first.of(found.id)
        body = msgspec.json.encode(install.FirstEvent(state.state, state.reason))
        return Response(body, content_type="application/json")
