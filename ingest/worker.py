"""gunicorn's web process, with requests read whole before anything is done for them.

gunicorn's own threads read the requests that they answer, so that as many slow clients as there are
threads stop everything. Here one loop reads from all connections at once and sends what a client is
slow to take; a thread meets only requests that are there, and never waits for a client.

What a request asks is still read by gunicorn's parser. Posts to the paths that the application
lists in `extensions["quick"]` wait for nothing but the processor, and are answered in the loop
itself: handing one to a thread and back takes as long as many an answer. They have no use for
gunicorn's hooks, files and access log, and do without.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import resource
import selectors
import socket
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.errors import UnsupportedTransferCoding
from gunicorn.http.unreader import Unreader
from gunicorn.http.wsgi import base_environ
from gunicorn.util import http_date, write_error
from gunicorn.workers.gthread import ThreadWorker
from werkzeug.exceptions import ClientDisconnected

from ingest.gather import Gatherer, Progress
from ingest.shares import Shares
from ingest.wire import BODY_BYTES

# A client may take this part of gunicorn's `timeout` to send a request. With a minute the largest
# batch takes 17 kB/s, which a phone on an old network has; as fast an answer must be taken.
_PATIENCE = 1 / 2
_SLOWEST = 16 * 1024  # bytes a second
# Seconds that a connection that we have closed may still send what we will not read (RFC 9112
# section 9.6): cut off at once, its client might not get our last answer.
LINGER_SECONDS = 2.0
# What is longer is given to a thread, so that a batch holds up no single event.
_QUICK_BYTES = 16 * 1024
_RECEIVE = 64 * 1024
# What one process holds of requests that are not whole and of answers that are not taken: a
# thousand slow clients with half a megabyte each would else fill the machine's memory.
_HELD_BYTES = 64 * 1024 * 1024
# How long a client is left to the processes that have fewer. They need a part of that to wake up.
_STEP_BACK_SECONDS = 0.002
_CHECK_SECONDS = 0.25  # how often is looked for those who have waited too long
_DESCRIPTORS = 256  # kept free for files and databases
# Objects that live at once before cycles are looked for. What a batch is made of are thousands,
# which go with its answer and hold no cycles; Python would search them ten times a batch.
_YOUNG = 20_000
_VARIABLES = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}
_CONNECTION = {True: "Connection: keep-alive", False: "Connection: close"}
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF)


class _Outbox:
    """What stands where gunicorn expects a socket to write to: keeps the answer, never waits."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.parts.append(data)

    send = sendall

    def gettimeout(self) -> float:
        return 0.0

    def shutdown(self, how: int) -> None:
        """gunicorn gives up an answer that failed half-way."""
        raise OSError(errno.ENOTCONN, "nothing was sent")

    def close(self) -> None:
        self.parts.clear()


class _Gathered(Unreader):  # type: ignore[misc]  # gunicorn has no types
    """What the parser reads from: a request that is there, in pieces as a socket gives them.

    Given all at once, gunicorn's reader of chunks would copy all that is left for each of them.
    """

    _PIECE = 8 * 1024

    def __init__(self) -> None:
        super().__init__()
        self._data = b""
        self._at = 0

    def put(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        piece = self._data[self._at : self._at + max(size_hint or 0, self._PIECE)]
        self._at += len(piece)
        return piece

    def take_rest(self) -> bytes:
        """What follows the request."""
        rest: bytes = self.take_buffered() + self._data[self._at :]
        self.put(b"")
        return rest


class _Body:
    """A body whose faults the application knows for the client's."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._reader.read(size)
        except Exception:
            raise ClientDisconnected from None
        return data


class _Connection:
    """One client, with what gunicorn asks of a connection: `sock`, `client`, `server`."""

    def __init__(self, real: socket.socket, client: Any, server: Any, cfg: Any) -> None:
        self.real = real
        self.client = client
        self.server = server
        self.environ = _addresses(client, server)
        self.gatherer = Gatherer(BODY_BYTES)
        self.gathered = _Gathered()
        self.parser = get_parser(cfg, (), client)
        self.parser.unreader = self.gathered
        self.sock = _Outbox()
        self.unsent = memoryview(b"")
        self.held = 0  # bytes, as the loop has counted them
        self.keep = True  # for another request
        self.reading = False  # since the first byte of a request
        self.watched = 0  # the events that the loop is told of
        self.deadline = 0.0  # by the monotonic clock; of what the loop waits for


def _addresses(client: Any, server: Any) -> dict[str, str]:
    """A Unix socket's sides have neither address nor port."""
    if not isinstance(client, tuple):
        return {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "REMOTE_ADDR": ""}
    return {
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
    }


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """The worker class of gunicorn.conf.py."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: dict[_Connection, None] = {}  # those that the loop waits for
        self._quick: frozenset[str] = frozenset()
        self._environ: dict[str, Any] = {}
        self._dated = 0, ""
        self._held = 0  # bytes, by all connections
        self._checked = 0.0
        self._shares = Shares(self.age)
        self._back_at = 0.0  # when clients may be taken again that were left to others
        self._turn = False  # to take the next one, since nobody else did
        self._patience = (self.cfg.timeout or 60) * _PATIENCE

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuses what gunicorn has and this has not; it would else be without effect."""
        if cfg.is_ssl:
            raise RuntimeError("TLS is the proxy's: certfile and keyfile have no place here")
        if cfg.proxy_protocol != "off" or cfg.protocol != "http":
            raise RuntimeError("plain HTTP/1.1 alone: neither PROXY nor uwsgi is understood here")
        cfg.set("sendfile", False)  # answers go through memory

    def init_process(self) -> None:
        files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self.worker_connections + _DESCRIPTORS
        if files < wanted:
            files = min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        # Where even the hard limit is small, half of it has to do for what is kept free.
        self._most = min(self.worker_connections, max(files - _DESCRIPTORS, files // 2)) - 1
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self._environ = base_environ(self.cfg) | {"SCRIPT_NAME": "", "wsgi.multithread": True}
        self._quick = getattr(self.wsgi, "extensions", {}).get("quick", frozenset())
        gc.collect()
        gc.freeze()  # the application stays: no search needs to pass through it
        gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])

    def set_accept_enabled(self, enabled: bool) -> None:
        """A stopping process turns new clients away, who would else wait for its end."""
        self._come_back()
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    # The loop. Everything below runs in it but `_answer`, which may also run in a thread.

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self._back_at:
            timeout = max(0.0, self._back_at - time.monotonic())
        super().wait_for_and_dispatch_events(timeout)
        if self._back_at and time.monotonic() >= self._back_at:
            self._come_back()

    def _step_back(self) -> None:
        """Leaves who is waiting to others, for a moment."""
        for listener in self.sockets:
            self.poller.unregister(listener)
        self._back_at = time.monotonic() + _STEP_BACK_SECONDS

    def _come_back(self) -> None:
        if self._back_at:
            self._back_at, self._turn = 0.0, True
            for listener in self.sockets:
                self.poller.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self, listener: socket.socket) -> None:
        """Where there are too many connections, the one goes that has been waiting longest."""
        if self._back_at:  # of two listeners the other one's client was left
            return
        if not self._turn and self._shares.ahead(self.nr_conns):
            self._step_back()
            return
        self._turn = False
        try:
            real, client = listener.accept()
        except OSError as error:
            # Another process took it, its client is gone, or its network fails (accept(2)): no
            # reason to end, as any error would that is raised here.
            if error.errno in _EXHAUSTED:
                self._push_out()
            return
        real.setblocking(False)
        if self.nr_conns >= self._most:
            self._push_out()
        self.nr_conns += 1
        self._shares.tell(self.nr_conns)
        conn = _Connection(real, client, listener.getsockname(), self.cfg)
        self._await(conn, selectors.EVENT_READ, self._patience)

    def _push_out(self) -> None:
        if self._waiting:
            self._close(next(iter(self._waiting)))

    def _weigh(self, conn: _Connection) -> None:
        """Counts what is held for the connection. Where all hold too much, the oldest goes."""
        held = len(conn.gatherer) + len(conn.unsent)
        self._held += held - conn.held
        conn.held = held
        while self._held > _HELD_BYTES:
            oldest = next((one for one in self._waiting if one.held), None)
            if oldest is None:
                return
            self._close(oldest)

    def _await(self, conn: _Connection, events: int, seconds: float) -> None:
        """Until the socket is ready, or the time is over."""
        conn.deadline = time.monotonic() + seconds
        self._waiting.pop(conn, None)
        self._waiting[conn] = None
        if conn.watched != events:
            if conn.watched:
                self.poller.unregister(conn.real)
            self.poller.register(conn.real, events, partial(self._ready, conn))
            conn.watched = events
        self._weigh(conn)

    def _leave(self, conn: _Connection) -> None:
        """To a thread: the loop is told of nothing until it is done."""
        self._waiting.pop(conn, None)
        if conn.watched:
            self.poller.unregister(conn.real)
            conn.watched = 0

    def _close(self, conn: _Connection) -> None:
        self._leave(conn)
        self.nr_conns -= 1
        self._shares.tell(self.nr_conns)
        self._held -= conn.held
        conn.held = 0
        conn.real.close()

    def _ready(self, conn: _Connection, _: object) -> None:
        if not conn.watched:  # pushed out by one whose turn was before it
            return
        if conn.watched == selectors.EVENT_WRITE:
            self._send(conn)
            if conn.unsent:
                self._weigh(conn)
            else:
                self._go_on(conn)
            return
        try:
            data = conn.real.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(conn)
        elif conn.keep:  # else what still comes is not read
            self._progress(conn, conn.gatherer.feed(data))

    def _progress(self, conn: _Connection, progress: Progress) -> None:
        """Goes on with what there is of a request."""
        if progress in (Progress.WHOLE, Progress.CUT):
            conn.reading = False
            self._parse(conn, progress)
        elif progress is Progress.ENDLESS:
            write_error(conn.sock, 431, "Request Header Fields Too Large", "")
            self._finish(conn, keep=False)
            self._go_on(conn)
        elif progress is Progress.NOTHING:
            self._await(conn, selectors.EVENT_READ, self.cfg.keepalive if self.alive else 0.0)
        else:
            if not conn.reading:
                conn.reading = True
                self._await(conn, selectors.EVENT_READ, self._patience)
            if progress is Progress.EXPECTED:
                with contextlib.suppress(OSError):
                    conn.real.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._weigh(conn)

    def _parse(self, conn: _Connection, progress: Progress) -> None:
        data = conn.gatherer.take()
        conn.gathered.put(data)
        try:
            req = next(conn.parser)
        except StopIteration:  # the body before could not be read to its end
            self._finish(conn, keep=False)
            self._go_on(conn)
            return
        except Exception as error:
            self._refuse(None, conn, error)
            self._go_on(conn)
            return
        # gunicorn would ask for the body a second time.
        req._expected_100_continue = False
        if progress is Progress.CUT:
            req.force_close()
        if len(data) <= _QUICK_BYTES and req.path in self._quick and req.method == "POST":
            self._answer_quickly(conn, req)
            self._go_on(conn)
        else:
            req.body.reader = _Body(req.body.reader)
            self._leave(conn)
            conn.keep = False  # until it is answered
            self.tpool.submit(self._answer, conn, req).add_done_callback(
                lambda _: self.method_queue.defer(self._go_on, conn)
            )

    def _answer(self, conn: _Connection, req: Any) -> None:
        """Sends at once what the client's side takes at once."""
        try:
            self._finish(conn, keep=self.handle_request(req, conn) and conn.parser.finish_body())
        except StopIteration:  # it failed half-way; that is logged, and nothing of it is sent
            self._finish(conn, keep=False)
        except Exception as error:
            conn.sock.parts.clear()
            self._refuse(req, conn, error)

    def _answer_quickly(self, conn: _Connection, req: Any) -> None:
        """A WSGI server's part (PEP 3333), for answers that state their length."""
        status, headers = "", [("", "")]

        def start_response(line: str, fields: list[tuple[str, str]], _: object = None) -> None:
            nonlocal status, headers
            status, headers = line, fields

        environ = self._environ | conn.environ
        environ["REQUEST_METHOD"] = req.method
        environ["PATH_INFO"] = req.path
        environ["QUERY_STRING"] = req.query
        environ["SERVER_PROTOCOL"] = "HTTP/{}.{}".format(*req.version)
        environ["wsgi.url_scheme"] = req.scheme
        environ["wsgi.input"] = req.body
        for field, value in req.headers:
            name = _VARIABLES.get(field) or "HTTP_" + field.replace("-", "_")
            environ[name] = f"{environ[name]},{value}" if name in environ else value
        try:
            body = _joined(self.wsgi(environ, start_response))
        except Exception as error:
            self._refuse(req, conn, error)
            return
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        stays = self.alive and self.cfg.keepalive > 0 and not req.should_close()
        keep = stays and conn.parser.finish_body()
        lines = [f"HTTP/1.1 {status}", f"Date: {self._date()}", _CONNECTION[keep]]
        lines += [f"{name}: {value}" for name, value in headers]
        conn.sock.parts = ["\r\n".join([*lines, "\r\n"]).encode("latin-1"), body]
        self._finish(conn, keep)

    def _date(self) -> str:
        second = int(time.time())
        if self._dated[0] != second:
            self._dated = second, http_date()
        return self._dated[1]

    def _refuse(self, req: Any, conn: _Connection, error: Exception) -> None:
        if isinstance(error, UnsupportedTransferCoding):
            # gunicorn says 501; the sender's mistake it is all the same.
            write_error(conn.sock, 400, "Bad Request", "unknown transfer coding")
        else:
            self.handle_error(req, conn.sock, conn.client, error)
        self._finish(conn, keep=False)

    def _finish(self, conn: _Connection, keep: bool) -> None:
        conn.keep = keep
        conn.unsent = memoryview(b"".join(conn.sock.parts))
        conn.sock.parts.clear()
        self._send(conn)

    def _send(self, conn: _Connection) -> None:
        try:
            conn.unsent = conn.unsent[conn.real.send(conn.unsent) :] if conn.unsent else conn.unsent
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in _GONE:
                self.log.debug("not sent: %s", error)
            conn.unsent = memoryview(b"")
            conn.keep = False

    def _go_on(self, conn: _Connection) -> None:
        """After an answer: the rest of it, the next request, or the end."""
        if conn.unsent:
            seconds = self._patience + len(conn.unsent) / _SLOWEST
            self._await(conn, selectors.EVENT_WRITE, seconds)
        elif conn.keep:
            progress = conn.gatherer.feed(conn.gathered.take_rest())
            if progress in (Progress.WHOLE, Progress.CUT):  # sent ahead: others come first
                self._leave(conn)
                self.method_queue.defer(self._progress, conn, progress)
            else:
                self._progress(conn, progress)
        else:
            try:
                conn.real.shutdown(socket.SHUT_WR)
            except OSError:
                self._close(conn)
            else:
                self._await(conn, selectors.EVENT_READ, LINGER_SECONDS)

    # What gunicorn's loop asks for between events.

    def murder_keepalived(self, force: bool = False) -> None:
        """Closes what has waited for too long."""
        now = time.monotonic()
        if now < self._checked + _CHECK_SECONDS and not force:
            return
        self._checked = now
        self._shares.tell(self.nr_conns)
        for conn in [conn for conn in self._waiting if force or conn.deadline <= now]:
            self._close(conn)

    def murder_pending(self) -> None:
        """Theirs alone."""

    def _cap_keepalive(self, deadline: float) -> None:
        """A stopping process waits no longer than this for a client's next request."""
        for conn in self._idle():
            conn.deadline = min(conn.deadline, deadline)

    def _idle(self) -> Iterator[_Connection]:
        return (conn for conn in self._waiting if not conn.reading and not conn.unsent)


def _joined(parts: Iterable[bytes]) -> bytes:
    try:
        return b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
