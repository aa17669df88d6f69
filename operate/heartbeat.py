"""The worker's sign of life: the time of a file in the home, which lies on the worker's node."""

from __future__ import annotations

from pathlib import Path

_NAME = "worker.alive"


def beat(home: Path) -> None:
    (home / _NAME).touch(mode=0o600)


def last_beat(home: Path) -> float | None:
    """Unix seconds, or None where no worker ever ran."""
    try:
        return (home / _NAME).stat().st_mtime
    except FileNotFoundError:
        return None
