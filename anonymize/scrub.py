"""Replaces what identifies a person in any text by a mark that names its kind.

What is looked for stands in `_ORDER`; docs/scrubbing.md says it in words. A text is read
as it is meant: what is percent-encoded, once or more often, is found as what it decodes to, what is
written in other widths, digits and dashes or holds invisible characters as what it looks like, and
the rest stays as it was written. Scrubbing twice is scrubbing once.
"""

from __future__ import annotations

import re
import socket
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from itertools import product
from typing import NamedTuple
from urllib.parse import unquote

# A mark for everything, where a text was built so that each replacement brings out another.
_PASSES = 8
_HOSTILE = "{number}"


def scrub(text: str) -> str:
    """The text with everything marked that identifies a person or a device. Never raises."""
    if not _ANY.search(text):  # most texts
        return text
    for _ in range(_PASSES):
        kinds = KINDS[_signs(text)]
        if not kinds:
            return text
        as_meant = text.isascii() and "%" not in text
        scrubbed = _plain(text, kinds) if as_meant else _written(text, kinds)
        if scrubbed == text:
            return text
        text = scrubbed
    return _HOSTILE


def cut(text: str, length: int) -> str:
    """The beginning of a scrubbed text, without the half of a mark at its end."""
    return _HALF.sub("", text[:length]).rstrip() if len(text) > length else text


_HALF = re.compile(r"\{[a-z-]*$")


_ANY = re.compile(r"[\d@%＠﹫]")
_DEEPER = re.compile(r"%(?:25)+(?=[0-9A-Fa-f]{2})")
# The parts of a path that say a date tell nothing; so many paths have them that it pays to know.
_DATED = re.compile(r"/(?:19|20)\d\d/\d\d(?:/\d\d)?(?=/|$)")
# All three begin with one of few characters: the engine skips to them and tries nothing between.
_FIGURES = re.compile(
    r"[\d:-](?:(?<=\d)(?:\D{0,12}+\d){4}|(?<=:)[0-9a-f]{0,4}:|(?<=-)(?:[0-9a-f]{2}-){4})",
    re.IGNORECASE | re.DOTALL,
)
_LONG = re.compile(r"[A-Za-z0-9_+-]{20}")


def _signs(text: str) -> tuple[bool, bool, bool]:
    """Whether there is an at sign; some digits close to each other; a long run without spaces.

    Everything that is looked for has one of them.
    """
    if "%" in text:
        text = unquote(_DEEPER.sub("%", text))
    if not text.isascii():
        text = "".join(map(_folded, text))
    figures = _DATED.sub("", text) if "/20" in text or "/19" in text else text
    return "@" in text, _FIGURES.search(figures) is not None, _LONG.search(text) is not None


def _plain(text: str, kinds: tuple[Kind, ...]) -> str:
    for kind in kinds:
        text = kind.pattern.sub(kind.replace, text)
    return text


def _written(text: str, kinds: tuple[Kind, ...]) -> str:
    """The same for a text that is not written as it is meant; what nothing is found in stays so."""
    plain, written = _fold(*_decode(text))
    for kind in kinds:
        for found in reversed(list(kind.pattern.finditer(plain))):
            length = kind.length(found[0])
            if length:
                start, end = found.start(), found.start() + length
                plain = plain[:start] + kind.mark + plain[end:]
                written[start:end] = kind.mark
    return "".join(written)


# At any depth: `%40`, `%2540`, `%252540`.
_ESCAPES = re.compile(r"(?:%(?:25)*[0-9A-Fa-f]{2})+")
_ESCAPE = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})")


def _decode(text: str) -> tuple[str, list[str]]:
    """The decoded text, and beside each of its characters how it was written."""
    plain: list[str] = []
    written: list[str] = []
    last = 0
    for run in _ESCAPES.finditer(text):
        between = text[last : run.start()]
        plain += between
        written += between
        last = run.end()
        escapes = list(_ESCAPE.finditer(run[0]))
        data = bytes(int(escape[1], 16) for escape in escapes)
        at = 0
        for character in data.decode("utf-8", "surrogateescape"):
            size = len(character.encode("utf-8", "surrogateescape"))
            plain.append(character)
            written.append("".join(escape[0] for escape in escapes[at : at + size]))
            at += size
    plain += text[last:]
    written += text[last:]
    return "".join(plain), written


# What a character looks like, where its compatibility form (Unicode, annex 15) does not say it: the
# minus sign, and the full stop that domain names take for theirs (RFC 3490 section 3.1).
_LOOKS_LIKE = {"−": "-", "。": "."}


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    """One character in ASCII where it is such a digit, dash, sign or space; '' if invisible."""
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Cf":  # zero-width spaces and joiners, soft hyphens, marks of direction
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    form = "-" if category == "Pd" else unicodedata.normalize("NFKC", character)
    return _LOOKS_LIKE.get(form, form if len(form) == 1 else character)


def _fold(plain: str, written: list[str]) -> tuple[str, list[str]]:
    """Each character as it looks; an invisible one belongs to the one before it."""
    if plain.isascii():
        return plain, written
    looks: list[str] = []
    kept: list[str] = []
    for character, as_written in zip(plain, written, strict=True):
        look = _folded(character)
        if look or not kept:
            looks.append(look or character)
            kept.append(as_written)
        else:
            kept[-1] += as_written
    return "".join(looks), kept


class Kind(NamedTuple):
    """One kind of identifier: how it looks, and how much of what looks so it is.

    `length` gives the number of characters, from the first, that identify; 0 where none do.
    """

    sign: int  # which of `_signs` it has
    mark: str
    pattern: re.Pattern[str]
    length: Callable[[str], int] = len

    def replace(self, found: re.Match[str]) -> str:
        text = found[0]
        length = self.length(text)
        return self.mark + text[length:] if length else text


_AT_SIGN, _SOME_DIGITS, _LONG_RUN = range(3)


def _if(holds: Callable[[str], object]) -> Callable[[str], int]:
    """All of the text where that holds, else nothing."""
    return lambda text: len(text) if holds(text) else 0


def _digits(text: str) -> str:
    return "".join(str(int(c)) for c in text if c.isdecimal())


# Every pattern begins with a set of characters or a letter, so that the search can jump, and is
# bounded, so that it takes linear time.
_BEFORE = r"(?<![^\W_])"  # no letter or digit
_BEFORE_1 = r"(?<![^\W_].)"  # the same, one character later
_AFTER = r"(?![^\W_])"
# Nor a digit behind a separator: `-05-17` is the rest of a date. Colons do not join: `tel:0470…`.
_ALONE = _BEFORE + r"(?<!\d[./,_-])"
_ALONE_1 = _BEFORE_1 + r"(?<!\d[./,_-].)"
_END = _AFTER + r"(?![.-]?\d)"

# RFC 5321 section 4.5.3.1 limits the local part to 64 octets, which also bounds the search here.
# `logo@2x.png` is a picture for dense screens, `2x.com` a domain.
_EMAIL = re.compile(
    r"""[^\s/@:;,<>()\[\]{}"'?#&=|\\]{1,64}@(?!\d+x\.(?:avif|bmp|gif|ico|jpe?g|png|svg|webp)\b)"""
    r"(?:[\w-]{1,63}\.){1,24}(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})",
    re.IGNORECASE,
)

# RFC 7515 and 7516: `eyJ` is `{"` in base64url; a signed token has three parts, a sealed one five.
_JWT = re.compile(r"eyJ(?<![^\W_]eyJ)[\w-]{8,}+(?:\.[\w-]*+){1,4}")
# What the issuers begin their keys with, so that leaked ones are found.
_ISSUED = re.compile(
    rf"{_BEFORE}(?:gh[oprsu]_|github_pat_|glpat-|[prs]k_(?:live|test)_|xox[abeprs]-|sk-(?:ant|proj)-|ya29\.|AIza"
    r"|AKIA|ASIA|SG\.)[\w-]{16,}+(?:\.[\w-]++)*"
)

_UUID = re.compile(rf"{_BEFORE}[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}{_AFTER}", re.I)

# Six pairs, with colons or hyphens (IEEE 802).
_MAC = re.compile(
    rf"{_BEFORE}[0-9a-f]{{2}}([:-])(?:[0-9a-f]{{2}}\1){{4}}[0-9a-f]{{2}}{_AFTER}", re.I
)


def _is_mac(text: str) -> bool:
    """Six pairs of digits with hyphens are a date and a time, or a slug."""
    return ":" in text or not text.replace("-", "").isdecimal()


# What clients have: global unicast (RFC 4291), unique local, link local, wrapped IPv4 addresses.
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[23][0-9a-f]{3}:|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::ffff:|64:ff9b:)"
    r"[0-9a-f:]{1,38}(?:(?:\.\d{1,3}){3})?(?:%[\w.-]{1,15})?",
    re.IGNORECASE,
)


def _is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True


def _ipv6(text: str) -> int:
    """A colon may follow as in a sentence."""
    whole = text.rstrip(":")
    return next((len(t) for t in (text, whole) if _is_ipv6(t)), 0)


_IPV4 = re.compile(r"\d(?<![\d.]\d)(?<!\bv\d)\d{0,2}(?:\.\d{1,3}){3}(?!\.?\d)")
# Host names that providers make out of their customers' addresses: `host-203-0-113-77.isp.example`.
_DASHED = re.compile(r"\d(?<!\d\d)\d{0,2}(?:-\d{1,3}){3}(?!-?\d)")


def _is_ipv4(text: str) -> bool:
    """Short dotted quads are versions (`1.2.3.4`, `24.8.0.3`), whose parts are mostly small."""
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    if text.endswith(".0.0"):  # a network, and how browsers end their version: `140.0.0.0`
        return False
    octets = [int(octet) for octet in text.split(".")]
    digits = len(text) - 3
    return digits >= 8 or (digits >= 6 and (octets[0] >= 20 or sum(o >= 20 for o in octets) >= 2))


def _is_dashed(text: str) -> bool:
    octets = text.split("-")
    return _is_ipv4(text.replace("-", ".")) and any(len(octet) == 3 for octet in octets)


# WGS 84, latitude first or last; four decimals are eleven metres.
_PAIR = re.compile(
    r"[\d+-](?<![\w.].)\d{0,3}\.\d{3,15}(?:\s?[,;/|]\s?|\s)[+-]?\d{1,3}\.\d{3,15}(?!\w)"
)
_LATITUDE = re.compile(
    rf"l{_BEFORE_1}(?:at(?:itude)?|on|ng|ong(?:itude)?)[=:]\s?[+-]?\d{{1,3}}\.\d{{3,15}}", re.I
)
_DEGREES = re.compile(
    r"\d{1,3}°\s?\d{1,2}['′’]\s?(?:\d{1,2}(?:[.,]\d{1,6})?(?:[\"″”]|'')\s?)?[NSEWO]?"
)
_DECIMAL = re.compile(r"[+-]?(\d+)\.(\d+)")


def _are_coordinates(text: str) -> bool:
    """Pairs with three decimals each may be amounts, with a slash versions."""
    (a, after_a), (b, after_b) = _DECIMAL.findall(text)
    degrees = sorted((int(a), int(b)))
    return (
        degrees[0] <= 90
        and degrees[1] <= 180
        and len(after_a) + len(after_b) >= (10 if "/" in text else 8)
    )


# ISO 13616: country, check digits, up to 30 letters and digits, in print in groups of four.
_IBAN = re.compile(
    rf"{_BEFORE}[A-Za-z]{{2}}[0-9]{{2}}(?:[ ._-]?[A-Za-z0-9]{{4}}){{2,7}}"
    rf"(?:[ ._-]?[A-Za-z0-9]{{1,3}})?{_AFTER}"
)


def _iban(text: str) -> int:
    """Groups at the end may be the words that follow."""
    while len(text) >= 15:
        compact = re.sub("[ ._-]", "", text).upper()
        number = int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4]))
        if number % 97 == 1:  # ISO 7064
            return len(text)
        cut = max(map(text.rfind, " ._-"))
        text = text[: max(cut, 0)]
    return 0


# ISO/IEC 7812, with the check digit of Luhn; in print in fours, or 4-6-5 and 4-6-4.
_CARD = re.compile(
    rf"{_ALONE}[2-6](?:\d{{12,18}}"
    rf"|\d{{3}}([ ._-])(?:\d{{4}}\1\d{{4}}\1\d{{4}}(?:\1\d{{1,3}})?|\d{{6}}\1\d{{4,5}})){_END}"
)
# 3GPP TS 23.003: 15 digits, in print 2-6-6-1.
_IMEI = re.compile(rf"{_ALONE}\d{{2}}([ -])\d{{6}}\1\d{{6}}\1\d{_END}")


def _luhn(text: str) -> bool:
    digits = [int(c) for c in reversed(_digits(text))]
    return sum(digits[::2]) % 10 == -sum(d // 5 + d * 2 % 10 for d in digits[1::2]) % 10


def _is_card(text: str) -> bool:
    """Of fifteen digits are American Express' cards, which begin so, and else telephones' IMEI."""
    digits = _digits(text)
    return _luhn(text) and (len(digits) != 15 or digits.startswith(("34", "37")))


# Belgium: birth date, number of the day, 97 less the remainder; `85.07.30-033.28`.
_BELGIAN = re.compile(
    rf"{_ALONE}\d{{2}}[. /-]?\d{{2}}[. /-]?\d{{2}}[. /-]?\d{{3}}[. /-]?\d{{2}}{_END}"
)
# Denmark: birth date and four digits; `010190-1234`.
_DANISH = re.compile(rf"{_ALONE}\d{{6}}[ -]?\d{{4}}{_END}")


def _is_belgian(text: str) -> bool:
    digits = _digits(text)
    month, day, check = int(digits[2:4]) % 20, int(digits[4:6]), int(digits[9:])
    if month > 12 or day > 31:  # a "bis" number adds 20 or 40 to the month
        return False
    # Who was born since 2000 has a 2 in front of the number that is divided.
    return check in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def _is_danish(text: str) -> bool:
    """Without a separator only with the check digit, which numbers had until 2007."""
    digits = _digits(text)
    day, month = int(digits[:2]), int(digits[2:4])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return False
    checked = sum(int(d) * w for d, w in zip(digits, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1), strict=True))
    return len(text) > 10 or checked % 11 == 0


_DASH = r"[-\u2010-\u2013]"
_GAP = rf"(?:\s?[./_]\s?|\s?{_DASH}\s?|\s)"
# ITU-T E.164: at most 15 digits, behind the sign for the international prefix or `00`.
_NUMBERED = rf"[1-9](?:{_GAP}?\(?\d\)?){{7,14}}{_AFTER}"
_PLUS = re.compile(rf"\+{_NUMBERED}")
_ZEROS = re.compile(rf"00(?<![^\W_]00)(?<!\d[./,-]00){_GAP}?{_NUMBERED}")
# The trunk prefix 0 and an area or mobile code: Belgium, the Netherlands, France, Germany.
_TRUNK = re.compile(
    rf"[(0]{_ALONE_1}(?:(?<=\()0[1-9]\d{{0,3}}\)\s?|(?<=0)[1-9]\d{{0,3}}{_GAP})"
    rf"\d{{2,8}}(?:{_GAP}\d{{2,4}}){{0,3}}{_END}"
    rf"|0{_ALONE_1}[1-9]\d{{7,8}}{_END}"
)
# Denmark: four pairs, no prefix. North America: 3-3-4.
_PAIRS = re.compile(rf"[2-9]{_ALONE_1}(?<!\d\s.)\d(?:\s\d{{2}}){{3}}(?!\s\d){_END}")
_AMERICAN = re.compile(
    rf"[(2-9]{_ALONE_1}(?:(?<=\()[2-9]\d{{2}}\)\s?|(?<=\d)\d{{2}}[ .-])"
    rf"[2-9]\d{{2}}[ .-]\d{{4}}{_END}"
)
# Eight digits are nothing by themselves, as Denmark and others write them; behind a word they are.
_LABELS = ("tel", "tlf", "gsm", "fax", "phone", "mobile")
_CALLED = re.compile(
    r"\d(?:"
    + "|".join(rf"(?<={label}[=:.]\d)|(?<={label}[=:.]\s\d)" for label in _LABELS)
    + rf")(?:{_GAP}?\d){{5,14}}{_AFTER}",
    re.IGNORECASE,
)
_DATE = re.compile(r"\(?\d\d\D{1,3}(?:\d\d\D{1,3})?(?:19|20)\d\d(?!\d)")
_LAST_GROUP = re.compile(r"\D+\d+\)?$")


def _phone(text: str) -> int:
    """Groups at the end may be of what follows."""
    while text:
        if _is_phone(text):
            return len(text)
        shorter = _LAST_GROUP.sub("", text)
        text = shorter if shorter != text else ""
    return 0


def _is_phone(text: str) -> bool:
    digits = _digits(text)
    if text[0] == "+" or digits.startswith("00"):
        # In North America no area code begins so, but amounts do: `+100 000 000`.
        number = digits.removeprefix("00")
        return 8 <= len(number) <= 15 and not number.startswith(("10", "11"))
    return 9 <= len(digits) <= 12 and not _DATE.match(text)


_RUN = re.compile(r"[A-Za-z0-9_+-]{20,}+={0,2}")
# Where one kind of character follows another without a separator between them.
_CHANGE = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")
_LETTER = re.compile("[A-Za-z]")
_DIGIT = re.compile("[0-9]")
_HEXADECIMAL = re.compile("[0-9a-fA-F]+")


def _is_token(run: str) -> bool:
    """Whether a run without spaces is random, rather than words, dates and product codes.

    A random run changes between letters, digits and cases at every second to fourth character;
    slugs change at their separators, of which a random one has few. Whatever has 32 characters
    and digits among letters without any separator is a digest or a session.
    """
    run = run.rstrip("=")
    separators = run.count("-") + run.count("_")
    if separators * 6 >= len(run) or not _DIGIT.search(run) or not _LETTER.search(run):
        return False
    changes = len(_CHANGE.findall(run))
    if run.isalnum():
        if len(run) >= 32 or _HEXADECIMAL.fullmatch(run):
            return True
        if run.isupper() or run.islower():
            return changes * 20 >= len(run) * 3
    return changes * 4 >= len(run)


_NUMBER = re.compile(r"\d{9,}+")


def _is_number(text: str) -> bool:
    """A long number is an account, an order or a device, unless it is a date or a book."""
    return not (_is_moment(text) or _is_book(text))


_MOMENT = re.compile(
    r"((?:19[7-9]|20[0-4])\d)(\d\d)(\d\d)(?:\d\d|([01]\d|2[0-3])[0-5]\d([0-5]\d)?)"
)


def _is_moment(text: str) -> bool:
    """`20240517103000`; with hour and minute; with the number of the build on that day."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return False
    try:
        date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return True


def _is_book(text: str) -> bool:
    """ISO 2108: thirteen digits from 978 or 979, with a check digit."""
    return (
        len(text) == 13
        and text.startswith(("978", "979"))
        and sum(int(d) * (1, 3)[at % 2] for at, d in enumerate(text)) % 10 == 0
    )


# In this order: a UUID looks like a token, and most of what has a check digit is a long number.
_ORDER = (
    Kind(_AT_SIGN, "{email}", _EMAIL),
    Kind(_LONG_RUN, "{token}", _JWT),
    Kind(_LONG_RUN, "{token}", _ISSUED),
    Kind(_SOME_DIGITS, "{uuid}", _UUID),
    Kind(_SOME_DIGITS, "{address}", _MAC, _if(_is_mac)),
    Kind(_SOME_DIGITS, "{address}", _IPV6, _ipv6),
    Kind(_SOME_DIGITS, "{address}", _IPV4, _if(_is_ipv4)),
    Kind(_SOME_DIGITS, "{address}", _DASHED, _if(_is_dashed)),
    Kind(_SOME_DIGITS, "{coordinates}", _PAIR, _if(_are_coordinates)),
    Kind(_SOME_DIGITS, "{coordinates}", _LATITUDE),
    Kind(_SOME_DIGITS, "{coordinates}", _DEGREES),
    Kind(_SOME_DIGITS, "{iban}", _IBAN, _iban),
    Kind(_SOME_DIGITS, "{card}", _CARD, _if(_is_card)),
    Kind(_SOME_DIGITS, "{national-number}", _BELGIAN, _if(_is_belgian)),
    Kind(_SOME_DIGITS, "{national-number}", _DANISH, _if(_is_danish)),
    Kind(_SOME_DIGITS, "{number}", _IMEI, _if(_luhn)),
    Kind(_SOME_DIGITS, "{phone}", _PLUS, _phone),
    Kind(_SOME_DIGITS, "{phone}", _ZEROS, _phone),
    Kind(_SOME_DIGITS, "{phone}", _TRUNK, _phone),
    Kind(_SOME_DIGITS, "{phone}", _PAIRS),
    Kind(_SOME_DIGITS, "{phone}", _AMERICAN),
    Kind(_SOME_DIGITS, "{phone}", _CALLED),
    Kind(_LONG_RUN, "{token}", _RUN, _if(_is_token)),
    Kind(_SOME_DIGITS, "{number}", _NUMBER, _if(_is_number)),
)
# For each combination of signs the kinds that a text may hold.
KINDS = {
    signs: tuple(kind for kind in _ORDER if signs[kind.sign])
    for signs in product((False, True), repeat=3)
}
