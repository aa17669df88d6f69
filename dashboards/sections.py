"""The pages beside a site's overview: apps, explore, realtime, data and privacy.

Each reads releases alone. Declaring is for those whose role allows it, and is put on record before
it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, abort, flash, redirect, render_template, request
from flask import url_for as address
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext

from accounts import access, signin
from accounts.audit import Audit
from control.definitions import DefinitionError, Definitions
from control.sites import Site, Sites
from dashboards import (
    apps,
    declare,
    explore,
    live,
    period,
    privacy,
    quality,
    stats_answer,
    stats_people,
    text,
)
from dashboards.breakdown import Breakdown
from dashboards.course import Course
from dashboards.period import Period
from dashboards.words import N_
from releases.reading import Reading

# The pages of a site by their endpoint, in the order of the navigation.
SECTIONS = {
    "pages.site": N_("Overview"),
    "sections.app": N_("Apps"),
    "sections.explorer": N_("Explore"),
    "sections.realtime": N_("Realtime"),
    "sections.data": N_("Data"),
    "sections.stored": N_("Privacy"),
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages work with. `keys` says of every key what `KeyStore.status` says, `states` how
    each part of the service does (`/readyz`); `late_days` is the late window.
    """

    reading: Reading
    sites: Sites
    definitions: Definitions
    audit: Audit
    keys: Callable[[], Iterable[tuple[str, str, str, bool, datetime, datetime]]]
    states: Callable[[], quality.Parts]
    late_days: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def init(app: Flask, parts: Parts) -> None:
    """Registers the pages and their place in the navigation. `dashboards.pages.init` must have been
    called: the pages share its filters.
    """
    app.register_blueprint(_blueprint(parts))
    app.jinja_env.globals["sections"] = SECTIONS
    app.add_template_filter(text.decimal, "decimal")
    app.add_template_global(lambda: str(get_locale()), "lang")


def _blueprint(parts: Parts) -> Blueprint:
    pages = Blueprint("sections", __name__, template_folder="templates")

    def chosen(domain: str) -> tuple[Site, Period]:
        found = known(domain)
        asked = request.args
        today = found.calendar.local_day(parts.now())
        key = asked.get("period", period.DEFAULT)
        return found, period.choose(key, asked.get("from", ""), asked.get("to", ""), today)

    def known(domain: str) -> Site:
        return parts.sites.by_domain(domain) or abort(404)

    @pages.get("/sites/<domain>/apps")
    def app(domain: str) -> ResponseReturnValue:
        """A site's apps: users, versions, screens, devices"""
        site, span = chosen(domain)
        return _page("apps.html", site, span, page=_apps(parts, site, span), **_fresh(site, span))

    @pages.get("/sites/<domain>/apps/<name>.csv")
    def app_csv(domain: str, name: str) -> ResponseReturnValue:
        """A table of that page"""
        site, span = chosen(domain)
        if (draw := apps.COURSES.get(name)) is not None:
            today = site.calendar.local_day(parts.now())
            return _course(site, span, name, draw(parts.reading, site, span, today))
        return _table(site, span, apps.table(parts.reading, site, span, name) or abort(404))

    @pages.get("/sites/<domain>/explore")
    def explorer(domain: str) -> ResponseReturnValue:
        """Funnels, goals, retention, segments, load times"""
        site, span = chosen(domain)
        return _explorer(parts, site, span)

    @pages.get("/sites/<domain>/explore/<name>.csv")
    def explorer_csv(domain: str, name: str) -> ResponseReturnValue:
        """A table of that page"""
        site, span = chosen(domain)
        made = _EXPLORED.get(name) or abort(404)
        return _download(site, span, name, made(parts, site, span))

    @pages.post("/sites/<domain>/explore/declare/<kind>")
    def declaring(domain: str, kind: str) -> ResponseReturnValue:
        """Declares a goal, a funnel or a segment"""
        site, span = chosen(domain)
        person = signin.here().person.email
        if declare.kind_of(kind) is None:
            abort(404)
        try:
            wanted = declare.made(kind, request.form, request.form.getlist)
            parts.audit.record(person, f"{kind} add", f"site {site.domain}", name=wanted.name)
            parts.definitions.add(site, wanted, by=person)
        except DefinitionError as error:
            return _explorer(parts, site, span, problem=str(error), kind=kind), 400
        flash(gettext("%(name)s is declared. Its figures follow within minutes.", name=wanted.name))
        return _back(site, span)

    @pages.post("/sites/<domain>/explore/withdraw")
    def withdrawing(domain: str) -> ResponseReturnValue:
        """Withdraws what was declared"""
        site, span = chosen(domain)
        person = signin.here().person.email
        kind = declare.kind_of(request.form.get("kind", "")) or abort(404)
        name = request.form.get("name", "")
        try:
            parts.audit.record(person, f"{kind} remove", f"site {site.domain}", name=name)
            parts.definitions.remove(site, kind, name, by=person)
        except DefinitionError as error:
            return _explorer(parts, site, span, problem=str(error)), 400
        flash(gettext("%(name)s is withdrawn. You can take that back for a day.", name=name))
        return _back(site, span)

    @pages.post("/sites/<domain>/explore/restore")
    def restoring(domain: str) -> ResponseReturnValue:
        """Takes a withdrawal back"""
        site, span = chosen(domain)
        person = signin.here().person.email
        number = request.form.get("number", type=int) or abort(404)
        try:
            parts.audit.record(person, "definition restore", f"site {site.domain}", number=number)
            restored = parts.definitions.restore(site, number, by=person)
        except DefinitionError as error:
            return _explorer(parts, site, span, problem=str(error)), 400
        flash(gettext("%(name)s is declared again.", name=restored.name))
        return _back(site, span)

    @pages.get("/sites/<domain>/realtime")
    def realtime(domain: str) -> ResponseReturnValue:
        """How many are there now, as tiers"""
        site = known(domain)
        return render_template(
            "realtime.html",
            page=live.live(parts.reading, site, parts.now()),
            site=site,
            look_every=live.LOOK_EVERY,
        )

    @pages.get("/sites/<domain>/data")
    def data(domain: str) -> ResponseReturnValue:
        """What came in, what was left out and why"""
        site, span = chosen(domain)
        found = quality.quality(parts.reading, site, span, parts.now(), parts.states)
        return _page("data.html", site, span, page=found)

    @pages.get("/sites/<domain>/data/<name>.csv")
    def data_csv(domain: str, name: str) -> ResponseReturnValue:
        """A table of that page"""
        site, span = chosen(domain)
        found = quality.quality(parts.reading, site, span, parts.now(), parts.states)
        if name == "reasons":
            rows = [(reason.word, reason.events) for reason in found.reasons]
            return _download(site, span, name, stats_answer.table(("reason", "events"), rows))
        if name == "basis" and found.basis:
            return _course(site, span, name, found.basis)
        tables = [table for table in (found.machines, found.late, found.bases) if table]
        return _table(site, span, next((t for t in tables if t.key == name), None) or abort(404))

    @pages.get("/sites/<domain>/privacy")
    def stored(domain: str) -> ResponseReturnValue:
        """What is stored of a site's visitors"""
        site = known(domain)
        return render_template(
            "privacy.html",
            page=privacy.privacy(
                site, parts.keys(), parts.late_days, parts.reading.freshness(site), parts.now()
            ),
            site=site,
            changes=parts.definitions.live(site),
            meanings=privacy.MEANINGS,
            words=privacy.WORDS,
            purposes=privacy.PURPOSES,
        )

    def _fresh(site: Site, span: Period) -> dict[str, Any]:
        return {"fresh": parts.reading.freshness(site, span.first, span.last)}

    return pages


def _page(template: str, site: Site, span: Period, **values: Any) -> str:
    return render_template(template, site=site, period=span, choices=period.CHOICES, **values)


def _apps(parts: Parts, site: Site, span: Period) -> apps.Apps:
    return apps.apps(parts.reading, site, span, site.calendar.local_day(parts.now()))


def _explorer(parts: Parts, site: Site, span: Period, problem: str = "", kind: str = "") -> str:
    """The page; `problem` says why a form of this kind was refused."""
    args = request.args
    may = bool(access.DECLARE.roles & signin.here().person.roles)
    return _page(
        "explore.html",
        site,
        span,
        page=explore.explore(
            parts.reading, site, span, parts.definitions,
            args.get("segment", ""), args.get("vital", ""),
        ),
        desk=declare.desk(parts.reading, site, span, parts.definitions, may=may),
        fresh=parts.reading.freshness(site, span.first, span.last),
        problem=problem.partition(": ")[2] or problem,
        failed=kind,
        form=request.form,
    )  # fmt: skip


def _back(site: Site, span: Period) -> ResponseReturnValue:
    query: dict[str, Any] = dict(span.query)
    page = address("sections.explorer", domain=site.domain, **query)
    return redirect(f"{page}#declared", 303)


def _course(site: Site, span: Period, name: str, found: Course) -> Response:
    rows = ((point.label, *point.values) for point in found.points)
    content = stats_answer.table((found.interval, *found.parts), rows)
    return _download(site, span, name, content)


def _table(site: Site, span: Period, found: Breakdown) -> Response:
    header = (found.heading.lower(), found.unit.lower())
    lines = ((line.label, line.figure) for line in found.lines)
    return _download(site, span, found.key, stats_answer.table(header, lines))


def _funnels(parts: Parts, site: Site, span: Period) -> str:
    declared = parts.definitions.funnels(site)
    found = stats_people.funnels(parts.reading, site, declared, span.first, span.last)
    return stats_people.funnels_as_csv(found)


def _retention(parts: Parts, site: Site, span: Period) -> str:
    first = explore.followed_from(span)
    return stats_people.retention_as_csv(
        stats_people.retention(parts.reading, site, first, span.last)
    )


def _goals(parts: Parts, site: Site, span: Period) -> str:
    header = ("goal", "visitors", "events", "conversion_rate", "total_revenue", "average_revenue")
    found = explore.goals(parts.reading, site, span, parts.definitions)
    rows = (
        (g.goal.name, g.visitors, g.events, _per_cent(g.rate), g.revenue, g.average) for g in found
    )
    return stats_answer.table(header, rows)


def _per_cent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


_EXPLORED = {"funnels": _funnels, "retention": _retention, "goals": _goals}


def _download(site: Site, span: Period, name: str, content: str) -> Response:
    file = f"{site.domain.replace(':', '-')}-{name}-{span.first}-{span.last}.csv"
    return Response(
        content,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )
