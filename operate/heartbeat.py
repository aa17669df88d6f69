"""The worker's sign of life: the time of a file in the home, which lies on the worker's node.

The file holds what hinders the worker at the moment, '' if nothing.
"""

from __future__ import annotations

from pathlib import Path

_NAME = "worker.alive"


def beat(home: Path, problem: str = "") -> None:
    """Replaces the file as a whole: a reader finds the old one or the new one."""
    draft = home / f".{_NAME}"
    draft.touch(mode=0o600)
    draft.write_text(problem)
    draft.replace(home / _NAME)


def last_beat(home: Path) -> tuple[float, str] | None:
    """Unix seconds and the problem, or None where no worker ever ran."""
    try:
        return (home / _NAME).stat().st_mtime, (home / _NAME).read_text()
    except FileNotFoundError:
        return None
