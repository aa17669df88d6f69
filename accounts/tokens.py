"""Tokens with which tools read the figures of one site: shown once, kept as a hash.

A token opens one site for one scope. Its last use is recorded by the day: enough to find those
that nobody needs any more, too coarse to watch who works when.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from hashids import Hashids
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.engine import Row as SqlRow

from control.database import tokens
from control.sites import Site

SCOPES = ("stats:read",)
_PUBLIC = Hashids(salt="discreet/token", min_length=6)


class TokenError(ValueError):
    """A token that cannot be: the message says what and why."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. `until` and `last_used` are days (UTC), both included."""

    id: int
    site: int
    scope: str
    until: date | None
    created_at: datetime
    last_used: date | None

    @property
    def public_id(self) -> str:
        """Short number to revoke it by; opens nothing."""
        return str(_PUBLIC.encode(self.id))


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token with its text, which is nowhere else: show it once."""

    token: Token
    text: str

    def __repr__(self) -> str:
        """Without the text: it opens a site's figures."""
        return f"<Issued token {self.token.public_id}>"


class Tokens:
    """The tokens in the control database."""

    def __init__(
        self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._now = now

    def add(self, site: Site, scope: str, until: date | None = None) -> Issued:
        """Raises `TokenError` for an unknown scope or a day that is over."""
        now = self._now()
        if scope not in SCOPES:
            raise TokenError(f"scope: {scope!r} is none of {', '.join(SCOPES)}")
        if until is not None and until < now.date():
            raise TokenError(f"until: {until} is over")
        # 256 random bits: nothing to guess, so no slow hash is needed (OWASP ASVS 4.0, 2.9).
        text = secrets.token_urlsafe(32)
        with self._engine.begin() as connection:
            connection.execute(
                insert(tokens).values(
                    digest=_digest(text), site=site.id, scope=scope, until=until, created_at=now
                )
            )
            row = connection.execute(_named(text)).one()
        return Issued(_token(row), text)

    def all(self, site: Site | None = None) -> tuple[Token, ...]:
        """Every token, or those of one site, oldest first."""
        wanted = select(tokens).order_by(tokens.c.id)
        if site is not None:
            wanted = wanted.where(tokens.c.site == site.id)
        with self._engine.connect() as connection:
            return tuple(_token(row) for row in connection.execute(wanted))

    def revoke(self, public_id: str) -> Token:
        """Ends it at once. Raises `TokenError` if there is no such."""
        numbers = _PUBLIC.decode(public_id)
        with self._engine.begin() as connection:
            row = connection.execute(
                select(tokens).where(tokens.c.id == (numbers[0] if numbers else None))
            ).one_or_none()
            if row is None:
                raise TokenError(f"token: there is none with the number {public_id}")
            connection.execute(delete(tokens).where(tokens.c.id == row.id))
        return _token(row)

    def opens(self, text: str, scope: str) -> int | None:
        """The number of the site that the token opens for this scope; None where it opens none.

        Looking it up by its digest takes as long whatever the text is.
        """
        today = self._now().date()
        with self._engine.connect() as connection:
            row = connection.execute(_named(text)).one_or_none()
        if row is None or row.scope != scope or (row.until is not None and row.until < today):
            return None
        if row.last_used != today:
            with self._engine.begin() as connection:
                connection.execute(
                    update(tokens).where(tokens.c.id == row.id).values(last_used=today)
                )
        return int(row.site)


def _digest(text: str) -> str:
    """SHA-256, as hexadecimal text: all that is kept of a token."""
    return hashlib.sha256(text.encode()).hexdigest()


def _named(text: str):  # type: ignore[no-untyped-def]  # SQLAlchemy's type spells out every column
    return select(tokens).where(tokens.c.digest == _digest(text))


def _token(row: SqlRow[tuple[object, ...]]) -> Token:
    created = row.created_at
    return Token(
        id=row.id,
        site=row.site,
        scope=row.scope,
        until=row.until,
        created_at=created if created.tzinfo else created.replace(tzinfo=UTC),
        last_used=row.last_used,
    )
