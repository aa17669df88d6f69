"""Passwords: what may be one, and how one is kept.

They are kept as Argon2id hashes with the parameters of OWASP's password storage cheat sheet. What
may be one follows NIST SP 800-63B-4, 3.1.1: long, not easily guessed, and otherwise whatever the
person likes. How easily it is guessed is told by zxcvbn, which knows the commonest leaked
passwords, names, words of languages, dates, keyboard runs and their usual disguises.
"""

from __future__ import annotations

import re

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Engine, select, update
from zxcvbn import zxcvbn

from accounts.people import Person
from control.database import people

SHORTEST, LONGEST = 12, 128  # characters
_STRONG = 3  # zxcvbn's score: about 10^8 guesses and more, "safely unguessable" offline
_WEIGHED = 72  # characters that zxcvbn looks at: its time grows with the square of the length

# 19 MiB, two passes, one lane: some 30 ms, and little enough memory for many at once.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# What a try for an account without a password is compared with, so that it takes as long.
_NOBODYS = _hasher.hash("an account that does not exist, or has no password")


class PasswordError(ValueError):
    """A password that may not be one: the message says why, and not which."""


class Passwords:
    """The passwords of people in the control database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def choose(self, person: Person, password: str) -> None:
        """Replaces the person's password. Raises `PasswordError`."""
        check(password, person.email)
        kept = _hasher.hash(password)
        with self._engine.begin() as connection:
            connection.execute(update(people).where(people.c.id == person.id).values(password=kept))

    def fits(self, person: Person | None, password: str) -> bool:
        """Whether it is the person's password; takes as long for nobody, and for no password.

        A hash with older parameters is made anew.
        """
        kept = self._kept(person) if person else None
        try:
            _hasher.verify(kept or _NOBODYS, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
        if person is None or kept is None:
            return False
        if _hasher.check_needs_rehash(kept):
            with self._engine.begin() as connection:
                connection.execute(
                    update(people)
                    .where(people.c.id == person.id, people.c.password == kept)
                    .values(password=_hasher.hash(password))
                )
        return True

    def _kept(self, person: Person) -> str | None:
        with self._engine.connect() as connection:
            kept: str | None = connection.execute(
                select(people.c.password).where(people.c.id == person.id)
            ).scalar_one_or_none()
        return kept


def check(password: str, email: str) -> None:
    """Raises `PasswordError` for what may not be a password of this person."""
    if len(password) < SHORTEST:
        raise PasswordError(f"It has {len(password)} characters; {SHORTEST} are needed.")
    if len(password) > LONGEST:
        raise PasswordError(f"It has {len(password)} characters; {LONGEST} are the most.")
    words = re.findall(r"\w+", email.lower())
    own = [email, *words, "".join(words), "".join(words[:2]), "discreet"]
    found = zxcvbn(password[:_WEIGHED], user_inputs=own)
    if found["score"] < _STRONG:
        advice = " ".join([found["feedback"]["warning"], *found["feedback"]["suggestions"]])
        raise PasswordError(f"It is too easily guessed. {advice}".strip())
