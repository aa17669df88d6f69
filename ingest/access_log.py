"""Access logs in the common and combined formats (Apache, nginx): one line, one item.

https://httpd.apache.org/docs/2.4/logs.html. What follows the combined fields on a line is passed
over. A line's text goes no further than the event made of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import urlsplit

from anonymize.event import Dropped, RawEvent, RawRequest, Reason, Rejected
from ingest.wire import URL_LENGTH, Item

LINE_BYTES = 64 * 1024  # longer than any that a server writes; nothing longer is read whole

# address, identity, user, time, request, status, size; then referrer and user agent.
_LINE = re.compile(
    r"(\S+) \S+ [^\[]*\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] "
    r'"((?:[^"\\]|\\.)*)" (\d{3}) (?:\d+|-)'
    r'(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"(?: .*)?)?\s*',
    re.ASCII | re.DOTALL,
)
# In English whatever the locale of this process.
_MONTHS = {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8,
           "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}  # fmt: skip
_REQUEST = re.compile(r"([A-Z]+) (\S+)(?: HTTP/[\d.]+)?")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))")

# What a page is made of, or what machines fetch: none of it is a page view.
_ASSETS = frozenset({
    "css", "js", "mjs", "map", "wasm", "json", "xml", "xsl", "rss", "atom", "txt", "ico", "png",
    "jpg", "jpeg", "jpe", "gif", "webp", "avif", "svg", "bmp", "tif", "tiff", "woff", "woff2",
    "ttf", "otf", "eot", "swf", "webmanifest",
})  # fmt: skip
# Plausible's list of file types whose retrieval is a "File Download", and a few of its kind.
_DOWNLOADS = frozenset({
    "pdf", "doc", "docx", "xls", "xlsx", "csv", "rtf", "odt", "ods", "key", "pps", "ppt", "pptx",
    "epub", "7z", "zip", "gz", "tgz", "bz2", "xz", "rar", "tar", "pkg", "dmg", "iso", "exe",
    "msi", "deb", "rpm", "jar", "apk", "avi", "mov", "mp4", "mpeg", "mpg", "wmv", "webm", "mkv",
    "midi", "mp3", "ogg", "wav", "wma",
})  # fmt: skip


def read_line(line: str, domain: str, now: datetime, message_id: str) -> Item:
    """What one line says. Never raises.

    `domain` is the site's; the event happened and arrived at the time that the line states, which
    may not be after `now`.
    """
    found = _LINE.fullmatch(line)
    time = _time(found) if found else None
    if found is None or time is None:
        return Item(Rejected(Reason.UNPARSABLE_LINE))
    if time > now:
        return Item(Rejected(Reason.BAD_TIMESTAMP))
    status, request = int(found[12]), _REQUEST.fullmatch(_plain(found[11]))
    if request is None or request[1] != "GET" or not (200 <= status < 300 or status == 304):
        return Item(Dropped(Reason.NOT_A_VIEW))
    path = _path(request[2])
    if path is None:
        return Item(Dropped(Reason.NOT_A_VIEW))
    kind = _extension(path)
    if kind in _ASSETS:
        return Item(Dropped(Reason.ASSET))
    url = f"https://{domain}{path}"
    if len(url) > URL_LENGTH:
        return Item(Rejected(Reason.TOO_LONG, "/url"))
    user_agent = _plain(found[14])
    return Item(
        RawEvent(
            request=RawRequest(received=time, address=found[1], user_agent=user_agent),
            name="File Download" if kind in _DOWNLOADS else "pageview",
            message_id=message_id,
            occurred=time,
            url=url,
            referrer=_plain(found[13]) or None,
        )
    )


def _time(found: re.Match[str]) -> datetime | None:
    try:
        offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
        local = datetime(
            int(found[4]),
            _MONTHS[found[3]],
            int(found[2]),
            int(found[5]),
            int(found[6]),
            min(int(found[7]), 59),  # a leap second is the 60th
            tzinfo=timezone(-offset if found[8] == "-" else offset),
        )
        return local.astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        return None


def _plain(text: str | None) -> str:
    """A logged text without the server's escapes (`\\"`, `\\x22`); '-' stands for none."""
    if not text or text == "-":
        return ""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[2], text)


def _path(target: str) -> str | None:
    """Path and query of a request target (RFC 9112 section 3.2): origin or absolute form."""
    if target.startswith("/"):
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _extension(path: str) -> str:
    name = re.split(r"[?#;]", path, maxsplit=1)[0].rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""
