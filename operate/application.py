"""The Flask application: parts, blueprints, commands, and what holds for every request."""

from __future__ import annotations

import sys
from datetime import timedelta

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import accounts.commands
import accounts.signin
import ingest.views
from config.settings import Settings, SettingsError, load
from operate import commands, demo, health, import_log, logs
from operate.services import Services, build


def create_app(settings: Settings | None = None) -> Flask:
    """Stops the process with a clear message where the settings cannot be used."""
    logs.configure()
    try:
        settings = settings or load()
        services = build(settings)
    except SettingsError as error:
        sys.exit(f"Discreet cannot start:\n{error}")
    app = Flask("discreet", root_path=str(settings.home), static_folder=None)
    return assemble(app, services)


def assemble(app: Flask, services: Services) -> Flask:
    settings = services.settings
    app.config.update(
        SECRET_KEY=settings.secret_key(),
        SESSION_COOKIE_NAME="discreet",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https://"),
        PERMANENT_SESSION_LIFETIME=timedelta(days=7),
        TRAP_HTTP_EXCEPTIONS=False,
    )
    app.extensions["discreet"] = services
    hops = settings.trusted_proxies
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    app.register_blueprint(ingest.views.blueprint(services))
    app.register_blueprint(health.blueprint(services))
    for group in (commands.GROUPS, accounts.commands.GROUPS, import_log.GROUPS, demo.GROUPS):
        for command in group:
            app.cli.add_command(command)
    return app
