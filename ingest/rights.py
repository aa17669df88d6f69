"""`/v1/subject/requests`: what a data subject asks, as their browser or app tells it.

How far a request is, is told to who holds its receipt; its answer to who holds the subject token.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec

from anonymize.event import Reason
from anonymize.scrub import scrub
from ingest.consent import STRONG
from ingest.wire import KEY_LENGTH, NAME_LENGTH, VALUE_LENGTH, Malformed, Url, domains, rejection
from subjects.requests import NEEDS_TOKEN, Asked, Kind, State

_Id = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)]
_Key = Annotated[str, msgspec.Meta(max_length=KEY_LENGTH)]
_Value = Annotated[str, msgspec.Meta(max_length=VALUE_LENGTH)]
_Text = Annotated[str, msgspec.Meta(max_length=4000)]
Type = Literal[
    "access", "portability", "rectification", "erasure", "restriction", "objection", "withdrawal",
    "complaint",
]  # fmt: skip
assert get_args(Type) == tuple(Kind)  # noqa: S101  the description of the API shows these words


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    type: Type
    anonymous_id: _Id
    write_key: str | None = None
    domain: Url | None = None
    subject_token: _Id | None = None
    properties: Annotated[dict[_Key, _Value], msgspec.Meta(max_length=30)] = {}
    text: _Text | None = None


_bodies = msgspec.json.Decoder(_Request)


class Filed(msgspec.Struct):
    """`receipt` tells how far the request is, and is told once."""

    receipt: str
    status: State
    due_at: datetime


class Progress(msgspec.Struct, omit_defaults=True):
    """How far a request is. `reason` says why it was refused; `rows`, how many stored events it
    concerned; `result`, with the right `X-Subject-Token`, is the answer.
    """

    type: Kind
    status: State
    received_at: datetime
    due_at: datetime
    answered_at: datetime | None = None
    reason: str = ""
    rows: int | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class NoRequest(msgspec.Struct):
    error: str = "there is no such request"
    reason: Literal["unknown_receipt"] = "unknown_receipt"


def open_request(body: bytes) -> tuple[Asked, str, list[str]]:
    """What is asked, and the site's write key or domains. Raises `Malformed`."""
    try:
        told = _bodies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        rejected = rejection(error)
        raise Malformed(rejected.reason, rejected.pointer) from None
    kind = Kind(told.type)
    # A UUID's strength: whoever can guess an identifier could erase somebody else's data.
    if not STRONG.fullmatch(told.anonymous_id):
        raise Malformed(Reason.WRONG_TYPE, "/anonymousId", "anonymousId is no random UUID")
    if kind in NEEDS_TOKEN and not told.subject_token:
        raise Malformed(Reason.MISSING_FIELD, "/subjectToken")
    if (kind is Kind.RECTIFICATION) != bool(told.properties):
        reason = Reason.WRONG_TYPE if told.properties else Reason.MISSING_FIELD
        raise Malformed(reason, "/properties")
    right = {key: scrub(value) for key, value in told.properties.items()}
    asked = Asked(kind, told.anonymous_id, told.subject_token or "", right, told.text or "")
    return asked, told.write_key or "", domains(told.domain)
