"""What each basis keeps: one table, and the one function through which a field reaches a row.

A column that the table does not grant to a basis cannot reach a row of that basis, whatever the
steps of the pipeline computed. The table is rendered into docs/what-is-stored.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from anonymize.event import Basis


class Keep(NamedTuple):
    """How much of a value is kept: a word for the reader and the function that does it.

    `asked`: only where the site asks for the column.
    """

    word: str
    reduce: Callable[[Any], Any] | None = None  # None: the value as the pipeline made it
    asked: bool = False


def _primary(language: str) -> str:
    """`nl-BE` → `nl` (BCP 47: the primary subtag comes first)."""
    return language.partition("-")[0]


YES = Keep("yes")
SECOND = Keep("to the second", attrgetter("second"))  # of a `calendar.Moment`
HOUR = Keep("to the hour", attrgetter("hour"))
IDENTITY_KEY = Keep("identity key of the site, from the client's id")
DAY_KEY = Keep("day key, from truncated address and user agent")
STATED = Keep("as the client states it, keyed; else derived")
PRIMARY = Keep("primary subtag", _primary)
BUCKET = Keep("bucket")
ASKED = Keep("if the site asks", asked=True)
ALLOWED = Keep("those that the site allows")


class Grant(NamedTuple):
    """One column of the row and what each basis keeps of it; None is nothing."""

    column: str
    consent: Keep | None
    exempt: Keep | None
    none: Keep | None


MATRIX: tuple[Grant, ...] = (
    Grant("visitor", IDENTITY_KEY, DAY_KEY, None),
    Grant("user", IDENTITY_KEY, None, None),
    Grant("visit", STATED, None, None),
    Grant("time", SECOND, SECOND, HOUR),
    Grant("received", SECOND, SECOND, HOUR),
    Grant("event_id", YES, YES, YES),
    Grant("bot", YES, YES, YES),
    Grant("name", YES, YES, YES),
    Grant("hostname", YES, YES, YES),
    Grant("page", YES, YES, YES),
    Grant("engagement", YES, YES, None),
    Grant("scroll", YES, YES, None),
    Grant("props", ALLOWED, None, None),
    Grant("revenue", YES, None, None),
    Grant("currency", YES, None, None),
    Grant("referrer", YES, YES, None),
    Grant("source", YES, YES, None),
    Grant("channel", YES, YES, YES),
    Grant("utm_source", YES, YES, None),
    Grant("utm_medium", YES, YES, None),
    Grant("utm_campaign", YES, YES, None),
    Grant("utm_content", YES, YES, None),
    Grant("utm_term", YES, YES, None),
    Grant("country", YES, YES, YES),
    Grant("region", YES, None, None),
    Grant("city", ASKED, None, None),
    Grant("language", YES, PRIMARY, None),
    Grant("device", YES, YES, YES),
    Grant("browser", YES, YES, YES),
    Grant("browser_version", YES, None, None),
    Grant("os", YES, YES, YES),
    Grant("os_version", YES, None, None),
    Grant("screen_size", BUCKET, BUCKET, None),
    Grant("model", YES, None, None),
    Grant("memory", BUCKET, None, None),
    Grant("storage", BUCKET, None, None),
    Grant("battery", BUCKET, None, None),
    Grant("connection", YES, None, None),
    Grant("app", YES, YES, YES),
    Grant("app_version", YES, YES, YES),
    Grant("app_build", YES, None, None),
    Grant("screen", YES, YES, YES),
)

# How long a row lives after it was received, in days. At most 13 months for any basis.
LIFETIME = {Basis.CONSENT: 90, Basis.EXEMPT: 30, Basis.NONE: 30}

# For each basis what it grants to every site, what only to those that ask for it, and of all that
# what must be reduced.
_GRANTED, _ASKED = (
    {
        basis: frozenset(
            grant.column
            for grant in MATRIX
            if (granted := getattr(grant, basis.value)) is not None and granted.asked is asked
        )
        for basis in Basis
    }
    for asked in (False, True)
)
_REDUCED = {
    basis: tuple(
        (grant.column, granted.reduce)
        for grant in MATRIX
        if (granted := getattr(grant, basis.value)) is not None and granted.reduce is not None
    )
    for basis in Basis
}


def keep(
    basis: Basis, fields: Mapping[str, Any], asked: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """What of `fields` the matrix grants to this basis, reduced as it says, without the empty.

    `asked` are the columns that the site asks for.
    """
    granted = _GRANTED[basis]
    if asked:
        granted |= asked & _ASKED[basis]
    kept = {column: value for column, value in fields.items() if value and column in granted}
    for column, reduce in _REDUCED[basis]:
        if column in kept:
            kept[column] = reduce(kept[column])
    return kept


def render() -> str:
    """docs/what-is-stored.md."""
    lines = [
        "# What is stored",
        "",
        "Every event is measured on one basis, decided before anything else is computed, and this",
        "table says what each basis keeps. It is the table that the code obeys",
        "(`anonymize/matrix.py`): a column it does not grant cannot reach a row. It is rendered by",
        "`make docs`.",
        "",
        "| column | consent | exempt | none |",
        "|---|---|---|---|",
    ]
    for grant in MATRIX:
        words = (k.word if k else "–" for k in (grant.consent, grant.exempt, grant.none))
        lines.append(f"| `{grant.column}` | {' | '.join(words)} |")
    days = " | ".join(f"{LIFETIME[basis]} days" for basis in Basis)
    lines += [
        f"| *rows live* | {days} |",
        "",
        "Beside these every row has its site, local day, basis, purposes and the day on which it",
        "must be gone. Somebody who objected (`Sec-GPC`, `DNT`) leaves no row at all: one is added",
        "to the day's tally of the reason `objected`. Whatever is kept as text is scrubbed first",
        "([what of](scrubbing.md)).",
        "",
        "A site asks for cities with `site set DOMAIN --city`, and allows a property's key with",
        "`--property KEY`; without that neither is kept of anybody.",
        "",
    ]
    return "\n".join(lines)
