"""A clock that stands still, and an empty control database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

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


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Engine]:
    engine = open_control(f"sqlite:///{tmp_path / 'control.db'}")
    yield engine
    engine.dispose()
