"""The parts of a command, over a home of its own; no store is opened."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path

from config.settings import load
from operate.services import Services
from spool import reader
from tests.service import parts


def services(home: Path) -> AbstractContextManager[Services]:
    return parts(load({"DISCREET_HOME": str(home)}))


def spooled(built: Services, table: str = "events") -> list[dict]:
    """What the loader would see: lines of sealed segments and of published imports."""
    built.spool.close()
    found = []
    for segment in reader.sealed(built.settings.spool):
        if segment.name.startswith(table):
            found += [json.loads(line) for line in segment.path.read_bytes().splitlines()]
    return found
