"""The store that tests run against: the embedded engine, or the server that the settings name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from store.clickhouse import Store, hosting

SERVER = os.environ.get("DISCREET_TEST_CLICKHOUSE_URL", "")


@dataclass(frozen=True)
class Where:
    """The three settings that the store looks at."""

    home: Path
    clickhouse_url: str = "embedded"
    clickhouse_password_file: str = ""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An empty database of the module's own."""
    home = tmp_path_factory.mktemp("home")
    if not SERVER:
        with hosting(Where(home)) as embedded:
            yield embedded
        return
    name = f"discreet_test_{secrets.token_hex(4)}"
    server = Store(Where(home, urlsplit(SERVER)._replace(path="/default").geturl()))
    server.command(f"CREATE DATABASE {name}")
    try:
        yield Store(Where(home, urlsplit(SERVER)._replace(path=f"/{name}").geturl()))
    finally:
        server.command(f"DROP DATABASE {name}")
