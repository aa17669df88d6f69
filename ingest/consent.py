"""`POST /v1/consent`: what a person decided, as their browser, banner or app tells it.

The choice stands in one of the forms that events state it in. What comes back, the receipt and the
subject token, is the person's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from anonymize import basis, tcf
from anonymize.event import Purpose, RawConsent, Reason
from ingest.wire import NAME_LENGTH, Fault, Malformed, Url, domains, rejection, time_of

_Version = Annotated[str, msgspec.Meta(max_length=64)]
# Parts of 8 characters at most (RFC 5646, sections 2.1 and 4.4.1; phones join them by `_`): what is
# put on record as a language can be little else.
_Language = Annotated[
    str, msgspec.Meta(max_length=35, pattern=r"^([A-Za-z0-9]{1,8}([-_][A-Za-z0-9]{1,8})*)?$")
]
_Id = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)]
_Text = Annotated[str, msgspec.Meta(max_length=8192)]
Method = Literal["banner", "api", "tcf", "consent-mode", "app", "opt-out"]

# A UUID's strength: whoever can guess an identifier could withdraw for somebody else.
STRONG = re.compile(r"[0-9a-fA-F-]{32,}|[\w-]{22,}")


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    write_key: str | None = None
    domain: Url | None = None
    anonymous_id: _Id | None = None
    category_preferences: dict[str, Any] | None = None
    analytics_storage: Literal["granted", "denied"] | None = msgspec.field(
        default=None, name="analytics_storage"
    )
    tc_string: _Text | None = None
    objection: bool = False
    notice_version: _Version | None = None
    language: _Language | None = None
    method: Method = "api"
    message_id: _Id | None = None
    decided_at: str | None = None
    sent_at: str | None = None


_bodies = msgspec.json.Decoder(_Body)


class Answered(msgspec.Struct, rename="camel", omit_defaults=True):
    """What the person gets back. `receipt` opens this entry and `subjectToken`, shown once, their
    data; `overriddenBy` says why a grant was none.
    """

    receipt: str
    status: Literal["given", "refused", "withdrawn", "objected"]
    purposes: dict[str, bool]
    expires_at: datetime
    subject_token: str = ""
    overridden_by: Literal["", "signal", "child_directed"] = ""


class NoReceipt(msgspec.Struct):
    error: str = "there is no such receipt"
    reason: Literal["unknown_receipt"] = "unknown_receipt"


@dataclass(frozen=True, slots=True, repr=False)
class Told:
    """A decision as it was told. `decided` and `sent` are the client's clock."""

    write_key: str
    domains: list[str]
    anonymous_id: str
    consent: RawConsent
    objection: bool
    notice_version: str
    language: str
    method: str
    message_id: str
    decided: datetime | None
    sent: datetime | None

    def granted(
        self, categories: Mapping[str, Purpose], now: datetime, *, refuses: bool
    ) -> frozenset[Purpose]:
        """The purposes agreed to: none where the browser's own signal `refuses`. Raises `Malformed`
        for a string that is none.
        """
        try:
            stated = basis.stated(self.consent, categories, now)
        except tcf.TcfError:
            raise Malformed(Reason.BAD_CONSENT_STRING, "/tcString") from None
        return frozenset() if refuses or self.objection else frozenset(stated or ())

    def at(self, received: datetime) -> datetime:
        """When it was decided, by our clock; never in the future."""
        if self.decided is None:
            return received
        ago = (self.sent or received) - self.decided
        return received - ago if ago.total_seconds() > 0 else received


def open_consent(body: bytes) -> Told:
    """The request's body. Raises `Malformed`."""
    try:
        told = _bodies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        rejected = rejection(error)
        raise Malformed(rejected.reason, rejected.pointer) from None
    consent = RawConsent(
        categories=told.category_preferences or {},
        analytics_storage=told.analytics_storage,
        tc_string=told.tc_string or None,
    )
    if told.anonymous_id and not STRONG.fullmatch(told.anonymous_id):
        raise Malformed(Reason.WRONG_TYPE, "/anonymousId", "anonymousId is no random UUID")
    if told.objection and not told.anonymous_id:
        raise Malformed(Reason.MISSING_FIELD, "/anonymousId")
    stated = told.category_preferences or told.analytics_storage or told.tc_string
    if not stated and not told.objection:
        raise Malformed(Reason.MISSING_FIELD, "/categoryPreferences")
    try:
        decided, sent = time_of(told.decided_at, "/decidedAt"), time_of(told.sent_at, "/sentAt")
    except Fault as fault:
        raise Malformed(fault.rejected.reason, fault.rejected.pointer) from None
    return Told(
        told.write_key or "",
        domains(told.domain),
        told.anonymous_id or "",
        consent,
        told.objection,
        told.notice_version or "",
        told.language or "",
        told.method,
        told.message_id or "",
        decided,
        sent,
    )
