"""A clock that stands still, and an empty control database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import pytest
from sqlalchemy import Engine

from control.database import open_control

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
