"""The second factor: codes are taken once, seeds are sealed, recovery codes open once."""

from datetime import timedelta

import pyotp
import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from accounts.factor import RECOVERY_CODES, Factor, new_seed, picture
from accounts.people import People
from control.database import open_control, recovery_codes
from control.database import people as table
from tests.accounts.conftest import Clock

SECRET = bytes(range(32))


@pytest.fixture
def ada(control):
    return People(control).invite("ada@example.com", "admin", "runs it").person


@pytest.fixture
def factor(control, clock):
    return Factor(control, SECRET, clock)


@pytest.fixture
def seed():
    return new_seed()


def code(seed, clock, steps=0):
    return pyotp.TOTP(seed).at(clock.time, counter_offset=steps)


def test_the_apps_code_passes_once(factor, ada, seed, clock):
    assert factor.enrol(ada, seed, code(seed, clock)) is not None
    assert not factor.passes(ada, code(seed, clock)), "it was used to enrol"
    clock.time += timedelta(seconds=30)
    assert factor.passes(ada, code(seed, clock))
    assert not factor.passes(ada, code(seed, clock))


def test_a_code_before_the_one_that_was_used_is_good_no_more(factor, ada, seed, clock):
    factor.enrol(ada, seed, code(seed, clock))
    clock.time += timedelta(minutes=5)
    assert factor.passes(ada, code(seed, clock, +1))
    for steps in (-1, 0, +1):
        assert not factor.passes(ada, code(seed, clock, steps))


@pytest.mark.parametrize(
    ("steps", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_a_phones_clock_may_be_half_a_minute_off(factor, ada, seed, clock, steps, good):
    factor.enrol(ada, seed, code(seed, clock))
    clock.time += timedelta(minutes=5)
    assert factor.passes(ada, code(seed, clock, steps)) == good


def test_nothing_is_set_up_without_a_code_of_the_app(factor, ada, seed, clock):
    assert factor.enrol(ada, seed, code(new_seed(), clock)) is None
    assert not factor.passes(ada, code(seed, clock))
    assert factor.left(ada) == 0


def test_each_recovery_code_opens_once(factor, ada, seed, clock):
    codes = factor.enrol(ada, seed, code(seed, clock))
    assert len(set(codes)) == RECOVERY_CODES
    spaced = f" {codes[0][:4].upper()}-{codes[0][4:8]} {codes[0][8:]} "
    assert factor.passes(ada, spaced)
    assert not factor.passes(ada, codes[0])
    assert factor.passes(ada, codes[1])
    assert factor.left(ada) == RECOVERY_CODES - 2


def test_a_recovery_code_of_somebody_else_opens_nothing(factor, ada, seed, clock, control):
    bob = People(control).invite("bob@example.com", "admin", "runs it").person
    codes = factor.enrol(ada, seed, code(seed, clock))
    factor.enrol(bob, seed, code(seed, clock))
    assert not factor.passes(bob, codes[0])
    assert factor.passes(ada, codes[0])


def test_a_new_app_replaces_the_old_one_and_its_recovery_codes(factor, ada, seed, clock):
    old = factor.enrol(ada, seed, code(seed, clock))
    other = new_seed()
    factor.enrol(ada, other, code(other, clock))
    clock.time += timedelta(minutes=1)
    assert not factor.passes(ada, code(seed, clock))
    assert not factor.passes(ada, old[0])
    assert factor.passes(ada, code(other, clock))


def test_without_a_factor_no_code_passes(factor, ada, seed, clock):
    assert not factor.passes(ada, code(seed, clock))
    codes = factor.enrol(ada, seed, code(seed, clock))
    factor.remove(ada)
    clock.time += timedelta(minutes=1)
    assert not factor.passes(ada, code(seed, clock))
    assert not factor.passes(ada, codes[0])


def test_neither_seed_nor_recovery_codes_are_kept_in_the_clear(factor, ada, seed, clock, control):
    codes = factor.enrol(ada, seed, code(seed, clock))
    with control.connect() as connection:
        kept = [str(row) for t in (table, recovery_codes) for row in connection.execute(select(t))]
    assert not any(secret in line for line in kept for secret in (seed, *codes))


def test_another_secret_key_opens_no_seed(factor, ada, seed, clock, control):
    factor.enrol(ada, seed, code(seed, clock))
    clock.time += timedelta(minutes=1)
    with pytest.raises(InvalidTag):
        Factor(control, bytes(32), clock).passes(ada, code(seed, clock))


def test_the_picture_is_a_drawing_without_script_or_style(seed):
    drawn = picture(seed, "ada@example.com")
    assert drawn.startswith("<svg")
    assert "style" not in drawn
    assert "script" not in drawn


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory):
    engine = open_control(f"sqlite:///{tmp_path_factory.mktemp('factor') / 'control.db'}")
    ada = People(engine).invite("ada@example.com", "admin", "runs it").person
    seed, at = new_seed(), Clock()
    Factor(engine, SECRET, at).enrol(ada, seed, code(seed, at))
    yield ada, Factor(engine, SECRET, at)
    engine.dispose()


@given(text=st.text(max_size=50))
def test_no_text_passes_for_a_code(enrolled, text):
    ada, factor = enrolled
    assert not factor.passes(ada, text)
