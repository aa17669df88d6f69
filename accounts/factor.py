"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and codes for when it is lost.

The seed is sealed by the secret key, bound to its person. A code is taken once: the
step that it belongs to is noted, and only a later one is good after that.
"""

from __future__ import annotations

import io
import re
import secrets
from base64 import b32encode
from collections.abc import Callable
from datetime import UTC, datetime
from hmac import compare_digest

import pyotp
import segno
from sqlalchemy import Engine, delete, insert, select, update

from accounts.people import Person, digest
from anonymize.sealing import Seal, Secrets
from control.database import people, recovery_codes

RECOVERY_CODES = 10
_STEP = 30  # seconds
_DRIFT = 1  # steps that a phone's clock may be off, either way
_SEED = re.compile("[A-Z2-7]{32}")


class Factor:
    """The second factors of people in the control database. `secret` seals their seeds."""

    def __init__(
        self,
        engine: Engine,
        secret: bytes | Secrets,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._seal = Seal(secret, b"discreet/factor")
        self._now = now

    def enrol(self, person: Person, seed: str, code: str) -> tuple[str, ...] | None:
        """Sets the second factor to a seed of which the app has shown a code, and returns the
        recovery codes, which are nowhere else: show them once. None where the code is wrong.
        """
        step = self._step(seed, code, after=-1) if _SEED.fullmatch(seed) else None
        if step is None:
            return None
        sealed = self._seal.seal(seed.encode(), _bound(person.id))
        codes = tuple(_recovery_code() for _ in range(RECOVERY_CODES))
        with self._engine.begin() as connection:
            connection.execute(
                update(people).where(people.c.id == person.id).values(seed=sealed, seed_step=step)
            )
            connection.execute(delete(recovery_codes).where(recovery_codes.c.person == person.id))
            connection.execute(
                insert(recovery_codes),
                [{"digest": _digest(person, code), "person": person.id} for code in codes],
            )
        return codes

    def remove(self, person: Person) -> None:
        """Leaves the person with their password alone."""
        with self._engine.begin() as connection:
            connection.execute(
                update(people).where(people.c.id == person.id).values(seed=None, seed_step=None)
            )
            connection.execute(delete(recovery_codes).where(recovery_codes.c.person == person.id))

    def passes(self, person: Person, code: str) -> bool:
        """Whether a code of the app or a recovery code is good, which uses it up."""
        code = "".join(code.split()).replace("-", "").lower()
        return self._uses_step(person, code) or self._uses_recovery(person, code)

    def left(self, person: Person) -> int:
        """How many recovery codes are left."""
        with self._engine.connect() as connection:
            mine = select(recovery_codes).where(recovery_codes.c.person == person.id)
            return len(connection.execute(mine).all())

    def reseal(self) -> int:
        """Seals by the newest secret what an older one had sealed. Returns how many seeds."""
        count = 0
        with self._engine.connect() as connection:
            kept = select(people.c.id, people.c.seed).where(people.c.seed.is_not(None))
            rows = connection.execute(kept).all()
        for row in rows:
            anew = self._seal.anew(row.seed, _bound(row.id))
            if anew is not None:
                same = (people.c.id == row.id) & (people.c.seed == row.seed)
                with self._engine.begin() as connection:
                    changed = update(people).where(same).values(seed=anew)
                    count += connection.execute(changed).rowcount
        return count

    def _uses_step(self, person: Person, code: str) -> bool:
        mine = people.c.id == person.id
        with self._engine.connect() as connection:
            row = connection.execute(
                select(people.c.seed, people.c.seed_step).where(mine)
            ).one_or_none()
        if row is None or row.seed is None:
            return False
        seed = self._seal.open(row.seed, _bound(person.id)).decode()
        step = self._step(seed, code, after=row.seed_step)
        if step is None:
            return False
        # Of two requests with one code the update lets one through.
        with self._engine.begin() as connection:
            noted = update(people).where(mine, people.c.seed_step == row.seed_step)
            return connection.execute(noted.values(seed_step=step)).rowcount == 1

    def _uses_recovery(self, person: Person, code: str) -> bool:
        here = recovery_codes.c
        used = delete(recovery_codes).where(
            here.person == person.id, here.digest == _digest(person, code)
        )
        with self._engine.begin() as connection:
            return connection.execute(used).rowcount == 1

    def _step(self, seed: str, code: str, after: int) -> int | None:
        """The step above `after` whose code this is, within the drift of clocks."""
        now = int(self._now().timestamp()) // _STEP
        app = pyotp.TOTP(seed, interval=_STEP)
        good = [
            step
            for step in range(now - _DRIFT, now + _DRIFT + 1)
            if compare_digest(app.generate_otp(step).encode(), code.encode()) and step > after
        ]
        return good[0] if good else None


def new_seed() -> str:
    """160 random bits (RFC 4226, section 4), as authenticator apps want them."""
    return pyotp.random_base32(32)


def picture(seed: str, email: str) -> str:
    """The seed as a QR code to photograph: an SVG element, in the colour of the text."""
    uri = pyotp.TOTP(seed, interval=_STEP).provisioning_uri(name=email, issuer_name="Discreet")
    out = io.BytesIO()
    segno.make(uri, error="m").save(
        out, kind="svg", xmldecl=False, svgns=True, scale=4, border=4, omitsize=False
    )
    return out.getvalue().decode()


def _recovery_code() -> str:
    """80 random bits, as sixteen letters and digits."""
    return b32encode(secrets.token_bytes(10)).decode().lower()


def _digest(person: Person, code: str) -> str:
    """80 random bits need no slow hash; the person is in it, so that equal codes are not."""
    return digest(f"{person.id}/{code}")


def _bound(person: int) -> bytes:
    return f"person/{person}".encode()
