"""The file with the secret key, which may be replaced while the service runs.

Its first line is the key: 64 hexadecimal digits. Each further line is one that was the key before,
and the last day (UTC) on which what it signed or sealed is still read. Every process looks whether
the file has changed when it needs the key, so that all of them go over within a request.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple


class SecretError(ValueError):
    """The file cannot be used, or not be written; the message says why."""


class _Key(NamedTuple):
    key: bytes
    last_day: date | None  # None: the key


class SecretFile:
    """Calling it returns the keys, the newest first; makes the file (0600) at the first call.

    Raises `SecretError`. A file that is gone for a moment, as while a vault mounts a new one, is
    read as it was before.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._read: tuple[tuple[int, int, int], tuple[_Key, ...]] | None = None

    def __repr__(self) -> str:
        """Without a key."""
        return f"<SecretFile {self._path}>"

    def __call__(self) -> tuple[bytes, ...]:
        today = self._now().date()
        found = (each for each in self._all() if each.last_day is None or today <= each.last_day)
        return tuple(each.key for each in found)

    def rotate(self, last_day: date) -> None:
        """Puts a new key before the others; the one before it is read until `last_day`."""
        current, *older = self._all()
        kept = [each for each in older if each.last_day and self._now().date() <= each.last_day]
        new = _Key(secrets.token_bytes(32), None)
        self._write([new, current._replace(last_day=last_day), *kept])

    def forget(self) -> None:
        """Leaves the newest key alone."""
        self._write([self._all()[0]])

    def _all(self) -> tuple[_Key, ...]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            if self._read is not None:
                return self._read[1]
            _create_once(self._path, secrets.token_hex(32).encode() + b"\n")
            status = self._path.stat()
        mark = (status.st_mtime_ns, status.st_ino, status.st_size)
        if self._read is None or self._read[0] != mark:
            self._read = (mark, self._parsed())
        return self._read[1]

    def _parsed(self) -> tuple[_Key, ...]:
        found = []
        for number, line in enumerate(self._path.read_text().split("\n")):
            digits, _, day = line.strip().partition(" ")
            if not digits and number:
                continue
            try:
                found.append(_Key(bytes.fromhex(digits), date.fromisoformat(day) if day else None))
            except ValueError:
                found.append(_Key(b"", None))
        if any(len(each.key) != 32 for each in found) or [
            each.last_day is None for each in found
        ] != [True] + [False] * (len(found) - 1):
            raise SecretError(
                f"{self._path} does not hold 64 hex digits, and below them older keys, each with"
                " its last day"
            )
        return tuple(found)

    def _write(self, keys: list[_Key]) -> None:
        lines = [f"{each.key.hex()} {each.last_day or ''}".rstrip() for each in keys]
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            _written(draft, "\n".join([*lines, ""]).encode())
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise SecretError(
                f"{self._path} cannot be written ({error.strerror}): put a new key before the"
                " others where it comes from, then `keys rotate --only-seal`"
            ) from None


def _create_once(path: Path, content: bytes) -> None:
    """Creates a file whole, or leaves the one that another process was quicker to make."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _written(draft, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _written(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
