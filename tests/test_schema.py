"""What tests share holds what it stands for."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command

from control.database import open_control
from tests.schema import migrated_once


def made(path: Path) -> set[str]:
    """Everything that a database holds; of AUTOINCREMENT only what it has counted."""
    open_control(f"sqlite:///{path}").dispose()
    with sqlite3.connect(path) as connection:
        lines = set(connection.iterdump())
    connection.close()
    return {line for line in lines if "sqlite_sequence" not in line}


def test_a_copied_control_database_is_what_the_migrations_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "upgrade", command.upgrade.__wrapped__)  # type: ignore[attr-defined]
    migrated = made(tmp_path / "migrated")
    with migrated_once():
        assert made(tmp_path / "first") == migrated
        assert made(tmp_path / "copied") == migrated
    assert len(migrated) > 30
