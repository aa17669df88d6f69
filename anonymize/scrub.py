"""Replaces what identifies a person in any text by a mark that names its kind.

Works on plain text and on percent-encoded paths. Marks hold nothing that a later pass would
replace, so scrubbing twice is scrubbing once.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_AT = re.compile(r"@|%(?:25)*40")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[A-Za-z]")

# RFC 5321 section 4.5.3.1 limits the local part to 64 octets, which also bounds the search here.
# `logo@2x.png` is a picture for dense screens.
_EMAIL = re.compile(
    r"""[^\s/@:;,<>()\[\]{}"'?#&=|\\]{1,64}(?:@|%(?:25)*40)(?!\d+x\.)"""
    r"(?:[\w-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})",
    re.IGNORECASE,
)
_UUID = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-z])",
    re.IGNORECASE,
)
# The look-behind stands after the first digit, so that the search can jump from digit to digit.
_ADDRESS = re.compile(r"\d(?<![\d.]\d)\d{0,2}(?:\.\d{1,3}){3}(?![\d.])")
_RUN = re.compile(r"[A-Za-z0-9_+-]{20,}={0,2}")
_NUMBER = re.compile(r"\d{9,}")

# Where one kind of character follows another without a separator between them.
_CHANGE = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")


def _always(_: str) -> bool:
    return True


def _is_address(text: str) -> bool:
    """Short dotted quads are versions (`1.2.3.4`): about 1 % of all addresses are as short."""
    octets = text.split(".")
    return all(int(octet) <= 255 for octet in octets) and len(text) - 3 >= 8


def _is_token(run: str) -> bool:
    """Whether a run without spaces is random, rather than words, dates and product codes.

    A random run changes between letters, digits and cases at every second or third character;
    slugs change at their separators, which are not counted. Whatever has 32 characters and
    digits among letters without any separator is a digest or a session.
    """
    run = run.rstrip("=")
    if not _DIGIT.search(run) or not _LETTER.search(run):
        return False
    if run.isalnum() and (len(run) >= 32 or _is_hexadecimal(run)):
        return True
    return len(_CHANGE.findall(run)) * 4 >= len(run)


def _is_hexadecimal(run: str) -> bool:
    return set(run.lower()) <= set("0123456789abcdef")


# In this order: a UUID looks like a token, and most tokens hold a long number somewhere.
_WITH_DIGITS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("{uuid}", _UUID, _always),
    ("{address}", _ADDRESS, _is_address),
    ("{token}", _RUN, _is_token),
    ("{number}", _NUMBER, _always),
)


def scrub(text: str) -> str:
    """The text with every e-mail address, UUID, IPv4 address, token and long number marked."""
    if _AT.search(text):  # most texts have neither this nor a digit
        text = _EMAIL.sub("{email}", text)
    if _DIGIT.search(text):
        for mark, pattern, holds in _WITH_DIGITS:
            text = pattern.sub(lambda found: mark if holds(found[0]) else found[0], text)  # noqa: B023
    return text
