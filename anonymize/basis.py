"""On which basis an event is measured: the strongest protection wins, unset is never consent."""

from __future__ import annotations

from typing import NamedTuple

from anonymize.event import Basis, Dropped, Purpose, RawConsent, RawEvent, Reason

# The category names of a consent banner, and the purpose that each stands for.
CATEGORIES = {
    "analytics": Purpose.AUDIENCE,
    "audience": Purpose.AUDIENCE,
    "product": Purpose.PRODUCT,
    "attribution": Purpose.ATTRIBUTION,
    "account": Purpose.ACCOUNT,
}

_AUDIENCE_ONLY = (Purpose.AUDIENCE,)


class Decision(NamedTuple):
    """The basis and the purposes that a row of this event may serve."""

    basis: Basis
    purposes: tuple[Purpose, ...]


def decide(event: RawEvent, policy: str) -> Decision | Dropped:
    """Objection, then childhood, then the stated choice, then the site's policy.

    `policy` is `opt-in` or `exempt` and only speaks where the person did not.
    """
    request = event.request
    if says_one(request.gpc) or says_one(request.dnt) or event.consent.gpc:
        return Dropped(Reason.OBJECTED)
    if event.child_directed:
        return Decision(Basis.NONE, _AUDIENCE_ONLY)
    granted = stated(event.consent)
    if granted is not None:
        return (
            Decision(Basis.CONSENT, granted)
            if Purpose.AUDIENCE in granted
            else Decision(Basis.NONE, _AUDIENCE_ONLY)
        )
    return Decision(Basis.EXEMPT if policy == "exempt" else Basis.NONE, _AUDIENCE_ONLY)


def stated(consent: RawConsent) -> tuple[Purpose, ...] | None:
    """The purposes that were agreed to, or None where no choice is stated.

    A refusal in either form outweighs a grant in the other.
    """
    if consent.analytics_storage == "denied":
        return ()
    if consent.categories:
        return tuple(
            sorted(
                {
                    purpose
                    for category, purpose in CATEGORIES.items()
                    if consent.categories.get(category) is True
                }
                - {
                    purpose
                    for category, purpose in CATEGORIES.items()
                    if consent.categories.get(category) is False
                }
            )
        )
    if consent.analytics_storage == "granted":
        return _AUDIENCE_ONLY
    return None


def says_one(header: str) -> bool:
    """Whether any member of the header is exactly `1`: servers join repeated headers by commas."""
    return bool(header) and any(member.strip() == "1" for member in header.split(","))
