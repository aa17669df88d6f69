"""An HTTP proxy that fails as it is told: between the loader and the store, or before the service.

What a connection can suffer, by name:

    away      the connection is closed at once
    cut       half the body is passed on, then both connections break
    slow      everything takes its time
    forgotten the request is carried out, and its answer is lost
    confused  the request is carried out, and the answer is an error of the proxy's own
    error     an error of the proxy's own (HTML, as load balancers send them), nothing carried out
    denied    the store's own answer to a wrong password
    sign-in   200 with a page of HTML, as captive portals send them
    moved     a redirection to such a page
    noise     bytes that are no HTTP
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = (
    "away", "cut", "slow", "forgotten", "confused", "error", "denied", "sign-in", "moved", "noise",
)  # fmt: skip
_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


@dataclass(frozen=True)
class Upstream:
    """Where the proxy passes requests on to; with a user, it signs in itself."""

    host: str
    port: int
    user: str = ""
    password: str = ""


class Proxy:
    """Listens on the loopback. `fault` may be set at any time; '' passes everything on.

    With `tls` it speaks HTTPS. `upstream` is asked for each request, and may say that there is
    none. `count` holds how many requests met each fault.
    """

    def __init__(
        self, upstream: Callable[[], Upstream | None], tls: ssl.SSLContext | None = None
    ) -> None:
        self.fault: str | Callable[[], str] = ""
        self.count: dict[str, int] = {}
        self.upstream = upstream
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port

    def __enter__(self) -> Proxy:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextlib.contextmanager
    def failing(self, fault: str | Callable[[], str]) -> Iterator[None]:
        self.fault = fault
        try:
            yield
        finally:
            self.fault = ""

    def next_fault(self) -> str:
        fault = self.fault if isinstance(self.fault, str) else self.fault()
        self.count[fault] = self.count.get(fault, 0) + 1
        return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, *_: Any) -> None:
        """A connection that broke is what we are here for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        proxy = self.server.proxy
        fault, upstream = proxy.next_fault(), proxy.upstream()
        if fault == "away" or upstream is None:
            return self._break()
        body = self._body()
        if fault == "cut":
            return self._cut(upstream, body)
        if fault == "slow":
            time.sleep(random.uniform(0.02, 0.2))
        if fault in ("", "slow", "forgotten", "confused"):
            answer = self._forward(upstream, body)
            if answer is None or fault == "forgotten":
                return self._break()
            if fault != "confused":
                return self._answer(*answer)
        return self._fail(fault)

    def _fail(self, fault: str) -> None:
        html = b"<html><body>Please sign in</body></html>"
        if fault == "noise":
            self.wfile.write(b"\x00\xffSSH-2.0-nonsense\r\n")
            return self._break()
        status, headers = {
            "error": (random.choice((500, 502, 503, 504, 404, 400)), []),
            "confused": (502, []),
            "denied": (403, [("X-ClickHouse-Exception-Code", "516")]),
            "sign-in": (200, [("Content-Type", "text/html")]),
            "moved": (302, [("Location", "/sign-in")]),
        }[fault]
        return self._answer(status, headers, html)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _request(self, upstream: Upstream) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(upstream.host, upstream.port, timeout=60)
        connection.putrequest(self.command, self.path, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP and not (upstream.user and name == "Authorization"):
                connection.putheader(name, value)
        if upstream.user:
            basic = base64.b64encode(f"{upstream.user}:{upstream.password}".encode()).decode()
            connection.putheader("Authorization", f"Basic {basic}")
        return connection

    def _forward(
        self, upstream: Upstream, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes] | None:
        try:
            with contextlib.closing(self._request(upstream)) as connection:
                connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
                response = connection.getresponse()
                headers = [(k, v) for k, v in response.getheaders() if k.lower() not in _HOP]
                return response.status, headers, response.read()
        except (OSError, http.client.HTTPException):
            return None

    def _cut(self, upstream: Upstream, body: bytes) -> None:
        with contextlib.suppress(OSError), contextlib.closing(self._request(upstream)) as cut:
            cut.putheader("Transfer-Encoding", "chunked")
            half = body[: len(body) // 2]
            cut.endheaders(b"%x\r\n%s\r\n" % (len(half), half) if half else None)
        self._break()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _break(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
