"""Passwords: long and hard to guess, kept as slow hashes, compared in equal time."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from accounts.passwords import LONGEST, PasswordError, Passwords, check
from accounts.people import People
from control.database import people as table

GOOD = "herring dances on the tin roof"
EMAIL = "ada.lovelace@example.com"


@pytest.fixture
def ada(control):
    return People(control).invite(EMAIL, "viewer", "reads").person


@pytest.fixture
def passwords(control):
    return Passwords(control)


def test_the_password_that_was_chosen_fits_and_no_other(passwords, ada):
    passwords.choose(ada, GOOD)
    assert passwords.fits(ada, GOOD)
    for other in ("", GOOD + "x", GOOD.upper(), GOOD[:-1], GOOD + " "):
        assert not passwords.fits(ada, other)


def test_who_has_no_password_is_let_in_by_none(passwords, ada):
    for tried in ("", GOOD, "None"):
        assert not passwords.fits(ada, tried)
        assert not passwords.fits(None, tried)


def test_it_is_kept_as_an_argon2id_hash_alone(passwords, ada, control):
    passwords.choose(ada, GOOD)
    with control.connect() as connection:
        kept = connection.execute(select(table.c.password)).scalar_one()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert GOOD not in kept


def test_equal_passwords_have_different_hashes(passwords, ada, control):
    bob = People(control).invite("bob@example.com", "viewer", "reads").person
    for person in (ada, bob):
        passwords.choose(person, GOOD)
    with control.connect() as connection:
        assert len(set(connection.execute(select(table.c.password)).scalars())) == 2


def test_a_hash_with_older_parameters_is_made_anew_at_the_next_sign_in(passwords, ada, control):
    older = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    with control.begin() as connection:
        connection.execute(update(table).values(password=older))
    assert passwords.fits(ada, GOOD)
    with control.connect() as connection:
        assert ",t=2," in connection.execute(select(table.c.password)).scalar_one()
    assert passwords.fits(ada, GOOD)


@pytest.mark.parametrize(
    "weak",
    [
        pytest.param("", id="none"),
        pytest.param("aP3$zX!9q", id="short however odd"),
        pytest.param("passwordpassword", id="a common one twice"),
        pytest.param("P@ssw0rd1234!", id="a disguised one"),
        pytest.param("qwertyuiop[]", id="a run of keys"),
        pytest.param("aaaaaaaaaaaaaaaa", id="one letter"),
        pytest.param("ada.lovelace@example.com", id="their own address"),
        pytest.param("adalovelace1", id="their own name"),
        pytest.param("discreetdiscreet", id="the name of this service"),
        pytest.param("x" * (LONGEST + 1), id="longer than is read"),
    ],
)
def test_what_is_easily_guessed_is_refused_without_being_repeated(weak, passwords, ada):
    with pytest.raises(PasswordError) as refused:
        passwords.choose(ada, weak)
    assert not weak or weak not in str(refused.value)
    assert not passwords.fits(ada, weak)


@pytest.mark.parametrize(
    "good", [GOOD, "vlinder-onderzoek-17-kasseien", "日本語のとても長い合言葉です"]
)
def test_no_mixture_of_kinds_of_letters_is_asked_for(good):
    check(good, EMAIL)


@given(st.text(max_size=200))
def test_every_text_is_a_password_or_refused_with_a_sentence(text):
    why = "."
    try:
        check(text, EMAIL)
    except PasswordError as refused:
        why = str(refused)
    assert why.endswith((".", "!"))


@pytest.mark.parametrize("whose", ["an account", "an account without a password", "nobody"])
def test_a_try_costs_one_comparison_of_the_same_price_whoever_it_is_for(
    passwords,
    ada,
    control,
    monkeypatch,
    whose,
):
    """So the time of an answer does not tell which accounts exist."""
    compared = []
    verify = PasswordHasher.verify

    def counted(hasher, kept, tried):
        compared.append(extract_parameters(kept))
        return verify(hasher, kept, tried)

    if whose == "an account":
        passwords.choose(ada, GOOD)
    monkeypatch.setattr(PasswordHasher, "verify", counted)
    assert not passwords.fits(None if whose == "nobody" else ada, "another long password")
    hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    assert compared == [extract_parameters(hasher.hash("x"))]
