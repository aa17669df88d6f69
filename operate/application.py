"""The Flask application: parts, blueprints, commands, and what holds for every request."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import structlog
from flask import Flask
from flask_babel import Babel
from werkzeug.middleware.proxy_fix import ProxyFix

import accounts.commands
import dashboards.pages
import dashboards.sections
import dashboards.stats
import dashboards.view
import ingest.views
from accounts import account, review, signin
from accounts.tokens import Tokens
from config.settings import Settings, SettingsError, load
from control.annotations import Annotations
from control.definitions import Definitions
from control.first_events import FirstEvents
from operate import (
    audit_commands,
    audited,
    commands,
    definition_commands,
    demo,
    edge,
    health,
    import_log,
    logs,
    metrics,
    openapi,
    subject_commands,
)
from operate.services import Services, build, now
from subjects import languages, opt_out

_ROOT = Path(__file__).resolve().parent.parent


def create_app(settings: Settings | None = None) -> Flask:
    """Stops the process with a clear message where the settings cannot be used."""
    logs.configure()
    os.umask(0o077)  # whatever this process makes is its owner's alone
    try:
        services = build(settings or load())
    except SettingsError as error:
        sys.exit(f"Discreet cannot start:\n{error}")
    if services.geo.problem:
        structlog.get_logger().warning("no geography", reason=services.geo.problem)
    return assemble(services)


def assemble(services: Services) -> Flask:
    """The application over these parts."""
    settings = services.settings
    app = Flask("discreet", root_path=str(_ROOT), static_folder=None, template_folder=None)
    app.extensions["discreet"] = services
    collecting = ingest.views.init(app, services, services.metrics.postponed)
    # To wait for the disk, all requests of a moment wait together, each in a thread.
    if settings.spool_fsync != "always":
        app.extensions["quick"] = ingest.views.PATHS
    if edge.https_only(settings):
        app.wsgi_app = edge.HttpsOnly(app.wsgi_app, settings.public_url)  # type: ignore[method-assign]
    if hops := settings.trusted_proxies:
        proxied = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)
        app.wsgi_app = proxied  # type: ignore[method-assign]  # Flask's own way
    app.wsgi_app = services.metrics.timed(app.wsgi_app)  # type: ignore[method-assign]
    door = signin.Door.of(services.control, services.audit, settings.secrets(), now)
    csrf = signin.init(app, door, settings)
    app.register_blueprint(account.blueprint(door))
    app.register_blueprint(review.blueprint(door, services.sites.all, settings.origin))
    csrf.exempt(collecting)
    Babel(app, locale_selector=languages.wanted)
    objecting = opt_out.blueprint(secure=settings.public_url.startswith("https://"))
    csrf.exempt(objecting)
    app.register_blueprint(objecting)
    app.register_blueprint(health.blueprint(services))
    app.register_blueprint(metrics.blueprint(services))
    app.register_blueprint(openapi.blueprint())
    app.register_blueprint(edge.blueprint(settings, now))
    first = FirstEvents(services.control)
    definitions = Definitions(services.control)
    dashboards.pages.init(
        app,
        dashboards.pages.Parts(
            dashboards.view.Parts(services.reading, definitions, Annotations(services.control)),
            services.sites,
            first,
            services.audit,
            settings,
            now,
        ),
    )
    dashboards.sections.init(
        app,
        dashboards.sections.Parts(
            services.reading,
            services.sites,
            definitions,
            services.audit,
            services.keys.status,
            lambda: health.states(services),
            settings.late_days,
            now,
        ),
    )
    stats = dashboards.stats.blueprint(
        services.reading,
        services.sites,
        Tokens(services.control),
        definitions,
        now,
    )
    csrf.exempt(stats)
    app.register_blueprint(stats)
    own = accounts.commands.group(lambda: door.people, settings.origin)
    groups = (
        *commands.GROUPS,
        *definition_commands.GROUPS,
        audit_commands.audit,
        subject_commands.subject,
    )
    for command in (own, *groups, import_log.command, demo.command):
        app.cli.add_command(audited.recorded(command, lambda: services.audit))
    return app
