"""Leases: one holder at a time, whoever asks at once, until it gives back or its time is over."""

import threading
from datetime import UTC, datetime

from sqlalchemy import insert, select

from control.database import leases, open_control
from control.leases import Lease


def test_one_holds_it_until_it_gives_it_back(engine):
    one, other = Lease(engine, "release"), Lease(engine, "release")
    assert (one.take(), one.take(), other.take()) == (True, True, False)
    one.give()
    assert (other.take(), one.take()) == (True, False)


def test_a_holder_that_is_gone_is_followed_once_its_time_is_over(engine):
    one, other = Lease(engine, "release", seconds=0), Lease(engine, "release")
    assert (one.take(), other.take(), one.take()) == (True, True, False)


def test_leases_of_other_names_are_others(engine):
    assert (Lease(engine, "release").take(), Lease(engine, "retention").take()) == (True, True)


def test_of_many_that_ask_at_once_one_gets_it_new_or_run_out(engine):
    for _ in range(5):
        everybody = [Lease(engine, "release", seconds=60) for _ in range(8)]
        barrier, got = threading.Barrier(8), []

        def ask(lease, barrier=barrier, got=got):
            barrier.wait()
            got.append(lease.take())

        threads = [threading.Thread(target=ask, args=(lease,)) for lease in everybody]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got) == [False] * 7 + [True]
        holder = everybody[0]
        with engine.begin() as connection:
            connection.execute(leases.delete())
            connection.execute(
                insert(leases).values(
                    name="release", holder=holder._holder + "x",
                    until=datetime(2020, 1, 1, tzinfo=UTC).replace(tzinfo=None),
                )
            )  # fmt: skip


def test_the_schema_is_made_once_however_many_processes_start(url):
    engines, threads = [], []
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: engines.append(open_control(url))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(engines) == 4
    with engines[0].connect() as connection:
        assert connection.execute(select(leases)).all() == []
    for engine in engines:
        engine.dispose()
