"""The store that tests run against: the embedded engine, or the server that the settings name."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from store.clickhouse import Store
from store.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
SERVER = os.environ.get("DISCREET_TEST_CLICKHOUSE_URL", "")


@dataclass(frozen=True)
class Where:
    """The settings that the store looks at."""

    home: Path
    clickhouse_url: str = "embedded"
    clickhouse_password_file: str = ""
    clickhouse_cluster: str = ""


@contextmanager
def engine_process(home: Path) -> Iterator[None]:
    """The embedded engine in a process of its own: this one can host others for itself."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from store.front import serving
with serving(Path({str(home)!r})):
    print("up", flush=True)
    sys.stdin.read()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield
        process.stdin.close()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An empty database of the module's own."""
    home = tmp_path_factory.mktemp("home")
    if not SERVER:
        with engine_process(home):
            yield Store(Where(home))
        return
    name = f"discreet_test_{secrets.token_hex(4)}"
    server = Store(Where(home, urlsplit(SERVER)._replace(path="/default").geturl()))
    server.command(f"CREATE DATABASE {name}")
    try:
        yield Store(Where(home, urlsplit(SERVER)._replace(path=f"/{name}").geturl()))
    finally:
        server.command(f"DROP DATABASE {name}")


@pytest.fixture(scope="module")
def migrated(store: Store) -> Store:
    migrate(store)
    return store


@pytest.fixture
def empty(migrated: Store) -> Iterator[Store]:
    yield migrated
    for table in ("events", "tallies"):
        migrated.command(f"TRUNCATE TABLE {table}")
