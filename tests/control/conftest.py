"""The control database, as SQLite and as PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from control.database import open_control


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'control.db'}"
    url: str = request.getfixturevalue("postgres").database()
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_control(url)
    yield opened
    opened.dispose()
