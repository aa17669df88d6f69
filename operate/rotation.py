"""Replacing the secret key while everything runs: nothing sealed, and no session, is lost.

A new key is put before the old one; each process goes over to it at its next request. What the old
one sealed (keys of pseudonyms, seeds of second factors) is sealed anew at once, and again by the
worker each hour, should a process have sealed something at that very moment. What it signed, the
cookies, is read until the longest session is over.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from accounts.factor import Factor
from accounts.sessions import LONGEST
from operate.services import Services


class Rotated(NamedTuple):
    """How many keys and seeds were sealed anew; the last day on which the key before is read."""

    keys: int
    seeds: int
    last_day: date | None


def rotate(services: Services, now: datetime, *, at_once: bool = False) -> Rotated:
    """With `at_once` the old keys are worth nothing from now on: everybody signs in again.

    Raises `SecretError` where the file cannot be written.
    """
    file = services.settings.secrets()
    file()  # makes it where there is none
    last_day = (now + LONGEST).date()
    file.rotate(last_day)
    sealed = seal_anew(services)
    if at_once:
        file.forget()
    return sealed._replace(last_day=None if at_once else last_day)


def seal_anew(services: Services) -> Rotated:
    """By the newest key, what an older one had sealed."""
    seeds = Factor(services.control, services.settings.secrets()).reseal()
    return Rotated(services.keys.reseal(), seeds, None)
