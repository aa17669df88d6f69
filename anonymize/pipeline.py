"""From a raw event to a row: the named steps, in order. Reading `STEPS` is reading the product.

Pure: the clock, the keys, the geography and the classifier of user agents are handed in. A step
computes columns; only those that the matrix grants to the event's basis reach the row. Some see
the whole event. Some see no more than its sender, or than what happened where, and are taken once
for all events of a request that say the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from anonymize import device, matrix, pseudonyms, url
from anonymize.agent import Agents, of_headers
from anonymize.basis import CATEGORIES, NO_RECORD, Decision, Record, Recorded, decide
from anonymize.calendar import Calendar, Moment
from anonymize.event import (
    Accepted,
    Basis,
    Dropped,
    Outcome,
    Purpose,
    RawClient,
    RawEvent,
    RawRequest,
    Reason,
    Rejected,
    Row,
    SealedStruct,
)
from anonymize.exclusion import NOTHING_EXCLUDED, Exclusions
from anonymize.geo import Geo
from anonymize.ip import locate, truncated
from anonymize.keys import Keys
from anonymize.referrer import classify
from anonymize.scrub import scrub

# What ClickHouse's DateTime and Date hold, in every time zone.
_UNIX_MIN, _UNIX_MAX = 86_400, 2**32 - 86_400
# Seconds. Since 1972 the clocks of every zone differ from UTC by whole quarters of an hour, so that
# no day and no hour begins within one.
_QUARTER = 900


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """What the pipeline must know of a site. `properties` are the allow-listed property keys.

    `categories` says what each category name of the site's consent banner stands for. `asked` are
    the columns that the matrix grants only where a site asks for them.
    """

    id: int
    domain: str
    calendar: Calendar
    policy: str
    properties: frozenset[str] = frozenset()
    categories: Mapping[str, Purpose] = field(default_factory=lambda: CATEGORIES)
    child_directed: bool = False
    exclusions: Exclusions = NOTHING_EXCLUDED
    asked: frozenset[str] = frozenset()


T = TypeVar("T")


class Memo:
    """What was asked before: the next event of a request mostly asks the same again.

    Holds raw values, and so belongs to one context, which lives while one request is answered.
    """

    __slots__ = ("_all", "_last")

    def __init__(self) -> None:
        self._last: dict[str, tuple[object, Any]] = {}
        self._all: dict[tuple[str, ...], Any] = {}

    def once(self, question: str, about: object, answer: Callable[[], T]) -> T:
        """`answer()`, unless the same was asked about an equal thing the last time."""
        held = self._last.get(question)
        if held is None or held[0] != about:
            held = self._last[question] = (about, answer())
        known: T = held[1]
        return known

    def ever(self, about: tuple[str, ...], answer: Callable[..., T]) -> T:
        """`answer(*about)`, unless that was asked before. Of one kind of question alone."""
        known: T | None = self._all.get(about)
        if known is None:
            known = self._all[about] = answer(*about)
        return known


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that the events of one request meet on their way.

    `now` is when they are being stored, and starts the rows' life. `late` is the late window; None
    for an operator's import, whose events may be of any age. `final_days` are local days
    (YYYY-MM-DD) whose release is final: nothing may be added to them. `recorded` knows who objected
    or withdrew; None where no client says who it is, as in a log.
    """

    site: SitePolicy
    now: datetime
    late: timedelta | None
    keys: Keys
    geo: Geo
    agents: Agents
    final_days: frozenset[str] = frozenset()
    recorded: Recorded | None = None
    memo: Memo = field(default_factory=Memo, init=False, repr=False, compare=False)


class Sender(NamedTuple):
    """What an event says of who sent it, and with what; most events of a request say the same.

    `day` is the site's own. A step that is handed this and not the event cannot depend on anything
    else.
    """

    basis: Basis
    purposes: tuple[Purpose, ...]
    day: date
    request: RawRequest
    client: RawClient

    def __repr__(self) -> str:
        return "<Sender>"


class Happening(SealedStruct, frozen=True):
    """What an event says of what happened and where; likewise."""

    name: str
    screen_name: str | None
    page: url.Page | None
    referrer: str | None
    campaign: Mapping[str, str]


class _Sent(NamedTuple):
    """The columns that a sender's rows share. `rows` are those of each happening so far, complete
    but for the columns of `STEPS`; or why there are none.
    """

    basis: Basis
    columns: Mapping[str, Any]
    rows: dict[tuple[object, ...], Row | Dropped | Rejected]

    def __repr__(self) -> str:
        return "<_Sent>"


Step = Callable[[RawEvent, Context, Moment], Mapping[str, Any]]
SenderStep = Callable[[Sender, Context], Mapping[str, Any]]
HappeningStep = Callable[[Happening, Context], Mapping[str, Any]]


def anonymize(event: RawEvent, context: Context) -> Outcome:
    """The one way from a `RawEvent` to a `Row`. Raises nothing that carries a raw value."""
    decision = _decision(event, context)
    if not isinstance(decision, Decision):
        return decision
    time = corrected(event)
    if context.late is not None and event.request.received - time > context.late:
        return Dropped(Reason.TOO_OLD)
    seconds = time.timestamp()
    if not _UNIX_MIN <= seconds <= _UNIX_MAX:
        return Rejected(Reason.BAD_TIMESTAMP, "/timestamp")
    quarter = int(seconds) // _QUARTER
    day, hour = context.memo.once(
        "day", quarter, lambda: _day_and_hour(context.site.calendar, quarter)
    )
    if context.final_days and day.isoformat() in context.final_days:
        return Dropped(Reason.DAY_FINAL)
    sent = context.memo.once(
        "sender",
        (decision, day, event.request, event.client),
        lambda: _sent(Sender(*decision, day, event.request, event.client), context),
    )
    shared = _shared(event, context, sent)
    if not isinstance(shared, Row):
        return shared
    if context.site.exclusions.networks and _excluded(event.request.address, context):
        return Dropped(Reason.EXCLUDED_ADDRESS)
    moment = Moment(int(seconds), hour)
    fields: dict[str, Any] = {}
    for step in STEPS:
        fields.update(step(event, context, moment))
    own = matrix.keep(sent.basis, fields, context.site.asked)
    return Accepted(msgspec.structs.replace(shared, **own))


@lru_cache(maxsize=4096)
def _day_and_hour(calendar: Calendar, quarter: int) -> tuple[date, int]:
    """The local day, and when the hour began, of a quarter of an hour since 1970."""
    instant = datetime.fromtimestamp(quarter * _QUARTER, UTC)
    return calendar.local_day(instant), calendar.hour(instant)


def _decision(event: RawEvent, context: Context) -> Decision | Dropped | Rejected:
    """On which basis. To read a consent string takes longer than all the rest."""
    asked = event.request, event.sent, event.consent, event.child_directed, event.client
    return context.memo.once("basis", asked, lambda: _decide(event, context))


def _decide(event: RawEvent, context: Context) -> Decision | Dropped | Rejected:
    site, record = context.site, _record(event.client, context)
    return decide(event, site.policy, site.categories, site.child_directed, record)


def _record(client: RawClient, context: Context) -> Record:
    """What this client, or the account in it, told the service before."""
    recorded, site = context.recorded, context.site.id
    stated = client.anonymous_id, client.user_id
    if recorded is None or stated == (None, None):
        return NO_RECORD
    return context.memo.once(
        "record",
        stated,
        lambda: recorded.of(site, pseudonyms.on_record(context.keys.record(site), site, *stated)),
    )


def _excluded(address: str | None, context: Context) -> bool:
    """Whether the site excludes the network of this address."""
    network = context.memo.once("network", address, lambda: _network(address, context))
    return network in context.site.exclusions.networks


def _network(address: str | None, context: Context) -> str:
    """As exclusions name it; '' where the address could not be parsed."""
    prefix = truncated(address)
    if prefix is None:
        return ""
    return pseudonyms.network(context.keys.exclusion(), context.site.id, prefix)


def _sent(sender: Sender, context: Context) -> _Sent:
    """What a row has of its sender, as far as the matrix grants it."""
    site = context.site
    if sender.basis is Basis.EXEMPT and _day_key(sender, context) is None:
        # The day key is destroyed: nobody can be told apart any more.
        sender = sender._replace(basis=Basis.NONE)
    fields: dict[str, Any] = {}
    for step in SENDER_STEPS:
        fields.update(step(sender, context))
    lifetime = timedelta(days=matrix.LIFETIME[sender.basis])
    columns = {
        "site": site.id,
        "day": sender.day.isoformat(),
        "basis": sender.basis,
        "purposes": sender.purposes,
        "expires": (context.now.date() + lifetime).isoformat(),
        **matrix.keep(sender.basis, fields, site.asked),
    }
    return _Sent(sender.basis, columns, {})


def _shared(event: RawEvent, context: Context, sent: _Sent) -> Row | Dropped | Rejected:
    """The row of this happening and sender without the columns of `STEPS`."""
    stated = tuple(event.campaign.items()) if event.campaign else None
    key = event.name, event.url, event.referrer, event.screen_name, stated
    shared = sent.rows.get(key)
    if shared is None:
        shared = sent.rows[key] = _of_happening(event, context, sent)
    return shared


def _of_happening(event: RawEvent, context: Context, sent: _Sent) -> Row | Dropped | Rejected:
    page = url.clean(event.url)
    if event.url is not None and page is None:
        return Rejected(Reason.BAD_URL, "/url")
    if page and (unwanted := context.site.exclusions.of_page(page)):
        return Dropped(unwanted)
    happening = Happening(event.name, event.screen_name, page, event.referrer, event.campaign)
    fields: dict[str, Any] = {}
    for step in HAPPENING_STEPS:
        fields.update(step(happening, context))
    kept = matrix.keep(sent.basis, fields, context.site.asked)
    # A spammer's referrer says more than the agent that it borrowed: of two kinds it is kept.
    return Row(**{"time": 0, "event_id": 0, "name": "", **sent.columns, **kept})


def corrected(event: RawEvent) -> datetime:
    """When it happened, by our clock: received − (sent − occurred), never in the future.

    What the client says of its own clock cancels out. Without `sent` the client's time is taken
    as it is; without `occurred` the event happened when it arrived.
    """
    received = event.request.received
    if event.occurred is None:
        return received
    time = event.occurred
    if event.sent is not None:
        try:
            time = received - (event.sent - event.occurred)
        except OverflowError:
            return received
    return min(time, received)


def _moment(event: RawEvent, context: Context, moment: Moment) -> Mapping[str, Any]:
    return {"time": moment}


def _measures(event: RawEvent, context: Context, moment: Moment) -> Mapping[str, Any]:
    return {
        "engagement": min(event.engagement or 0, 86_400_000),
        "scroll": min(event.scroll or 0, 100),
    }


def _properties(event: RawEvent, context: Context, moment: Moment) -> Mapping[str, Any]:
    fields: dict[str, Any] = {}
    allowed = context.site.properties
    if allowed and event.props:
        fields["props"] = dict(
            context.memo.ever((key, _text(value)), _property)
            for key, value in event.props.items()
            if key in allowed and isinstance(value, str | int | float | bool)
        )
    currency = _currency(event.currency)
    if event.revenue and currency:
        fields |= {"revenue": _money(event.revenue), "currency": currency}
    return fields


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _property(key: str, value: str) -> tuple[str, str]:
    """Read together with its key: `lat` or `phone` in front of a number says what it is.

    An address, such as that of a link that was clicked, keeps no more than a page's does.
    """
    return scrub(key), scrub(f"{key}={url.bare(value)}").removeprefix(f"{key}=")


_MOST_MONEY = Decimal(10) ** 14 - 1  # the column is a Decimal(18, 4)


def _money(amount: float) -> str:
    within = max(-_MOST_MONEY, min(_MOST_MONEY, Decimal(str(amount))))
    return str(within.quantize(Decimal("0.0001")))


def _currency(code: str | None) -> str:
    """ISO 4217: three letters."""
    return code.upper() if code and len(code) == 3 and code.isascii() and code.isalpha() else ""


def _happening(happening: Happening, context: Context) -> Mapping[str, Any]:
    page = happening.page
    return {
        "name": scrub(url.bare(happening.name)),
        "hostname": scrub(page.hostname) if page else "",
        "page": page.path if page else "",
        "screen": scrub(url.bare(happening.screen_name)) if happening.screen_name else "",
    }


def _origin(happening: Happening, context: Context) -> Mapping[str, Any]:
    page = happening.page
    campaign = page.campaign if page else {}
    if happening.campaign:  # stated apart from the address, as apps do
        stated = {
            f"utm_{key}": cleaned
            for key, value in happening.campaign.items()
            if f"utm_{key}" in url.CAMPAIGN and (cleaned := url.campaign_value(value))
        }
        campaign = {**campaign, **stated}
    own = context.site.domain
    if page and page.hostname != own and not page.hostname.endswith(f".{own}"):
        own = page.hostname  # a page of the site under another name
    asked = happening.referrer, own, campaign, bool(page and page.paid_click)
    referral = context.memo.once("referral", asked, lambda: classify(*asked))
    return {
        "referrer": referral.domain,
        "source": referral.source,
        "channel": referral.channel,
        "bot": "spam" if referral.spam else "",
        **campaign,
    }


def _event_id(event: RawEvent, context: Context, moment: Moment) -> Mapping[str, Any]:
    if not event.message_id:
        return {"event_id": secrets.randbits(64) or 1}
    when = event.occurred or event.request.received
    quarter = int(when.timestamp()) // _QUARTER
    name = context.memo.once(
        "event key",
        quarter,
        lambda: pseudonyms.event_ids(context.keys.event(when), context.site.id),
    )
    return {"event_id": name(event.message_id)}


def _arrival(sender: Sender, context: Context) -> Mapping[str, Any]:
    second = int(sender.request.received.timestamp())
    _, hour = _day_and_hour(context.site.calendar, second // _QUARTER)
    return {"received": Moment(second, hour)}


def _place(sender: Sender, context: Context) -> Mapping[str, Any]:
    """Geography, and from the truncated address the visitor of the day where nothing is stated."""
    place = locate(sender.request.address, context.geo)
    fields: dict[str, Any] = {
        "country": place.country,
        "region": place.region,
        "city": place.city,
    }
    by_client = sender.basis is Basis.CONSENT and sender.client.anonymous_id
    if not by_client and sender.basis is not Basis.NONE and place.prefix is not None:
        fields["visitor"] = _visitor_of_day(sender, context, place.prefix)
    return fields


def _day_key(sender: Sender, context: Context) -> bytes | None:
    return context.keys.day(context.site.calendar.zone_on(sender.day).key, sender.day)


def _visitor_of_day(sender: Sender, context: Context, prefix: bytes) -> str:
    """'' once the day key is gone."""
    key = _day_key(sender, context)
    if key is None:
        return ""
    request = sender.request
    stated = f"{sender.client.os_name}|{sender.client.device_model}" if request.sdk else ""
    visitor = pseudonyms.visitor_of_day(key, context.site.id, prefix, request.user_agent, stated)
    return str(visitor)


def _identity(sender: Sender, context: Context) -> Mapping[str, Any]:
    """Visitor, user and visit pseudonyms of a client that consented to be recognised."""
    client = sender.client
    if sender.basis is not Basis.CONSENT or not client.anonymous_id:
        return {}
    site = context.site.id
    key = context.keys.identity(site)
    visitor = pseudonyms.visitor_of_client(key, site, client.anonymous_id)
    fields: dict[str, Any] = {"visitor": str(visitor)}
    if client.user_id is not None and Purpose.ACCOUNT in sender.purposes:
        fields["user"] = str(pseudonyms.user(key, site, client.user_id))
    if client.session_id:
        fields["visit"] = pseudonyms.visit(key, site, visitor, client.session_id)
    return fields


def _agent(sender: Sender, context: Context) -> Mapping[str, Any]:
    request, client = sender.request, sender.client
    agent = context.agents.classify(request.user_agent, request.sdk)
    system = _SYSTEMS.get((client.os_name or "").lower(), "") if request.sdk else agent.os
    return {
        "browser": agent.browser,
        "browser_version": agent.browser_version,
        "os": system,
        "os_version": _major(client.os_version) if request.sdk else agent.os_version,
        "device": _CLASSES.get((client.device_type or "").lower(), "")
        or (_CLASS_OF_SYSTEM.get(system, "") if request.sdk else agent.device),
        "bot": "" if request.sdk else of_headers(request.purpose, request.brands) or agent.bot,
    }


# How SDKs name systems and devices, in the words that user agents give.
_SYSTEMS = {
    "ios": "iOS", "ipados": "iOS", "iphone os": "iOS", "android": "Android", "macos": "Mac",
    "mac os x": "Mac", "darwin": "Mac", "windows": "Windows", "linux": "GNU/Linux",
    "tvos": "tvOS", "watchos": "watchOS", "chrome os": "Chrome OS",
}  # fmt: skip
_CLASSES = {
    "mobile": "Mobile",
    "phone": "Mobile",
    "tablet": "Tablet",
    "desktop": "Desktop",
    "tv": "TV",
}
_CLASS_OF_SYSTEM = {
    "iOS": "Mobile",
    "Android": "Mobile",
    "tvOS": "TV",
    "Mac": "Desktop",
    "Windows": "Desktop",
}


def _major(version: str | None) -> str:
    major = (version or "").partition(".")[0]
    return major if major.isascii() and major.isdigit() and len(major) <= 4 else ""


def _device(sender: Sender, context: Context) -> Mapping[str, Any]:
    client = sender.client
    system = _SYSTEMS.get((client.os_name or "").lower(), "")
    return {
        "screen_size": device.screen_size(client.screen_width),
        "model": device.model(client.device_model),
        "memory": device.memory(client.memory_total),
        "storage": device.storage(client.storage_total, system),
        "battery": device.battery(client.battery),
        "connection": device.connection(client.connection),
        "language": _language(client.language),
    }


def _language(tag: str | None) -> str:
    """`nl_BE.UTF-8` or `nl-be` → `nl-BE`; anything that is not a language tag → nothing."""
    primary, _, rest = (tag or "").replace("_", "-").partition("-")
    region = rest[-2:].upper() if len(rest) in (2, 7) else ""
    if not (primary.isascii() and primary.isalpha() and 2 <= len(primary) <= 3):
        return ""
    return (
        f"{primary.lower()}-{region}" if region.isalpha() and region.isascii() else primary.lower()
    )


def _app(sender: Sender, context: Context) -> Mapping[str, Any]:
    client = sender.client
    return {
        "app": scrub(client.app_name or ""),
        "app_version": scrub(client.app_version or ""),
        "app_build": scrub(client.app_build or ""),
    }


STEPS: tuple[Step, ...] = (_moment, _measures, _properties, _event_id)
HAPPENING_STEPS: tuple[HappeningStep, ...] = (_happening, _origin)
SENDER_STEPS: tuple[SenderStep, ...] = (_arrival, _place, _identity, _agent, _device, _app)
