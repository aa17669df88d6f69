"""The embedded engine: chDB on a directory, one per process, one process per directory.

`chdb` is imported when an engine is opened and nowhere else, so that a process that only talks
HTTP never loads it (0.13 s and 250 MB).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")

# ClickHouse's numbers for what is found out here and not by the engine (ErrorCodes.cpp).
BAD_ARGUMENTS = 36
SYNTAX_ERROR = 62
UNKNOWN_STATUS_OF_INSERT = 319
UNKNOWN_EXCEPTION = 1002

# Bytes of an insert that are kept to be sent again; a spool segment is a quarter of it.
_KEPT = 32 << 20
_CONFIG = Path(__file__).with_name("engine.xml")
_COUNTED = """
    SELECT (SELECT sum(value) FROM system.errors), sum(value) FROM system.events
    WHERE event = 'WriteBufferFromFileDescriptorWriteFailed'
"""
_TABLES = """
    SELECT database, name FROM system.tables
    WHERE engine LIKE '%MergeTree' AND database != 'system' AND NOT is_temporary
"""
_BROKEN = "SELECT database, table, name FROM system.detached_parts WHERE reason LIKE 'broken%'"


class EngineBusy(Exception):
    """Another process kept the directory until the deadline."""


class EngineError(Exception):
    """The engine refused a statement. `str()` is ClickHouse's text, which may quote data."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @classmethod
    def of(cls, error: BaseException) -> EngineError:
        """Reads ClickHouse's number out of the text that chDB raises."""
        text = str(error)
        found = _CODE.search(text)
        if found is None:
            return cls(UNKNOWN_EXCEPTION, f"Code: {UNKNOWN_EXCEPTION}. DB::Exception: {text}")
        return cls(int(found[1]), text[found.start() :])

    @property
    def name(self) -> str:
        """ClickHouse's symbolic name, such as UNKNOWN_TABLE; '' when it gave none."""
        names = _NAME.findall(str(self))
        return names[-1] if names else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of a result in the format asked for, and what it took to make them."""

    data: bytes
    rows: int
    rows_read: int
    bytes_read: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Written:
    """What an insert wrote. Rows that a deduplication token made the engine skip count too."""

    rows: int
    bytes: int
    seconds: float


class Engine:
    """chDB on `<home>/clickhouse`, with its temporary files in the home as well.

    Every statement runs on a connection of its own (0.3 ms), so that no setting of one request
    reaches another. All methods may be called from many threads.
    """

    def __init__(self, home: Path, wait: float = 30.0) -> None:
        """Opens the engine. Raises `EngineBusy` after `wait` seconds, `EngineError` if it fails."""
        self._directory = home / "clickhouse"
        self._lock = _lock(home / "clickhouse.lock", wait)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            for folder in (self._directory / "tmp", home / "tmp"):
                _empty(folder)
            from chdb.state.sqlitelike import connect

            self._connect = connect
            # chDB lives as long as one connection does.
            self._kept = self._open(f"?config-file={_CONFIG}")
            self._mending = threading.Lock()
            self._unwritten = _counted(self._kept).unwritten
            self._drop_broken()
        except BaseException:
            os.close(self._lock)
            raise

    def query(
        self,
        sql: str,
        fmt: str = "TabSeparated",
        *,
        params: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        database: str = "",
    ) -> Answer:
        """Runs one statement. Parameter values are text escaped as in TabSeparated."""
        with self._session(settings, database) as connection:
            result = connection.query(sql, fmt, params=dict(params or {}))
            return Answer(
                data=result.bytes(),
                rows=result.rows_read(),
                rows_read=result.storage_rows_read(),
                bytes_read=result.storage_bytes_read(),
                seconds=result.elapsed(),
            )

    def insert(
        self,
        head: str,
        fmt: str,
        chunks: Iterable[bytes],
        *,
        settings: Mapping[str, str] | None = None,
        database: str = "",
    ) -> Written:
        """Streams rows into `INSERT INTO …` in bounded memory.

        Whatever `chunks` raises ends the insert without committing it and comes through.

        chDB tells of lines that it cannot read, and not of a part that it could not write, as on a
        full disk: then it counts an error and reports success. So when errors were counted
        meanwhile, which may also be another statement's, the insert is made again in the form whose
        failures are told; its deduplication token keeps it from being stored twice. Where a file
        could not be written meanwhile, nothing is believed (`UNKNOWN_STATUS_OF_INSERT`).
        """
        kept = _Kept(chunks)
        with self._session(settings, database) as connection:
            before = _counted(connection)
            if before.unwritten != self._unwritten:
                self.mend()
                before = _counted(connection)
            inserter = connection.send_insert(head, fmt)
            try:
                for chunk in kept:
                    inserter.append(chunk)
                done = inserter.finish()
            finally:
                inserter.cancel()  # does nothing once finished
            after = _counted(connection)
            if after.errors != before.errors:
                if kept.data is None or not (settings or {}).get("insert_deduplication_token"):
                    raise _unknown_status()
                try:
                    connection.query(f"{head} FORMAT {fmt}\n".encode() + kept.data, "Null")
                except RuntimeError as error:
                    found = EngineError.of(error)
                    # Lines that could be read before: what is wrong is this form, not they.
                    raise (_unknown_status() if found.code == SYNTAX_ERROR else found) from None
                after = _counted(connection)
            if after.unwritten != before.unwritten:
                raise _unknown_status()
            return Written(done.rows_written, done.bytes_written, done.elapsed)

    def mend(self) -> list[str]:
        """Puts back what was damaged since a file could not be written; which tables were loaded.

        chDB goes on when a write fails, as on a full disk: it puts an empty part into the place of
        those that it was merged from. These are still there for a while (engine.xml). A table that
        is loaded anew looks which of its parts are whole, and takes those; rows of an insert that
        are in none of them are found missing by the loader. What is not whole is removed: it could
        be neither read nor erased. Raises `EngineError` where that has to be tried again.
        """
        with self._mending:
            unwritten = _counted(self._kept).unwritten
            if unwritten == self._unwritten:
                return []
            tables = sorted({f"{_name(a)}.{_name(b)}" for a, b in self._listed(_TABLES)})
            # One that an earlier try has left so.
            lost = self._listed("SELECT database, table FROM system.detached_tables")
            for table in (f"{_name(database)}.{_name(name)}" for database, name in lost):
                self.query(f"ATTACH TABLE IF NOT EXISTS {table}")
            for table in tables:
                self.query(f"DETACH TABLE IF EXISTS {table} SYNC")
                self.query(f"ATTACH TABLE IF NOT EXISTS {table}")
            self._drop_broken()
            self._unwritten = unwritten
            return tables

    def _drop_broken(self) -> None:
        for database, table, part in self._listed(_BROKEN):
            self.query(
                f"ALTER TABLE {_name(database)}.{_name(table)} DROP DETACHED PART '{part}'",
                settings={"allow_drop_detached": "1"},
            )

    def _listed(self, sql: str) -> list[list[str]]:
        return [line.split("\t") for line in self.query(sql).data.decode().splitlines()]

    def close(self) -> None:
        """Flushes and lets the directory go. No statement may be running."""
        self._kept.close()
        os.close(self._lock)

    def _open(self, options: str = "") -> Any:
        try:
            return self._connect(f"{self._directory}{options}")
        except RuntimeError as error:
            raise EngineError.of(error) from None

    @contextlib.contextmanager
    def _session(self, settings: Mapping[str, str] | None, database: str) -> Iterator[Any]:
        connection = self._open()
        try:
            if database:
                connection.query(f"USE {_name(database)}")
            if settings:
                connection.query(f"SET {_assignments(settings)}")
            yield connection
        except RuntimeError as error:  # chDB's own are RuntimeErrors
            raise EngineError.of(error) from None
        finally:
            connection.close()


class _Kept:
    """Chunks passed on, and kept together in `data` as long as they are few."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self.data: bytes | None = b""

    def __iter__(self) -> Iterator[bytes]:
        kept: list[bytes] | None = []
        size = 0
        for chunk in self._chunks:
            if kept is not None:
                size += len(chunk)
                kept.append(chunk)
                kept = kept if size <= _KEPT else None
            yield chunk
        self.data = None if kept is None else b"".join(kept)


@dataclass(frozen=True, slots=True)
class _Counted:
    """How often the engine has met an error of whatever kind, and could not write to a file."""

    errors: int
    unwritten: int


def _counted(connection: Any) -> _Counted:
    line = bytes(connection.query(_COUNTED, "TabSeparated").bytes())
    return _Counted(*map(int, line.split()))


def _unknown_status() -> EngineError:
    code = UNKNOWN_STATUS_OF_INSERT
    text = f"Code: {code}. DB::Exception: The insert may have failed. (UNKNOWN_STATUS_OF_INSERT)"
    return EngineError(code, text)


def _lock(path: Path, wait: float) -> int:
    """Takes the lock, which the kernel drops whenever its process ends, however it ends."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise EngineBusy(
                    f"another process has held {path} for {wait:g} seconds; is a worker running?"
                ) from None
            time.sleep(0.05)


def _empty(folder: Path) -> None:
    """What a killed process left behind in a temporary folder is nobody's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _name(identifier: str) -> str:
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _assignments(settings: Mapping[str, str]) -> str:
    for name in settings:
        if not _SETTING.match(name):
            raise EngineError(
                BAD_ARGUMENTS,
                f"Code: {BAD_ARGUMENTS}. DB::Exception: Not a setting's name. (BAD_ARGUMENTS)",
            )
    return ", ".join(
        name + " = '" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        for name, value in settings.items()
    )
