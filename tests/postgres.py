"""A real PostgreSQL for the tests that need one: a cluster of its own, gone afterwards.

Found on the machine (Debian's package `postgresql`). Where there is none the tests are skipped,
saying so, unless DISCREET_REQUIRE_POSTGRES=1.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text


@dataclass
class Postgres:
    """A running cluster that listens on a socket in `folder` alone; its files are in `data`."""

    folder: Path
    data: Path
    control: Callable[..., None]  # pg_ctl with arguments
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, schema: str = "public") -> str:
        search = f"-csearch_path%3D{schema}"
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}&options={search}"

    def database(self) -> str:
        """The URL of a new, empty schema: a database of its own is a thousand files more."""
        name = f"test{next(self._numbers)}"
        self.alone(f"CREATE SCHEMA {name}")
        return self.url(name)

    def settle(self) -> Path:
        """Stops and starts, so that unlogged tables too are on disk; returns the files' folder."""
        self.control("-m", "fast", "restart")
        return self.data

    def alone(self, statement: str) -> None:
        """A statement that no transaction may hold."""
        engine = create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = _programs()
    if programs is None:
        reason = "no PostgreSQL found: install Debian's package postgresql"
        if os.environ.get("DISCREET_REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # A socket's path may have 107 bytes, and the server refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    data = folder / "data"
    as_user = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["runuser", "-u", "postgres", "--"]

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*as_user, str(programs / program), *arguments],
            check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=60,
        )  # fmt: skip

    try:
        run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"

        def control(*arguments: str) -> None:
            log = str(folder / "log")
            run("pg_ctl", "-D", str(data), "-l", log, "-w", "-o", options, *arguments)

        control("start")
        try:
            yield Postgres(folder, data, control)
        finally:
            control("-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path | None:
    """The newest version's folder of programs; Debian leaves them out of the path."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    if found:
        return found[-1]
    path = shutil.which("initdb")
    return Path(path).parent if path else None
