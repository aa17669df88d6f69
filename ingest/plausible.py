"""The Plausible events API: one page view or custom event a request, as Plausible's tags send it.

https://plausible.io/docs/events-api. Both the long names and the tracker's one-letter names are
understood. `domain` may name several sites, separated by commas: the event belongs to the first
that is known; without it the host of the page is the site. `v`, `i`, `w` and what else a tracker
sends is passed over (docs/plausible.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from anonymize.event import RawEvent, RawRequest, Reason
from anonymize.url import clean
from ingest.wire import (
    EVENT_BYTES,
    INTEGERS,
    Fault,
    Item,
    Malformed,
    Name,
    Url,
    check_properties,
    domains,
    mend_surrogates,
    money,
    rejection,
)

_Count = Annotated[int, msgspec.Meta(ge=0, le=INTEGERS.stop - 1)]
_Members = dict[str, Any] | str | None

# What the tracker sends for "not measured": depths are per cent.
_NO_DEPTH = 255


class _Event(msgspec.Struct, frozen=True):
    n: Name | None = None
    name: Name | None = None
    u: Url | None = None
    url: Url | None = None
    d: Url | None = None
    domain: Url | None = None
    r: Url | None = None
    referrer: Url | None = None
    p: _Members = None
    props: _Members = None
    m: _Members = None  # the name of `p` in older trackers
    meta: _Members = None
    e: _Count | None = None  # milliseconds of engagement
    sd: _Count | None = None  # scroll depth
    h: Any = None  # the page is in the fragment
    hash_mode: Any = msgspec.field(default=None, name="hashMode")
    revenue: _Members = None
    dollar: _Members = msgspec.field(default=None, name="$")


_events = msgspec.json.Decoder(_Event)


@dataclass(frozen=True, slots=True, repr=False)
class Parcel:
    """A body taken apart: the domains that it names, and its event."""

    domains: list[str]
    domain_pointer: str
    event: _Event

    def item(self, request: RawRequest) -> Item:
        """Never raises."""
        try:
            return _item(self.event, request)
        except (Fault, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Item(rejection(error))


def open_event(body: bytes) -> Parcel:
    """The body of `/api/event`. Raises `Malformed`."""
    if len(body) > EVENT_BYTES:
        raise Malformed(Reason.TOO_LARGE)
    event = _decode(body)
    domain, pointer = _either(event.d, "/d", event.domain, "/domain")
    if named := domains(domain):
        return Parcel(named, pointer, event)
    page = clean(event.u or event.url)
    if page is None:
        raise Malformed(Reason.MISSING_FIELD, "/domain")
    return Parcel([page.hostname], "/u" if event.u else "/url", event)


def _decode(body: bytes) -> _Event:
    try:
        try:
            return _events.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return _events.decode(mend_surrogates(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        rejected = rejection(error)
    raise Malformed(rejected.reason, rejected.pointer)


def _either(short: str | None, at: str, long: str | None, at_long: str) -> tuple[str | None, str]:
    """The member that is stated, and where it stands."""
    return (short, at) if short else (long or None, at_long)


def _item(event: _Event, request: RawRequest) -> Item:
    name, _ = _either(event.n, "/n", event.name, "/name")
    if name is None:
        raise Fault(Reason.MISSING_FIELD, "/name")
    url, url_pointer = _either(event.u, "/u", event.url, "/url")
    if url is None:
        raise Fault(Reason.MISSING_FIELD, "/url")
    props, pointer = _first(event, _PROPS)
    check_properties(props, pointer)
    revenue, currency = _revenue(event)
    raw = RawEvent(
        request=request,
        name=name,
        url=_routed(url) if 1 in (event.h, event.hash_mode) else url,
        referrer=event.r or event.referrer or None,
        props=props,
        engagement=event.e,
        scroll=None if event.sd == _NO_DEPTH else event.sd,
        revenue=revenue,
        currency=currency,
    )
    return Item(raw, url_pointer=url_pointer)


def _routed(url: str) -> str:
    """Where the page is in the fragment: `/app?a=1#/orders?b=2` → `/app/orders?a=1&b=2`.

    As the beacon writes it. A fragment that is no route stays one, and is dropped: it may hold
    anything, such as a token of signing in.
    """
    address, _, fragment = url.partition("#")
    route = fragment.removeprefix("!")
    if not route.startswith("/"):
        return url
    path, _, query = address.partition("?")
    route, _, more = route.partition("?")
    queries = "&".join(part for part in (query, more) if part)
    return f"{path.rstrip('/')}{route}" + (f"?{queries}" if queries else "")


_PROPS = (("p", "/p"), ("props", "/props"), ("m", "/m"), ("meta", "/meta"))
_MONEY = (("dollar", "/$"), ("revenue", "/revenue"))


def _first(event: _Event, names: tuple[tuple[str, str], ...]) -> tuple[dict[str, Any], str]:
    """The first stated of some members, each an object or the JSON text of one."""
    for name, pointer in names:
        value = getattr(event, name)
        if isinstance(value, str) and value:
            try:
                value = msgspec.json.decode(value)
            except (msgspec.DecodeError, RecursionError):
                raise Fault(Reason.WRONG_TYPE, pointer) from None
        if value:
            if not isinstance(value, dict):
                raise Fault(Reason.WRONG_TYPE, pointer)
            return value, pointer
    return {}, names[0][1]


def _revenue(event: _Event) -> tuple[float | None, str | None]:
    members, pointer = _first(event, _MONEY)
    if not members:
        return None, None
    amount, currency = members.get("amount"), members.get("currency")
    at = (f"{pointer}/amount", f"{pointer}/currency")
    for value, where in zip((amount, currency), at, strict=True):
        if value is None:
            raise Fault(Reason.MISSING_FIELD, where)
    return money(_number(amount, at[0]), currency, at)


def _number(amount: Any, pointer: str) -> Any:
    """Plausible takes an amount as a number or as its text."""
    if not isinstance(amount, str):
        return amount
    try:
        return msgspec.convert(amount, float, strict=False)
    except msgspec.ValidationError:
        raise Fault(Reason.WRONG_TYPE, pointer) from None
