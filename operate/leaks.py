"""Looks for given strings wherever anything is kept, and proves that it would find them.

The files of the store are compressed: looking at their bytes alone finds nothing even when
everything is there, so every column of every table is read through the engine as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from sqlalchemy import Engine, MetaData, create_engine, select, text
from tqdm import tqdm

from operate.services import Services
from store.clickhouse import Store

_BLOCK = 16 * 1024 * 1024
_PREFIX = 4


class Found(msgspec.Struct, frozen=True):
    """A needle by its place in the (sorted) list, never its text, and where it was found."""

    needle: int
    place: str


class Report(msgspec.Struct, frozen=True):
    """What was searched and found. `planted` names the places where a planted string was found."""

    needles: int
    files: int
    bytes: int
    columns: int
    values: int
    planted: list[str]
    found: list[Found]

    def lines(self) -> list[str]:
        return [
            f"searched for {self.needles} strings",
            f"in {self.files} files ({self.bytes} bytes) and in {self.values} values of"
            f" {self.columns} columns, decompressed",
            f"a planted string was found in: {', '.join(self.planted)}",
            f"found: {len(self.found)}",
            *(f"  string {hit.needle} in {hit.place}" for hit in self.found[:50]),
        ]


class SearchBroken(Exception):
    """A planted string was not found: the search cannot be trusted. The message says where."""


def search(services: Services, store: Store, needles: set[bytes]) -> Report:
    """Raises `SearchBroken` when a planted string is missed anywhere."""
    planted = secrets.token_hex(16).encode()
    with_planted = sorted(needles | {planted})
    places = _Places(services, store)
    places.plant(planted.decode())
    try:
        hits, counts = _look(services, store, with_planted)
    finally:
        places.pull()
    own = with_planted.index(planted)
    proved = sorted({kind for needle, kind, _ in hits if needle == own})
    missed = {"file", "spool", "store", "control", "keys"} - set(proved)
    if missed:
        raise SearchBroken(f"a planted string was not found in: {', '.join(sorted(missed))}")
    found = [Found(needle - (needle > own), place) for needle, _, place in hits if needle != own]
    return Report(len(needles), *counts, planted=proved, found=found)


class _Places:
    """Plants a string in each kind of place, and takes it out again."""

    def __init__(self, services: Services, store: Store) -> None:
        self._services = services
        self._store = store
        self._files = [
            services.settings.home / "tmp" / "leaks.planted",
            services.settings.spool / "leaks.planted",
        ]

    def plant(self, string: str) -> None:
        for file in self._files:
            file.write_text(string)
        self._store.command("DROP TABLE IF EXISTS leaks_planted")
        self._store.command(
            "CREATE TABLE leaks_planted (value String) ENGINE = MergeTree ORDER BY value"
        )
        self._store.insert_lines(
            "leaks_planted", [msgspec.json.encode({"value": f"a {string} b"}) + b"\n"], token=string
        )
        for engine in self._databases():
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE leaks_planted (value VARCHAR(64))"))
                connection.execute(text("INSERT INTO leaks_planted VALUES (:v)"), {"v": string})

    def pull(self) -> None:
        for file in self._files:
            file.unlink(missing_ok=True)
        self._store.command("DROP TABLE IF EXISTS leaks_planted SYNC")
        for engine in self._databases():
            with engine.begin() as connection:
                connection.execute(text("DROP TABLE IF EXISTS leaks_planted"))

    def _databases(self) -> Iterator[Engine]:
        settings = self._services.settings
        for url in (settings.control_url, settings.keys_url):
            engine = create_engine(url)
            yield engine
            engine.dispose()


Hit = tuple[int, str, str]


def _look(
    services: Services, store: Store, needles: list[bytes]
) -> tuple[list[Hit], tuple[int, int, int, int]]:
    hits: list[Hit] = []
    search = _Needles(needles)
    files = size = columns = values = 0
    home = services.settings.home
    for path in tqdm(sorted(p for p in home.rglob("*") if p.is_file()), "files", disable=None):
        kind = "spool" if services.settings.spool in path.parents else "file"
        files += 1
        for block in _blocks(path, search.longest):
            size += len(block)
            hits += [(n, kind, str(path.relative_to(home))) for n in search.among(block)]
    for table, column, texts in tqdm(list(_columns(store)), "columns", disable=None):
        columns += 1
        blob, count = texts()
        values += count
        hits += [(n, "store", f"{table}.{column}") for n in search.among(blob)]
    for kind, url in (
        ("control", services.settings.control_url),
        ("keys", services.settings.keys_url),
    ):
        for table, column, blob, count in _database(url):
            columns += 1
            values += count
            hits += [(n, kind, f"{kind}: {table}.{column}") for n in search.among(blob)]
    return hits, (files, size, columns, values)


class _Needles:
    """Many strings looked for at once: by how they begin, then by the whole, in one pass each."""

    def __init__(self, needles: list[bytes]) -> None:
        self.longest = max(map(len, needles))
        self._begin = min(_PREFIX, min(map(len, needles)))
        self._groups: dict[bytes, dict[int, dict[bytes, int]]] = {}
        for number, needle in enumerate(needles):
            group = self._groups.setdefault(needle[: self._begin], {})
            group.setdefault(len(needle), {})[needle] = number

    def among(self, haystack: bytes) -> set[int]:
        """The places, in the list, of those that the haystack holds."""
        found: set[int] = set()
        for begin, by_length in self._groups.items():
            at = haystack.find(begin)
            while at >= 0:
                for length, group in by_length.items():
                    number = group.get(haystack[at : at + length])
                    if number is not None:
                        found.add(number)
                at = haystack.find(begin, at + 1)
        return found


def _blocks(path: Path, overlap: int) -> Iterator[bytes]:
    """A file in blocks that overlap by the longest needle; one that vanishes meanwhile is empty."""
    try:
        with path.open("rb") as file:
            tail = b""
            while block := file.read(_BLOCK):
                yield tail + block
                tail = block[-overlap:]
    except FileNotFoundError:
        return


def _columns(store: Store) -> Iterator[tuple[str, str, Callable[[], tuple[bytes, int]]]]:
    """Every column of every table of the database, with what reads its distinct values as text."""
    rows = store.query_rows(
        "SELECT c.table, c.name FROM system.columns AS c JOIN system.tables AS t"
        " ON t.database = c.database AND t.name = c.table"
        " WHERE c.database = currentDatabase() AND t.engine NOT LIKE '%View' ORDER BY 1, 2"
    )
    for table, column in rows:

        def texts(table: str = table, column: str = column) -> tuple[bytes, int]:
            # Names out of the engine's own catalogue, quoted.
            rows = store.query_rows(f'SELECT DISTINCT toString("{column}") FROM "{table}"')  # noqa: S608  quoted
            return "\n".join(str(row[0]) for row in rows).encode(), len(rows)

        yield table, column, texts


def _database(url: str) -> Iterator[tuple[str, str, bytes, int]]:
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        for table in metadata.tables.values():
            rows = [tuple(row) for row in connection.execute(select(table))]
            for position, column in enumerate(table.columns):
                values = [row[position] for row in rows]
                blob = b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in values)
                yield table.name, column.name, blob, len(values)
    engine.dispose()
