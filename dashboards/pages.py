"""The pages that signed-in people see: the list of sites, a site, a table, how to set it up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from flask import Blueprint, Flask, Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from accounts import signin
from config.settings import Settings
from control.first_events import FirstEvents
from control.sites import Site, Sites
from dashboards import assets, errors, headers, install, period, text, view
from dashboards.period import Period
from releases.reading import Reading


def init(
    app: Flask,
    reading: Reading,
    sites: Sites,
    first: FirstEvents,
    settings: Settings,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Registers pages, assets, error pages and the headers of every response.

    `accounts.signin.init` must have been called: the pages ask it who is signed in.
    """
    app.after_request(headers.harden)
    errors.init(app)
    app.register_blueprint(assets.blueprint())
    pages = _blueprint(reading, sites, settings, now)
    _install(pages, sites, first, settings)
    app.register_blueprint(pages)
    app.add_template_filter(text.count, "figure")
    app.add_template_filter(text.share, "share")
    app.add_template_filter(text.day, "day")
    app.add_template_global(text.span, "span")
    app.add_template_global(
        lambda name: url_for("assets.file", name=assets.manifest()[name]), "asset"
    )


def _blueprint(
    reading: Reading, sites: Sites, settings: Settings, now: Callable[[], datetime]
) -> Blueprint:
    pages = Blueprint("pages", __name__, template_folder="templates")

    def chosen(domain: str) -> tuple[Site, Period]:
        found = sites.by_domain(domain) or abort(404)
        asked = request.args
        today = found.calendar.local_day(now())
        key = asked.get("period", period.DEFAULT)
        return found, period.choose(key, asked.get("from", ""), asked.get("to", ""), today)

    @pages.get("/")
    def home() -> ResponseReturnValue:
        person = signin.here().person
        seen = [site for site in sites.all() if person.at(site.domain).grants]
        cards = [view.card(reading, site, now()) for site in seen]
        return render_template("sites.html", cards=cards)

    @pages.get("/sites/<domain>")
    def site(domain: str) -> ResponseReturnValue:
        found, span = chosen(domain)
        metric = view.BY_KEY.get(request.args.get("metric", ""), view.METRICS[0])
        return render_template(
            "site.html",
            page=view.page(reading, found, span, metric, now()),
            site=found,
            period=span,
            choices=period.CHOICES,
            snippet=install.website(found, settings.origin),
        )

    @pages.get("/sites/<domain>/<table>")
    def table(domain: str, table: str) -> ResponseReturnValue:
        found, span = chosen(domain)
        if table not in view.TABLES:
            abort(404)
        return render_template(
            "table.html",
            panel=view.panel(reading, found, span, table, view.MOST_ROWS),
            site=found,
            period=span,
            choices=period.CHOICES,
        )

    return pages


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
