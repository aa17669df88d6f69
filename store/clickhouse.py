"""ClickHouse as the rest of the product sees it: a few verbs, and two ways to fail.

    StoreError
    ├── StoreUnavailable   try again later: no engine, no network, no memory, too many parts …
    └── StoreRefused       on the merits: trying again would be refused again

It is always clickhouse-connect over HTTP, to a server's URL or to the embedded engine's front on
the loopback. No message of either exception quotes data: ClickHouse's parse errors do, so what is
kept of them is the number and the name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver import exceptions
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3.exceptions import HTTPError

from store import codecs
from store.endpoint import Endpoint, read

# Its warnings of a broken connection print the URL, and with it every parameter of the query.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

CONNECT_SECONDS = 5
ANSWER_SECONDS = 600
# Connections of one process. More threads than that wait for nothing: theirs are not kept.
POOL_SIZE = 16

# ClickHouse's numbers (src/Common/ErrorCodes.cpp) for what passes, or what an operator repairs:
# the statement and its data are not to blame.
TRANSIENT = {
    3: "ATTEMPT_TO_READ_AFTER_EOF",
    74: "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    76: "CANNOT_OPEN_FILE",
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    164: "READONLY",
    173: "CANNOT_ALLOCATE_MEMORY",
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    198: "DNS_ERROR",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    246: "CORRUPTED_DATA",
    252: "TOO_MANY_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    497: "ACCESS_DENIED",
    516: "AUTHENTICATION_FAILED",
    999: "KEEPER_EXCEPTION",
}
# What a cluster needs besides (docs/clickhouse.md gives the reasons).
_CLUSTER_SETTINGS = {
    "distributed_foreground_insert": 1,
    "insert_quorum": "auto",
    "distributed_product_mode": "global",
}
# Errors found while a statement is analysed, before it meets any data.
_ANALYSIS = {46, 47, 50, 60, 62, 81, 115}
_SERVER_TEXT = re.compile(
    r"DB::Exception: (.*?)(?::? In scope|\. Maybe|\. Expected one of|\. \([A-Z_]+\)|$)", re.DOTALL
)


class Where(Protocol):
    """What is needed of `config.settings.Settings`."""

    @property
    def home(self) -> Path: ...

    @property
    def clickhouse_url(self) -> str: ...

    @property
    def clickhouse_password_file(self) -> str: ...

    @property
    def clickhouse_cluster(self) -> str: ...


class StoreError(Exception):
    """The store did not do what it was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be used now and may be later."""


class _Occupied(StoreUnavailable):
    """Another process has the engine's directory."""


class StoreRefused(StoreError):
    """The store refused a statement or its data on the merits. `code` is ClickHouse's number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"ClickHouse refused: {code} {message}".rstrip())
        self.code = code


class Store:
    """One ClickHouse. May be shared by threads and made before a fork.

    Every method raises `StoreUnavailable` or `StoreRefused` and nothing else of the network.
    """

    def __init__(self, settings: Where) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: Any = None
        self._made_for: tuple[int, Endpoint | None] | None = None

    @property
    def embedded(self) -> bool:
        return self._settings.clickhouse_url == "embedded"

    def client(self) -> Any:
        """A clickhouse-connect client of this process.

        A new one is made after a fork, and when the embedded engine has moved to another port.
        """
        endpoint = read(self._settings.home) if self.embedded else None
        if self.embedded and endpoint is None:
            raise StoreUnavailable("the embedded engine is not running")
        with self._lock:
            if self._made_for != (os.getpid(), endpoint):
                if self._made_for is not None and self._made_for[0] == os.getpid():
                    self._client.close_connections()  # the idle ones, to where nobody is any more
                self._client = _ask(lambda: self._connect(endpoint))
                self._made_for = (os.getpid(), endpoint)
            return self._client

    def query_rows(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> list[tuple[Any, ...]]:
        """The rows of a query whose parameters stand as `{name:Type}`."""
        client = self.client()
        result = _ask(lambda: client.query(sql, dict(parameters or {}), dict(settings or {})), sql)
        return [tuple(row) for row in result.result_rows]

    def command(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Runs a statement for its effect."""
        client = self.client()
        _ask(
            lambda: client.command(sql, dict(parameters or {}), settings=dict(settings or {})), sql
        )

    def delete(
        self, table: str, condition: str, parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Deletes rows really, on every replica, and returns once it is done.

        A lightweight `DELETE` would only hide them.
        """
        self._mutate(table, f"DELETE WHERE {condition}", parameters)

    def update(
        self, table: str, change: str, condition: str, parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Writes rows anew, on every replica, and returns once it is done."""
        self._mutate(table, f"UPDATE {change} WHERE {condition}", parameters)

    def _mutate(self, table: str, command: str, parameters: Mapping[str, Any] | None) -> None:
        cluster = self._settings.clickhouse_cluster
        target = f"{table}_local ON CLUSTER '{cluster}'" if cluster else table
        self.command(f"ALTER TABLE {target} {command}", parameters, {"mutations_sync": 2})

    def settle(self, table: str) -> None:
        """Returns once every replica shows what was inserted before. Nothing to do on one server.

        A quorum of replicas has an insert when it is acknowledged; a query may be answered by
        another one.
        """
        if cluster := self._settings.clickhouse_cluster:
            self.command(f"SYSTEM SYNC REPLICA ON CLUSTER '{cluster}' {table}_local LIGHTWEIGHT")

    def insert_lines(self, table: str, chunks: Iterable[bytes], token: str) -> None:
        """Streams JSON lines into a table in constant memory and returns once they are stored.

        `token` names the insert: the same lines under the same token are stored once, however
        often they are sent. A chunk may end anywhere.
        """
        settings = {
            "insert_deduplicate": 1,
            "insert_deduplication_token": token,
            "async_insert": 0,  # the answer must mean that the rows are stored
            "input_format_parallel_parsing": 0,  # the same lines always make the same blocks
            "input_format_skip_unknown_fields": 0,  # a field without a column is no trifle
        }
        client = self.client()
        # Over the loopback compressing would cost more than it saves.
        coding = None if self.embedded else "zstd"
        body = codecs.compressed(chunks) if coding else (chunk for chunk in chunks)
        done = _ask(
            lambda: client.raw_insert(
                table, insert_block=body, fmt="JSONEachRow", settings=settings, compression=coding
            )
        )
        if "written_rows" not in done.summary:
            # Every ClickHouse says so; a sign-in page of some proxy answers 200 as well.
            raise StoreUnavailable("what answers at the store's address is no ClickHouse")

    def ping(self) -> None:
        """Raises `StoreUnavailable` unless the store answers."""
        if not self.client().ping(timeout=CONNECT_SECONDS):
            raise StoreUnavailable("the store does not answer")

    def _connect(self, endpoint: Endpoint | None) -> Any:
        common: dict[str, Any] = {
            "settings": _CLUSTER_SETTINGS if self._settings.clickhouse_cluster else {},
            "autogenerate_session_id": False,  # threads share the client; sessions do not
            "connect_timeout": CONNECT_SECONDS,
            "send_receive_timeout": ANSWER_SECONDS,
        }
        if endpoint is not None:
            return clickhouse_connect.get_client(
                host="127.0.0.1",
                port=endpoint.port,
                username=endpoint.user,
                password=endpoint.password,
                compress=False,  # it would cost more than the loopback saves
                # A pool of our own: the shared one would send the loopback through a proxy
                # that the environment names.
                pool_mgr=get_pool_manager(maxsize=POOL_SIZE),
                **common,
            )
        password_file = self._settings.clickhouse_password_file
        if password_file:
            try:
                common["password"] = Path(password_file).read_text().strip()
            except OSError as error:
                raise StoreUnavailable(f"{password_file}: {error.strerror}") from None
        url = self._settings.clickhouse_url
        # Unless told, the driver goes by the port alone and would send a password in the clear.
        return clickhouse_connect.get_client(dsn=url, interface=urlsplit(url).scheme, **common)


@contextlib.contextmanager
def hosting(settings: Where, wait: float = 30.0) -> Iterator[Store]:
    """For the worker: hosts the embedded engine while the block runs; a server needs no host.

    Raises `StoreUnavailable` when another process keeps the engine's directory longer than
    `wait` seconds.
    """
    store = Store(settings)
    if not store.embedded:
        yield store
        return
    from store.engine import EngineBusy, EngineError
    from store.front import serving

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(serving(settings.home, wait))
        except EngineBusy as busy:
            raise _Occupied(str(busy)) from None
        except EngineError as error:
            raise StoreUnavailable(f"the engine does not start: {error}") from None
        yield store


@contextlib.contextmanager
def hosted(settings: Where, wait: float = 30.0) -> Iterator[Store]:
    """For a command: the running worker's engine or the server, else an engine of its own.

    Raises `StoreUnavailable` when after `wait` seconds there is neither.
    """
    store = Store(settings)
    deadline = time.monotonic() + wait
    with contextlib.ExitStack() as stack:
        while True:
            try:
                store.ping()
                break
            except StoreUnavailable:
                if not store.embedded:
                    raise
            # Nobody answers: host it, unless somebody who is about to answer holds the lock.
            try:
                stack.enter_context(hosting(settings, wait=0.2))
                break
            except _Occupied:
                if time.monotonic() > deadline:
                    raise
        yield store


def _ask(call: Callable[[], Any], statement: str = "") -> Any:
    """Makes a call of clickhouse-connect; what it raises becomes one of this module's exceptions.

    These are raised outside the handlers, since an exception keeps the one that it was raised
    in the handling of, even `from None`, and a log or a debugger could print it.
    """
    failure: StoreError
    try:
        return call()
    except exceptions.ClickHouseError as error:
        failure = _translated(error, statement)
    except (HTTPError, OSError) as error:
        failure = StoreUnavailable(f"the store cannot be reached: {type(error).__name__}")
    raise failure


def _translated(error: exceptions.ClickHouseError, statement: str) -> StoreError:
    code, name = getattr(error, "code", None), getattr(error, "name", None) or ""
    if code is None:
        # Without a number it is the driver's own: a mistake in our call, or the network's fault.
        if isinstance(error, (exceptions.ProgrammingError, exceptions.DataError)):
            return StoreRefused(0, type(error).__name__)
        return StoreUnavailable("the store cannot be reached")
    if code in TRANSIENT:
        return StoreUnavailable(f"{code} {TRANSIENT[code]}")
    found = _SERVER_TEXT.search(str(error))
    if statement and code in _ANALYSIS and found:
        return StoreRefused(code, f"{name}: {found[1][:300]}")
    return StoreRefused(code, name)
