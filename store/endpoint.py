"""`<home>/clickhouse.json`: where the embedded engine can be reached at the moment.

Readable by the owner only, replaced as a whole: it holds the front's password, which is drawn
anew at every start.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

NAME = "clickhouse.json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A front on the loopback. `pid` is the process that hosts it."""

    port: int
    user: str
    password: str = field(repr=False)
    pid: int


def publish(home: Path, endpoint: Endpoint) -> None:
    """Writes the file; a reader finds the old one or the new one, never a half."""
    draft = home / f".{NAME}.{endpoint.pid}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(endpoint))
    finally:
        os.close(descriptor)
    draft.replace(home / NAME)


def read(home: Path) -> Endpoint | None:
    """The engine's address, or None where nobody hosts it."""
    try:
        return msgspec.json.decode((home / NAME).read_bytes(), type=Endpoint)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def forget(home: Path, endpoint: Endpoint) -> None:
    """Removes the file, unless another process has written its own already."""
    if read(home) == endpoint:
        with contextlib.suppress(FileNotFoundError):
            (home / NAME).unlink()
