"""Web and worker under one roof, for one machine: started together, stopped together.

A child that dies is started again, after a growing pause; one that dies three times within its
first seconds takes everything down with it, because something is wrong that a restart won't mend.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import structlog

log = structlog.get_logger()

_ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "worker": [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
    "web": [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
}
# A child that lived for less did not really start.
_STARTED = 10.0
_TRIES = 3
_POLL = 0.2


class PortTaken(Exception):
    """The port cannot be had; the message says which and why."""


@dataclass(slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    born: float = field(default_factory=time.monotonic)
    deaths: int = 0


def run(local: str, when_ready: Callable[[], None]) -> int:
    """Runs both until SIGTERM or SIGINT; returns the exit status.

    `when_ready` is called once, as soon as every part of the service at `local` is at work.
    Raises `PortTaken` where somebody else listens there.
    """
    _check_port(local)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    children = [_Child(name, _start(name)) for name in COMMANDS]
    try:
        waiting = True
        while not stop.wait(_POLL):
            if waiting and at_work(local):
                waiting = False
                when_ready()
            for child in children:
                if child.process.poll() is not None and not _revive(child, stop):
                    return 1
        return 0
    finally:
        _stop(children)


def _check_port(local: str) -> None:
    port = urlsplit(local).port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 80))
        except OSError as error:
            raise PortTaken(
                f"port {port}: {error.strerror}. PORT=8001 before the command takes another"
            ) from None


def at_work(local: str) -> bool:
    """Whether the service at this origin is there with all its parts."""
    try:
        with urlopen(f"{local}/readyz", timeout=2) as answer:  # noqa: S310  our own loopback
            parts = json.load(answer)
    except (OSError, ValueError):
        return False
    return all(part["ok"] for part in parts.values() if isinstance(part, dict))


def _start(name: str) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches the supervisor, which stops its children in order.
    return subprocess.Popen(COMMANDS[name], cwd=_ROOT, start_new_session=True)


def _revive(child: _Child, stop: threading.Event) -> bool:
    lived = time.monotonic() - child.born
    child.deaths = child.deaths + 1 if lived < _STARTED else 1
    log.error("process died", process=child.name, code=child.process.returncode)
    if child.deaths >= _TRIES:
        log.error("process keeps dying", process=child.name, attempt=child.deaths)
        return False
    stop.wait(child.deaths - 1)
    if not stop.is_set():
        child.process = _start(child.name)
        child.born = time.monotonic()
    return True


def _stop(children: list[_Child]) -> None:
    """The web process first: what it has accepted, the worker can still load."""
    for child in reversed(children):
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(30)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
