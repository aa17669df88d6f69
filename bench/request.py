"""Where the microseconds of one request go: a page view at `/api/event`, step by step.

Processor time, the best of many turns of two hundred different views, in one process and without a
network: the rest of what `bench/collect.py` finds a request to take is the kernel's, and what two
processes and their clients cost each other.
"""

from __future__ import annotations

import io
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gunicorn.config import Config
from gunicorn.http import get_parser

from bench.collect import views
from config.settings import load
from ingest import body, plausible
from ingest.gather import Gatherer
from ingest.wire import BODY_BYTES
from operate.application import assemble
from operate.services import build
from spool.writer import Spool
from tests.spool.rows import row

TURNS = 40
REQUESTS = views()
BODIES = [request.partition(b"\r\n\r\n")[2] for request in REQUESTS]


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        services = build(load({"DISCREET_HOME": home}))
        services.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        application = assemble(services).wsgi_app
        kept = Spool(Path(home) / "spool", observe=services.metrics.appended)
        parser = get_parser(Config(), (), ("127.0.0.1", 1))
        environs = [_environ(parser, number) for number in range(len(REQUESTS))]
        rows = [row(number) for number in range(len(REQUESTS))]
        gatherer = Gatherer(BODY_BYTES)
        here, there = socket.socketpair()

        def gather(number: int) -> None:
            gatherer.feed(REQUESTS[number])
            gatherer.take()

        def read(number: int) -> None:
            environs[number]["wsgi.input"] = io.BytesIO(BODIES[number])
            plausible.open_event(body.read(environs[number]))

        def pass_on(number: int) -> None:
            there.send(REQUESTS[number])
            here.recv(65536)

        steps = {
            "from a socket (the sending with it)": _best(pass_on),
            "to find where it ends": _best(gather),
            "gunicorn's parser": _best(lambda number: _environ(parser, number)),
            "the body: read, decoded, validated": _best(read),
            "one line to the spool": _best(lambda number: kept.append([rows[number]])),
            "the figures of `/metrics`": _best(
                lambda _: services.metrics.answered("/api/event", 202, 0.001)
            ),
        }
        whole = _best(lambda number: _call(application, environs[number], number))
        inside = list(steps.values())[3:]
        steps["the pipeline, and the answer"] = whole - sum(inside)
        kept.close()
        services.spool.close()
        services.control.dispose()
        here.close()
        there.close()
    print("## One request\n\n| step | µs |\n|---|---|")
    for name, taken in steps.items():
        print(f"| {name} | {taken:.1f} |")
    print(f"| *together* | {sum(steps.values()):.0f} |\n")


def _environ(parser: object, number: int) -> dict[str, object]:
    parser.unreader.unread(REQUESTS[number])  # type: ignore[attr-defined]
    request = next(parser)  # type: ignore[call-overload]
    fields = {f"HTTP_{name.replace('-', '_')}": value for name, value in request.headers}
    fields |= {"CONTENT_LENGTH": fields["HTTP_CONTENT_LENGTH"], "CONTENT_TYPE": "text/plain"}
    request.body.read()
    return fields | {
        "REQUEST_METHOD": "POST", "PATH_INFO": request.path, "REMOTE_ADDR": "81.2.69.142",
    }  # fmt: skip


def _call(application: Callable[..., object], environ: dict[str, object], number: int) -> None:
    environ["wsgi.input"] = io.BytesIO(BODIES[number])

    def started(status: str, headers: object, error: object = None) -> None:
        assert status.startswith("202"), status

    application(environ, started)


def _best(step: Callable[[int], object]) -> float:
    """Microseconds."""

    def turn() -> float:
        began = time.process_time()
        for number in range(len(REQUESTS)):
            step(number)
        return (time.process_time() - began) / len(REQUESTS) * 1e6

    return min(turn() for _ in range(TURNS))


if __name__ == "__main__":
    main()
