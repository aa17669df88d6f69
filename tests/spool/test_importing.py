"""An import is seen as a whole when it has finished, or never."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spool import reader
from spool.importing import Import
from tests.spool.rows import row, tally

ROOT = Path(__file__).resolve().parents[2]


def count(directory: Path) -> int:
    return sum(len(s.path.read_bytes().splitlines()) for s in reader.waiting(directory))


def test_nothing_is_seen_before_it_is_published_and_everything_after(tmp_path: Path) -> None:
    with Import(tmp_path, seal_bytes=1000) as rows:
        for number in range(20):
            rows.append([row(number)], [tally(1)])
        assert count(tmp_path) == 0
        rows.publish()
        assert count(tmp_path) == 20 + 1  # tallies are counted up in one line
    assert count(tmp_path) == 20 + 1  # tallies are counted up in one line
    assert len(reader.sealed(tmp_path)) > 2
    assert {s.table for s in reader.sealed(tmp_path)} == {"events", "tallies"}


def test_leaving_without_publishing_leaves_nothing(tmp_path: Path) -> None:
    with Import(tmp_path, seal_bytes=1000) as rows:
        for number in range(20):
            rows.append([row(number)])
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Import(tmp_path) as rows:
            rows.append([row(1)])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_import_leaves_nothing(tmp_path: Path) -> None:
    with Import(tmp_path) as rows:
        rows.publish()
    assert list(tmp_path.iterdir()) == []


def test_an_import_at_work_is_left_alone(tmp_path: Path) -> None:
    with Import(tmp_path) as rows:
        rows.append([row(1)])
        reader.adopt(tmp_path)
        rows.publish()
    assert count(tmp_path) == 1


@pytest.mark.parametrize("step", ["append", "enter"])
def test_an_import_killed_half_way_leaves_nothing_behind(tmp_path: Path, step: str) -> None:
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from spool.importing import Import
from tests.spool.rows import row
with Import(Path({str(tmp_path)!r}), seal_bytes=1000) as rows:
    if {step!r} == "append":
        for number in range(20):
            rows.append([row(number)])
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    assert [path.name.startswith("importing-") for path in tmp_path.iterdir()] == [True]
    assert reader.adopt(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_never_locked_is_an_orphan_once_it_is_old(tmp_path: Path) -> None:
    draft = tmp_path / f"{reader.DRAFT}abc"
    draft.mkdir()
    reader.adopt(tmp_path)
    assert draft.exists()
    os.utime(draft, (0, 0))
    reader.adopt(tmp_path)
    assert not draft.exists()


def test_imported_lines_are_what_the_live_spool_would_write(tmp_path: Path) -> None:
    with Import(tmp_path) as rows:
        rows.append([row(7)])
        rows.publish()
    (segment,) = reader.sealed(tmp_path)
    assert json.loads(segment.path.read_bytes())["event_id"] == 7
