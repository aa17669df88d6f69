"""Just enough of ClickHouse's lexical grammar to tell statements, and inserts from their data.

Comments, quoted text, quoted names and here-documents are skipped as units, so that a semicolon
or a keyword inside one of them means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
      (?P<blank>   \s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<quoted>  '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`
                 | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<word>    \w+ )
    | (?P<sign>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
# What may follow the target of an INSERT; the first of them says where the rows come from.
_SOURCES = {b"FORMAT", b"VALUES", b"SELECT", b"WITH"}
# Statements that answer with a table, and so have an output format.
_READING = {b"SELECT", b"WITH", b"SHOW", b"DESCRIBE", b"DESC", b"EXPLAIN", b"EXISTS", b"CHECK"}
_REST_OF_LINE = re.compile(rb"[ \t]*\r?\n?")


@dataclass(frozen=True, slots=True)
class InsertHead:
    """`INSERT INTO …` as the engine takes it, the format of its data, and where these begin."""

    sql: str
    format: str
    data_at: int


def split(script: str) -> list[str]:
    """The statements of a script, without their semicolons; what is only comment is left out."""
    statements: list[str] = []
    text = script.encode()
    start, filled = 0, False
    for kind, token, at in _tokens(text):
        if kind == "sign" and token == b";":
            if filled:
                statements.append(text[start:at].decode().strip())
            start, filled = at + 1, False
        elif kind != "blank":
            filled = True
    if filled:
        statements.append(text[start:].decode().strip())
    return statements


def insert_head(text: bytes) -> InsertHead | None:
    """The head of an INSERT whose rows follow as data; None for every other statement.

    `text` is a request's beginning: it may be cut anywhere behind the head.
    """
    depth = 0
    tokens = ((k, t, at) for k, t, at in _tokens(text) if k != "blank")
    if _upper(next(tokens, None)) != b"INSERT":
        return None
    for kind, token, at in tokens:
        depth += (token in (b"(", b"[", b"{")) - (token in (b")", b"]", b"}"))
        if depth or kind != "word" or token.upper() not in _SOURCES:
            continue
        head = text[:at].decode(errors="replace").strip()
        if token.upper() == b"VALUES":
            return InsertHead(head, "Values", at + len(token))
        if token.upper() == b"FORMAT" and (name := next(tokens, None)) and name[0] == "word":
            end = name[2] + len(name[1])
            line = _REST_OF_LINE.match(text, end)
            return InsertHead(head, name[1].decode(), line.end() if line else end)
        return None
    return None


def answers(text: str) -> bool:
    """Whether a statement answers with a table, be it an empty one."""
    return next((t.upper() in _READING for k, t, _ in _tokens(text.encode()) if k == "word"), False)


def _tokens(text: bytes) -> Iterator[tuple[str, bytes, int]]:
    for match in _TOKEN.finditer(text):
        yield str(match.lastgroup), match[0], match.start()


def _upper(token: tuple[str, bytes, int] | None) -> bytes:
    return token[1].upper() if token else b""
