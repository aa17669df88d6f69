"""What data subjects ask of us (GDPR chapter III): filed here, done by the worker, kept as proof.

Possession is the proof of who asks (art. 11): what ends or limits processing needs the identifier,
what reveals or changes data needs the subject token besides. The answer to who asks for access is
sealed with a key that only the token gives, so that nobody reads it on the way: no officer, no
database's owner, no backup.
"""

from __future__ import annotations

import secrets
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b, sha256
from typing import Any, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hashids import Hashids
from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.engine import Row

from anonymize import pseudonyms
from control.database import as_utc, restrictions, subject_requests, subject_tokens
from subjects.ledger import Decision, Ledger

_PUBLIC = Hashids(salt="discreet/request", min_length=6)
# An answer that nobody fetches goes; so does, later, that anything was asked. Three years is what
# the CNIL advises for the proof that a right was honoured.
ANSWER_LIFE = timedelta(days=30)
PROOF_LIFE = timedelta(days=3 * 365)


class Kind(StrEnum):
    """What is asked for, by its article of the GDPR."""

    ACCESS = "access"  # 15
    PORTABILITY = "portability"  # 20
    RECTIFICATION = "rectification"  # 16
    ERASURE = "erasure"  # 17
    RESTRICTION = "restriction"  # 18
    OBJECTION = "objection"  # 21
    WITHDRAWAL = "withdrawal"  # 7 (3)
    COMPLAINT = "complaint"  # 77


class State(StrEnum):
    """How far it is."""

    RECEIVED = "received"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    REFUSED = "refused"


READS = frozenset({Kind.ACCESS, Kind.PORTABILITY})
NEEDS_TOKEN = READS | {Kind.RECTIFICATION}
_ENDS = frozenset({Kind.ERASURE, Kind.OBJECTION, Kind.WITHDRAWAL})
# What the worker does by itself; a complaint is for people to answer.
_BY_ITSELF = tuple(kind for kind in Kind if kind is not Kind.COMPLAINT)


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """One request. `properties` are the right values; `text` is what else the person says."""

    kind: Kind
    anonymous_id: str
    token: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


class Unproved(Exception):
    """The subject token is not that of this identifier."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What the person gets back. `receipt` tells them how far it is, and is shown once."""

    receipt: str = field(repr=False)
    state: State
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is. `reason` is why it was refused; `rows`: how many rows it concerned."""

    kind: Kind
    state: State
    received_at: datetime
    due_at: datetime
    answered_at: datetime | None
    reason: str
    rows: int | None
    answered: bool  # whether there is an answer to fetch


@dataclass(frozen=True, slots=True)
class Whose:
    """Rows of one person at one site: those with one of these pseudonyms, in decimals."""

    site: int
    visitors: tuple[str, ...]
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Pending:
    """A request to be done."""

    number: int
    kind: Kind
    whose: Whose
    client: str
    properties: Mapping[str, str]
    received_at: datetime


class Keys(Protocol):
    """What the requests ask of the key store."""

    def record(self, site: int) -> bytes: ...
    def identities(self, site: int) -> list[bytes]: ...
    def lasting(self, kind: str, scope: str) -> bytes: ...


class _Detail(msgspec.Struct):
    """What is kept sealed of a request while it is open."""

    properties: dict[str, str] = {}
    text: str = ""


class Requests:
    """The requests in the control database."""

    def __init__(self, engine: Engine, keys: Keys, ledger: Ledger) -> None:
        self._engine = engine
        self._keys = keys
        self._ledger = ledger

    def file(self, site: int, asked: Asked, received: datetime) -> Filed:
        """Returns once it is kept, and once what it ends has ended. Raises `Unproved`."""
        proved = asked.kind not in NEEDS_TOKEN
        if not (proved or self._ledger.opens(site, asked.anonymous_id, asked.token)):
            raise Unproved
        return self.file_for(site, asked, self.whose(site, asked.anonymous_id), received)

    def file_for(self, site: int, asked: Asked, whose: Whose, received: datetime) -> Filed:
        """The same for somebody whom the privacy officer knows."""
        self._take_effect(site, asked, received)
        done = asked.kind in (Kind.OBJECTION, Kind.WITHDRAWAL)
        state = State.COMPLETED if done else State.RECEIVED
        detail = _Detail(dict(asked.properties), asked.text)
        return self._keep(
            site,
            state=state,
            kind=asked.kind,
            client=self.client(site, asked.anonymous_id),
            visitors=[] if done else list(whose.visitors),
            users=[] if done else list(whose.users),
            detail=None if detail == _Detail() else self._sealed(msgspec.json.encode(detail)),
            opening=self._sealed(_opening(asked.token)) if asked.kind in READS else None,
            received_at=received.astimezone(UTC),
            answered_at=received.astimezone(UTC) if done else None,
        )

    def progress(self, text: str) -> Progress | None:
        """How far the request of a receipt is; None for any other text."""
        row = self._row(text)
        if row is None:
            return None
        return _progress(row)

    def answer(self, text: str, token: str) -> bytes | None:
        """The answer, for who has the receipt and the subject token: None for everybody else."""
        row = self._row(text)
        if row is None or row.answer is None:
            return None
        try:
            return _unsealed(_opening(token), row.answer)
        except InvalidTag:
            return None

    def whose(self, site: int, anonymous_id: str = "", user_id: str = "") -> Whose:
        """The pseudonyms under which an identifier's rows may stand: of each key there still is."""
        keys = self._keys.identities(site)
        visitors = [pseudonyms.visitor_of_client(key, site, anonymous_id) for key in keys]
        users = [pseudonyms.user(key, site, user_id) for key in keys]
        return Whose(
            site,
            tuple(map(str, visitors)) if anonymous_id else (),
            tuple(map(str, users)) if user_id else (),
        )

    def pending(self) -> list[Pending]:
        """What is to be done, the oldest first."""
        here = subject_requests.c
        wanted = (
            select(subject_requests)
            .where(here.state.in_((State.RECEIVED, State.IN_PROGRESS)), here.kind.in_(_BY_ITSELF))
            .order_by(here.number)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(wanted).all()
        return [
            Pending(
                row.number,
                Kind(row.kind),
                Whose(row.site, tuple(row.visitors), tuple(row.users)),
                row.client,
                self._detail(row.detail).properties,
                as_utc(row.received_at),
            )
            for row in rows
        ]

    def all(self) -> list[tuple[str, int, Progress]]:
        """Every request on record: its public number, its site's, and how far it is."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(subject_requests).order_by(subject_requests.c.number)
            ).all()
        return [(str(_PUBLIC.encode(row.number)), row.site, _progress(row)) for row in rows]

    def begin(self, number: int, rows: int) -> None:
        """It is being worked on: so many rows so far."""
        more = func.coalesce(subject_requests.c.rows, 0) + rows
        self._update(number, state=State.IN_PROGRESS, rows=more)

    def complete(self, number: int, at: datetime, rows: int, answer: bytes | None = None) -> int:
        """It is done. Of whom it spoke is forgotten, and an answer kept as only they can read it.

        An erasure takes the subject token and what was answered before along. Returns the rows of
        all its attempts, or of the last where it only reads.
        """
        here = subject_requests.c
        with self._engine.begin() as connection:
            row = connection.execute(select(subject_requests).where(here.number == number)).one()
            if row.state == State.COMPLETED:  # by another process meanwhile
                return int(row.rows or 0)
            total = rows if row.kind in READS else rows + (row.rows or 0)
            if row.kind == Kind.ERASURE:
                of_them = (here.site == row.site) & (here.client == row.client)
                connection.execute(update(subject_requests).where(of_them).values(answer=None))
                token = subject_tokens.c
                theirs = (token.site == row.site) & (token.client == row.client)
                connection.execute(delete(subject_tokens).where(theirs))
            connection.execute(
                update(subject_requests)
                .where(here.number == number)
                .values(
                    state=State.COMPLETED,
                    visitors=[],
                    users=[],
                    detail=None,
                    opening=None,
                    answer=answer and _sealed(self._unseal(row.opening), answer),
                    rows=total,
                    answered_at=at.astimezone(UTC),
                )
            )
        return total

    def refuse(self, number: int, at: datetime, reason: str) -> None:
        """It will not be done, and why."""
        self._update(
            number,
            state=State.REFUSED,
            reason=reason,
            visitors=[],
            users=[],
            detail=None,
            opening=None,
            answered_at=at.astimezone(UTC),
        )

    def restrict(self, whose: Whose, since: datetime) -> None:
        """Their rows are counted nowhere from now on, as soon as the worker has marked them."""
        known = {each for each in self.restricted() if each.site == whose.site}
        there = {name for each in known for name in each.visitors}
        rows = [
            {"site": whose.site, "pseudonym": name, "since": since.astimezone(UTC)}
            for name in (*whose.visitors, *whose.users)
            if name not in there
        ]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(insert(restrictions), rows)

    def lift(self, whose: Whose) -> None:
        """Their rows count again, as soon as the worker has unmarked them."""
        here = restrictions.c
        names = (*whose.visitors, *whose.users)
        with self._engine.begin() as connection:
            connection.execute(
                delete(restrictions).where(here.site == whose.site, here.pseudonym.in_(names))
            )

    def restricted(self) -> list[Whose]:
        """Whose rows are restricted, by site; each name may be a visitor's or a user's."""
        names: dict[int, list[str]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(select(restrictions)):
                names.setdefault(row.site, []).append(row.pseudonym)
        return [Whose(site, tuple(found), tuple(found)) for site, found in names.items()]

    def forget(self, now: datetime) -> int:
        """Removes answers and proofs whose time is over. Returns how many proofs."""
        here = subject_requests.c
        with self._engine.begin() as connection:
            old = here.answered_at < (now - ANSWER_LIFE).astimezone(UTC)
            connection.execute(update(subject_requests).where(old).values(answer=None))
            gone = here.answered_at < (now - PROOF_LIFE).astimezone(UTC)
            return connection.execute(delete(subject_requests).where(gone)).rowcount

    def _take_effect(self, site: int, asked: Asked, received: datetime) -> None:
        """What ends processing does so at once; rows that are stored already are the worker's."""
        if asked.kind not in _ENDS or not asked.anonymous_id:
            return
        objects = asked.kind is Kind.OBJECTION
        method = "opt-out" if objects else "api"
        self._ledger.record(
            site,
            Decision(frozenset(), received, asked.anonymous_id, objects, method=method),
            received,
        )

    def _keep(self, site: int, **values: object) -> Filed:
        bits = secrets.token_urlsafe(16)
        received = values["received_at"]
        assert isinstance(received, datetime)  # noqa: S101  for the type checker
        due = a_month_later(received)
        values |= {"site": site, "receipt": _digest(bits), "reason": "", "due_at": due}
        with self._engine.begin() as connection:
            made = connection.execute(insert(subject_requests).values(values)).inserted_primary_key
        assert made is not None  # noqa: S101  the database gives every request a number
        return Filed(f"{_PUBLIC.encode(made[0])}-{bits}", State(str(values["state"])), due)

    def _row(self, text: str) -> Row[Any] | None:
        number, _, bits = text.partition("-")
        wanted = select(subject_requests).where(subject_requests.c.receipt == _digest(bits))
        with self._engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        return row if row is not None and _PUBLIC.encode(row.number) == number else None

    def _update(self, number: int, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(subject_requests).where(subject_requests.c.number == number).values(values)
            )

    def client(self, site: int, anonymous_id: str) -> str:
        """Under which the ledger has an identifier's decisions; '' for none."""
        if not anonymous_id:
            return ""
        [client] = pseudonyms.on_record(self._keys.record(site), site, anonymous_id, None)
        return f"{client:032x}"

    def _detail(self, sealed: bytes | None) -> _Detail:
        return msgspec.json.decode(self._unseal(sealed), type=_Detail) if sealed else _Detail()

    def _sealed(self, content: bytes) -> bytes:
        return _sealed(self._keys.lasting("requests", ""), content)

    def _unseal(self, sealed: bytes) -> bytes:
        return _unsealed(self._keys.lasting("requests", ""), sealed)


def _progress(row: Row[Any]) -> Progress:
    return Progress(
        Kind(row.kind),
        State(row.state),
        as_utc(row.received_at),
        as_utc(row.due_at),
        None if row.answered_at is None else as_utc(row.answered_at),
        row.reason,
        row.rows,
        row.answer is not None,
    )


def a_month_later(moment: datetime) -> datetime:
    """The same day of the next month, or its last one (GDPR art. 12 (3); Regulation 1182/71)."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _opening(token: str) -> bytes:
    """What an answer is sealed with: 32 bytes that only the token gives."""
    return blake2b(token.encode(), person=b"discreet/answer", digest_size=32).digest()


def _sealed(key: bytes, content: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, content, None)


def _unsealed(key: bytes, sealed: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], None)


def _digest(bits: str) -> str:
    return sha256(bits.encode()).hexdigest()
