"""What the page about privacy says: what is stored of a site's visitors, for how long, under which
keys. Live facts out of the configuration that the code obeys, fit to be shown to an auditor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import msgspec

from control import stored
from control.definitions import LIVE, NEW
from control.sites import Site
from control.stored import Column, Key
from dashboards.words import N_
from releases.reading import Freshness

# What each column holds, in the matrix's order.
MEANINGS = {
    "visitor": N_("pseudonym of the visitor"),
    "user": N_("pseudonym of the account"),
    "visit": N_("number of the visit"),
    "time": N_("when it happened"),
    "received": N_("when it arrived"),
    "event_id": N_("against counting twice"),
    "bot": N_("kind of machine"),
    "name": N_("name of the event"),
    "hostname": N_("host of the page"),
    "page": N_("path of the page"),
    "engagement": N_("time in view"),
    "scroll": N_("how far down"),
    "props": N_("properties of the event"),
    "revenue": N_("amount of money"),
    "currency": N_("its currency"),
    "referrer": N_("domain they came from"),
    "source": N_("its name"),
    "channel": N_("kind of source"),
    "utm_source": N_("campaign: source"),
    "utm_medium": N_("campaign: medium"),
    "utm_campaign": N_("campaign: name"),
    "utm_content": N_("campaign: content"),
    "utm_term": N_("campaign: term"),
    "country": N_("country"),
    "region": N_("region"),
    "city": N_("city"),
    "language": N_("language"),
    "device": N_("class of device"),
    "browser": N_("browser"),
    "browser_version": N_("its major version"),
    "os": N_("operating system"),
    "os_version": N_("its version"),
    "screen_size": N_("width of the screen"),
    "model": N_("model of the device"),
    "memory": N_("memory"),
    "storage": N_("storage"),
    "battery": N_("charge"),
    "connection": N_("kind of connection"),
    "app": N_("app"),
    "app_version": N_("version of the app"),
    "app_build": N_("build of the app"),
    "screen": N_("screen of the app"),
}
# The words of the matrix (`anonymize.matrix`).
WORDS = {
    "yes": N_("yes"),
    "to the second": N_("to the second"),
    "to the hour": N_("to the hour"),
    "identity key of the site, from the client's id": N_("keyed, from the client’s id"),
    "day key, from truncated address and user agent": N_(
        "keyed for the day, from truncated address and user agent"
    ),
    "as the client states it, keyed; else derived": N_("as stated, keyed; else derived"),
    "primary subtag": N_("without region"),
    "bucket": N_("in buckets"),
    "if the site asks": N_("yes"),
    "those that the site allows": N_("those allowed"),
}
PURPOSES = {
    "audience": N_("audience measurement"),
    "product": N_("product improvement"),
    "attribution": N_("attribution of campaigns"),
    "account": N_("linking to an account"),
}
_KINDS = {
    "day": (
        N_("Day key"),
        N_("Pseudonyms of one day, without consent. Destroyed within the hour after its day ends."),
    ),
    "identity": (
        N_("Identity key"),
        N_("Pseudonyms of people who consented. A new one every 13 months."),
    ),
    "event": (
        N_("Message-id key"),
        N_("Finds an event that was sent twice. One a week."),
    ),
    "record": (
        N_("Objections key"),
        N_("Finds objections and withdrawals again, which no row holds."),
    ),
    "exclusion": (N_("Exclusions key"), N_("Networks that sites exclude, such as their own.")),
    "threshold": (
        N_("Threshold key"),
        N_("Draws the secret number of people that each figure needs."),
    ),
    "audit": (N_("Audit key"), N_("Seals the record of who did what with this service.")),
}
_NEWEST = 3  # keys of a kind that are shown: of days and weeks there are many


@dataclass(frozen=True, slots=True)
class KeyLine:
    key: Key
    age: timedelta
    left: timedelta | None


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys of one kind: the newest, and how many there were that are destroyed."""

    name: str
    help: str
    lines: tuple[KeyLine, ...]
    destroyed: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Privacy:
    """`bases` are those on which this site measures. `fingerprint` names this configuration: two
    prints with the same one state the same.
    """

    at: datetime
    bases: frozenset[str]
    columns: tuple[Column, ...]
    lifetimes: dict[str, int]
    keys: tuple[KeyGroup, ...]
    late_days: int
    freshness: Freshness
    most_definitions: int
    most_new: int
    fingerprint: str

    @property
    def kept(self) -> int:
        """How many columns any basis of this site may fill."""
        return sum(any(getattr(c, basis) for basis in self.bases) for c in self.columns)

    @property
    def overdue(self) -> int:
        return sum(group.overdue for group in self.keys)

    @property
    def identity(self) -> KeyLine | None:
        """The site's newest identity key."""
        lines = [line for group in self.keys for line in group.lines if line.key.exists]
        return next((line for line in lines if line.key.kind == "identity"), None)


def privacy(
    site: Site,
    keys: Iterable[tuple[str, str, str, bool, datetime, datetime]],
    late_days: int,
    freshness: Freshness,
    now: datetime,
) -> Privacy:
    """`keys` are what a key store says of its keys; never a key itself."""
    columns = tuple(stored.columns(site))
    bases = stored.bases(site)
    return Privacy(
        at=now.astimezone(site.calendar.zone_at(now)),
        bases=bases,
        columns=columns,
        lifetimes=stored.LIFETIMES,
        keys=tuple(_groups(stored.of_site(site, keys), now)),
        late_days=late_days,
        freshness=freshness,
        most_definitions=LIVE,
        most_new=NEW,
        fingerprint=_fingerprint(site, columns, late_days),
    )


def _groups(keys: list[Key], now: datetime) -> Iterable[KeyGroup]:
    for kind, (name, words) in _KINDS.items():
        found = [key for key in keys if key.kind == kind]
        lines = [
            KeyLine(key, now - key.made, key.ends - now if key.ends else None) for key in found
        ]
        yield KeyGroup(
            name,
            words,
            tuple(lines[:_NEWEST]),
            sum(not key.exists for key in found),
            # A process that holds keys destroys them each minute.
            sum(
                key.exists and key.ends is not None and now - key.ends > timedelta(minutes=10)
                for key in found
            ),
        )


def _fingerprint(site: Site, columns: Iterable[Column], late_days: int) -> str:
    """SHA-256 of what is configured, without the write key and the excluded networks."""
    facts = {
        "site": site.domain,
        "timezone": site.timezone,
        "policy": site.policy,
        "country": site.country,
        "k": site.k,
        "children": site.child_directed,
        "categories": site.categories,
        "properties": site.properties,
        "columns": [asdict(column) for column in columns],
        "lifetimes": stored.LIFETIMES,
        "late": late_days,
    }
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()[:16]
