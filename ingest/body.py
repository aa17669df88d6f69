"""A request's body as plain bytes, never larger than the limit, however it was sent."""

from __future__ import annotations

import zlib

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from anonymize.event import Reason
from ingest.wire import BODY_BYTES, Malformed

# text/plain because a browser sends it to another origin without asking first; none at all
# because some clients leave it out.
_MEDIA = frozenset({"application/json", "text/plain", ""})
_GZIP = frozenset({"gzip", "x-gzip"})


def read(request: Request) -> bytes:
    """Sent whole or in chunks, as it is or in gzip. Raises `Malformed`."""
    if request.mimetype not in _MEDIA:
        raise Malformed(Reason.UNSUPPORTED_MEDIA)
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _GZIP and encoding not in ("", "identity"):
        raise Malformed(Reason.UNSUPPORTED_MEDIA)
    # One more than allowed, because werkzeug cuts a chunked body at this length without a word.
    request.max_content_length = BODY_BYTES + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large() from None
    except Exception:
        # Cut off, or chunks that are none: every server has exceptions of its own for them, and
        # nothing but the client's bytes can be at fault here.
        raise Malformed(Reason.NOT_JSON, error="the body is cut off or badly chunked") from None
    if len(body) > BODY_BYTES:
        raise _too_large()
    return gunzip(body) if encoding in _GZIP else body


def gunzip(body: bytes) -> bytes:
    """One gzip member (RFC 1952); stops as soon as the limit is passed. Raises `Malformed`."""
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(body, BODY_BYTES + 1)
    except zlib.error:
        raise Malformed(Reason.NOT_JSON, error="the body is not gzip, as it claims") from None
    if len(plain) > BODY_BYTES:
        raise _too_large()
    if not inflater.eof or inflater.unused_data:
        raise Malformed(Reason.NOT_JSON, error="the body is not one whole gzip member")
    return plain


def _too_large() -> Malformed:
    return Malformed(Reason.TOO_LARGE, error=f"the body is larger than {BODY_BYTES} bytes")
