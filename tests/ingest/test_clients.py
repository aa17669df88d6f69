"""Clients that are slow, go away or speak no proper HTTP: refused, closed, and in nobody's way."""

import contextlib
import json
import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ingest.wire import BODY_BYTES
from tests.service import eventually, running

EVENT = json.dumps({"n": "pageview", "u": "https://example.com/", "d": "example.com"}).encode()
HOST = b"Host: a\r\n"
POST = b"POST /api/event HTTP/1.1\r\n" + HOST
GOOD = POST + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
IN_CHUNKS = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENT), EVENT)
SLOW = 200
PROMPT = 1.0  # seconds; on a busy machine


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
def connected(service, data: bytes = b""):
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
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


def is_prompt(service) -> bool:
    began = time.monotonic()
    assert service.post("/api/event", EVENT).status_code == 202
    assert service.get("/healthz").status_code == 200
    return time.monotonic() - began < PROMPT


@pytest.mark.parametrize(
    "begun",
    [b"", POST, POST + b"Content-Length: 300\r\n\r\n{", CHUNKED + b"5\r\n{"],
    ids=["nothing", "head", "body", "chunk"],
)
def test_slow_clients_hold_up_nobody_and_are_closed_in_time(service, begun):
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(service, begun)) for _ in range(SLOW)]
        began = time.monotonic()
        assert all(is_prompt(service) for _ in range(10))
        # A byte now and then buys no time.
        with selectors.DefaultSelector() as open_ones:
            for client in slow:
                open_ones.register(client, selectors.EVENT_READ)
            while open_ones.get_map():
                assert time.monotonic() - began < 10, "they are closed after two seconds"
                for key, _ in open_ones.select(0.2):
                    with contextlib.suppress(ConnectionResetError):
                        assert key.fileobj.recv(100) == b""
                    open_ones.unregister(key.fileobj)
                for key in list(open_ones.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(b"1")


def test_who_does_not_take_its_answer_holds_up_nobody(service):
    """More pages asked for than the kernel keeps for a client that reads none."""
    asking = (
        b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n" + b"GET /js/none HTTP/1.1\r\n" + HOST
    )
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            client = stack.enter_context(connected(service))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(2000):
                    client.send(asking + b"\r\n")
        assert all(is_prompt(service) for _ in range(3))


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
    "an unknown expectation": (POST + b"Expect: cow\r\nContent-Length: 0\r\n\r\n", [417]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "answers"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_proper_request_is_refused_and_its_connection_closed(service, data, answers):
    assert asked(service, data) == answers
    assert asked(service, data + GOOD) == answers  # what follows is not read as a request


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
    assert is_prompt(service)


def test_more_connections_than_there_is_room_for_push_out_the_oldest(service):
    with contextlib.ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(connected(service, POST))
        assert is_prompt(service)


def test_an_old_client_is_answered_and_its_connection_closed(service):
    old = GOOD.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert asked(service, old + GOOD) == [202]


def test_a_stopping_process_answers_what_it_was_asked(service, tmp_path):
    with running(tmp_path / "home", WEB_CONCURRENCY="1") as other:
        other.cli("site", "add", "example.com", "--policy", "exempt")
        other.start("web")
        with connected(other, GOOD[:-1]) as client, ThreadPoolExecutor(1) as pool:
            assert other.answers()
            stopped = pool.submit(other.stop)
            eventually(lambda: not other.answers(), "no new connection is taken")
            client.sendall(GOOD[-1:])
            assert statuses(received(client)) == [202]
            stopped.result()


def test_nothing_of_all_that_was_an_error_of_ours(service):
    """Runs last: the figures of all tests above."""
    figures = service.get("/metrics").text
    failed = [line for line in figures.splitlines() if 'status="5xx"' in line]
    assert failed
    assert all(line.endswith(" 0") for line in failed)
    assert '"level": "error"' not in service.printed()
