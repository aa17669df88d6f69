"""Names of countries and languages by their codes, in the reader's language (Unicode CLDR)."""

from __future__ import annotations

from dashboards import text


def country(code: str) -> str:
    """The name of an ISO 3166-1 code, or the code itself where there is none."""
    return str(text.locale().territories.get(code, code))


def language(tag: str) -> str:
    """The name of a BCP 47 tag's language, or the tag itself where there is none."""
    name = str(text.locale().languages.get(tag.partition("-")[0].lower(), tag))
    return name[:1].upper() + name[1:]
