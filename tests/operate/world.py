"""The parts of a command, over a home of its own; no store is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.settings import load
from operate.services import Services, build
from spool import reader


@contextmanager
def services(home: Path) -> Iterator[Services]:
    built = build(load({"DISCREET_HOME": str(home)}))
    try:
        yield built
    finally:
        built.spool.close()
        built.control.dispose()
        built.keys._engine.dispose()


def spooled(built: Services, table: str = "events") -> list[dict]:
    """What the loader would see: lines of sealed segments and of published imports."""
    built.spool.close()
    found = []
    for segment in reader.sealed(built.settings.spool):
        if segment.name.startswith(table):
            found += [json.loads(line) for line in segment.path.read_bytes().splitlines()]
    return found
