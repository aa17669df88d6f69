"""The real service for tests: web and worker as processes of their own, on an empty home."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from config.settings import Settings, load
from operate.application import assemble
from operate.services import Services, build
from store.clickhouse import Store, StoreUnavailable

ROOT = Path(__file__).resolve().parent.parent
FLASK = [sys.executable, "-m", "flask", "--app", "wsgi"]
GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]


def free_port() -> int:
    """Below the range out of which the kernel takes ports for outgoing connections, one of which
    could otherwise have it while the service is being started again.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def eventually(
    condition: Callable[[], Any], what: str | Callable[[], str], seconds: float = 60
) -> Any:
    """Polls until the condition holds and returns it; fails saying what did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"within {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


@contextlib.contextmanager
def parts(settings: Settings) -> Iterator[Services]:
    """The parts of a process over this home; nothing of the store is opened before it is asked."""
    services = build(settings)
    try:
        yield services
    finally:
        services.spool.close()
        services.control.dispose()
        services.keys._engine.dispose()


class Service:
    """Web and worker over one home, each startable, stoppable and killable alone."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        ours = {k: v for k, v in os.environ.items() if not k.startswith("DISCREET_")}
        self.env = ours | {
            "DISCREET_HOME": str(home),
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "2",
            # Everything here comes from one address, as fast as it can.
            "DISCREET_SENDER_LIMIT": "0",
            "DISCREET_SITE_LIMIT": "0",
            **settings,
        }
        self.settings = load(self.env)
        self.output = home.parent / f"{home.name}.printed"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Starts `web`, `worker` or both, and waits until they answer."""
        commands = {"web": GUNICORN, "worker": [*FLASK, "worker"], "serve": [*FLASK, "serve"]}
        for name in names:
            with self.output.open("ab") as output:
                self._processes[name] = subprocess.Popen(
                    commands[name], cwd=ROOT, env=self.env, stdout=output, stderr=output,
                    start_new_session=True,
                )  # fmt: skip
        if "web" in names or "serve" in names:
            eventually(self.answers, lambda: f"web ready\n{self.printed()}")
        if "worker" in names or "serve" in names:
            eventually(self.store_answers, lambda: f"worker ready\n{self.printed()}")

    def kill(self, *names: str) -> None:
        """kill -9, the process and its children."""
        for name in names:
            process = self._processes.pop(name)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status_code == 200
        except requests.RequestException:
            return False

    def store_answers(self) -> bool:
        if not self.answers():
            return self._store_pings()
        ready = self.ready()
        return ready["store"]["ok"] and ready["worker"]["ok"]

    def _store_pings(self) -> bool:
        try:
            self.store.ping()
            return True
        except StoreUnavailable:
            return False

    @property
    def store(self) -> Store:
        return Store(self.settings)

    def ready(self) -> dict[str, Any]:
        return self.get("/readyz").json()

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.origin + path, headers=headers, timeout=20)

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | headers
        return requests.post(self.origin + path, data, headers=headers, timeout=20)

    def cli(self, *arguments: str, check: bool = True) -> str:
        """Runs a command in this process, which has read the code; returns what it printed."""
        with parts(self.settings) as services:
            app = assemble(services)
            with app.app_context():
                done = app.test_cli_runner().invoke(args=arguments)
        with self.output.open("a") as output:
            output.write(done.output)
        assert not check or done.exit_code == 0, done.output
        return done.stdout

    def facts(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json"))

    def printed(self) -> str:
        return self.output.read_text() if self.output.exists() else ""

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return self.store.query_rows(sql, parameters)

    def stored(self) -> int:
        """Events in the table, duplicates included."""
        return int(self.rows("SELECT count() FROM events")[0][0])


@contextlib.contextmanager
def running(home: Path, *names: str, **settings: str):
    service = Service(home, **settings)
    try:
        service.start(*names)
        yield service
    finally:
        service.stop()
