"""A withdrawal reaches what was accepted and waits in the spool: it is never stored."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from control.database import open_control
from control.sites import Sites
from control.withheld import SPREAD, Withheld
from spool import reader
from spool.writer import Spool
from store.clickhouse import Store, StoreUnavailable
from store.loader import Loader
from tests.store.test_loader import row

ADA, BOB = 2**127 + 11, 2**127 + 12
WHEN = datetime.fromtimestamp(row(1).received, UTC)


@pytest.fixture
def world(tmp_path):
    control = open_control(f"sqlite:///{tmp_path / 'control.db'}")
    site = Sites(control).add("example.com", "Europe/Brussels", "opt-in", "BE")
    folder = tmp_path / "spool"
    folder.mkdir()
    yield Withheld(control), site, folder
    control.dispose()


def of(number, visitor, **values):
    changed = {"visitor": str(visitor), **values}
    return msgspec.structs.replace(row(number), **changed)


def put(folder: Path, *rows):
    spool = Spool(folder, "never", 2**30)
    spool.append(list(rows))
    spool.close()


def load(empty: Store, folder: Path, held: Withheld) -> None:
    loader = Loader(empty, folder, withheld=held.all)
    with loader.lock(blocking=True) as mine:
        assert mine
        loader.load_once()


def visitors(empty: Store) -> list[int]:
    found = empty.query_rows("SELECT visitor FROM events ORDER BY visitor")
    return [int(visitor) for (visitor,) in found]


def tallied(empty: Store) -> int:
    [(count,)] = empty.query_rows("SELECT sum(n) FROM tallies WHERE reason = 'withdrawn'")
    return int(count)


def test_rows_of_who_withdrew_are_left_out_and_counted_and_those_of_others_stored(empty, world):
    held, site, folder = world
    put(folder, of(1, ADA), of(2, BOB), of(3, ADA), row(4))
    held.add(site.id, [ADA], (), WHEN)
    load(empty, folder, held)
    assert BOB in visitors(empty)
    assert ADA not in visitors(empty)
    assert len(visitors(empty)) == 2
    assert tallied(empty) == 2
    assert reader.waiting(folder) == []


def test_a_segment_of_nothing_else_leaves_nothing_but_the_count(empty, world):
    held, site, folder = world
    put(folder, of(1, ADA), of(2, ADA))
    held.add(site.id, [ADA], (), WHEN)
    load(empty, folder, held)
    assert visitors(empty) == []
    assert tallied(empty) == 2
    assert reader.waiting(folder) == []


def test_what_came_after_a_withdrawal_under_a_new_grant_is_stored(empty, world):
    held, site, folder = world
    put(folder, of(1, ADA))
    held.add(site.id, [ADA], (), WHEN - SPREAD - timedelta(seconds=1))
    load(empty, folder, held)
    assert visitors(empty) == [ADA]


def test_a_purpose_that_was_taken_back_is_taken_from_the_row(empty, world):
    held, site, folder = world
    put(folder, of(1, ADA, purposes=("account", "audience", "product"), user=str(2**100)))
    held.add(site.id, [ADA], {"account", "product"}, WHEN)
    load(empty, folder, held)
    assert empty.query_rows("SELECT purposes, user FROM events") == [(["audience"], 0)]
    assert tallied(empty) == 0


def test_after_a_kill_between_storing_and_removing_they_stay_out(empty, world, monkeypatch):
    held, site, folder = world
    put(folder, of(1, ADA), of(2, BOB))
    held.add(site.id, [ADA], (), WHEN)

    class Killed(BaseException):
        pass

    def killed(_segment):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(reader, "remove", killed)
        with pytest.raises(Killed):
            load(empty, folder, held)
    load(empty, folder, held)
    assert visitors(empty) == [BOB]
    assert tallied(empty) == 1


def test_while_it_cannot_be_known_who_withdrew_nothing_is_stored(empty, world):
    held, _, folder = world
    put(folder, of(1, ADA))

    def unknown():
        raise OSError("the control database is away")

    loader = Loader(empty, folder, withheld=unknown)
    with loader.lock(blocking=True), pytest.raises((OSError, StoreUnavailable)):
        loader.load_once()
    assert visitors(empty) == []
    assert len(reader.waiting(folder)) == 1
    load(empty, folder, held)
    assert visitors(empty) == [ADA]


def test_of_a_segment_with_a_line_that_the_store_refuses_they_stay_out_too(empty, world):
    held, site, folder = world
    put(folder, *(of(n, ADA if n % 2 else BOB) for n in range(1, 9)))
    (segment,) = reader.sealed(folder)
    broken = segment.path.read_bytes().replace(b'"event_id":', b'"event_id":"x",', 0)
    lines = broken.splitlines(keepends=True)
    lines.insert(4, lines[1].replace(b'"site":', b'"site":"nonsense","was":', 1))
    segment.path.write_bytes(b"".join(lines))
    held.add(site.id, [ADA], (), WHEN)
    load(empty, folder, held)
    assert ADA not in visitors(empty)
    assert len(visitors(empty)) == 4
    [refused] = reader.refused(folder)
    assert str(ADA).encode() not in refused.segment.path.read_bytes()
