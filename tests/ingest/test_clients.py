"""Clients that are slow, go away or speak no proper HTTP: refused, closed, and in nobody's way."""

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from gunicorn.config import Config

from ingest.wire import BODY_BYTES
from ingest.worker import Worker
from tests.service import GUNICORN, ROOT, eventually, running

EVENT = json.dumps({"n": "pageview", "u": "https://example.com/", "d": "example.com"}).encode()
HOST = b"Host: a\r\n"
POST = b"POST /api/event HTTP/1.1\r\n" + HOST
GOOD = POST + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
IN_CHUNKS = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT)
SLOW = 200


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One process; its clients have two seconds for a request."""
    home = tmp_path_factory.mktemp("clients") / "home"
    settings = {"WEB_CONCURRENCY": "1", "GUNICORN_CMD_ARGS": "--timeout 4"}
    with running(home, **settings) as service:
        service.cli("site", "add", "example.com", "--policy", "exempt")
        service.start("web")
        yield service


@contextlib.contextmanager
def connected(service, data: bytes = b"", small: bool = False):
    with socket.socket() as client:
        client.settimeout(20)
        if small:  # the kernel keeps little for it
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.sendall(data)
        yield client


def received(client: socket.socket) -> bytes:
    """Everything until the connection is closed."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            parts.append(data)
    return b"".join(parts)


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def asked(service, data: bytes) -> list[int]:
    """The statuses of what comes back until the connection ends."""
    with connected(service, data) as client:
        return statuses(received(client))


def is_dropped(client: socket.socket) -> bool:
    """What came before can still be read, a byte of which is."""
    try:
        client.recv(1)
        client.send(b"1")
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def web(service) -> int:
    """The one process that answers."""
    [pid] = children(service._processes["web"].pid)
    return pid


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def answers(service) -> bool:
    assert service.post("/api/event", EVENT).status_code == 202
    assert service.get("/healthz").status_code == 200
    return True


def waiting(clients: list[socket.socket]) -> bool:
    """Whether nothing has come for any of them yet, nor the end."""
    with selectors.DefaultSelector() as open_ones:
        for client in clients:
            open_ones.register(client, selectors.EVENT_READ)
        return not open_ones.select(0)


@pytest.mark.parametrize(
    "begun",
    [b"", POST, POST + b"Content-Length: 300\r\n\r\n{", CHUNKED + b"5\r\n{"],
    ids=["nothing", "head", "body", "chunk"],
)
def test_slow_clients_hold_up_nobody_and_are_closed_in_time(service, begun):
    for _ in range(5):  # on a machine that stands still they may be closed before others have asked
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(connected(service, begun)) for _ in range(SLOW)]
            if answers(service) and answers(service) and waiting(slow):
                close_in_time(slow)
                return
    pytest.fail("whoever asked was answered after the slow ones were closed")


def close_in_time(slow: list[socket.socket]) -> None:
    """A byte now and then buys no time."""
    began = time.monotonic()
    with selectors.DefaultSelector() as open_ones:
        for client in slow:
            open_ones.register(client, selectors.EVENT_READ)
        while open_ones.get_map():
            assert time.monotonic() - began < 60, "they are closed after two seconds"
            for key, _ in open_ones.select(0.2):
                with contextlib.suppress(ConnectionResetError):
                    assert key.fileobj.recv(100) == b""
                open_ones.unregister(key.fileobj)
            for key in list(open_ones.get_map().values()):
                with contextlib.suppress(OSError):
                    key.fileobj.send(b"1")


def test_who_does_not_take_its_answer_holds_up_nobody(service):
    """More pages asked for than the kernel keeps for a client that reads none."""
    asking = b"GET /js/discreet.js HTTP/1.1\r\n" + HOST + b"\r\n"
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            readers = [stack.enter_context(connected(service, small=True)) for _ in range(8)]
            for client in readers:
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.send(asking * 1000)
            if answers(service) and answers(service) and not any(map(is_dropped, readers)):
                # A byte now and then buys no time: what is not taken is dropped after a while.
                eventually(lambda them=readers: all(map(is_dropped, them)), "all are dropped")
                return
    pytest.fail("whoever asked was answered after the others were dropped")


REFUSED = {
    "no request line": (b"hello\r\n\r\n", [400]),
    "length and chunks": (
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]
    ),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", [400]),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n", [400]),
    "unknown coding": (POST + b"Transfer-Encoding: cow\r\n\r\n0\r\n\r\n", [400]),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", [400]),
    "space before the colon": (POST + b"Content-Length : 5\r\n\r\nhello", [400]),
    "a folded field": (POST + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", [400]),
    "101 fields": (POST + b"X: a\r\n" * 101 + b"\r\n", [431]),
    "a huge field": (POST + b"X: " + b"a" * 20_000 + b"\r\n\r\n", [431]),
    "a head without an end": (POST + b"X: " + b"a" * 70_000, [431]),
    "a huge request line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", [414]),
    "chunk size that is none": (CHUNKED + b"xyz\r\nhello\r\n0\r\n\r\n", [400]),
    "chunk longer than said": (CHUNKED + b"2\r\nhello\r\n0\r\n\r\n", [400]),
    "a huge chunk": (CHUNKED + b"FFFFFFFF\r\nhello", [400]),
    "a huge body": (POST + b"Content-Length: 99999999999\r\n\r\n{", [413]),
    "huge, for another endpoint": (
        b"POST /api/v2/query HTTP/1.1\r\n" + HOST + b"Content-Length: 9999999\r\n\r\n{", [413]
    ),
    "a length with noughts before it": (
        POST + b"Content-Length: " + b"0" * 30 + b"5\r\n\r\n", [400]
    ),
    "a length with a sign": (POST + b"Content-Length: +5\r\n\r\nhello", [400]),
    "lengths in one field": (POST + b"Content-Length: 5, 5\r\n\r\nhello", [400]),
    "a length of other digits": (POST + b"Content-Length: \xb2\r\n\r\nhe", [400]),
    "a length behind a bare line feed": (POST + b"X: a\nContent-Length: 5\r\n\r\n", [400]),
    "a length behind a bare return": (POST + b"X: a\rContent-Length: 5\r\n\r\n", [400]),
    "a coding with a vertical tab": (
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", [400]
    ),
    "a coding and chunks": (
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [400]
    ),
    "no coding": (POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n", [400]),
    "chunks from an old client": (CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n", [400]),
    "a chunk with a bare line feed": (CHUNKED + b"2\nab\r\n0\r\n\r\n", [400]),
    "a size with a bare return": (CHUNKED + b"2;a\rb\r\nab\r\n0\r\n\r\n", [400]),
    "a size in C": (CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n", [400]),
    "a size with an underscore": (CHUNKED + b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n", [400]),
    "a length after the chunks": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", [400]),
    "chunks of one byte": (CHUNKED + b"1\r\n \r\n" * 90_000, [400]),
    "an endless field after the chunks": (CHUNKED + b"0\r\nX: " + b"a" * 70_000, [400]),
    "a nought in a field": (POST + b"X: \x00\r\n\r\n", [400]),
    "two hosts": (POST + b"Host: b\r\nContent-Length: 0\r\n\r\n", [400]),
    "blanks without an end": (POST + b"Content-Length: 5" + b" " * 60_000 + b"5\r\n\r\n", [431]),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "a proxy's preface": (b"PROXY TCP4 8.8.8.8 8.8.8.8 1 2\r\n" + GOOD, [400]),
    "bad chunks for another endpoint": (
        CHUNKED.replace(b"/api/event", b"/api/v2/query") + b"x\r\n\r\n", [400]
    ),
    "an unknown expectation": (POST + b"Expect: cow\r\nContent-Length: 0\r\n\r\n", [417]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "answers"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_proper_request_is_refused_and_its_connection_closed(service, data, answers):
    assert asked(service, data) == answers
    assert asked(service, data + GOOD) == answers  # what follows is not read as a request


def test_lines_that_end_with_a_line_feed_alone_make_no_request(service):
    bare = GOOD.replace(b"\r\n", b"\n")
    assert asked(service, bare) == []  # its end never comes
    assert asked(service, bare + GOOD) == [400]


ANSWERED = {
    "a line before the request": (b"\r\n" + GOOD, [202]),
    "an absolute target": (GOOD.replace(b" /api", b" http://elsewhere.example/api"), [202]),
    "chunks with more said of them": (
        IN_CHUNKS.replace(b"0\r\n\r", b'0;a="b"\r\nX: y\r\n\r'),
        [202],
    ),
    "no host": (GOOD.replace(HOST, b""), [202]),
    "a preflight": (b"OPTIONS /api/event HTTP/1.1\r\n" + HOST + b"\r\n", [204]),
    "a head alone": (b"HEAD /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n", [200]),
    "a body that nobody reads": (GOOD.replace(b"/api/event", b"/nothing"), [404]),
    "a body with a question": (GOOD.replace(b"POST /api/event", b"GET /healthz"), [200]),
}


@pytest.mark.parametrize(("data", "answers"), ANSWERED.values(), ids=ANSWERED)
def test_what_follows_an_unusual_request_is_still_read_as_the_next(service, data, answers):
    last = GOOD.replace(HOST, HOST + b"Connection: close\r\n")
    assert asked(service, data + last) == [*answers, 202]
    assert asked(service, data * 3 + last) == [*answers * 3, 202]


@pytest.mark.parametrize(
    ("data", "answer"),
    [(GOOD, 202), (IN_CHUNKS, 202), (b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n", 200)],
    ids=["length", "chunks", "a page"],
)
def test_who_says_that_it_has_sent_all_is_still_answered(service, data, answer):
    with connected(service, data) as client:
        client.shutdown(socket.SHUT_WR)
        assert statuses(received(client)) == [answer]


@pytest.mark.parametrize("data", [GOOD, IN_CHUNKS], ids=["length", "chunks"])
def test_requests_sent_ahead_are_answered_in_their_order(service, data):
    last = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    wrong = POST + b"Content-Length: 1\r\n\r\n{"
    assert asked(service, (data + wrong) * 50 + last) == [202, 400] * 50 + [200]


def test_a_body_is_asked_for_where_its_sender_waits(service):
    head = POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    with connected(service, head % len(EVENT)) as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(EVENT)
        assert statuses(received(client)) == [202]


def test_a_body_in_pieces_is_read_whole(service):
    with connected(service, GOOD[:-10]) as client:
        time.sleep(0.1)  # so that the two do not come as one
        client.sendall(GOOD[-10:])
        assert client.recv(12) == b"HTTP/1.1 202"


def test_the_largest_body_is_taken_and_a_larger_one_told_why_not(service):
    body = b'{"batch":[],"writeKey":"' + b"a" * BODY_BYTES
    at_most = service.post("/v1/batch", body[: BODY_BYTES - 2] + b'"}')
    assert at_most.status_code == 401
    answer = service.post("/v1/batch", body[: BODY_BYTES - 1] + b'"}')
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
    pieces = iter([body, body])
    in_chunks = requests.post(f"{service.origin}/v1/batch", data=pieces, timeout=20)
    assert in_chunks.status_code == 413


def test_early_goodbyes_do_no_harm(service):
    for cut in range(0, len(GOOD), 7):
        with connected(service, GOOD[:cut]):
            pass
    with connected(service, GOOD * 20):
        pass
    assert answers(service)


def test_more_connections_than_there_is_room_for_push_out_the_oldest(service):
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(connected(service, POST))
        assert answers(service)


def test_bodies_that_never_end_fill_no_memory(service):
    before = resident(web(service))
    begun = POST + b"Content-Length: %d\r\n\r\n" % BODY_BYTES + b"a" * (BODY_BYTES - 1)
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            with contextlib.suppress(OSError):  # the oldest are closed, to make room
                stack.enter_context(connected(service, begun))
        assert answers(service)
        assert resident(web(service)) - before < 130 * 1024 * 1024  # of 150 sent


def test_a_process_without_a_descriptor_left_goes_on(service):
    pid = web(service)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    files = len(os.listdir(f"/proc/{pid}/fd")) + 10
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, hard))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(connected(service, POST))
            eventually(lambda: answers(service), "it answers")
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1256, hard))
    assert web(service) == pid


def test_an_old_client_is_answered_and_its_connection_closed(service):
    old = GOOD.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert asked(service, old + GOOD) == [202]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """Behind a proxy, on a port and on a Unix socket; a sender may send one event a second."""
    folder = tmp_path_factory.mktemp("proxied")
    settings = {"DISCREET_TRUSTED_PROXIES": "1", "DISCREET_SENDER_LIMIT": "1"}
    with running(folder / "home", WEB_CONCURRENCY="1", **settings) as service:
        bound = f"--bind 127.0.0.1:{service.port} --bind unix:{folder / 's'}"
        service.env["GUNICORN_CMD_ARGS"] = bound
        service.cli("site", "add", "example.com", "--policy", "exempt")
        service.start("web")
        yield service


@pytest.mark.parametrize(("way", "sender"), [("tcp", "192.0.2.1"), ("unix", "203.0.113.1")])
def test_behind_a_proxy_its_own_word_counts_and_nobody_elses(proxied, way, sender):
    path = str(proxied.home.parent / "s")

    def send(fields: str) -> int:
        with socket.socket(socket.AF_UNIX if way == "unix" else socket.AF_INET) as client:
            client.connect(path if way == "unix" else ("127.0.0.1", proxied.port))
            added = HOST + b"Connection: close\r\n" + fields.encode()
            client.sendall(GOOD.replace(HOST, added))
            return statuses(received(client))[0]

    ours = f"X-Forwarded-For: {sender}\r\n"
    assert send(ours) == 202
    eventually(lambda: send(ours) == 429, "the bucket of ten is empty")
    for spoofed in (
        f"X-Forwarded-For: 8.8.{{0}}.8, {sender}\r\n",
        "X-Forwarded-For: 8.8.{0}.8\r\n" + ours,
        ours + "X_Forwarded_For: 8.8.{0}.8\r\n",
        "X_Forwarded-For: 8.8.{0}.8\r\n" + ours,
        ours + "X-Real-IP: 8.8.{0}.8\r\nForwarded: for=8.8.{0}.8\r\n",
        ours + "REMOTE-ADDR: 8.8.{0}.8\r\nREMOTE_ADDR: 8.8.{0}.8\r\n",
    ):
        # Believed, each would be a sender who has sent nothing yet.
        assert 429 in [send(spoofed.format(n)) for n in range(20)]
    assert send("X-Forwarded-For: 198.51.100.9\r\n") == 202


def test_a_process_that_is_replaced_answers_what_it_was_asked(proxied):
    master, old = proxied._processes["web"].pid, web(proxied)
    with connected(proxied, GOOD[:-1]) as client:
        assert proxied.answers()
        os.kill(master, signal.SIGHUP)
        eventually(
            lambda: set(children(master)) - {old} and proxied.answers(), "another process answers"
        )
        client.sendall(GOOD[-1:])
        assert statuses(received(client)) == [202]
    eventually(lambda: old not in children(master), "the old one is gone")


def test_a_stopping_process_answers_what_it_was_asked(proxied):
    with connected(proxied, GOOD[:-1]) as client, ThreadPoolExecutor(1) as pool:
        assert proxied.answers()
        stopped = pool.submit(proxied.stop)
        eventually(lambda: not proxied.answers(), "no new connection is taken")
        client.sendall(GOOD[-1:])
        assert statuses(received(client)) == [202]
        stopped.result()


@pytest.mark.parametrize(
    "setting",
    [{"certfile": "a", "keyfile": "b"}, {"proxy_protocol": "v1"}, {"protocol": "uwsgi"}],
    ids=["TLS", "PROXY", "uwsgi"],
)
def test_what_it_would_pass_over_is_refused(setting):
    config = Config()
    Worker.check_config(config, None)
    for name, value in setting.items():
        config.set(name, value)
    with pytest.raises(RuntimeError, match=r"TLS is the proxy's|neither PROXY nor uwsgi"):
        Worker.check_config(config, None)


def test_what_is_refused_keeps_it_from_starting():
    done = subprocess.run(
        GUNICORN, cwd=ROOT, env=os.environ | {"GUNICORN_CMD_ARGS": "--proxy-protocol"},
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert b"neither PROXY nor uwsgi" in done.stderr


def test_nothing_of_all_that_was_an_error_of_ours(service):
    """Runs last: the figures of all tests above."""
    figures = service.get("/metrics").text
    failed = [line for line in figures.splitlines() if 'status="5xx"' in line]
    assert failed
    assert all(line.endswith(" 0") for line in failed)
    assert '"level": "error"' not in service.printed()
