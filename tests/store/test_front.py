"""The front answers as a ClickHouse server would, as far as our client needs one."""

from __future__ import annotations

import base64
import datetime as dt
import os
import socket
import stat
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
import requests
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import given, settings
from hypothesis import strategies as st

from store import codecs
from store.endpoint import NAME, Endpoint, read
from store.front import MAX_STATEMENT, serving

MODULE = pytest.fixture(scope="module")


@MODULE
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@MODULE
def endpoint(home: Path) -> Iterator[Endpoint]:
    with serving(home) as endpoint:
        yield endpoint


@MODULE
def client(endpoint: Endpoint) -> Iterator[Any]:
    """The real client; compression on, as it asks by default."""
    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=endpoint.port,
        username=endpoint.user,
        password=endpoint.password,
        autogenerate_session_id=False,
    )
    yield client
    client.close_connections()


@MODULE
def http(endpoint: Endpoint) -> Iterator[requests.Session]:
    """A signed-in session that knows nothing of ClickHouse."""
    with requests.Session() as session:
        session.auth = (endpoint.user, endpoint.password)
        yield session


@MODULE
def anybody() -> Iterator[requests.Session]:
    """A session that has not signed in."""
    with requests.Session() as session:
        yield session


@MODULE
def url(endpoint: Endpoint) -> str:
    return f"http://127.0.0.1:{endpoint.port}/"


@pytest.fixture
def table(client: Any) -> Iterator[str]:
    client.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    yield "t"
    client.command("DROP TABLE t SYNC")


def test_it_is_found_by_a_private_file(endpoint: Endpoint, home: Path) -> None:
    assert read(home) == endpoint
    assert stat.S_IMODE((home / NAME).stat().st_mode) == 0o600
    assert endpoint.pid == os.getpid()
    assert len(bytes.fromhex(endpoint.password)) == 32


def test_it_listens_on_the_loopback_only(endpoint: Endpoint) -> None:
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", endpoint.port))


def test_the_clients_own_types_come_back(client: Any) -> None:
    result = client.query(
        "SELECT toUInt128('340282366920938463463374607431768211455'), toDate('2026-02-03'),"
        " toDateTime('2026-02-03 04:05:06', 'UTC'), [1, 2], map('a', 'b'), toDecimal64('1.5', 4),"
        " CAST(NULL AS Nullable(UInt8)), toLowCardinality('x'), 'été', (1, 'a')"
    )
    assert result.result_rows == [
        (
            2**128 - 1,
            dt.date(2026, 2, 3),
            dt.datetime(2026, 2, 3, 4, 5, 6),  # noqa: DTZ001  the client's own choice for UTC
            [1, 2],
            {"a": "b"},
            Decimal("1.5"),
            None,
            "x",
            "été",
            (1, "a"),
        )
    ]
    assert result.summary["result_rows"] == "1"
    assert result.summary["query_id"]


@settings(max_examples=60, deadline=None)
@given(text=st.text(), items=st.lists(st.text(max_size=20), max_size=5))
def test_parameters_arrive_as_they_were_given(client: Any, text: str, items: list[str]) -> None:
    rows = client.query(
        "SELECT {text:String}, {items:Array(String)}", {"text": text, "items": items}
    ).result_rows
    assert rows == [(text, items)]


@pytest.mark.parametrize(
    "text", ["it's", "a\tb", "a\nb", "back\\slash", "\\N", "{a:String}", "'; DROP TABLE t; --", ""]
)
def test_parameters_cannot_be_taken_for_syntax(client: Any, text: str) -> None:
    assert client.query("SELECT {p:String}", {"p": text}).result_rows == [(text,)]


def test_rows_go_in_and_out_in_the_native_format(client: Any, table: str) -> None:
    rows = [(number, f"naïve {number}") for number in range(5000)]
    client.insert(table, rows, column_names=["a", "b"])
    assert client.query("SELECT a, b FROM t ORDER BY a").result_rows == rows


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("JSONEachRow", b'{"a":1}\n'),
        ("CSV", b"1\n"),
        ("TabSeparatedWithNames", b"a\n1\n"),
        ("RowBinary", b"\x01"),
        ("Native", b"\x01\x01\x01a\x05UInt8\x01"),
        ("Null", b""),
    ],
)
def test_any_format_can_be_asked_for(
    client: Any, http: Any, url: str, fmt: str, expected: bytes
) -> None:
    assert http.post(url, data=f"SELECT 1 AS a FORMAT {fmt}").content == expected
    assert client.raw_query("SELECT 1 AS a", fmt=fmt) == expected


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_statement_may_stand_in_the_url(http: Any, url: str, method: str) -> None:
    answer = http.request(
        method, url, params={"query": "SELECT {a:UInt8}, getSetting('max_threads')", "param_a": 7,
                             "max_threads": 3, "default_format": "CSV"},
    )  # fmt: skip
    assert (answer.status_code, answer.text) == (200, "7,3\n")
    assert answer.headers["X-ClickHouse-Format"] == "CSV"
    assert answer.headers["X-ClickHouse-Server-Display-Name"] == "discreet"
    assert answer.headers["X-ClickHouse-Timezone"]


def test_the_callers_query_id_comes_back(http: Any, url: str) -> None:
    answer = http.post(url, data="SELECT 1", params={"query_id": "mine"})
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"


def test_a_database_can_be_chosen(http: Any, url: str) -> None:
    answer = http.post(url, data="SELECT currentDatabase()", params={"database": "system"})
    assert answer.text == "system\n"


@pytest.mark.parametrize("coding", ["", *sorted(codecs.ENCODERS)])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("place", ["url", "body"])
def test_inserts_are_read_in_every_coding(
    http: Any, url: str, client: Any, table: str, coding: str, chunked: bool, place: str
) -> None:
    lines = b"".join(b'{"a": %d, "b": "x"}\n' % number for number in range(3000))
    statement = "INSERT INTO t FORMAT JSONEachRow"
    body = lines if place == "url" else f"{statement}\n".encode() + lines
    sent = codecs.ENCODERS[coding](body) if coding else body
    answer = http.post(
        url,
        params={"query": statement} if place == "url" else {},
        data=(sent[at : at + 1000] for at in range(0, len(sent), 1000)) if chunked else sent,
        headers={"Content-Encoding": coding} if coding else {},
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert '"written_rows": "3000"' in answer.headers["X-ClickHouse-Summary"]
    assert client.command("SELECT count() FROM t") == 3000


@pytest.mark.parametrize("coding", sorted(codecs.ENCODERS))
def test_results_are_compressed_when_asked_for(http: Any, url: str, coding: str) -> None:
    answer = http.post(
        url,
        params={"enable_http_compression": 1},
        data="SELECT number FROM numbers(1000)",
        headers={"Accept-Encoding": coding},
        stream=True,
    )
    assert answer.headers["Content-Encoding"] == coding
    plain = b"".join(codecs.decode([answer.raw.read(decode_content=False)], coding))
    assert plain == b"".join(b"%d\n" % number for number in range(1000))


def test_results_are_plain_unless_asked_for(http: Any, url: str) -> None:
    answer = http.post(url, data="SELECT 1", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


ERRORS = [
    pytest.param("SELECT nope", 404, 47, "UNKNOWN_IDENTIFIER", id="column"),
    pytest.param("SELECT * FROM nope", 404, 60, "UNKNOWN_TABLE", id="table"),
    pytest.param("SELEC 1", 400, 62, "SYNTAX_ERROR", id="syntax"),
    pytest.param("SELECT 1; SELECT 2", 400, 62, "Multi-statements are not allowed", id="several"),
    pytest.param("  -- nothing", 400, 62, "Empty query", id="empty"),
    pytest.param("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF", id="running"),
    pytest.param("SELECT 1 SETTINGS nope = 1", 404, 115, "UNKNOWN_SETTING", id="setting"),
    pytest.param("SELECT toUInt8('x')", 400, 6, "CANNOT_PARSE_TEXT", id="value"),
    pytest.param("SELECT 1 FORMAT Nope", 404, 73, "UNKNOWN_FORMAT", id="format"),
    pytest.param("INSERT INTO nope FORMAT CSV\n1", 404, 60, "UNKNOWN_TABLE", id="insert"),
    pytest.param(b"SELECT '\xff\xfe'", 400, 62, "not UTF-8", id="no text"),
]


@pytest.mark.parametrize(("statement", "status", "code", "text"), ERRORS)
def test_errors_have_clickhouses_status_number_and_name(
    http: Any, url: str, statement: str | bytes, status: int, code: int, text: str
) -> None:
    answer = http.post(url, data=statement)
    assert answer.status_code == status
    assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert text in answer.text


@pytest.mark.parametrize(
    ("params", "headers"),
    [
        ({"session_id": "a"}, {}),
        ({"compress": "1"}, {}),
        ({"decompress": "1"}, {}),
        ({"user": "a", "password": "b"}, {}),
        ({"role": "a"}, {}),
        ({}, {"Content-Type": "multipart/form-data; boundary=x"}),
        ({}, {"Content-Encoding": "snappy"}),
    ],
    ids=str,
)
def test_what_is_not_supported_is_refused_by_name(
    http: Any, url: str, params: dict[str, str], headers: dict[str, str]
) -> None:
    answer = http.post(url, params=params, headers=headers, data="SELECT 1")
    assert answer.status_code == 501
    assert answer.headers["X-ClickHouse-Exception-Code"] == "48"


def test_the_client_knows_the_number_and_name_of_an_error(client: Any) -> None:
    with pytest.raises(DatabaseError) as refused:
        client.query("SELECT * FROM nope")
    assert (refused.value.code, refused.value.name) == (60, "UNKNOWN_TABLE")


CREDENTIALS: list[Any] = [
    pytest.param({}, id="none"),
    pytest.param({"Authorization": "Basic " + base64.b64encode(b"discreet:no").decode()}, id="no"),
    pytest.param({"Authorization": "Basic %%%"}, id="not base64"),
    pytest.param({"Authorization": "Bearer x"}, id="bearer"),
    pytest.param({"X-ClickHouse-User": "discreet", "X-ClickHouse-Key": "no"}, id="key"),
    pytest.param({"X-ClickHouse-User": "discreet"}, id="no key"),
    pytest.param({"X-ClickHouse-User": "é", "X-ClickHouse-Key": "ü"}, id="not ASCII"),
]


@pytest.mark.parametrize("headers", CREDENTIALS)
def test_nothing_is_done_without_the_password(
    anybody: Any, url: str, headers: dict[str, str]
) -> None:
    answer = anybody.post(
        url, data="SELECT 1", headers={k: v.encode("latin-1") for k, v in headers.items()}
    )
    assert answer.status_code == 403
    assert answer.headers["X-ClickHouse-Exception-Code"] == "516"


def test_the_password_may_come_in_clickhouses_own_headers(
    anybody: Any, endpoint: Endpoint, url: str
) -> None:
    headers = {"X-ClickHouse-User": endpoint.user, "X-ClickHouse-Key": endpoint.password}
    assert anybody.post(url, data="SELECT 1", headers=headers).text == "1\n"


def test_ping_answers_anybody(anybody: Any, url: str) -> None:
    assert anybody.get(f"{url}ping").text == "Ok.\n"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "play", 404), ("PUT", "", 405)])
def test_there_is_nothing_else(http: Any, url: str, method: str, path: str, status: int) -> None:
    assert http.request(method, url + path).status_code == status


def test_a_statement_has_a_limit_and_the_data_of_an_insert_have_none(
    http: Any, url: str, client: Any, table: str
) -> None:
    long = "SELECT '" + "x" * MAX_STATEMENT + "'"
    answer = http.post(url, data=long)
    assert (answer.status_code, "Max query size exceeded" in answer.text) == (400, True)
    line = b'{"a": 1, "b": "' + b"x" * 1000 + b'"}\n'
    body = b"INSERT INTO t FORMAT JSONEachRow\n" + line * (2 * MAX_STATEMENT // len(line))
    assert http.post(url, data=body).status_code == 200


def test_a_refused_insert_is_answered_after_its_body_was_read(http: Any, url: str) -> None:
    """Otherwise the client would see its connection reset, and try again."""
    chunks = (b"x" * 100_000 for _ in range(200))
    answer = http.post(url, params={"query": "INSERT INTO nope FORMAT CSV"}, data=chunks)
    assert answer.status_code == 404
    assert http.post(url, data="SELECT 1").text == "1\n"


def test_a_result_that_would_not_fit_is_an_error_and_no_torn_answer(http: Any, url: str) -> None:
    answer = http.post(
        url, params={"max_result_bytes": 1000}, data="SELECT number FROM numbers(100000)"
    )
    assert answer.status_code == 500
    assert answer.headers["X-ClickHouse-Exception-Code"] == "396"


def test_the_memory_of_an_insert_does_not_grow_with_its_body(
    http: Any, url: str, table: str, client: Any
) -> None:
    line = b'{"a": 1, "b": "' + b"x" * 100 + b'"}\n'
    block = line * 8000  # 0.9 MB

    def send(blocks: int) -> int:
        """Sends so many blocks and returns the process's memory meanwhile, in bytes."""
        most = 0

        def chunks() -> Iterator[bytes]:
            nonlocal most
            for _ in range(blocks):
                yield block
                with open("/proc/self/statm") as figures:
                    most = max(most, int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))

        params = {"query": "INSERT INTO t FORMAT JSONEachRow", "max_insert_block_size": "10000"}
        params |= {"min_insert_block_size_rows": "10000", "min_insert_block_size_bytes": "0"}
        assert http.post(url, params=params, data=chunks()).status_code == 200
        return most

    # The first fills the engine's own pools and caches, which merges in the background grow too.
    some = send(150)
    thrice = send(450)
    assert client.command("SELECT count() FROM t") == 600 * 8000
    assert thrice - some < 100e6  # of 270 MB more


@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
def test_an_insert_whose_sender_dies_half_way_stores_nothing(
    endpoint: Endpoint, client: Any, table: str, sized: bool
) -> None:
    token = base64.b64encode(f"{endpoint.user}:{endpoint.password}".encode()).decode()
    size = "Content-Length: 5000" if sized else "Transfer-Encoding: chunked"
    line = b'{"a": 1, "b": "x"}\n'
    data = line if sized else b"%x\r\n%s\r\n" % (len(line), line)
    with socket.create_connection(("127.0.0.1", endpoint.port)) as dying:
        dying.sendall(
            f"POST /?query=INSERT+INTO+t+FORMAT+JSONEachRow HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Basic {token}\r\n{size}\r\n\r\n".encode()
            + data
        )
        dying.shutdown(socket.SHUT_WR)
        answer = dying.recv(1000)  # the end of the request is an error that is answered
    assert b" 500 " in answer.splitlines()[0]
    assert client.command("SELECT count() FROM t") == 0


def test_many_threads_are_served_at_once(http: Any, url: str, client: Any, table: str) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                settings = {"insert_deduplication_token": f"{number}-{turn}"}
                client.raw_insert(table, insert_block=b'{"a":1,"b":""}\n', fmt="JSONEachRow",
                                  settings=settings)  # fmt: skip
                assert client.query("SELECT {n:UInt32}", {"n": number}).result_rows == [(number,)]
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert client.command("SELECT count() FROM t") == 120


def test_a_query_that_wants_all_memory_is_refused_and_harms_nobody(http: Any, url: str) -> None:
    huge = "SELECT length(groupArray(number)) FROM numbers_mt(100000000000)"
    answer = http.post(url, data=huge, params={"max_memory_usage": 200_000_000})
    assert answer.headers["X-ClickHouse-Exception-Code"] == "241"
    assert http.post(url, data="SELECT 1").text == "1\n"
    limit = http.post(url, data="SELECT getSetting('max_memory_usage')").text
    assert 0 < int(limit) <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "with a length"])
def test_a_stranger_cannot_send_without_end(
    anybody: Any, http: Any, url: str, chunked: bool
) -> None:
    body = (b"x" * 65536 for _ in range(1_000_000)) if chunked else b"x" * (64 << 20)
    with pytest.raises(requests.ConnectionError):
        anybody.post(url, data=body)
    assert http.post(url, data="SELECT 1").text == "1\n"


def test_connections_that_dawdle_hold_up_nobody(endpoint: Endpoint, http: Any, url: str) -> None:
    dawdling = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(20)]
    try:
        for each in dawdling:
            each.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
        assert http.post(url, data="SELECT 1", timeout=10).text == "1\n"
    finally:
        for each in dawdling:
            each.close()


def test_a_client_that_goes_away_during_its_query_leaves_the_front_at_work(
    endpoint: Endpoint, http: Any, url: str
) -> None:
    basic = base64.b64encode(f"{endpoint.user}:{endpoint.password}".encode())
    for _ in range(12):  # more than run at once
        with socket.create_connection(("127.0.0.1", endpoint.port)) as gone:
            gone.sendall(
                b"GET /?query=SELECT%20sleep(0.2) HTTP/1.1\r\nHost: x\r\n"
                b"Authorization: Basic " + basic + b"\r\n\r\n"
            )
    assert http.post(url, data="SELECT 1", timeout=20).text == "1\n"


@settings(max_examples=150, deadline=None)
@given(
    request=st.one_of(
        st.binary(max_size=300),
        st.builds(
            lambda method, path, name, value, body: (
                method + b" /" + path + b" HTTP/1.1\r\nHost: x\r\n"
                + name + b": " + value + b"\r\n\r\n" + body
            ),
            st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"\xff"]),
            st.binary(max_size=40),
            st.sampled_from(
                [b"Content-Length", b"Transfer-Encoding", b"Content-Encoding", b"Authorization",
                 b"X-ClickHouse-User", b"Expect", b"Connection"]
            ),
            st.sampled_from(
                [b"-1", b"1e9", b"chunked", b"gzip", b"Basic x", b"100-continue", b"\xff", b"zstd"]
            ),
            st.binary(max_size=60),
        ),
    )
)  # fmt: skip
def test_no_bytes_hurt_it(endpoint: Endpoint, request: bytes) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10) as raw:
        raw.sendall(request)
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            try:
                piece = raw.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            answer += piece
    assert b" 200 " not in answer.split(b"\r\n")[0] or request.startswith(b"GET /ping")
    assert b"Traceback" not in answer


def test_nothing_of_a_request_is_printed(
    http: Any,
    anybody: Any,
    url: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG", logger="store"):
        http.post(url, params={"param_p": "planted"}, data="SELECT nope, 'planted'")
        http.post(url, data=b"INSERT INTO nope FORMAT CSV\nplanted")
        anybody.post(url, data="planted", headers={"Authorization": "Basic planted"})
    printed = capfd.readouterr()
    assert "planted" not in printed.out + printed.err + caplog.text
