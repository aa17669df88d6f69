"""The consent ledger: what each person decided, when, under which notice, until when.

Entries are added and never changed; the newest of a client is what holds. Their fields are those
of a consent record of ISO/IEC TS 27560:2023, with the statuses of the Data Privacy Vocabulary
(docs/consent.md has the table). A client is known by a keyed pseudonym that no row holds; whoever
refuses without an identifier leaves a decision of nobody in particular.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b, sha256
from typing import Any, Protocol

import msgspec
from hashids import Hashids
from sqlalchemy import Engine, insert, select
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from anonymize import pseudonyms
from anonymize.event import Purpose
from control.database import as_utc, consent_records, subject_tokens
from control.objections import Kind, Objections
from control.withheld import Withheld

# CNIL, guidelines of 17 September 2020, and the Belgian and Danish authorities alike: a choice is
# kept for six months; a grant never beyond the identifier's thirteen months, so twelve.
GRANT_LIFE = timedelta(days=365)
REFUSAL_LIFE = timedelta(days=182)
SCHEMA = "ISO/IEC TS 27560:2023"
_PUBLIC = Hashids(salt="discreet/receipt", min_length=6)


class Status(StrEnum):
    """What a decision was, in our words."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"


# In the words of the Data Privacy Vocabulary (https://w3id.org/dpv, 2.1). An objection is the right
# of GDPR article 21, not a state of consent.
DPV: Mapping[Status, str] = {
    Status.GIVEN: "dpv:ConsentGiven",
    Status.REFUSED: "dpv:ConsentRefused",
    Status.WITHDRAWN: "dpv:ConsentWithdrawn",
    Status.OBJECTED: "eu-gdpr:A21",
}
EXPIRED = "dpv:ConsentExpired"


@dataclass(frozen=True, slots=True, repr=False)
class Decision:
    """What a person decided. `granted` are the purposes agreed to; `anonymous_id` is '' for a
    refusal of somebody unknown. `decided` is when, by a clock that is not ahead of ours.
    """

    granted: frozenset[Purpose]
    decided: datetime
    anonymous_id: str = ""
    objection: bool = False
    notice_version: str = ""
    notice_hash: str = ""
    language: str = ""
    method: str = "api"
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the person gets back. `text` opens this receipt, and `token`, for a first grant, their
    data: both are nowhere else and shown once.
    """

    text: str = field(repr=False)
    status: Status
    purposes: Mapping[str, bool]
    expires_at: datetime
    token: str = field(default="", repr=False)


class Notice(msgspec.Struct):
    """Under which text it was decided; `sha256` where the text is this service's own."""

    version: str
    sha256: str | None


class Record(msgspec.Struct):
    """One decision in the fields of ISO/IEC TS 27560, for who holds its receipt."""

    schema_version: str
    record_id: str
    privacy_notice: Notice
    language: str
    purposes: dict[str, bool]
    collection_method: str
    event_type: str
    event_state: str
    event_time: datetime
    validity_duration: str
    received_at: datetime


class Keys(Protocol):
    """What the ledger asks of the key store."""

    def record(self, site: int) -> bytes: ...
    def identity(self, site: int) -> bytes: ...
    def identities(self, site: int) -> list[bytes]: ...


class Ledger:
    """The ledger in the control database, and what follows from a decision.

    `objections` are those that this process looks at: a withdrawal holds in it at once.
    """

    def __init__(self, engine: Engine, keys: Keys, objections: Objections) -> None:
        self._engine = engine
        self._keys = keys
        self._objections = objections
        self._withheld = Withheld(engine)

    def record(self, site: int, decision: Decision, received: datetime) -> Receipt:
        """Returns once the decision is kept and holds. The same message id gives the same receipt.

        Whatever ends or narrows consent takes effect before it is on record: should this process
        die in between, the person is protected and asked again. Raises `SQLAlchemyError`.
        """
        client = self._client(site, decision.anonymous_id)
        status = _status(decision)
        receipt = self._receipt(site, decision)
        if (known := self._known(receipt)) is not None:
            return known
        purposes = {str(p): p in decision.granted for p in Purpose}
        self._take_effect(site, decision, status, received)
        expires_at = decision.decided + (GRANT_LIFE if status is Status.GIVEN else REFUSAL_LIFE)
        values = {
            "site": site,
            "client": client,
            "receipt": _digest(receipt),
            "status": status.value,
            "purposes": purposes,
            "notice_version": decision.notice_version,
            "notice_hash": decision.notice_hash,
            "language": decision.language,
            "method": decision.method,
            "event_time": decision.decided.astimezone(UTC),
            "received_at": received.astimezone(UTC),
            "expires_at": expires_at.astimezone(UTC),
        }
        token = ""
        try:
            with self._engine.begin() as connection:
                number = connection.execute(
                    insert(consent_records).values(values)
                ).inserted_primary_key
                if client and status is Status.GIVEN:
                    token = _first_token(connection, site, client, received)
        except IntegrityError:  # the same message at the same time
            if (known := self._known(receipt)) is not None:
                return known
            raise
        assert number is not None  # noqa: S101  the database gives every entry a number
        return Receipt(_text(number[0], receipt), status, purposes, expires_at, token)

    def entry(self, text: str, now: datetime) -> Record | None:
        """A receipt's entry for who holds it, as a consent record; None for any other text."""
        number, _, bits = text.partition("-")
        wanted = select(consent_records).where(consent_records.c.receipt == _digest(bits))
        with self._engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None or _PUBLIC.encode(row.number) != number:
            return None
        return _as_record(row, now)

    def history(self, site: int, client: str, now: datetime) -> list[Record]:
        """Every entry of a client, the oldest first. `client` is as the table has it."""
        here = consent_records.c
        wanted = select(consent_records).where(here.site == site, here.client == client)
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(here.number)).all()
        return [_as_record(row, now) for row in rows]

    def opens(self, site: int, anonymous_id: str, token: str) -> bool:
        """Whether this subject token is that client's."""
        client = self._client(site, anonymous_id)
        wanted = select(subject_tokens.c.digest).where(
            subject_tokens.c.site == site, subject_tokens.c.client == client
        )
        with self._engine.connect() as connection:
            kept = connection.execute(wanted).scalar_one_or_none()
        return hmac.compare_digest(kept or _digest(""), _digest(token)) and kept is not None

    def _client(self, site: int, anonymous_id: str) -> str:
        if not anonymous_id:
            return ""
        [pseudonym] = pseudonyms.on_record(self._keys.record(site), site, anonymous_id, None)
        return f"{pseudonym:032x}"

    def _receipt(self, site: int, decision: Decision) -> str:
        """128 bits that nobody can guess: at random, or, to be the same for a retry, keyed.

        Of whom and what was decided, too: the same message id with another decision, or from
        somebody else, is no retry.
        """
        if not decision.message_id:
            return secrets.token_urlsafe(16)
        said = [
            site,
            decision.message_id,
            decision.anonymous_id,
            sorted(decision.granted),
            decision.objection,
        ]
        key = self._keys.record(site)
        mac = blake2b(msgspec.json.encode(said), key=key, person=b"receipt", digest_size=16)
        return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")

    def _known(self, receipt: str) -> Receipt | None:
        wanted = select(consent_records).where(consent_records.c.receipt == _digest(receipt))
        with self._engine.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            return None
        text = _text(row.number, receipt)
        return Receipt(text, Status(row.status), row.purposes, as_utc(row.expires_at))

    def _take_effect(
        self, site: int, decision: Decision, status: Status, received: datetime
    ) -> None:
        if not decision.anonymous_id:
            return
        refused = set(Purpose) - decision.granted
        whole = Purpose.AUDIENCE in refused  # without it a row serves nothing
        keys = self._keys.identities(site)
        visitors = [pseudonyms.visitor_of_client(k, site, decision.anonymous_id) for k in keys]
        if refused:
            self._withheld.add(site, visitors, () if whole else refused, received)
        if not whole:
            return
        kind = Kind.OBJECTED if status is Status.OBJECTED else Kind.WITHDRAWN
        known = pseudonyms.on_record(self._keys.record(site), site, decision.anonymous_id, None)
        for pseudonym in known:
            self._objections.record(site, pseudonym, kind, received)


def _status(decision: Decision) -> Status:
    if decision.objection:
        return Status.OBJECTED
    if decision.granted:
        return Status.GIVEN
    return Status.WITHDRAWN if decision.anonymous_id else Status.REFUSED


def _first_token(connection: Any, site: int, client: str, issued: datetime) -> str:
    """A new token for a client that has none; '' otherwise."""
    here = (subject_tokens.c.site == site) & (subject_tokens.c.client == client)
    if connection.execute(select(subject_tokens.c.site).where(here)).first():
        return ""
    token = secrets.token_urlsafe(16)
    connection.execute(
        insert(subject_tokens).values(
            site=site, client=client, digest=_digest(token), issued_at=issued.astimezone(UTC)
        )
    )
    return token


def _as_record(row: Row[Any], now: datetime) -> Record:
    state = DPV[Status(row.status)]
    if row.status == Status.GIVEN and as_utc(row.expires_at) <= now:
        state = EXPIRED
    decided = as_utc(row.event_time)
    return Record(
        schema_version=SCHEMA,
        record_id=str(_PUBLIC.encode(row.number)),
        privacy_notice=Notice(row.notice_version, row.notice_hash or None),
        language=row.language,
        purposes=row.purposes,
        collection_method=row.method,
        event_type="dpv:ExplicitlyExpressedConsent",
        event_state=state,
        event_time=decided,
        validity_duration=f"P{(as_utc(row.expires_at) - decided).days}D",
        received_at=as_utc(row.received_at),
    )


def _text(number: int, receipt: str) -> str:
    return f"{_PUBLIC.encode(number)}-{receipt}"


def _digest(bits: str) -> str:
    """SHA-256: 128 random bits cannot be guessed, so no slow hash is needed (ASVS 4.0, 2.9)."""
    return sha256(bits.encode()).hexdigest()
