"""From a raw event to a row: the named steps, in order. Reading `STEPS` is reading the product.

Pure: the clock, the keys, the geography and the classifier of user agents are handed in. A step
computes columns; only those that the matrix grants to the event's basis reach the row.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from anonymize import device, matrix, pseudonyms, url
from anonymize.agent import Agents
from anonymize.basis import CATEGORIES, Decision, decide
from anonymize.event import (
    Accepted,
    Basis,
    Dropped,
    Outcome,
    Purpose,
    RawEvent,
    Reason,
    Rejected,
    Row,
)
from anonymize.geo import Geo
from anonymize.ip import Place, locate
from anonymize.keys import Keys
from anonymize.referrer import classify
from anonymize.scrub import scrub

_UNIX_MAX = 2**32 - 1  # ClickHouse's DateTime


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """What the pipeline must know of a site. `properties` are the allow-listed property keys.

    `categories` says what each category name of the site's consent banner stands for.
    """

    id: int
    domain: str
    timezone: str
    policy: str
    properties: frozenset[str] = frozenset()
    categories: Mapping[str, Purpose] = field(default_factory=lambda: CATEGORIES)
    child_directed: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that an event meets on its way.

    `now` is when it is being stored, and starts the row's life. `late` is the late window; None
    for an operator's import, whose events may be of any age. `final_days` are local days
    (YYYY-MM-DD) whose release is final: nothing may be added to them.
    """

    site: SitePolicy
    now: datetime
    late: timedelta | None
    keys: Keys
    geo: Geo
    agents: Agents
    final_days: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Frame:
    """What was decided before the steps: the basis, the local day, the place, the page."""

    basis: Basis
    purposes: tuple[Purpose, ...]
    day: date
    time: datetime
    place: Place
    page: url.Page | None


Step = Callable[[RawEvent, Context, Frame], Mapping[str, Any]]


def anonymize(event: RawEvent, context: Context) -> Outcome:
    """The one way from a `RawEvent` to a `Row`. Raises nothing that carries a raw value."""
    site = context.site
    decision = decide(event, site.policy, site.categories, site.child_directed)
    if not isinstance(decision, Decision):
        return decision
    time = corrected(event)
    if context.late is not None and event.request.received - time > context.late:
        return Dropped(Reason.TOO_OLD)
    if not 0 <= time.timestamp() <= _UNIX_MAX:
        return Rejected(Reason.BAD_TIMESTAMP, "/timestamp")
    day = time.astimezone(_zone(context.site.timezone)).date()
    if context.final_days and day.isoformat() in context.final_days:
        return Dropped(Reason.DAY_FINAL)
    page = url.clean(event.url)
    if event.url is not None and page is None:
        return Rejected(Reason.BAD_URL, "/url")
    basis = decision.basis
    if basis is Basis.EXEMPT and context.keys.day(context.site.timezone, day) is None:
        basis = Basis.NONE  # the day key is destroyed: nobody can be told apart any more
    place = locate(event.request.address, context.geo)
    frame = Frame(basis, decision.purposes, day, time, place, page)
    fields: dict[str, Any] = {}
    for step in STEPS:
        fields.update(step(event, context, frame))
    lifetime = timedelta(days=matrix.LIFETIME[basis])
    return Accepted(
        Row(
            site=context.site.id,
            day=day.isoformat(),
            basis=basis,
            purposes=frame.purposes,
            expires=(context.now.date() + lifetime).isoformat(),
            **matrix.keep(basis, fields),
        )
    )


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


@lru_cache(maxsize=64)
def _zone(timezone: str) -> ZoneInfo:
    return ZoneInfo(timezone)


def _moment(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    received = int(event.request.received.timestamp())
    return {"time": int(frame.time.timestamp()), "received": received}


def _happening(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    page = frame.page
    return {
        "name": scrub(event.name),
        "hostname": page.hostname if page else "",
        "page": page.path if page else "",
        "engagement": min(event.engagement or 0, 86_400_000),
        "scroll": min(event.scroll or 0, 100),
        "screen": scrub(event.screen_name or ""),
    }


def _properties(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    allowed = context.site.properties
    currency = _currency(event.currency)
    return {
        "props": {
            key: scrub(str(value))
            for key, value in event.props.items()
            if key in allowed and isinstance(value, str | int | float | bool)
        },
        "revenue": _money(event.revenue) if event.revenue and currency else "",
        "currency": currency if event.revenue else "",
    }


_MOST_MONEY = Decimal(10) ** 14 - 1  # the column is a Decimal(18, 4)


def _money(amount: float) -> str:
    within = max(-_MOST_MONEY, min(_MOST_MONEY, Decimal(str(amount))))
    return str(within.quantize(Decimal("0.0001")))


def _currency(code: str | None) -> str:
    """ISO 4217: three letters."""
    return code.upper() if code and len(code) == 3 and code.isascii() and code.isalpha() else ""


def _origin(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    page = frame.page
    campaign = {
        **(page.campaign if page else {}),
        **{f"utm_{key}": value for key, value in event.campaign.items()},
    }
    campaign = {
        key: scrub(url.campaign_value(value)) for key, value in campaign.items() if key in _CAMPAIGN
    }
    own = context.site.domain
    if page and not f".{page.hostname}".endswith(f".{own}"):
        own = page.hostname  # a page of the site under another name
    referral = classify(event.referrer, own, campaign, bool(page and page.paid_click))
    return {
        "referrer": referral.domain,
        "source": referral.source,
        "channel": referral.channel,
        **campaign,
    }


_CAMPAIGN = frozenset({"utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"})


def _geography(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    place = frame.place
    return {"country": place.country, "region": place.region, "city": place.city}


def _agent(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    request = event.request
    agent = context.agents.classify(request.user_agent, request.sdk)
    system = _SYSTEMS.get((event.os_name or "").lower(), "") if request.sdk else agent.os
    return {
        "browser": agent.browser,
        "browser_version": agent.browser_version,
        "os": system,
        "os_version": _major(event.os_version) if request.sdk else agent.os_version,
        "device": _CLASSES.get((event.device_type or "").lower(), "")
        or (_CLASS_OF_SYSTEM.get(system, "") if request.sdk else agent.device),
        "bot": agent.bot,
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


def _device(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    system = _SYSTEMS.get((event.os_name or "").lower(), "")
    return {
        "screen_size": device.screen_size(event.screen_width),
        "model": scrub(event.device_model or ""),
        "memory": device.memory(event.memory_total),
        "storage": device.storage(event.storage_total, system),
        "battery": device.battery(event.battery),
        "connection": device.connection(event.connection),
        "language": _language(event.language),
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


def _app(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    return {
        "app": scrub(event.app_name or ""),
        "app_version": scrub(event.app_version or ""),
        "app_build": scrub(event.app_build or ""),
    }


def _identity(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    """Visitor, user and visit pseudonyms, as far as the basis has a key for them."""
    site = context.site.id
    if frame.basis is Basis.CONSENT and event.anonymous_id:
        key = context.keys.identity(site)
        visitor = pseudonyms.visitor_of_client(key, site, event.anonymous_id)
        linked = event.user_id is not None and Purpose.ACCOUNT in frame.purposes
        return {
            "visitor": str(visitor),
            "user": str(pseudonyms.user(key, site, event.user_id or "")) if linked else "",
            "visit": pseudonyms.visit(key, site, visitor, event.session_id)
            if event.session_id
            else 0,
        }
    if frame.basis is Basis.NONE or frame.place.prefix is None:
        return {}
    day_key = context.keys.day(context.site.timezone, frame.day)
    if day_key is None:
        return {}
    request = event.request
    stated = f"{event.os_name}|{event.device_model}" if request.sdk else ""
    visitor = pseudonyms.visitor_of_day(
        day_key, site, frame.place.prefix, request.user_agent, stated
    )
    return {"visitor": str(visitor)}


def _event_id(event: RawEvent, context: Context, frame: Frame) -> Mapping[str, Any]:
    if not event.message_id:
        return {"event_id": secrets.randbits(64) or 1}
    key = context.keys.event(event.occurred or event.request.received)
    return {"event_id": pseudonyms.event_id(key, context.site.id, event.message_id)}


STEPS: tuple[Step, ...] = (
    _moment,
    _happening,
    _properties,
    _origin,
    _geography,
    _agent,
    _device,
    _app,
    _identity,
    _event_id,
)
