"""The spool as the loader sees it: sealed segments, oldest first, and the one way to remove one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from spool.segment import OPEN, SEALED, Segment, describe, sync_directory

REFUSED = "refused"
IMPORTING = "importing-"
IMPORTED = "import-"
DRAFT = ".importing-"
# A folder becomes locked microseconds after it was made; an unlocked one this old is an orphan.
_DRAFT_SECONDS = 60


def sealed(directory: Path) -> list[Segment]:
    """Segments that will not change any more, finished imports' too, oldest first."""
    folders = [directory, *directory.glob(f"{IMPORTED}*")]
    found = [describe(path) for folder in folders for path in folder.glob(f"*{SEALED}")]
    return sorted((s for s in found if s is not None), key=lambda s: (s.made_at, s.name))


def waiting(directory: Path) -> list[Segment]:
    """Everything accepted and not loaded: sealed segments and those that are still written."""
    # In the order of a segment's life: one that is sealed meanwhile is found, and found once.
    being_written = [describe(path) for path in directory.glob(f"*{OPEN}")]
    done = sealed(directory)
    names = {segment.name for segment in done}
    return done + [s for s in being_written if s is not None and s.size and s.name not in names]


def pending(directory: Path) -> tuple[int, int, float]:
    """Segments, their bytes and the seconds since the oldest was begun; refused ones left out."""
    found = waiting(directory)
    oldest = min((segment.made_at for segment in found), default=None)
    age = max(0.0, time.time() - oldest) if oldest is not None else 0.0
    return len(found), sum(segment.size for segment in found), age


def adopt(directory: Path) -> int:
    """Seals segments whose owner is gone and deletes imports that nobody will finish.

    A last line without its end was never acknowledged: it is cut off. Returns how many were sealed.
    """
    for folder in (*directory.glob(f"{IMPORTING}*"), *_old_drafts(directory)):
        with _abandoned(folder, os.O_RDONLY | os.O_DIRECTORY) as mine:
            if mine:
                shutil.rmtree(folder, ignore_errors=True)
    return sum(_adopt(path) for path in directory.glob(f"*{OPEN}"))


def _old_drafts(directory: Path) -> Iterator[Path]:
    for folder in directory.glob(f"{DRAFT}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > _DRAFT_SECONDS:
                yield folder


def _adopt(path: Path) -> bool:
    with _abandoned(path, os.O_RDWR) as mine:
        if not mine:
            return False
        whole = _whole_lines(path)
        if not whole:
            path.unlink()
            return False
        os.truncate(path, whole)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.rename(path.with_suffix(SEALED))
        sync_directory(path.parent)
        return True


def _whole_lines(path: Path) -> int:
    """Bytes up to and including the last line's end."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - 65536)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            if newline >= 0:
                return begin + newline + 1
            end = begin
    return 0


@contextlib.contextmanager
def _abandoned(path: Path, flags: int) -> Iterator[bool]:
    """Whether nobody holds the lock on a file or folder; if so it is ours until the block ends."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        # Its owner may have sealed or published it between the listing and the lock.
        yield path.exists()
    finally:
        os.close(descriptor)


def remove(segment: Segment) -> None:
    """Removes a segment that is stored. Nothing else in the product deletes accepted events."""
    segment.path.unlink(missing_ok=True)
    folder = segment.path.parent
    if folder.name.startswith(IMPORTED) and not any(folder.glob(f"*{SEALED}")):
        shutil.rmtree(folder, ignore_errors=True)


def set_aside(segment: Segment, directory: Path, code: int) -> None:
    """Moves a segment that the store refuses on its merits out of the way, with the reason."""
    folder = directory / REFUSED
    folder.mkdir(mode=0o700, exist_ok=True)
    note = {"table": segment.table, "code": code, "refused_at": int(time.time())}
    (folder / f"{segment.name}.json").write_bytes(msgspec.json.encode(note))
    segment.path.rename(folder / segment.path.name)
    sync_directory(folder)
    remove(segment)  # an import's folder, when this was its last


def refused(directory: Path) -> list[Path]:
    """The segments that the store refused."""
    return sorted((directory / REFUSED).glob(f"*{SEALED}"))
