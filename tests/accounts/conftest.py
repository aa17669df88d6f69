"""A clock that stands still, and an empty control database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, text

from accounts import passwords
from control.database import metadata, open_control
from tests.postgres import Postgres

START = datetime(2026, 3, 28, 12, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control database in which nothing is: made once, since its migrations take a while."""
    path = tmp_path_factory.mktemp("control") / "control.db"
    open_control(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture
def control(tmp_path: Path, empty: Path) -> Iterator[Engine]:
    copy(empty, tmp_path / "control.db")
    engine = open_control(f"sqlite:///{tmp_path / 'control.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def on_postgres(postgres: Postgres) -> Iterator[Engine]:
    """One database on a server, migrated once."""
    engine = open_control(postgres.database())
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Engine:
    """An empty control database, of each kind in turn."""
    if request.param == "sqlite":
        opened: Engine = request.getfixturevalue("control")
        return opened
    engine: Engine = request.getfixturevalue("on_postgres")
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)} CASCADE"))
    return engine


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost next to nothing, for tests of what surrounds a password. What a real one
    costs is proved in `test_passwords`.
    """
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_NOBODYS", hasher.hash("nobody's"))
