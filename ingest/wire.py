"""What every wire format shares: its limits, what it yields, and how it says what is wrong.

A wire format is a module with a pure `decode` that turns a request's body into `Item`s, raising
`Malformed` when nothing can be made of the body as a whole. No message here holds a value.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from anonymize.event import (
    REFUSALS,
    REJECTIONS,
    Dropped,
    RawEvent,
    Reason,
    Rejected,
    SealedStruct,
)

# The limits of the contract. Lengths are in characters, sizes in bytes.
BODY_BYTES = 500 * 1024  # also once decompressed
BATCH_EVENTS = 1000
EVENT_BYTES = 32 * 1024
NAME_LENGTH = 200
URL_LENGTH = 2048
PROPERTIES = 30
KEY_LENGTH = 64
VALUE_LENGTH = 300
DEPTH = 3  # the properties themselves are the first level
INTEGERS = range(-(2**63), 2**63)
MONEY = 99_999_999_999_999.0  # the store's Decimal(18, 4)

EXPLANATIONS = REJECTIONS | REFUSALS

Name = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)]
Url = Annotated[str, msgspec.Meta(max_length=URL_LENGTH)]
Integer = Annotated[int, msgspec.Meta(ge=INTEGERS.start, le=INTEGERS.stop - 1)]


class Item(SealedStruct, frozen=True):
    """One event of a request: ready for the pipeline, or already decided by its wire format.

    `pointer` is the JSON pointer (RFC 6901) of the event in the body, and `url_pointer` that of
    the field, within the event, that its URL was taken from. An event `of_traits` tells nothing
    but what its properties hold: without any that may be kept it is not worth a row.
    """

    content: RawEvent | Dropped | Rejected
    message_id: str | None = None
    url_pointer: str = "/url"
    pointer: str = ""
    of_traits: bool = False


class Malformed(ValueError):
    """Nothing can be made of the body as a whole. Names the field, never its value."""

    def __init__(self, reason: Reason, pointer: str = "", error: str = "") -> None:
        super().__init__(error or EXPLANATIONS[reason].replace("`", ""))
        self.reason = reason
        self.pointer = pointer


class Fault(Exception):
    """An event is malformed; caught where its `Item` is made."""

    def __init__(self, reason: Reason, pointer: str) -> None:
        super().__init__(reason)
        self.rejected = Rejected(reason, pointer)


def rejection(error: Exception) -> Rejected:
    """What a decoder's error means: the reason, and the pointer of the field it was about."""
    if isinstance(error, Fault):
        return error.rejected
    if isinstance(error, RecursionError):
        return Rejected(Reason.TOO_DEEP)
    if not isinstance(error, msgspec.ValidationError):
        return Rejected(Reason.NOT_JSON)
    message, _, path = str(error).partition(" - at `$")
    pointer = _pointer(path.removesuffix("`"))
    if missing := _MISSING.fullmatch(message):
        return Rejected(Reason.MISSING_FIELD, f"{pointer}/{missing[1]}")
    for words, reason in _WORDS:
        if words in message:
            return Rejected(reason, pointer)
    return Rejected(Reason.WRONG_TYPE, pointer)


_MISSING = re.compile(r"Object missing required field `(.*)`")
_WORDS = (
    ("`str` of length", Reason.TOO_LONG),
    ("of length", Reason.TOO_MANY),
    ("out of range", Reason.BAD_NUMBER),
    (" <= ", Reason.BAD_NUMBER),
    (" >= ", Reason.BAD_NUMBER),
)


def _pointer(path: str) -> str:
    """msgspec's `.context.app[0]` → `/context/app/0`; a mapping's unnamed key (`[...]`) ends it."""
    path = path.partition("[...]")[0]
    return re.sub(r"\.|\[(\d+)\]", lambda m: f"/{m[1] or ''}", path)


_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][89a-fA-F]..|.)", re.DOTALL)


def mend_surrogates(body: bytes) -> bytes:
    """Half a surrogate pair, which JavaScript leaves when it cuts an emoji, becomes U+FFFD.

    RFC 8259 section 8.2 leaves open what a reader makes of one; ours would refuse all of the body.
    """

    def mend(escape: re.Match[bytes]) -> bytes:
        half = len(escape[0]) == 6 and escape[0][1:3].lower() == b"ud"
        return b"\\ufffd" if half else escape[0]

    return _ESCAPES.sub(mend, body)


_DOMAINS = 20  # names looked at


def domains(stated: str | None) -> list[str]:
    """The names of sites in a list such as Plausible's tags may state, separated by commas."""
    if not stated:
        return []
    return [name.strip() for name in stated.split(",")[:_DOMAINS] if name.strip()]


def check_properties(properties: dict[str, Any], pointer: str) -> None:
    """Raises `Fault` for the first property that breaks a limit."""
    if len(properties) > PROPERTIES:
        raise Fault(Reason.TOO_MANY, pointer)
    for key, value in properties.items():
        if len(key) > KEY_LENGTH:
            raise Fault(Reason.TOO_LONG, pointer)  # the key itself is not repeated: it may be long
        if not is_scalar(value):  # which most are: no pointer needs to be made
            _check(value, f"{pointer}/{_escaped(key)}", DEPTH - 1)


def _check(value: Any, pointer: str, levels: int) -> None:
    if isinstance(value, str):
        if len(value) > VALUE_LENGTH:
            raise Fault(Reason.TOO_LONG, pointer)
    elif isinstance(value, dict | list):
        if levels == 0:
            raise Fault(Reason.TOO_DEEP, pointer)
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in members:
            _check(member, f"{pointer}/{_escaped(str(key))}", levels - 1)
    else:
        check_number(value, pointer)


def time_of(text: str | None, pointer: str) -> datetime | None:
    """ISO 8601; UTC where no offset is stated, None where there is no text. Raises `Fault`."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    except ValueError:
        raise Fault(Reason.BAD_TIMESTAMP, pointer) from None


def check_number(value: Any, pointer: str) -> None:
    """Finite, and within 64 bits where it is an integer."""
    if (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and value not in INTEGERS
    ):
        raise Fault(Reason.BAD_NUMBER, pointer)


def is_scalar(value: Any) -> bool:
    """Whether a value may be kept as a property: a scalar within the limits."""
    if isinstance(value, str):
        return len(value) <= VALUE_LENGTH
    if isinstance(value, int):
        return value in INTEGERS
    return isinstance(value, float) and math.isfinite(value)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def money(amount: Any, currency: Any, at: tuple[str, str]) -> tuple[float, str]:
    """A sum of money and its ISO 4217 code; `at` are the pointers of the two."""
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        raise Fault(Reason.WRONG_TYPE, at[0])
    if not abs(amount) <= MONEY:
        raise Fault(Reason.BAD_NUMBER, at[0])
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise Fault(Reason.WRONG_TYPE, at[1])
    return float(amount), currency.upper()


_CURRENCY = re.compile(r"[A-Za-z]{3}")
