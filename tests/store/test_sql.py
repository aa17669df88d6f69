"""Statements are told apart, and inserts from their data, wherever signs and words stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import sql


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        pytest.param("SELECT 1", ["SELECT 1"], id="one"),
        pytest.param("SELECT 1;", ["SELECT 1"], id="one, ended"),
        pytest.param("SELECT 1; SELECT 2;\n", ["SELECT 1", "SELECT 2"], id="two"),
        pytest.param(";; ;", [], id="nothing"),
        pytest.param("-- only; a comment\n/* and; another */", [], id="comments only"),
        pytest.param("SELECT ';'; SELECT 2", ["SELECT ';'", "SELECT 2"], id="in quotes"),
        pytest.param(r"SELECT '\';'", [r"SELECT '\';'"], id="escaped quote"),
        pytest.param("SELECT '';''", ["SELECT ''", "''"], id="empty quotes"),
        pytest.param("SELECT 'it''s;'", ["SELECT 'it''s;'"], id="doubled quote"),
        pytest.param('SELECT "a;b", `c;d`', ['SELECT "a;b", `c;d`'], id="in names"),
        pytest.param("SELECT 1 -- a; b\n+ 1", ["SELECT 1 -- a; b\n+ 1"], id="in a comment"),
        pytest.param("SELECT 1 /* a; ' */", ["SELECT 1 /* a; ' */"], id="in a block comment"),
        pytest.param("SELECT $x$a;'b$x$", ["SELECT $x$a;'b$x$"], id="here-document"),
        pytest.param("SELECT 1 - -1; SELECT 2", ["SELECT 1 - -1", "SELECT 2"], id="minus"),
    ],
)
def test_statements_are_split_at_semicolons_of_their_own(
    script: str, statements: list[str]
) -> None:
    assert sql.split(script) == statements


@given(st.text())
def test_any_text_can_be_split_and_one_statement_stays_one(text: str) -> None:
    for statement in sql.split(text):
        assert sql.split(statement) in ([statement], [])


@pytest.mark.parametrize(
    ("text", "head", "fmt", "data"),
    [
        pytest.param(
            b"INSERT INTO t FORMAT JSONEachRow\n{}",
            "INSERT INTO t",
            "JSONEachRow",
            b"{}",
            id="json",
        ),
        pytest.param(
            b"insert into t (a, `format`) format Native\n\n\x01",
            "insert into t (a, `format`)",
            "Native",
            b"\n\x01",
            id="binary data may begin with what looks like an empty line",
        ),
        pytest.param(
            b"INSERT INTO t VALUES (1, 'SELECT')",
            "INSERT INTO t",
            "Values",
            b" (1, 'SELECT')",
            id="values",
        ),
        pytest.param(
            b"-- FORMAT a\nINSERT INTO t (format) SETTINGS a = 'FORMAT b' FORMAT CSV\r\n1",
            "-- FORMAT a\nINSERT INTO t (format) SETTINGS a = 'FORMAT b'",
            "CSV",
            b"1",
            id="words in comments, columns and quotes",
        ),
    ],
)
def test_an_inserts_head_is_told_from_its_data(
    text: bytes, head: str, fmt: str, data: bytes
) -> None:
    found = sql.insert_head(text)
    assert found is not None
    assert (found.sql, found.format, text[found.data_at :]) == (head, fmt, data)


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x FORMAT Null",
        b"INSERT INTO t",
        b"INSERT INTO t FORMAT",
        b"",
    ],
)
def test_other_statements_have_no_data(text: bytes) -> None:
    assert sql.insert_head(text) is None


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("SELECT 1", True),
        ("/* x */ with a as (select 1) select * from a", True),
        ("SHOW TABLES", True),
        ("CREATE TABLE t (a Int8) ENGINE = Memory", False),
        ("", False),
    ],
)
def test_statements_that_answer_with_a_table_are_known(text: str, answers: bool) -> None:
    assert sql.answers(text) is answers
