"""What comes in, what goes out: the raw event of the edge, the row of the store, the outcome.

A `RawEvent` lives in memory between the reading of the socket and one call of
`anonymize.pipeline.anonymize`; its `repr` shows nothing, so that no log line, traceback or
exception message can carry it. A `Row` is the only thing that the spool accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec


class Basis(StrEnum):
    """The ground on which an event is measured; decided before anything else is computed."""

    CONSENT = "consent"
    EXEMPT = "exempt"
    NONE = "none"


class Purpose(StrEnum):
    """What a row may be used for. A row carries the purposes that the person agreed to."""

    AUDIENCE = "audience"
    PRODUCT = "product"
    ATTRIBUTION = "attribution"
    ACCOUNT = "account"


class Reason(StrEnum):
    """Why an event left no row. The same word stands in responses, tallies, pages and docs."""

    OBJECTED = "objected"
    WITHDRAWN = "withdrawn"
    EXCLUDED_ADDRESS = "excluded_address"
    EXCLUDED_HOST = "excluded_host"
    EXCLUDED_PATH = "excluded_path"
    UNSUPPORTED_TYPE = "unsupported_type"
    NO_TRAITS = "no_traits"
    ASSET = "asset"
    NOT_A_VIEW = "not_a_view"
    DAY_FINAL = "day_final"
    TOO_OLD = "too_old"

    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    TOO_LONG = "too_long"
    TOO_MANY = "too_many"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    BAD_NUMBER = "bad_number"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_URL = "bad_url"
    BAD_CONSENT_STRING = "bad_consent_string"
    UNPARSABLE_LINE = "unparsable_line"

    NOT_JSON = "not_json"
    UNKNOWN_SITE = "unknown_site"
    WRONG_TOKEN = "wrong_token"  # noqa: S105  a word, not a token
    UNSUPPORTED_MEDIA = "unsupported_media"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"


# Dropped: well-formed, and by policy not kept.
DROPS = {
    Reason.OBJECTED: "the person objected: `Sec-GPC: 1`, `DNT: 1`, the event's own `gpc` or "
    "`optOut`, or an objection on record",
    Reason.WITHDRAWN: "the person took consent back, or objected, before it was stored",
    Reason.EXCLUDED_ADDRESS: "from a network that the site excludes, such as its own people's",
    Reason.EXCLUDED_HOST: "a page on a host that the site excludes, such as a test server",
    Reason.EXCLUDED_PATH: "a page under a path that the site excludes",
    Reason.UNSUPPORTED_TYPE: "a type of Segment's that is not kept: `group`, `alias` or unknown",
    Reason.NO_TRAITS: "`identify` of which nothing may be stored: no trait that the site "
    "allows, or no consent",
    Reason.ASSET: "log import: an image, script, style sheet or other part of a page",
    Reason.NOT_A_VIEW: "log import: a method other than GET, or a request that failed",
    Reason.DAY_FINAL: "the figures of its day are final and never computed again",
    Reason.TOO_OLD: "older than the late window (`DISCREET_LATE_DAYS`)",
}
# Rejected: the sender made a mistake, and the JSON pointer says where.
REJECTIONS = {
    Reason.MISSING_FIELD: "a field that the event cannot do without",
    Reason.WRONG_TYPE: "a field of another JSON type than the protocol's",
    Reason.TOO_LONG: "a text above its limit",
    Reason.TOO_MANY: "more properties or events than the limit",
    Reason.TOO_DEEP: "properties nested too deeply",
    Reason.TOO_LARGE: "an event above 32 KiB",
    Reason.BAD_NUMBER: "a number that is not finite or outside 64 bits",
    Reason.BAD_TIMESTAMP: "not an ISO 8601 time, or outside the years that can be stored",
    Reason.BAD_URL: "not a URL",
    Reason.BAD_CONSENT_STRING: "a TC string that is not whole or not valid under TCF 2.2 or 2.3",
    Reason.UNPARSABLE_LINE: "log import: a line in neither the common nor the combined format",
}
# Refused: the whole request, before any event in it was looked at.
REFUSALS = {
    Reason.NOT_JSON: "the body, or an event in it, is not JSON (RFC 8259) in UTF-8",
    Reason.WRONG_TOKEN: "a subject token that does not belong to the identifier",
    Reason.UNKNOWN_SITE: "no site has this write key or domain",
    Reason.UNSUPPORTED_MEDIA: "neither `application/json` nor `text/plain`, plain or in gzip",
    Reason.RATE_LIMITED: "more events than one network or one site may send "
    "(`DISCREET_SENDER_LIMIT`, `DISCREET_SITE_LIMIT`): send it again later",
    Reason.UNAVAILABLE: "nothing can be stored at the moment: send it again later",
}


def render() -> str:
    """docs/reasons.md."""
    lines = [
        "# Why an event was not stored",
        "",
        "Nothing is dropped in silence: the reason stands in the response, in the day's tally and",
        "on the site's page. Rendered from `anonymize/event.py` by `make docs`.",
    ]
    for title, reasons in (
        ("Dropped: well-formed, and by policy not kept", DROPS),
        ("Rejected: the sender made a mistake", REJECTIONS),
        ("Refused: the whole request", REFUSALS),
    ):
        lines += ["", f"## {title}", "", "| reason | |", "|---|---|"]
        lines += [f"| `{reason}` | {meaning} |" for reason, meaning in reasons.items()]
    return "\n".join([*lines, ""])


class _Sealed:
    """Hides every value from `repr`, and so from logs and tracebacks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class SealedStruct(msgspec.Struct, frozen=True):
    """Likewise; made in a tenth of the time that a frozen dataclass of as many fields takes."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


@dataclass(frozen=True, slots=True, repr=False)
class RawRequest(_Sealed):
    """What every event of one HTTP request shares.

    `address` is the client's address as text, after the trusted hops; None when unknown.
    `gpc`, `dnt`, `purpose` (`Sec-Purpose` and its forerunners) and `brands` (`Sec-CH-UA`) are
    header values as they came, '' when absent.
    `sdk` is true when a write key came with an app's or server's SDK, whose user agent is a
    library's and says nothing of a browser (and must not be taken for a bot's).
    """

    received: datetime
    address: str | None = None
    user_agent: str = ""
    gpc: str = ""
    dnt: str = ""
    purpose: str = ""
    brands: str = ""
    sdk: bool = False


class RawConsent(SealedStruct, frozen=True):
    """What the event says of the person's choice. Nothing set is no consent.

    `gpc` and `opt_out` are objections that an app states itself; `updated_at` is when the choice
    was made, by the client's clock.
    """

    categories: Mapping[str, bool] = {}
    analytics_storage: Literal["granted", "denied"] | None = None
    tc_string: str | None = None
    gpc: bool = False
    opt_out: bool = False
    updated_at: datetime | None = None


class RawClient(SealedStruct, frozen=True):
    """Who sent an event and with what, as far as it says so: mostly the same in all of a batch.

    Sizes are in bytes, `battery` from 0 to 1.
    """

    anonymous_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    language: str | None = None
    screen_width: int | None = None
    screen_height: int | None = None
    app_name: str | None = None
    app_version: str | None = None
    app_build: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    device_type: str | None = None
    device_model: str | None = None
    memory_total: int | None = None
    storage_total: int | None = None
    battery: float | None = None
    connection: str | None = None


class RawEvent(SealedStruct, frozen=True):
    """One event as its client sent it, whichever wire format it came in.

    Times are aware datetimes; `occurred` and `sent` are the client's clock. `engagement` is in
    milliseconds, `scroll` in per cent.
    """

    request: RawRequest
    name: str
    message_id: str | None = None
    occurred: datetime | None = None
    sent: datetime | None = None
    consent: RawConsent = RawConsent()
    child_directed: bool = False
    client: RawClient = RawClient()
    url: str | None = None
    referrer: str | None = None
    campaign: Mapping[str, str] = {}
    screen_name: str | None = None
    engagement: int | None = None
    scroll: int | None = None
    props: Mapping[str, Any] = {}
    revenue: float | None = None
    currency: str | None = None


class Row(SealedStruct, frozen=True, kw_only=True, omit_defaults=True):
    """One stored event: a line of a spool segment and a row of the table `events`.

    Field names are column names, and `store/migrations` says what each holds. Which of them a
    basis may fill is the matrix (`anonymize/matrix.py`). Pseudonyms are decimal text because
    JSON has no 128-bit integers; `repr` shows none, or logs would outlive their keys. Defaults
    equal the table's, so a missing key is an empty column.
    """

    # identity of the row
    site: int
    day: str  # local day of the site, YYYY-MM-DD
    time: int  # Unix seconds; the start of the hour where only the hour is kept
    received: int  # Unix seconds, as coarse as `time`: decides which duplicate came first
    event_id: int  # keyed MAC of the message id, or random where there is none
    basis: Basis
    purposes: tuple[Purpose, ...]
    expires: str  # the day on which the row must be gone, YYYY-MM-DD
    bot: str = ""  # '' or the kind: prefetch, automation, bot, spam (docs/bots.md)
    # pseudonyms
    visitor: str = "0"
    user: str = "0"
    visit: int = 0
    # what happened
    name: str
    hostname: str = ""
    page: str = ""
    engagement: int = 0
    scroll: int = 0
    props: dict[str, str] = {}
    revenue: str = "0"
    currency: str = ""
    # where from
    referrer: str = ""
    source: str = ""
    channel: str = ""
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""
    utm_term: str = ""
    country: str = ""
    region: str = ""
    city: str = ""
    language: str = ""
    # with what
    device: str = ""
    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    screen_size: str = ""
    model: str = ""
    memory: str = ""
    storage: str = ""
    battery: str = ""
    connection: str = ""
    app: str = ""
    app_version: str = ""
    app_build: str = ""
    screen: str = ""


class Accepted(msgspec.Struct, frozen=True):
    """The event became a row."""

    row: Row


class Dropped(msgspec.Struct, frozen=True):
    """The event was well-formed and is not kept."""

    reason: Reason


class Rejected(msgspec.Struct, frozen=True):
    """The event is malformed; `pointer` is the JSON pointer (RFC 6901) of the field."""

    reason: Reason
    pointer: str = ""


Outcome = Accepted | Dropped | Rejected
