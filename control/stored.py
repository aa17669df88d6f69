"""What is kept of the people whom a site measures: which columns, for how long, under which keys.

Plain facts out of the tables that the code itself obeys (`anonymize.matrix`, `anonymize.keys`), as
they hold for one site, for pages that may not know those rooms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from anonymize import keys
from anonymize.event import DROPS, REFUSALS, REJECTIONS, Basis
from anonymize.matrix import ALLOWED, ASKED, LIFETIME, MATRIX, Grant, Keep
from control.sites import Site

# Days that a row lives after it was received, by basis.
LIFETIMES = {basis.value: days for basis, days in LIFETIME.items()}
DAY_KEY_GRACE = keys.DAY_KEY_GRACE
IDENTITY_KEY_LIFE = keys.IDENTITY_KEY_LIFE
# What each reason for which nothing is stored means (docs/reasons.md).
REASONS = {
    reason.value: meaning
    for reasons in (DROPS, REJECTIONS, REFUSALS)
    for reason, meaning in reasons.items()
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the rows: in a word what each basis keeps of it, '' for nothing.

    `asked`: it depends on the site, and this site has not asked for it.
    """

    name: str
    consent: str
    exempt: str
    none: str
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A key that pseudonyms are made with. `ends` is None where it has no end.

    `kind` is day, identity, event, record, exclusion, threshold or audit; `period` the first day
    that it is for, '' where it is for all. A destroyed key has left this line alone.
    """

    kind: str
    period: str
    exists: bool
    made: datetime
    ends: datetime | None


def bases(site: Site) -> frozenset[str]:
    """The bases on which events of the site can be measured."""
    if site.child_directed:
        return frozenset({Basis.NONE.value})
    asked_not = Basis.EXEMPT if site.policy == "exempt" else Basis.NONE
    return frozenset({Basis.CONSENT.value, Basis.NONE.value, asked_not.value})


def columns(site: Site) -> list[Column]:
    """The whole matrix, in its order."""
    return [_column(grant, withheld=_withheld(grant, site)) for grant in MATRIX]


def _column(grant: Grant, *, withheld: bool) -> Column:
    if withheld:
        return Column(grant.column, "", "", "", asked=True)
    return Column(grant.column, _word(grant.consent), _word(grant.exempt), _word(grant.none))


def _withheld(grant: Grant, site: Site) -> bool:
    """Whether nobody asked for it."""
    if grant.consent is ASKED:
        return not (grant.column == "city" and site.city)
    return grant.consent is ALLOWED and not site.properties


def _word(keep: Keep | None) -> str:
    if keep is None:
        return ""
    return "yes" if keep is ASKED else keep.word


def of_site(
    site: Site, status: Iterable[tuple[str, str, str, bool, datetime, datetime]]
) -> list[Key]:
    """The keys that this site's rows are or were made under, of all that there are
    (`KeyStore.status`): the newest first.
    """
    zones = {timezone for _, timezone in site.zones} | {site.timezone}
    found = [
        Key(kind, _day_of(kind, period), exists, _utc(made), _ending(ends))
        for kind, scope, period, exists, made, ends in status
        if scope in ("", str(site.id)) or (kind == "day" and scope in zones)
    ]
    return sorted(found, key=lambda key: (key.kind, key.period, key.made), reverse=True)


def _day_of(kind: str, period: str) -> str:
    """Weeks are counted since 1970 (`KeyStore.event`): their first day, in UTC."""
    if kind != "event" or not period.isdigit():
        return period
    return (datetime.fromtimestamp(0, UTC) + int(period) * keys.EVENT_KEY_SPAN).date().isoformat()


def _utc(stored: datetime) -> datetime:
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)


def _ending(stored: datetime) -> datetime | None:
    """A key that lasts is stored with the last moment that there is."""
    ends = _utc(stored)
    return None if ends.year > 9000 else ends
