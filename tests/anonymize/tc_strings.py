"""Writes TC strings, whole or broken: the other half of `anonymize.tcf`, for the tests alone."""

import string
from dataclasses import dataclass
from datetime import UTC, datetime

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
CREATED = datetime(2026, 3, 2, tzinfo=UTC)
UPDATED = datetime(2026, 3, 5, tzinfo=UTC)
NO_VENDORS = "0" * 17  # highest id 0, as a bit field


def number(value, width):
    return format(value, f"0{width}b")


def positions(chosen, width):
    """A bit for each number from 1 to `width`."""
    return "".join("1" if at in chosen else "0" for at in range(1, width + 1))


def letters(pair):
    return "".join(number(ord(letter) - ord("A"), 6) for letter in pair)


def time(moment):
    return number(round(moment.timestamp() * 10), 36)


def ranges(entries):
    """Pairs of first and last id, as they are: also those that make no sense."""
    body = "".join(
        "0" + number(first, 16) if first == last else "1" + number(first, 16) + number(last, 16)
        for first, last in entries
    )
    return number(len(entries), 12) + body


def vendor_field(ids, highest):
    return number(highest, 16) + "0" + positions(ids, highest)


def vendor_ranges(entries, highest):
    return number(highest, 16) + "1" + ranges(entries)


def restrictions(*entries):
    """Triples of purpose, type and ranges."""
    return number(len(entries), 12) + "".join(
        number(purpose, 6) + number(kind, 2) + ranges(vendors) for purpose, kind, vendors in entries
    )


def disclosed(section=NO_VENDORS):
    return number(1, 3) + section


def publisher(consent=(), legitimate_interest=(), custom=0, custom_consent=(), custom_li=()):
    return (
        number(3, 3)
        + positions(consent, 24)
        + positions(legitimate_interest, 24)
        + number(custom, 6)
        + positions(custom_consent, custom)
        + positions(custom_li, custom)
    )


@dataclass(frozen=True)
class Core:
    """The fields of the core segment. Vendor and restriction sections are given as bits."""

    version: int = 2
    created: datetime = CREATED
    updated: datetime = UPDATED
    cmp_id: int = 31
    cmp_version: int = 7
    screen: int = 2
    language: str = "EN"
    list_version: int = 120
    policy: int = 5
    service_specific: bool = True
    non_standard_texts: bool = False
    special_features: frozenset = frozenset()
    purposes: frozenset = frozenset()
    legitimate_interests: frozenset = frozenset()
    purpose_one_treatment: bool = False
    country: str = "BE"
    vendors: str = NO_VENDORS
    vendors_li: str = NO_VENDORS
    restrictions: str = number(0, 12)

    @property
    def bits(self):
        return "".join(
            (
                number(self.version, 6),
                time(self.created),
                time(self.updated),
                number(self.cmp_id, 12),
                number(self.cmp_version, 12),
                number(self.screen, 6),
                letters(self.language),
                number(self.list_version, 12),
                number(self.policy, 6),
                number(self.service_specific, 1),
                number(self.non_standard_texts, 1),
                positions(self.special_features, 12),
                positions(self.purposes, 24),
                positions(self.legitimate_interests, 24),
                number(self.purpose_one_treatment, 1),
                letters(self.country),
                self.vendors,
                self.vendors_li,
                self.restrictions,
            )
        )


def segment(bits, block=24):
    """base64url of bits, filled with zeros to whole blocks (24: whole bytes and whole letters)."""
    bits += "0" * (-len(bits) % block)
    return "".join(_ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def tc_string(core, *others):
    return ".".join(segment(bits) for bits in (core.bits, *others))


def agreeing(*purposes, **fields):
    """The TC string of a person who agreed to these purposes, without other segments."""
    return tc_string(Core(purposes=frozenset(purposes), **fields))
