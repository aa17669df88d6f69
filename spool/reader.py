"""The spool as the loader sees it: sealed segments, oldest first, and the one way to remove one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import msgspec

from anonymize.event import Row
from spool.segment import OPEN, SEALED, Segment, describe, sync_directory
from spool.tally import Tally

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


@dataclass(frozen=True, slots=True)
class Usage:
    """What waits for the store (`segments`, their `bytes`, `seconds` since the oldest was begun),
    and the bytes of everything in the spool, so also of imports and of what was set aside.
    """

    segments: int
    bytes: int
    seconds: float
    total: int


def measure(directory: Path) -> Usage:
    """How much is in the spool. Raises `OSError`."""
    found = waiting(directory)
    oldest = min((segment.made_at for segment in found), default=None)
    age = max(0.0, time.time() - oldest) if oldest is not None else 0.0
    return Usage(len(found), sum(segment.size for segment in found), age, _bytes(directory))


def _bytes(directory: Path) -> int:
    """Of every file below a folder. What vanishes meanwhile counts nothing."""
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    total += _bytes(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


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


@dataclass(frozen=True, slots=True)
class Refused:
    """What the store refused on its merits, with ClickHouse's number, and when (Unix seconds)."""

    segment: Segment
    code: int
    at: int


class _Note(msgspec.Struct):
    code: int = 0
    refused_at: int = 0


def set_aside(segment: Segment, directory: Path, code: int) -> None:
    """Moves a whole segment out of the way, with the reason."""
    folder = _refused_folder(directory)
    _note(folder, segment.name, code)
    segment.path.rename(folder / segment.path.name)
    sync_directory(folder)
    remove(segment)  # an import's folder, when this was its last


def set_aside_lines(segment: Segment, directory: Path, code: int, lines: bytes) -> None:
    """Keeps some lines of a segment, durably, so that the segment may be removed.

    They get a name of their own, which after a crash is the same again: its deduplication tokens
    must not be taken for those of the lines that were stored.
    """
    folder = _refused_folder(directory)
    name = f"{segment.name}-r"
    _note(folder, name, code)
    draft = folder / f"{name}.draft"
    with draft.open("wb") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / f"{name}{SEALED}")
    sync_directory(folder)


def refused(directory: Path) -> list[Refused]:
    """What the store refused, oldest first."""
    found = []
    for path in (directory / REFUSED).glob(f"*{SEALED}"):
        if segment := describe(path):
            try:
                note = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=_Note)
            except (FileNotFoundError, msgspec.DecodeError):
                note = _Note()
            found.append(Refused(segment, note.code, note.refused_at))
    return sorted(found, key=lambda refused: (refused.segment.made_at, refused.segment.name))


def strike(directory: Path, site: int, pseudonyms: Set[bytes]) -> int:
    """Takes one site's lines with any of these visitors or users (decimals) out of what was set
    aside. Returns how many.
    """
    return sum(
        _strike(each.segment.path, site, pseudonyms)
        for each in refused(directory)
        if each.segment.table == "events"
    )


def _strike(path: Path, site: int, pseudonyms: Set[bytes]) -> int:
    lines = path.read_bytes().splitlines(keepends=True)
    here = re.compile(rb'"site":%d\b' % site)
    kept = [
        line
        for line in lines
        if not here.search(line) or pseudonyms.isdisjoint(_PSEUDONYM.findall(line))
    ]
    if len(kept) < len(lines):
        if kept:
            draft = path.with_suffix(".draft")
            with draft.open("wb") as file:
                file.writelines(kept)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
        else:
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
        sync_directory(path.parent)
    return len(lines) - len(kept)


# As the spool writes them; a line that the store refused may be damaged, so it is not decoded.
_PSEUDONYM = re.compile(rb'"(?:visitor|user)":"(\d+)"')


def unknown_fields(segment: Segment) -> set[str]:
    """Names of fields that this version writes into no line of the table: another one's."""
    known = {"events": set(Row.__struct_fields__), "tallies": {*Tally.__struct_fields__, "segment"}}
    found: set[str] = set()
    for line in segment.path.read_bytes().splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            found |= msgspec.json.decode(line, type=dict[str, msgspec.Raw]).keys()
    # A name that was never one of ours may be anything: damage, or what somebody put there.
    return {name for name in found - known[segment.table] if re.fullmatch(r"[a-z_]{1,40}", name)}


def retry(directory: Path, refused: Refused) -> None:
    """Puts what was refused back among what waits for the store."""
    path = refused.segment.path
    path.rename(directory / path.name)
    sync_directory(directory)
    path.with_suffix(".json").unlink(missing_ok=True)


def _refused_folder(directory: Path) -> Path:
    folder = directory / REFUSED
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _note(folder: Path, name: str, code: int) -> None:
    note = _Note(code, int(time.time()))
    (folder / f"{name}.json").write_bytes(msgspec.json.encode(note))
