"""`/healthz` and `/readyz`: whether this process lives, and whether events can be accepted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Blueprint, Response
from sqlalchemy import text

from operate.heartbeat import last_beat
from operate.services import Services
from spool import reader
from store.clickhouse import StoreRefused, StoreUnavailable

# A worker that has not written for this long is gone or stuck.
WORKER_SILENT = 30.0


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> Response:
        return _json({"status": "ok"}, 200)

    @routes.get("/readyz")
    def readyz() -> Response:
        """200 as long as events can be accepted: the store and the worker may be away."""
        parts = states(services)
        ready = all(parts[name]["ok"] for name in ("spool", "keys", "control"))
        return _json({"status": "ready" if ready else "unavailable"} | parts, 200 if ready else 503)

    return routes


def states(services: Services) -> dict[str, dict[str, Any]]:
    """The state of each part and its reason. Holds no figure of any site."""
    return {
        "spool": _state(lambda: _spool(services)),
        "keys": _state(lambda: _answers(services.keys.status)),
        "control": _state(lambda: _answers(lambda: _ping(services))),
        "store": _state(lambda: _answers(services.store.ping)),
        "worker": _state(lambda: _worker(services)),
        "releases": _state(lambda: (True, _releases(services))),
    }


def _state(look: Callable[[], tuple[bool, str]]) -> dict[str, Any]:
    try:
        ok, reason = look()
    except (StoreUnavailable, StoreRefused) as error:
        ok, reason = False, str(error)
    except Exception as error:
        ok, reason = False, type(error).__name__
    return {"ok": ok, "reason": reason}


def _answers(ask: Callable[[], Any]) -> tuple[bool, str]:
    ask()
    return True, "answers"


def _ping(services: Services) -> None:
    with services.control.connect() as connection:
        connection.execute(text("SELECT 1"))


def _spool(services: Services) -> tuple[bool, str]:
    """Whether there is room; not how much is in it, which would show single arrivals."""
    used = reader.measure(services.settings.spool)
    if used.total >= services.settings.spool_max_bytes:
        return False, "full: what waits for the store or was set aside has reached the limit"
    if reader.refused(services.settings.spool):
        return True, "has room; the store refused some lines, see `spool inspect`"
    return True, "has room"


def _worker(services: Services) -> tuple[bool, str]:
    beat = last_beat(services.settings.home)
    if beat is None:
        return False, "has not run yet; events are kept until it does"
    at, problem = beat
    silent = time.time() - at
    if silent > WORKER_SILENT:
        return False, f"silent for {int(silent)} seconds; events are kept until it is back"
    if problem:
        return False, f"{problem}; events are kept"
    return True, "at work"


def _releases(services: Services) -> str:
    newest = services.reading.newest()
    return f"newest computed at {newest.isoformat()}" if newest else "none yet"


def _json(body: object, status: int) -> Response:
    return Response(
        msgspec.json.encode(body),
        status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
