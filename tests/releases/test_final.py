"""What a released day promises: final is final, the erased never were, and no order tells."""

import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import update

from config.settings import load
from control.database import leases
from store.clickhouse import hosting
from store.migrate import migrate
from tests.releases.traffic import days_around, few_dimensions, segments
from tests.releases.world import KEY, World
from tests.service import ROOT

DAY = date(2026, 11, 19)
ZONE = "Europe/Brussels"
PROVISIONAL = datetime(2026, 11, 22, 12, tzinfo=UTC)
FINAL = datetime(2026, 12, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture(scope="module")
def store(settings):
    with hosting(settings) as hosted:
        migrate(hosted)
        yield hosted
        hosted.client().close_connections()  # those of threads: the engine would wait for them


@pytest.fixture
def world(store, tmp_path):
    return World(store, tmp_path / "world", PROVISIONAL)


def traffic(seed=1, people=160, days=1):
    """From `DAY` on; retries may fall on a neighbour."""
    wanted = {(DAY + timedelta(days=n)).isoformat() for n in range(days)}
    rows = few_dimensions(days_around(1, DAY, ZONE, seed, people))
    return [row for row in rows if row["day"] in wanted]


def visitor_of(rows):
    """Somebody with several counted events."""
    counted = [
        r["visitor"] for r in rows
        if r["visitor"] != "0" and not r["bot"] and not r["restricted"]
        and "audience" in r["purposes"]
    ]  # fmt: skip
    return next(visitor for visitor in counted if counted.count(visitor) >= 3)


@pytest.fixture(scope="module")
def final(store, tmp_path_factory):
    """A world of a final day, and every byte of it."""
    world = World(store, tmp_path_factory.mktemp("final"), PROVISIONAL)
    world.load(traffic())
    world.run()
    world.now = FINAL
    assert world.run() == [(DAY, "final")]
    world.job().sweep()
    before = world.everything()
    assert len(before[0]) > 50
    return world, before


AFTERWARDS = {
    "a second run": lambda world: None,
    "late rows": lambda world: world.load(traffic(9)),
    "an erasure": lambda world: world.erase(visitor_of(traffic())),
    "an erasure of everybody": lambda world: world.store.command("TRUNCATE TABLE events"),
    "another floor": lambda world: world.sites.set(world.site, k=10),
    "a year": lambda world: setattr(world, "now", FINAL + timedelta(days=365)),
}


@pytest.mark.parametrize("happens", AFTERWARDS.values(), ids=AFTERWARDS)
def test_no_byte_of_a_final_day_is_changed_by(final, happens):
    world, before = final
    happens(world)
    assert world.run() == []
    world.job().sweep()
    assert world.everything() == before


def test_an_erasure_while_a_day_is_provisional_makes_it_a_world_without_the_person(store, tmp_path):
    rows = traffic(2)
    erased = visitor_of(rows)
    without = World(store, tmp_path / "without", PROVISIONAL)
    without.load([row for row in rows if row["visitor"] != erased])
    without.run()
    expected = without.shown()

    world = World(store, tmp_path / "with", PROVISIONAL)
    world.load(*segments(rows, 2, 3))
    world.run()
    assert world.shown() != expected
    world.erase(erased)
    assert world.run() == [(DAY, "provisional")]
    assert world.shown() == expected


def test_an_erasure_is_seen_also_where_as_many_rows_came_as_went(world):
    rows = traffic(people=40)
    gone = [row for row in rows if row["visitor"] == visitor_of(rows)]
    world.load(rows)
    world.run()
    assert world.job().due() == []
    world.erase(gone[0]["visitor"])
    late = [row | {"event_id": n, "visitor": "0"} for n, row in enumerate(gone, 1)]
    world.load([row for row in late if not row["restricted"]])
    assert [due.day for due in world.job().due()] == [DAY]


def test_neither_the_order_of_arrival_nor_the_split_into_segments_leaves_a_trace(store, tmp_path):
    rows = traffic(3)
    # Two different events under one message id, in the same second.
    rows += [row | {"name": "Other", "page": "/other"} for row in rows[:40]]
    at_once = World(store, tmp_path / "at once", FINAL)
    at_once.load(rows)
    at_once.run()
    expected = at_once.shown()
    assert len(expected) > 50

    piecemeal = World(store, tmp_path / "piecemeal", PROVISIONAL)
    first, *others = segments(rows, 3, 6)
    piecemeal.load(first)
    piecemeal.run()
    piecemeal.load(*others)
    piecemeal.restart()
    piecemeal.now = FINAL
    piecemeal.run()
    assert piecemeal.shown() == expected


RUNNER = """
import sys
from datetime import datetime, timedelta
from os import getpid, kill
from pathlib import Path
sys.path.insert(0, {root!r})
from config.settings import load
from control.database import open_control
from control.sites import Sites
from releases.job import ReleaseJob
from store.clickhouse import Store

class Mortal(Store):
    left = {statements}

    def client(self):  # whatever is asked of the store asks for a client first
        Mortal.left -= 1
        if not Mortal.left:
            kill(getpid(), 9)
        return super().client()

control = open_control({url!r})
now = datetime.fromisoformat({now!r})
store = Mortal(load({{"DISCREET_HOME": {home!r}}}))
list(ReleaseJob(store, control, Sites(control), {key!r}, lambda: now, timedelta(days=7)).run())
print(Mortal.left)
"""


def runner(world, settings, statements):
    """A runner in a process of its own that is killed at the n-th statement, if it gets there."""
    script = RUNNER.format(
        root=str(ROOT), statements=statements, url=world.url, now=world.now.isoformat(),
        home=str(settings.home), key=KEY,
    )  # fmt: skip
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def expire_leases(world):
    """As when the minute has passed that a crashed runner's lease lasts."""
    with world.control.begin() as connection:
        connection.execute(update(leases).values(until=datetime(2000, 1, 1)))  # noqa: DTZ001


def test_a_runner_that_is_killed_leaves_the_old_version_and_the_next_does_all(
    store, settings, tmp_path
):
    early, late = segments(traffic(people=80), 1, 2)
    whole = World(store, tmp_path / "whole", PROVISIONAL)
    whole.load(early, late)
    whole.run()
    expected = whole.shown()

    world = World(store, tmp_path / "killed", PROVISIONAL)
    world.load(early)
    done = runner(world, settings, 10**6)
    assert done.returncode == 0, done.stderr
    statements = 10**6 - int(done.stdout)
    before = world.shown()
    world.load(late)
    # Soon after the start, and when its last statements are due.
    for at in (statements // 3, statements - 1):
        assert runner(world, settings, at).returncode == -signal.SIGKILL
        assert world.shown() == before
        assert world.run() == []  # its lease still lasts
        expire_leases(world)
    world.run()
    assert world.shown() == expected
    world.job().sweep()
    [(rest,)] = store.query_rows("SELECT count() FROM cells")
    assert rest == len(expected)
    # Nor is a pseudonym left in the tables that it worked in.
    assert store.query_rows("SELECT name FROM system.tables WHERE name LIKE 'scratch%'") == []


def test_two_runners_at_once_compute_each_day_once(world):
    world.load(traffic(people=40, days=2))
    due = [(d.day, d.state) for d in world.job().due()]
    assert len(due) == 2
    barrier, done = Barrier(2), []

    def run(job):
        barrier.wait()
        done.extend((d.day, d.state) for d in job.run())

    threads = [Thread(target=run, args=(world.job(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(due)


class Interrupted:
    """A store that lets something happen in the middle of a computation: at its first insert."""

    def __init__(self, store, between):
        self._store = store
        self._between = between

    def __getattr__(self, name):
        return getattr(self._store, name)

    def insert_lines(self, *arguments, **named):
        between, self._between = self._between, lambda: None
        between()
        self._store.insert_lines(*arguments, **named)


def test_a_runner_that_lost_its_lease_does_not_overwrite_a_final_day(world):
    rows = traffic(people=40)
    world.load(rows)
    world.now = FINAL
    faster = []

    def another_runner():
        expire_leases(world)
        world.run()
        faster.append(world.pointers())
        world.erase(visitor_of(rows))

    slower = world.job(Interrupted(world.store, another_runner))
    list(slower.run())
    assert faster == [world.pointers()]
