"""On which basis an event is measured: the strongest protection wins, unset is never consent.

docs/basis.md says the same in words, as tables that the tests hold this module to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple, Protocol

from anonymize import tcf
from anonymize.event import Basis, Dropped, Purpose, RawConsent, RawEvent, Reason, Rejected

# The category names of a consent banner that need no explaining, and what each stands for. A
# site's own names (`site set --category`) are laid over them.
CATEGORIES: Mapping[str, Purpose] = MappingProxyType(
    {
        "analytics": Purpose.AUDIENCE,
        "audience": Purpose.AUDIENCE,
        "product": Purpose.PRODUCT,
        "attribution": Purpose.ATTRIBUTION,
        "account": Purpose.ACCOUNT,
    }
)

TC_STRING_POINTER = "/context/consent/tcString"

# The TCF's policies have people asked again at least every 13 months, which is also how long an
# identifier lasts here.
CONSENT_LIFE = timedelta(days=395)

_NOTHING: frozenset[Purpose] = frozenset()
_AUDIENCE_ONLY = (Purpose.AUDIENCE,)
_ASKED_BY_TCF = frozenset(tcf.PURPOSES.values())


class Record(NamedTuple):
    """What a person told the service itself, apart from any event.

    `withdrawn` is when they last took their consent back, by the server's clock.
    """

    objected: bool = False
    withdrawn: datetime | None = None


NO_RECORD = Record()


class Recorded(Protocol):
    """Where objections and withdrawals are looked up."""

    def of(self, site: int, clients: Iterable[int]) -> Record:
        """The strongest record of any of these pseudonyms (`pseudonyms.on_record`)."""
        ...


class Decision(NamedTuple):
    """The basis and the purposes that a row of this event may serve."""

    basis: Basis
    purposes: tuple[Purpose, ...]


def decide(
    event: RawEvent,
    policy: str,
    categories: Mapping[str, Purpose] = CATEGORIES,
    child_directed: bool = False,
    record: Record = NO_RECORD,
) -> Decision | Dropped | Rejected:
    """Objection, then childhood, withdrawal, the stated choice, and the site's policy.

    `policy` is `opt-in` or `exempt` and only speaks where the person did not. `categories` says
    what the site's category names stand for; `child_directed` that all of it is for children;
    `record` what this person told the service before.
    """
    request = event.request
    if record.objected or _objects(event):
        return Dropped(Reason.OBJECTED)
    try:
        granted = stated(event.consent, categories, request.received)
    except tcf.TcfError:
        return Rejected(Reason.BAD_CONSENT_STRING, TC_STRING_POINTER)
    if child_directed or event.child_directed:
        return Decision(Basis.NONE, _AUDIENCE_ONLY)
    if record.withdrawn and not _renewed(event, granted, record.withdrawn):
        return Decision(Basis.NONE, _AUDIENCE_ONLY)
    if granted is None:
        return Decision(Basis.EXEMPT if policy == "exempt" else Basis.NONE, _AUDIENCE_ONLY)
    if Purpose.AUDIENCE not in granted:
        return Decision(Basis.NONE, _AUDIENCE_ONLY)
    return Decision(Basis.CONSENT, granted)


def _objects(event: RawEvent) -> bool:
    request, consent = event.request, event.consent
    return says_one(request.gpc) or says_one(request.dnt) or consent.gpc or consent.opt_out


def _renewed(event: RawEvent, granted: tuple[Purpose, ...] | None, withdrawn: datetime) -> bool:
    """Whether consent was given again after it was withdrawn.

    A choice that is dated in the future comes from a clock that cannot order the two. What a fast
    clock is ahead shows in when the event was sent; a slow one's choice counts as it is dated.
    """
    since, received = event.consent.updated_at, event.request.received
    if not granted or since is None or since > received:
        return False
    ahead = event.sent - received if event.sent is not None else timedelta(0)
    return since - withdrawn > max(ahead, timedelta(0))


def stated(
    consent: RawConsent, categories: Mapping[str, Purpose], now: datetime
) -> tuple[Purpose, ...] | None:
    """The purposes that were agreed to, in order; None where no choice is stated.

    A choice can be stated in three forms at once. A purpose is agreed to where one of them grants
    it, none refuses it, and the choice is not too old to be one. Raises `tcf.TcfError`.
    """
    if not (consent.categories or consent.analytics_storage or consent.tc_string):
        return None
    granted: set[Purpose] = set()
    refused: set[Purpose] = set()
    for name, choice in consent.categories.items():
        if name in categories:
            (granted if choice is True else refused).add(categories[name])
    if consent.analytics_storage:
        agreed = consent.analytics_storage == "granted"
        (granted if agreed else refused).add(Purpose.AUDIENCE)
    if consent.tc_string:
        string = tcf.decode(consent.tc_string, now)
        answers = tcf.granted(string) if now - string.last_updated <= CONSENT_LIFE else _NOTHING
        granted |= answers
        refused |= _ASKED_BY_TCF - answers
    if consent.updated_at is not None and now - consent.updated_at > CONSENT_LIFE:
        return ()
    return tuple(sorted(granted - refused))


def says_one(header: str) -> bool:
    """Whether any member of the header is exactly `1`: servers join repeated headers by commas."""
    return bool(header) and any(member.strip() == "1" for member in header.split(","))
