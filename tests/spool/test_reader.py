"""Segments are found oldest first, adopted when their owner is gone, removed in one place."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool import reader
from spool.segment import describe


def place(directory: Path, name: str, content: bytes = b"{}\n") -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_bytes(content)
    return path


def name(ms: int, table: str = "events", suffix: str = ".ndjson") -> str:
    return f"{table}-{ms}-99-0000abcd{suffix}"


def test_segments_are_listed_oldest_first_whatever_table_or_import_they_belong_to(
    tmp_path: Path,
) -> None:
    place(tmp_path, name(1700000003000))
    place(tmp_path / "import-1", name(1700000002000))
    place(tmp_path, name(1700000001000, "tallies"))
    found = reader.sealed(tmp_path)
    assert [segment.made_at for segment in found] == [1700000001.0, 1700000002.0, 1700000003.0]
    assert [segment.table for segment in found] == ["tallies", "events", "events"]


@pytest.mark.parametrize(
    "stray",
    ["loader.lock", "events.ndjson", "events-x-1-0.ndjson", "leaks.planted", "others-1-1-0.ndjson"],
)
def test_other_files_are_no_segments(tmp_path: Path, stray: str) -> None:
    place(tmp_path, stray)
    assert reader.waiting(tmp_path) == []
    assert describe(tmp_path / stray) is None


def test_an_unpublished_import_and_what_was_refused_do_not_wait(tmp_path: Path) -> None:
    place(tmp_path / "importing-1", name(1700000000000))
    place(tmp_path / reader.REFUSED, name(1700000000001))
    assert reader.waiting(tmp_path) == []
    assert reader.measure(tmp_path).segments == 0


def test_pending_tells_how_much_waits_and_since_when(tmp_path: Path) -> None:
    place(tmp_path, name(1700000000000), b"x" * 10)
    place(tmp_path, name(1700000001000, suffix=".open"), b"x" * 5)
    place(tmp_path / reader.REFUSED, name(1700000000000), b"x" * 100)
    used = reader.measure(tmp_path)
    assert (used.segments, used.bytes, used.total) == (2, 15, 115)
    assert used.seconds > 365 * 86400


def test_a_folder_that_does_not_exist_is_an_empty_spool(tmp_path: Path) -> None:
    assert reader.measure(tmp_path / "none") == reader.Usage(0, 0, 0.0, 0)
    assert reader.adopt(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b'{"a"', None, id="half a line"),
        pytest.param(b'{"a":1}\n', b'{"a":1}\n', id="whole"),
        pytest.param(b'{"a":1}\n{"b', b'{"a":1}\n', id="torn"),
        pytest.param(b"x" * 200_000 + b"\n" + b"y" * 200_000, b"x" * 200_000 + b"\n", id="long"),
    ],
)
def test_an_orphan_is_sealed_without_its_torn_tail(
    tmp_path: Path, content: bytes, kept: bytes | None
) -> None:
    path = place(tmp_path, name(1700000000000, suffix=".open"), content)
    assert reader.adopt(tmp_path) == (kept is not None)
    assert not path.exists()
    assert [s.path.read_bytes() for s in reader.sealed(tmp_path)] == ([kept] if kept else [])


@given(st.binary(max_size=300))
def test_what_is_cut_never_holds_a_whole_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    place(directory, name(1700000000000, suffix=".open"), content)
    reader.adopt(directory)
    kept = b"".join(segment.path.read_bytes() for segment in reader.sealed(directory))
    assert content.startswith(kept)
    assert b"\n" not in content[len(kept) :]


def test_a_segment_whose_owner_lives_is_left_alone(tmp_path: Path) -> None:
    path = place(tmp_path, name(1700000000000, suffix=".open"), b"{}\n{")
    with path.open("r+b") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        assert reader.adopt(tmp_path) == 0
    assert path.read_bytes() == b"{}\n{"


def test_an_imports_folder_goes_with_its_last_segment(tmp_path: Path) -> None:
    folder = tmp_path / "import-1"
    place(folder, name(1700000000000))
    place(folder, name(1700000001000))
    first, last = reader.sealed(tmp_path)
    reader.remove(first)
    assert folder.exists()
    reader.remove(last)
    assert not folder.exists()
    reader.remove(last)  # it has gone already: not an error


def test_what_is_set_aside_is_kept_with_the_reason(tmp_path: Path) -> None:
    place(tmp_path / "import-1", name(1700000000000), b"not accepted\n")
    (segment,) = reader.sealed(tmp_path)
    reader.set_aside(segment, tmp_path, 117)
    assert reader.sealed(tmp_path) == []
    (kept,) = reader.refused(tmp_path)
    assert kept.segment.path.read_bytes() == b"not accepted\n"
    assert (kept.segment.table, kept.code) == ("events", 117)
    assert not (tmp_path / "import-1").exists()
    assert os.listdir(tmp_path) == [reader.REFUSED]


def test_what_was_refused_waits_again_after_a_retry(tmp_path: Path) -> None:
    segment = describe(place(tmp_path, name(1700000000000)))
    assert segment
    reader.set_aside_lines(segment, tmp_path, 117, b"bad\n")
    reader.set_aside_lines(segment, tmp_path, 117, b"bad\n")  # after a crash: the same again
    reader.remove(segment)
    (kept,) = reader.refused(tmp_path)
    assert kept.segment.path.read_bytes() == b"bad\n"
    reader.retry(tmp_path, kept)
    (waiting,) = reader.sealed(tmp_path)
    assert waiting.name == f"{segment.name}-r"
    assert reader.refused(tmp_path) == []
    assert list((tmp_path / reader.REFUSED).iterdir()) == []


def test_of_what_was_refused_only_names_of_fields_are_told(tmp_path: Path) -> None:
    line = b'{"site": 1, "cohort": "secret", "Ann@example.com": 1}\nsecret\n'
    segment = describe(place(tmp_path, name(1700000000000), line))
    assert segment
    assert reader.unknown_fields(segment) == {"cohort"}
