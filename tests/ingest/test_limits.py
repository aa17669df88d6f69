"""Limits: a burst passes, more waits its turn, all processes share them, and nobody is named."""

import mmap
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.limits import SIZE, Limit, Limiter

HERE = bytes([203, 0, 113, 0])
TEN = Limit(rate=10, burst=50)


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limiter(clock):
    return Limiter(mmap.mmap(-1, SIZE), clock)


def test_a_burst_passes_and_the_next_waits_its_turn(limiter, clock):
    assert [limiter.of_sender(HERE, 10, TEN) for _ in range(5)] == [0.0] * 5
    assert limiter.of_sender(HERE, 10, TEN) == pytest.approx(1.0)
    clock.now += 1.0
    assert limiter.of_sender(HERE, 10, TEN) == 0.0


def test_what_is_refused_is_not_counted(limiter, clock):
    limiter.of_sender(HERE, 50, TEN)
    for _ in range(1000):
        assert limiter.of_sender(HERE, 10, TEN) > 0
    clock.now += 1.001
    assert limiter.of_sender(HERE, 10, TEN) == 0.0


def test_senders_and_sites_have_buckets_of_their_own(limiter):
    limiter.of_sender(HERE, 50, TEN)
    assert limiter.of_sender(HERE, 1, TEN) > 0
    assert limiter.of_sender(bytes([203, 0, 114, 0]), 50, TEN) == 0.0
    assert limiter.of_site(1, 50, TEN) == 0.0
    assert limiter.of_site(1, 1, TEN) > 0
    assert limiter.of_site(2, 50, TEN) == 0.0


def test_more_than_a_burst_passes_alone_and_is_paid_for_afterwards(limiter, clock):
    assert limiter.of_site(1, 500, TEN) == 0.0
    clock.now += 49
    assert limiter.of_site(1, 10, TEN) == 0.0
    clock.now += 0.5
    assert limiter.of_site(1, 50, TEN) > 0


def test_a_rate_of_nought_is_no_limit(limiter):
    assert {limiter.of_site(1, 10**6, Limit(0, 0)) for _ in range(100)} == {0.0}


def test_a_sender_has_another_bucket_each_minute_because_the_key_is_gone(limiter, clock):
    limiter.of_sender(HERE, 50, TEN)
    before = bytes(limiter._memory[8:40])
    assert before != bytes(32)
    clock.now += 60
    limiter.of_sender(HERE, 1, TEN)
    assert before not in limiter._memory[:]


def test_the_memory_names_nobody(limiter):
    limiter.of_sender(HERE, 1, TEN)
    assert HERE not in limiter._memory[40:]


def test_a_process_that_is_forked_shares_the_buckets():
    memory = mmap.mmap(-1, SIZE)
    child = os.fork()
    if child == 0:
        Limiter(memory).of_site(1, 50, TEN)
        os._exit(0)
    os.waitpid(child, 0)
    assert Limiter(memory).of_site(1, 50, TEN) > 0


def test_the_clock_is_the_same_in_every_process():
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, str(time.monotonic()).encode())
        os._exit(0)
    there = float(os.read(read, 64))
    os.wait()
    assert abs(time.monotonic() - there) < 60


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), max_size=60))
def test_over_any_stretch_no_more_passes_than_the_rate_and_one_burst(requests):
    clock = Clock()
    limiter = Limiter(mmap.mmap(-1, SIZE), clock)
    start, passed = clock.now, 0
    for pause, events in requests:
        clock.now += pause
        if limiter.of_site(1, events, TEN) == 0.0:
            passed += events
        assert passed <= TEN.burst + TEN.rate * (clock.now - start) + 1e-3


@given(st.lists(st.binary(min_size=4, max_size=4), unique=True, min_size=1, max_size=300))
def test_many_senders_do_not_pay_for_each_other(prefixes):
    limiter = Limiter(mmap.mmap(-1, SIZE), Clock())
    assert [limiter.of_sender(prefix, 50, TEN) for prefix in prefixes] == [0.0] * len(prefixes)
