"""Who could see what before authorisations had a place of their own sees it on."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from accounts.people import People
from control.database import open_control

MIGRATIONS = Path(__file__).resolve().parent.parent.parent / "control" / "migrations"


def test_roles_of_before_are_granted_at_every_site_but_to_whom_is_shut_out(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'control.db'}"
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0012")
        connection.execute(
            text(
                "INSERT INTO people (email, role, purpose, until, created_at, disabled) VALUES"
                " ('ada@example.com', 'admin', 'runs it', NULL, '2026-01-01 00:00:00', 0),"
                " ('bob@example.com', 'viewer', 'reads', '2999-12-31', '2026-01-01 00:00:00', 0),"
                " ('eve@example.com', 'admin', 'left', NULL, '2026-01-01 00:00:00', 1)"
            )
        )
    engine.dispose()
    engine = open_control(url)
    people = People(engine)
    held = {
        each.email: (each.role, each.domain, each.purpose, str(each.until))
        for each in people.granted()
    }
    assert held == {
        "ada@example.com": ("admin", "", "runs it", "None"),
        "bob@example.com": ("viewer", "", "reads", "2999-12-31"),
    }
    assert people.by_email("ada@example.com") is not None
    assert people.by_email("eve@example.com") is None
    engine.dispose()
