"""A page view without JavaScript: an image of one pixel, and what its address says.

`<img src="https://HOST/pixel.gif?domain=example.com&url=https://example.com/page">`. Parameters:

- `key` or `domain`: the site. Without either it is the host of the page.
- `url`: the page. Without it, the page that the browser names in `Referer`.
- `referrer`: where the visitor came from.

Whoever made the page knows its address better than the browser may tell: to another origin most
browsers send no more of it than the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

from anonymize.event import RawEvent, RawRequest, Reason
from anonymize.url import clean
from ingest.wire import URL_LENGTH, Item, Malformed, domains

# GIF89a: one transparent pixel.
IMAGE = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
_QUERY_LENGTH = 4 * URL_LENGTH
_FIELDS = 10  # looked at in a query


@dataclass(frozen=True, slots=True, repr=False)
class Parcel:
    """A request taken apart: the write key or the domains that it names, and its page."""

    key: str
    domains: list[str]
    pointer: str  # of what names the site
    url: str
    referrer: str

    def item(self, request: RawRequest) -> Item:
        """Never raises."""
        return Item(RawEvent(request, "pageview", url=self.url, referrer=self.referrer or None))


def open_pixel(query: str, referer: str) -> Parcel:
    """The address of the image, and the header `Referer`. Raises `Malformed`."""
    if len(query) > _QUERY_LENGTH:
        raise Malformed(Reason.TOO_LARGE)
    try:
        fields = parse_qs(query, max_num_fields=_FIELDS)
    except ValueError:
        raise Malformed(Reason.TOO_MANY) from None
    stated = {name: values[0] for name, values in fields.items()}
    for name in ("url", "referrer", "domain"):
        if len(stated.get(name, "")) > URL_LENGTH:
            raise Malformed(Reason.TOO_LONG, f"/{name}")
    url = stated.get("url") or referer[:URL_LENGTH]
    if not url:
        raise Malformed(Reason.MISSING_FIELD, "/url")
    key, named, pointer = stated.get("key", ""), domains(stated.get("domain")), "/domain"
    if key:
        pointer = "/key"
    elif not named:
        page = clean(url)
        if page is None:
            raise Malformed(Reason.BAD_URL, "/url")
        named, pointer = [page.hostname], "/url"
    return Parcel(key, named, pointer, url, stated.get("referrer", ""))
