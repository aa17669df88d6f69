"""TC strings of the IAB Europe Transparency and Consent Framework 2.2 and 2.3, read strictly.

The format is that of "Transparency and Consent String with Global Vendor & CMP List Formats",
version 2 of the encoding: segments of base64url joined by dots, each a run of big-endian bits. The
core comes first; the others say their type in their first three bits.

A string that cannot have come from a well-made consent platform is refused rather than guessed
at: what it says decides what may be kept of a person. Nothing here ever repeats the string.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Literal, TypedDict

from anonymize.event import Purpose

# Far above what a platform can have to say of all the vendors that there are, with restrictions.
MAX_LENGTH = 16_384  # characters

Problem = Literal[
    "too_long",  # above MAX_LENGTH
    "encoding",  # not base64url, or an empty segment
    "version",  # not version 2 of the encoding
    "policy",  # made under TCF 2.1 or earlier: "a new policy version invalidates existing strings"
    "scope",  # not service-specific: a consent given to the whole web is no longer valid
    "dates",  # updated before it was created, or before the framework was, or still to come
    "letters",  # a language or country that is not two letters
    "vendors",  # ranges out of order, overlapping, backwards or beyond the stated maximum
    "restrictions",  # of a purpose or a type that there is not
    "segments",  # of an unknown type, or twice the same
    "truncated",  # ends before what it announces
    "trailing",  # goes on after its end with more than the padding
]


class TcfError(ValueError):
    """The string is refused. Carries a word that says why, and never the string."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem: Problem = problem


@dataclass(frozen=True, slots=True)
class Vendors:
    """A set of vendor ids: bit `n` of `bits` is vendor `n`. `highest` is the stated maximum."""

    highest: int
    bits: int

    def __contains__(self, vendor: int) -> bool:
        return bool(self.bits >> vendor & 1)


class RestrictionType(IntEnum):
    """What a publisher demands of the vendors that it names for a purpose."""

    NOT_ALLOWED = 0
    REQUIRE_CONSENT = 1
    REQUIRE_LEGITIMATE_INTEREST = 2


@dataclass(frozen=True, slots=True)
class Restriction:
    """A publisher's restriction of one purpose, for the vendors in the ranges."""

    purpose: int
    type: RestrictionType
    vendors: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class PublisherTc:
    """What the person answered to the publisher itself. Purposes are numbered from 1."""

    purposes_consent: frozenset[int]
    purposes_li_transparency: frozenset[int]
    custom_purposes_consent: frozenset[int]
    custom_purposes_li_transparency: frozenset[int]


@dataclass(frozen=True, slots=True)
class TcString:
    """A decoded TC string, its fields named as in the specification. Sets are numbered from 1.

    `disclosed_vendors` and `publisher` are None where the string has no such segment.
    """

    created: datetime
    last_updated: datetime
    cmp_id: int
    cmp_version: int
    consent_screen: int
    consent_language: str
    vendor_list_version: int
    policy_version: int
    non_standard_texts: bool
    special_feature_opt_ins: frozenset[int]
    purposes_consent: frozenset[int]
    purposes_li_transparency: frozenset[int]
    purpose_one_treatment: bool
    publisher_cc: str
    vendors_consent: Vendors
    vendors_li: Vendors
    restrictions: tuple[Restriction, ...]
    disclosed_vendors: Vendors | None = None
    publisher: PublisherTc | None = None


def decode(text: str, now: datetime) -> TcString:
    """Reads a TC string that arrived at `now`. Raises `TcfError` and nothing else."""
    if len(text) > MAX_LENGTH:
        raise TcfError("too_long")
    core, *others = text.split(".")
    return _core(_Bits(core), now, _segments(others))


def granted(string: TcString) -> frozenset[Purpose]:
    """The purposes of ours that a decoded string consents to.

    Discreet is the publisher's own tool and no vendor of the global list, so the bits of vendors
    and the restrictions made for them do not speak of it. What the person answered to the
    publisher decides where the string has it, but only within what the core grants too: of two
    answers the one that protects more. Legitimate interest is never consent.
    """
    agreed = string.purposes_consent
    if string.publisher is not None:
        agreed &= string.publisher.purposes_consent
    if 1 not in agreed or string.purpose_one_treatment:
        # Purpose 1, reading and storing on the device, carries all others. Under "purpose one
        # treatment" it was never put to the person, so nobody can have agreed to it.
        return frozenset()
    return frozenset(purpose for number, purpose in PURPOSES.items() if number in agreed)


# The framework's purposes, each with the one of ours that it grants together with purpose 1.
PURPOSES = {
    7: Purpose.ATTRIBUTION,  # measure advertising performance
    8: Purpose.AUDIENCE,  # measure content performance
    9: Purpose.AUDIENCE,  # understand audiences through statistics
    10: Purpose.PRODUCT,  # develop and improve services
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PUBLISHED = datetime(2019, 8, 21, tzinfo=UTC)  # TCF 2.0, and with it version 2 of the encoding
_AHEAD = timedelta(days=1)  # strings are made on the person's device, whose clock may be fast
_POLICY_2_2 = 4  # the TcfPolicyVersion of TCF 2.2; 2.3 has 5

# Segment types. Type 2, allowed vendors, went with the global scope that it belonged to.
_DISCLOSED_VENDORS = 1
_PUBLISHER_TC = 3


class _Segments(TypedDict, total=False):
    disclosed_vendors: Vendors
    publisher: PublisherTc


class _Bits:
    """The bits of one segment, read from left to right."""

    __slots__ = ("_at", "_bits")

    def __init__(self, segment: str) -> None:
        if not _BASE64URL.fullmatch(segment):
            raise TcfError("encoding")
        # `A` is six zero bits: it completes the last group of four, and is cut off again.
        data = base64.urlsafe_b64decode(segment + "A" * (-len(segment) % 4))
        bits = format(int.from_bytes(data, "big"), f"0{8 * len(data)}b")
        self._bits = bits[: 6 * len(segment)]
        self._at = 0

    def take(self, width: int) -> str:
        start, self._at = self._at, self._at + width
        if self._at > len(self._bits):
            raise TcfError("truncated")
        return self._bits[start : self._at]

    def number(self, width: int) -> int:
        return int(self.take(width), 2)

    def flag(self) -> bool:
        return self.take(1) == "1"

    def set(self, width: int) -> frozenset[int]:
        """The positions, from 1, of the bits that are set."""
        bits = self.take(width)
        if "1" not in bits:
            return frozenset()
        return frozenset(at for at, bit in enumerate(bits, 1) if bit == "1")

    def time(self) -> datetime:
        return _EPOCH + timedelta(milliseconds=100 * self.number(36))

    def letters(self) -> str:
        first, second = self.number(6), self.number(6)
        if first > 25 or second > 25:
            raise TcfError("letters")
        return chr(65 + first) + chr(65 + second)

    def end(self) -> None:
        """Only padding may be left: zeros, up to the next 24 bits (whole bytes, whole letters)."""
        rest = self._bits[self._at :]
        if len(rest) >= 24 or "1" in rest:
            raise TcfError("trailing")


_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def _core(bits: _Bits, now: datetime, others: _Segments) -> TcString:
    if bits.number(6) != 2:
        raise TcfError("version")
    created, updated = bits.time(), bits.time()
    if not _PUBLISHED <= created <= updated <= now + _AHEAD:
        raise TcfError("dates")
    cmp_id, cmp_version, screen = bits.number(12), bits.number(12), bits.number(6)
    language = bits.letters()
    list_version, policy_version = bits.number(12), bits.number(6)
    if policy_version < _POLICY_2_2:
        raise TcfError("policy")
    if not bits.flag():
        raise TcfError("scope")
    string = TcString(
        created=created,
        last_updated=updated,
        cmp_id=cmp_id,
        cmp_version=cmp_version,
        consent_screen=screen,
        consent_language=language,
        vendor_list_version=list_version,
        policy_version=policy_version,
        non_standard_texts=bits.flag(),
        special_feature_opt_ins=bits.set(12),
        purposes_consent=bits.set(24),
        purposes_li_transparency=bits.set(24),
        purpose_one_treatment=bits.flag(),
        publisher_cc=bits.letters(),
        vendors_consent=_vendors(bits),
        vendors_li=_vendors(bits),
        restrictions=tuple(_restriction(bits) for _ in range(bits.number(12))),
        **others,
    )
    bits.end()
    return string


def _segments(others: list[str]) -> _Segments:
    """What the segments after the core say. They may stand in any order."""
    found: _Segments = {}
    for segment in others:
        bits = _Bits(segment)
        kind = bits.number(3)
        if kind == _DISCLOSED_VENDORS and "disclosed_vendors" not in found:
            found["disclosed_vendors"] = _vendors(bits)
        elif kind == _PUBLISHER_TC and "publisher" not in found:
            found["publisher"] = _publisher(bits)
        else:
            raise TcfError("segments")
        bits.end()
    return found


def _publisher(bits: _Bits) -> PublisherTc:
    consent, legitimate_interest, custom = bits.set(24), bits.set(24), bits.number(6)
    return PublisherTc(consent, legitimate_interest, bits.set(custom), bits.set(custom))


def _vendors(bits: _Bits) -> Vendors:
    """A vendor section: the highest id, then a bit for each vendor or a list of ranges."""
    highest = bits.number(16)
    if not bits.flag():
        # Vendor 1 is the leftmost bit of the field; in ours it is bit 1.
        return Vendors(highest, int("0" + bits.take(highest)[::-1], 2) << 1)
    vendors = 0
    for ids in _ranges(bits, highest):
        vendors |= ((1 << len(ids)) - 1) << ids.start
    return Vendors(highest, vendors)


def _ranges(bits: _Bits, highest: int) -> list[range]:
    """Ranges of vendor ids, each after the one before and none beyond `highest`."""
    found: list[range] = []
    last = 0
    for _ in range(bits.number(12)):
        is_range, start = bits.flag(), bits.number(16)
        end = bits.number(16) if is_range else start
        if not last < start <= end <= highest:
            raise TcfError("vendors")
        found.append(range(start, end + 1))
        last = end
    return found


def _restriction(bits: _Bits) -> Restriction:
    purpose, kind = bits.number(6), bits.number(2)
    if not 1 <= purpose <= 24 or kind not in _RESTRICTION_TYPES:
        raise TcfError("restrictions")
    return Restriction(purpose, RestrictionType(kind), tuple(_ranges(bits, _HIGHEST_VENDOR)))


_RESTRICTION_TYPES = frozenset(RestrictionType)
_HIGHEST_VENDOR = 2**16 - 1  # this section states no maximum of its own
