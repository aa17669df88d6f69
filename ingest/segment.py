"""The Segment HTTP tracking API: a batch of events, or one, as every Segment SDK sends them.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ says what they
hold. Unknown fields are passed over; what is known is checked, and one bad event never costs the
others. What is not named here is never read: advertising identifiers, device ids and names,
`context.traits`, `context.ip` and `context.location` among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from anonymize.event import (
    Dropped,
    RawClient,
    RawConsent,
    RawEvent,
    RawRequest,
    Reason,
    SealedStruct,
)
from ingest.wire import (
    BATCH_EVENTS,
    EVENT_BYTES,
    NAME_LENGTH,
    URL_LENGTH,
    Fault,
    Integer,
    Item,
    Malformed,
    Name,
    Url,
    check_properties,
    domains,
    is_scalar,
    mend_surrogates,
    money,
    rejection,
    time_of,
)

# Some SDKs send numbers where the specification has text, and the other way round.
_Word = Name | Integer | float | None
_Id = str | Integer | None
_Size = Integer | float | None


class _Struct(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _App(_Struct, frozen=True):
    name: Name | None = None
    version: _Word = None
    build: _Word = None


class _Amount(_Struct, frozen=True):
    total: _Size = None


class _Battery(_Struct, frozen=True):
    level: float | None = None


class _Device(_Struct, frozen=True):
    type: Name | None = None
    manufacturer: Name | None = None
    model: Name | None = None
    memory: _Amount | None = None
    storage: _Amount | None = None
    battery: _Battery | None = None


class _System(_Struct, frozen=True):
    name: Name | None = None
    version: _Word = None


class _Network(_Struct, frozen=True):
    wifi: bool | None = None
    cellular: bool | None = None


class _Screen(_Struct, frozen=True):
    width: _Size = None
    height: _Size = None
    density: _Size = None


class _Campaign(_Struct, frozen=True):
    name: Name | None = None
    source: Name | None = None
    medium: Name | None = None
    term: Name | None = None
    content: Name | None = None


class _Page(_Struct, frozen=True):
    url: Url | None = None
    referrer: Url | None = None


class _Consent(_Struct, frozen=True):
    category_preferences: dict[str, bool] | None = None
    analytics_storage: Literal["granted", "denied"] | None = msgspec.field(
        default=None, name="analytics_storage"
    )
    tc_string: str | None = None
    gpc: bool | None = None
    opt_out: bool | None = None
    updated_at: str | None = None


class _Library(_Struct, frozen=True):
    name: _Word = None


class _Session(_Struct, frozen=True):
    id: _Id = None


class _Context(_Struct, frozen=True):
    app: _App | None = None
    campaign: _Campaign | None = None
    child_directed: bool | None = None
    consent: _Consent | None = None
    device: _Device | None = None
    library: _Library | None = None
    locale: Name | None = None
    network: _Network | None = None
    os: _System | None = None
    page: _Page | None = None
    screen: _Screen | None = None
    session: _Session | None = None
    session_id: _Id = None


class _Facts(_Struct, frozen=True):
    type: str | None = None
    event: Name | None = None
    name: Name | None = None
    message_id: str | None = None
    anonymous_id: _Id = None
    user_id: _Id = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    properties: dict[str, Any] | None = None
    traits: Any = None
    integrations: Any = None


class _Event(_Facts, frozen=True):
    """As it is described (operate/operations.py)."""

    context: _Context | None = None


class _Opened(_Facts, frozen=True):
    """As it is read: mostly the context is the same bytes in all of a batch."""

    context: msgspec.Raw = msgspec.Raw()


class _Batch(_Struct, frozen=True):
    batch: list[msgspec.Raw]
    write_key: str | None = None
    domain: Url | None = None
    sent_at: str | None = None
    context: _Context | None = None  # for the events that have none of their own


class _Key(_Struct, frozen=True):
    write_key: str | None = None
    domain: Url | None = None


class _MessageId(_Struct, frozen=True):
    message_id: str | None = None


_batches = msgspec.json.Decoder(_Batch)
_keys = msgspec.json.Decoder(_Key)
_events = msgspec.json.Decoder(_Opened)
_contexts: msgspec.json.Decoder[_Context | None] = msgspec.json.Decoder(_Context | None)
_message_ids = msgspec.json.Decoder(_MessageId)


@dataclass(frozen=True, slots=True, repr=False)
class Parcel:
    """A body taken apart: the write key or the domains that it names, and its events as bytes.

    `kind` is the type of every event where the path says it; None where each says its own.
    """

    write_key: str | None
    domains: list[str]
    events: list[msgspec.Raw]
    sent: datetime | None = None
    kind: str | None = None
    context: _Context | None = None

    def items(self, request: RawRequest) -> list[Item]:
        """One item for each event, in the order of the body. Never raises."""
        known: _Known = {}
        if self.kind:
            return [self._item(raw, request, "", known) for raw in self.events]
        return [
            self._item(raw, request, f"/batch/{index}", known)
            for index, raw in enumerate(self.events)
        ]

    def _item(self, raw: msgspec.Raw, request: RawRequest, pointer: str, known: _Known) -> Item:
        try:
            if len(raw) > EVENT_BYTES:
                raise Fault(Reason.TOO_LARGE, "")
            event = _events.decode(raw)
            kind = self.kind or event.type
            if kind is None:
                raise Fault(Reason.MISSING_FIELD, "/type")
            read = _KINDS.get(kind)
            if read is None:
                return Item(Dropped(Reason.UNSUPPORTED_TYPE), event.message_id, pointer=pointer)
            around = self._surroundings(event, known)
            happening = read(event, around)
            content = _raw_event(event, around, happening, request, self.sent)
            return Item(
                content, event.message_id, happening.url_pointer, pointer, kind == "identify"
            )
        except (Fault, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Item(rejection(error), _message_id(raw), pointer=pointer)

    def _surroundings(self, event: _Opened, known: _Known) -> _Surroundings:
        """What surrounds the event, made once of equal bytes. Raises what `_item` catches."""
        stated = bytes(event.context)
        session = _session_of_plugin(event.integrations) if event.integrations else None
        key = stated, event.anonymous_id, event.user_id, session
        found = known.get(key)
        if found is None:
            context = _decoded(stated) or self.context or _Context()
            found = known[key] = _read(context, event.anonymous_id, event.user_id, session)
        return found


def open_batch(body: bytes) -> Parcel:
    """The body of `/v1/batch`. Raises `Malformed`."""
    batch, _ = _envelope(_batches, body)
    if len(batch.batch) > BATCH_EVENTS:
        raise Malformed(Reason.TOO_MANY, "/batch")
    try:
        sent = time_of(batch.sent_at, "/sentAt")
    except Fault as fault:
        raise Malformed(fault.rejected.reason, fault.rejected.pointer) from None
    named = domains(batch.domain)
    return Parcel(batch.write_key, named, batch.batch, sent, context=batch.context)


def open_single(body: bytes, kind: str) -> Parcel:
    """The body of `/v1/track` and the like: one event, whose type the path says."""
    key, body = _envelope(_keys, body)
    return Parcel(key.write_key, domains(key.domain), [msgspec.Raw(body)], kind=kind)


_T = TypeVar("_T")


def _envelope(decoder: msgspec.json.Decoder[_T], body: bytes) -> tuple[_T, bytes]:
    """What the decoder makes of the body, and the body as it was then."""
    try:
        try:
            return decoder.decode(body), body
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            body = mend_surrogates(body)
            return decoder.decode(body), body
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        rejected = rejection(error)
    raise Malformed(rejected.reason, rejected.pointer)


def _message_id(raw: msgspec.Raw) -> str | None:
    """The message id of an event that could not be read otherwise."""
    try:
        return _message_ids.decode(raw).message_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class _Happening(SealedStruct, frozen=True):
    """What an event's type decides: its name and where its facts are found."""

    name: str
    url: str | None
    url_pointer: str
    referrer: str | None
    screen: str | None = None
    properties: Mapping[str, Any] = {}
    revenue: float | None = None
    currency: str | None = None
    engagement: int | None = None
    scroll: int | None = None


def _page(event: _Opened, around: _Surroundings) -> _Happening:
    properties = event.properties or {}
    stated = {name: _text(properties.pop(name, None), name) for name in _PAGE_PROPERTIES}
    check_properties(properties, "/properties")
    return _Happening(
        name="pageview",
        url=stated["url"] or around.url,
        url_pointer="/properties/url" if stated["url"] else "/context/page/url",
        referrer=stated["referrer"] or around.referrer,
        properties=properties,
    )


# What Segment's specification reserves in a page call. Only the first two are used.
_PAGE_PROPERTIES = ("url", "referrer", "path", "search", "title", "hash")


def _text(value: Any, name: str) -> str | None:
    if value is None or isinstance(value, str):
        if value and len(value) > URL_LENGTH:
            raise Fault(Reason.TOO_LONG, f"/properties/{name}")
        return value
    raise Fault(Reason.WRONG_TYPE, f"/properties/{name}")


def _screen(event: _Opened, around: _Surroundings) -> _Happening:
    properties = event.properties or {}
    check_properties(properties, "/properties")
    name = event.name or properties.pop("name", None)
    if name is not None and not isinstance(name, str):
        raise Fault(Reason.WRONG_TYPE, "/properties/name")
    if name and len(name) > NAME_LENGTH:
        raise Fault(Reason.TOO_LONG, "/properties/name")
    return _Happening(
        "screen", around.url, "/context/page/url", around.referrer, name or None, properties
    )


def _track(event: _Opened, around: _Surroundings) -> _Happening:
    if not event.event:
        raise Fault(Reason.MISSING_FIELD, "/event")
    properties = event.properties or {}
    check_properties(properties, "/properties")
    revenue, currency = None, None
    if (amount := properties.pop("revenue", None)) is not None:
        # Segment's specification: US dollars where no currency is stated.
        revenue, currency = money(
            amount,
            properties.pop("currency", None) or "USD",
            ("/properties/revenue", "/properties/currency"),
        )
    # How the beacon reports on the page that was looked at: milliseconds, and per cent.
    reports = event.event == "engagement"
    engagement = _measure(properties, "engagementTime") if reports else None
    scroll = _measure(properties, "scrollDepth") if reports else None
    return _Happening(
        name=event.event,
        url=around.url,
        url_pointer="/context/page/url",
        referrer=around.referrer,
        properties=properties,
        revenue=revenue,
        currency=currency,
        engagement=engagement,
        scroll=scroll,
    )


def _measure(properties: dict[str, Any], name: str) -> int | None:
    value = properties.pop(name, None)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Fault(Reason.WRONG_TYPE, f"/properties/{name}")
    if value is not None and value < 0:
        raise Fault(Reason.BAD_NUMBER, f"/properties/{name}")
    return None if value is None else int(value)


def _identify(event: _Opened, around: _Surroundings) -> _Happening:
    """Traits are told like properties, of which the site allows some. None is worth a refusal."""
    traits = event.traits if isinstance(event.traits, dict) else {}
    stated = {key: value for key, value in traits.items() if is_scalar(value)}
    return _Happening(
        "identify", around.url, "/context/page/url", around.referrer, properties=stated
    )


_KINDS = {"page": _page, "screen": _screen, "track": _track, "identify": _identify}

# They write `sentAt` into a file when they close it, and send that file when there is a network
# again, days later perhaps: how far their clock is off cannot be told.
_FILE_WRITERS = frozenset({"analytics-kotlin", "analytics-swift", "analytics-csharp"})


def _raw_event(
    event: _Opened,
    around: _Surroundings,
    happening: _Happening,
    request: RawRequest,
    sent: datetime | None,
) -> RawEvent:
    stated = "/timestamp" if event.timestamp else "/originalTimestamp"
    return RawEvent(
        request=request,
        name=happening.name,
        message_id=event.message_id or None,
        occurred=time_of(event.timestamp or event.original_timestamp, stated),
        sent=None if around.writes_files else time_of(event.sent_at, "/sentAt") or sent,
        consent=around.consent,
        child_directed=around.child_directed,
        client=around.client,
        url=happening.url or None,
        referrer=happening.referrer or None,
        campaign=around.campaign,
        screen_name=happening.screen,
        engagement=happening.engagement,
        scroll=happening.scroll,
        props=happening.properties,
        revenue=happening.revenue,
        currency=happening.currency,
    )


class _Surroundings(SealedStruct, frozen=True):
    """What an event's context and identifiers say, in the terms of `RawEvent`."""

    client: RawClient
    consent: RawConsent
    child_directed: bool
    campaign: Mapping[str, str]
    url: str | None
    referrer: str | None
    writes_files: bool


_Known = dict[tuple[object, ...], _Surroundings]


def _decoded(context: bytes) -> _Context | None:
    if not context:
        return None
    try:
        return _contexts.decode(context)
    except msgspec.ValidationError as error:
        rejected = rejection(error)
    raise Fault(rejected.reason, f"/context{rejected.pointer}")


def _read(context: _Context, anonymous_id: _Id, user_id: _Id, session: str | None) -> _Surroundings:
    app = context.app or _App()
    device = context.device or _Device()
    system = context.os or _System()
    system_name = _system_name(system, device)
    screen = context.screen or _Screen()
    scale = _scale(screen.density, system_name) if screen.density else 1
    page = context.page or _Page()
    client = RawClient(
        anonymous_id=_word(anonymous_id),
        user_id=_word(user_id),
        session_id=_session(context) or session,
        language=context.locale,
        screen_width=_size(screen.width, scale),
        screen_height=_size(screen.height, scale),
        app_name=app.name,
        app_version=_word(app.version),
        app_build=_word(app.build),
        os_name=system_name,
        os_version=_word(system.version),
        device_type="tablet" if device.model and device.model[:4] == "iPad" else device.type,
        device_model=device.model,
        memory_total=_size(device.memory.total) if device.memory else None,
        storage_total=_storage(device, system_name) if device.storage else None,
        battery=device.battery.level if device.battery else None,
        connection=_connection(context.network) if context.network else None,
    )
    return _Surroundings(
        client=client,
        consent=_consent(context.consent) if context.consent else RawConsent(),
        child_directed=bool(context.child_directed),
        campaign=_campaign(context.campaign) if context.campaign else {},
        url=page.url,
        referrer=page.referrer,
        writes_files=_writes_files(context),
    )


def _word(value: str | float | None) -> str | None:
    return None if value is None or value == "" else str(value)


def _size(value: float | None, scale: float = 1) -> int | None:
    return None if value is None else int(value / scale)


def _scale(density: float, system_name: str | None) -> float:
    """Android tells its screens in pixels and how many make one that layouts count in."""
    return density if density >= 1 and (system_name or "").lower() == "android" else 1


def _system_name(system: _System, device: _Device) -> str | None:
    """On a Mac the Swift SDK states the version (`Version 14.1 (Build …)`) as the name."""
    named = system.name and not system.name.startswith("Version ")
    return system.name if named else device.type


def _storage(device: _Device, system_name: str | None) -> int | None:
    """Nothing from Apple's systems, nor where it is not known whose it is.

    Apple lets nobody send off how large a disk is (NSPrivacyAccessedAPICategoryDiskSpace).
    """
    apples = system_name is None or (device.manufacturer or "").lower() == "apple"
    return None if apples or device.storage is None else _size(device.storage.total)


def _writes_files(context: _Context) -> bool:
    return context.library is not None and str(context.library.name).lower() in _FILE_WRITERS


def _session(context: _Context) -> str | None:
    return _word(context.session_id) or (_word(context.session.id) if context.session else None)


def _session_of_plugin(integrations: Any) -> str | None:
    """Where the SDKs' plugins for sessions put theirs; -1 before there is one."""
    amplitude = integrations.get("Actions Amplitude") if isinstance(integrations, dict) else None
    session = amplitude.get("session_id") if isinstance(amplitude, dict) else None
    return (
        str(session) if isinstance(session, int | str) and session not in (-1, "", "-1") else None
    )


def _campaign(campaign: _Campaign) -> dict[str, str]:
    """Keyed as utm parameters are, without their prefix: Segment's `name` is `campaign` there."""
    stated = {
        "source": campaign.source,
        "medium": campaign.medium,
        "campaign": campaign.name,
        "content": campaign.content,
        "term": campaign.term,
    }
    return {key: value for key, value in stated.items() if value}


def _consent(consent: _Consent) -> RawConsent:
    return RawConsent(
        categories=consent.category_preferences or {},
        analytics_storage=consent.analytics_storage,
        tc_string=consent.tc_string or None,
        gpc=bool(consent.gpc),
        opt_out=bool(consent.opt_out),
        updated_at=time_of(consent.updated_at, "/context/consent/updatedAt"),
    )


def _connection(network: _Network) -> str | None:
    if network.wifi:
        return "wifi"
    if network.cellular:
        return "cellular"
    return "none" if network.wifi is False and network.cellular is False else None
