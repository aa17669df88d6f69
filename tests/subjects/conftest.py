"""A ledger over a control database, as SQLite and as PostgreSQL, with keys of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from anonymize.keys import KeyStore
from control.database import open_control
from control.objections import Objections
from control.sites import Site, Sites
from subjects.ledger import Ledger

START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'control.db'}"
    else:
        url = request.getfixturevalue("postgres").database()
    opened = open_control(url)
    yield opened
    opened.dispose()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> KeyStore:
    return KeyStore(f"sqlite:///{tmp_path / 'keys.db'}", b"k" * 32, clock, timedelta(days=7))


@pytest.fixture
def site(engine: Engine) -> Site:
    return Sites(engine).add("example.com", "Europe/Brussels", "opt-in", "BE")


@pytest.fixture
def ledger(engine: Engine, keys: KeyStore) -> Ledger:
    return Ledger(engine, keys, Objections(engine))
