"""A loopback front that speaks enough of ClickHouse's HTTP interface for clickhouse-connect.

    GET  /ping
    GET  /?query=SELECT …            POST / with the statement, or an INSERT and its data, as body

Understood: `database`, `default_format`, `param_*`, every setting as a URL parameter, any format,
streamed bodies (Content-Length or chunked; gzip, deflate, lz4, zstd), compressed results
(`enable_http_compression=1`), Basic and `X-ClickHouse-*` sign-in, errors with ClickHouse's
number, name and HTTP status. Refused, each with a clear error: several statements in one
request, sessions, external tables and other multipart forms, ClickHouse's own block compression,
credentials in the URL.

Nothing of a request is logged, and neither are its errors, which may quote data.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import json
import logging
import os
import secrets
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl

from cheroot import wsgi

from store import codecs, sql
from store.endpoint import Endpoint, forget, publish
from store.engine import Answer, Engine, EngineError, Written

log = logging.getLogger(__name__)

USER = "discreet"
# One statement without its data. ClickHouse's own limit (max_query_size) is a quarter of it.
MAX_STATEMENT = 1 << 20
# A result is held whole before it is sent, so that an error is never found half-way through an
# answer of 200. What is larger belongs into an aggregation.
MAX_RESULT = 256 << 20
# Statements at once: more would only compete for the same cores and memory.
STATEMENTS = 8
# Connections that are read at once: one that dawdles before it signs in holds up none of them.
THREADS = 32
READ_SIZE = 1 << 18
# What is read of a body whose sender did not sign in, before the connection is dropped.
MAX_STRANGERS_BODY = 1 << 20
# A query that its client has given up ends at last; and none may take the memory that the loader
# and the engine's merges need.
QUERY_LIMITS = {
    "max_result_bytes": str(MAX_RESULT),
    "result_overflow_mode": "throw",
    "max_execution_time": "600",
    "max_memory_usage": str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2),
}
IDLE_SECONDS = 60
_MEND_SECONDS = 2.0  # how often is asked whether a file could not be written

# ClickHouse's numbers (src/Common/ErrorCodes.cpp) for what the front itself refuses.
_CANNOT_DECOMPRESS = 271
_BAD_ARGUMENTS = 36
_SYNTAX_ERROR = 62
_NOT_IMPLEMENTED = 48
_UNEXPECTED_END_OF_FILE = 3
_AUTHENTICATION_FAILED = 516
_NAMES = {
    _CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    _BAD_ARGUMENTS: "BAD_ARGUMENTS",
    _SYNTAX_ERROR: "SYNTAX_ERROR",
    _NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    _UNEXPECTED_END_OF_FILE: "ATTEMPT_TO_READ_AFTER_EOF",
    _AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
}
# As ClickHouse answers (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); all others are 500.
_STATUS = (
    dict.fromkeys((192, 193, 291, 495, 497, 516), HTTPStatus.FORBIDDEN)
    | dict.fromkeys((6, 26, 27, 33, 38, 41, 53, 62, 69, 70, 72, 117, 271), HTTPStatus.BAD_REQUEST)
    | dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115, 336, 511), HTTPStatus.NOT_FOUND)
    | {
        36: HTTPStatus.BAD_REQUEST,
        48: HTTPStatus.NOT_IMPLEMENTED,
        159: HTTPStatus.REQUEST_TIMEOUT,
        202: HTTPStatus.TOO_MANY_REQUESTS,
        209: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)

# URL parameters of the HTTP interface that are no settings and need nothing here: results are
# always complete before they are sent, and Native is always written for protocol version 0, which
# the client finds out by asking.
_IGNORED = {
    "wait_end_of_query",
    "buffer_size",
    "client_protocol_version",
    "quota_key",
    "stacktrace",
}
_REFUSED = {
    "session_id": "sessions are not supported",
    "session_check": "sessions are not supported",
    "session_timeout": "sessions are not supported",
    "close_session": "sessions are not supported",
    "compress": "block compression is not supported; use Accept-Encoding",
    "decompress": "block compression is not supported; use Content-Encoding",
    "user": "credentials do not belong in a URL",
    "password": "credentials do not belong in a URL",
    "role": "the embedded engine has no roles",
}


class _StartResponse(Protocol):
    def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object: ...


@dataclass(frozen=True, slots=True)
class _Request:
    """A request's URL, sorted into what each part is for."""

    query: bytes = b""
    query_id: str = ""
    database: str = ""
    format: str = "TabSeparated"
    compress: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


class Front:
    """The WSGI application over one engine."""

    def __init__(self, engine: Engine, password: str, user: str = USER) -> None:
        self._engine = engine
        self._secret = f"{user}:{password}".encode()
        self._turns = threading.BoundedSemaphore(STATEMENTS)
        self._timezone = engine.query("SELECT timezone()").data.decode().strip()

    def __call__(self, environ: dict[str, Any], start_response: _StartResponse) -> list[bytes]:
        body = _Body(environ)
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Server-Display-Name": "discreet",
            "X-ClickHouse-Timezone": self._timezone,
        }
        limit = None
        try:
            status, data = self._answer(environ, body, headers)
        except EngineError as error:
            status, data = _failure(error, headers)
            limit = MAX_STRANGERS_BODY if error.code == _AUTHENTICATION_FAILED else None
        except OSError:
            raise  # the client has gone: nobody is there to be answered
        except Exception as error:
            log.error("store front failed: %s", type(error).__name__)
            status, data = _failure(EngineError.of(RuntimeError("internal error")), headers)
        body.drain(limit)
        headers["Content-Length"] = str(len(data))
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [data]

    def _answer(
        self, environ: Mapping[str, Any], body: _Body, headers: dict[str, str]
    ) -> tuple[HTTPStatus, bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/ping" and method == "GET":
            return HTTPStatus.OK, b"Ok.\n"
        if path != "/":
            return HTTPStatus.NOT_FOUND, b"There is no handle for this path.\n"
        if method not in ("GET", "POST"):
            return HTTPStatus.METHOD_NOT_ALLOWED, b"GET or POST\n"
        self._authenticate(environ)
        with self._turns:
            return self._execute(environ, body, headers)

    def _execute(
        self, environ: Mapping[str, Any], body: _Body, headers: dict[str, str]
    ) -> tuple[HTTPStatus, bytes]:
        request = _parse(environ)
        headers["X-ClickHouse-Query-Id"] = request.query_id
        statement, rest = _statement(request, body.decoded())
        if head := sql.insert_head(statement):
            data = chain((statement[head.data_at :],), rest)
            written = self._engine.insert(
                head.sql,
                head.format,
                (chunk for chunk in data if chunk),
                settings=request.settings,
                database=request.database,
            )
            headers["X-ClickHouse-Summary"] = _written(written)
            return HTTPStatus.OK, b""
        answer = self._query(_single(statement, rest), request, headers)
        return HTTPStatus.OK, _encode(answer.data, environ, request, headers)

    def _query(self, statement: str, request: _Request, headers: dict[str, str]) -> Answer:
        answer = self._engine.query(
            statement,
            request.format,
            params=request.params,
            settings=QUERY_LIMITS | dict(request.settings),
            database=request.database,
        )
        headers["X-ClickHouse-Summary"] = _read(answer)
        if sql.answers(statement):
            headers["X-ClickHouse-Format"] = request.format
        return answer

    def _authenticate(self, environ: Mapping[str, Any]) -> None:
        given = b""
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "basic":
            with contextlib.suppress(binascii.Error, ValueError):
                given = base64.b64decode(token, validate=True)
        elif "HTTP_X_CLICKHOUSE_USER" in environ:
            key = environ.get("HTTP_X_CLICKHOUSE_KEY", "")
            given = f"{environ['HTTP_X_CLICKHOUSE_USER']}:{key}".encode("latin-1")
        if not hmac.compare_digest(given, self._secret):
            raise _refusal(_AUTHENTICATION_FAILED, "Authentication failed")


class _Body:
    """A request's body as a stream that is always read to its end.

    An answer sent while the client still writes would reset the connection, and the client would
    take a refusal for a fault of the network and try again.
    """

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._file = environ["wsgi.input"]
        self._coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
        chunked = bool(environ.get("wsgi.input_terminated"))
        self._left = None if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        self._broken = False

    def decoded(self) -> Iterator[bytes]:
        """The decompressed body. Raises `EngineError` for a coding that does not hold."""
        if not codecs.supported(self._coding):
            raise _refusal(_NOT_IMPLEMENTED, f"Unknown Content-Encoding {self._coding!r}")
        try:
            yield from codecs.decode(self._raw(), self._coding)
        except codecs.BadCoding as error:
            raise _refusal(_CANNOT_DECOMPRESS, str(error)) from None

    def drain(self, limit: int | None = None) -> None:
        """Raises `ConnectionAbortedError` for a body of more than `limit` bytes."""
        read = 0
        with contextlib.suppress(EngineError):
            for chunk in self._raw():
                read += len(chunk)
                if limit is not None and read > limit:
                    raise ConnectionAbortedError

    def _raw(self) -> Iterator[bytes]:
        while not self._broken and self._left != 0:
            try:
                chunk = self._file.read(min(READ_SIZE, self._left or READ_SIZE))
            except ValueError:  # cheroot's word for a chunked body that breaks off
                chunk, self._broken = b"", True
            if not chunk:
                if self._left is None and not self._broken:
                    return
                self._broken = True
                raise _refusal(_UNEXPECTED_END_OF_FILE, "The body ends too early")
            if self._left is not None:
                self._left -= len(chunk)
            yield chunk


def _parse(environ: Mapping[str, Any]) -> _Request:
    if environ.get("CONTENT_TYPE", "").lower().startswith("multipart/"):
        raise _refusal(_NOT_IMPLEMENTED, "Multipart forms and external tables are not supported")
    try:
        pairs = parse_qsl(
            environ["QUERY_STRING"], keep_blank_values=True, errors="strict", max_num_fields=1000
        )
    except ValueError:
        raise _refusal(_BAD_ARGUMENTS, "The URL's parameters cannot be read") from None
    given = dict(pairs)
    for name in given:
        if name in _REFUSED:
            raise _refusal(_NOT_IMPLEMENTED, f"{name}: {_REFUSED[name]}")
    params = {
        name.removeprefix("param_"): given.pop(name)
        for name in list(given)
        if name.startswith("param_")
    }
    return _Request(
        query=given.pop("query", "").encode(),
        query_id=given.pop("query_id", "") or str(uuid.uuid4()),
        database=given.pop("database", ""),
        format=given.pop("default_format", "TabSeparated"),
        compress=given.get("enable_http_compression") in ("1", "true"),
        params=params,
        settings={name: value for name, value in given.items() if name not in _IGNORED},
    )


def _statement(request: _Request, body: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The request's beginning, enough to hold any statement, and the rest of its body.

    A statement in the URL comes before what the body holds, on a line of its own.
    """
    start = bytearray(request.query + b"\n" if request.query else b"")
    for chunk in body:
        start += chunk
        if len(start) > MAX_STATEMENT:
            break
    return bytes(start), body


def _single(text: bytes, rest: Iterator[bytes]) -> str:
    if len(text) > MAX_STATEMENT or next(rest, None) is not None:
        raise _refusal(_SYNTAX_ERROR, "Max query size exceeded")
    try:
        statements = sql.split(text.decode())
    except UnicodeDecodeError:
        raise _refusal(_SYNTAX_ERROR, "The statement is not UTF-8") from None
    if len(statements) != 1:
        reason = "Multi-statements are not allowed" if statements else "Empty query"
        raise _refusal(_SYNTAX_ERROR, reason)
    return statements[0]


def _encode(
    data: bytes, environ: Mapping[str, Any], request: _Request, headers: dict[str, str]
) -> bytes:
    coding = codecs.choose(environ.get("HTTP_ACCEPT_ENCODING", "")) if request.compress else ""
    if not coding or not data:
        return data
    headers["Content-Encoding"] = coding
    return codecs.ENCODERS[coding](data)


def _read(answer: Answer) -> str:
    return _summary(
        read_rows=answer.rows_read,
        read_bytes=answer.bytes_read,
        result_rows=answer.rows,
        result_bytes=len(answer.data),
        elapsed_ns=int(answer.seconds * 1e9),
    )


def _written(written: Written) -> str:
    return _summary(
        written_rows=written.rows,
        written_bytes=written.bytes,
        elapsed_ns=int(written.seconds * 1e9),
    )


def _summary(**figures: int) -> str:
    """X-ClickHouse-Summary: numbers as text, as the server writes them."""
    return json.dumps({name: str(value) for name, value in figures.items()})


def _refusal(code: int, text: str) -> EngineError:
    return EngineError(code, f"Code: {code}. DB::Exception: {text}. ({_NAMES[code]})")


def _failure(error: EngineError, headers: dict[str, str]) -> tuple[HTTPStatus, bytes]:
    headers["X-ClickHouse-Exception-Code"] = str(error.code)
    status = _STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return status, f"{error}\n".encode()


class _Server(wsgi.Server):
    """Keeps cheroot from printing tracebacks, which could quote requests."""

    max_request_header_size = 8 << 20
    keep_alive_conn_limit = 64

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        log.debug("store front: connection error")


def _mend(engine: Engine, stop: threading.Event) -> None:
    """Merges go on without inserts, and are damaged like them."""
    while not stop.wait(_MEND_SECONDS):
        try:
            if tables := engine.mend():
                log.warning("after files could not be written, loaded anew: %s", ", ".join(tables))
        except EngineError as error:
            log.warning("after files could not be written, not yet loaded anew: %s", error.name)


@contextlib.contextmanager
def serving(home: Path, wait: float = 30.0) -> Iterator[Endpoint]:
    """Hosts the engine and its front while the block runs, and tells others by a file.

    Raises `EngineBusy` when another process keeps the directory longer than `wait` seconds.
    """
    engine = Engine(home, wait)
    try:
        password = secrets.token_hex(32)
        application = cast(Callable[..., Iterable[bytes]], Front(engine, password))
        server = _Server(("127.0.0.1", 0), application, numthreads=THREADS, timeout=IDLE_SECONDS)
        server.prepare()
        thread = threading.Thread(target=server.serve, name="store-front", daemon=True)
        thread.start()
        stop = threading.Event()
        mending = threading.Thread(target=_mend, args=(engine, stop), name="store-mending")
        mending.start()
        try:
            endpoint = Endpoint(server.bind_addr[1], USER, password, os.getpid())
            publish(home, endpoint)
            try:
                yield endpoint
            finally:
                forget(home, endpoint)
        finally:
            server.stop()
            thread.join()
            stop.set()
            mending.join()
    finally:
        engine.close()
