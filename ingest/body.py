"""A request's body as plain bytes, never larger than the limit, however it was sent."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from anonymize.event import Reason
from ingest.wire import BODY_BYTES, Malformed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# text/plain because a browser sends it to another origin without asking first; none at all
# because some clients leave it out.
_MEDIA = frozenset({"application/json", "text/plain", ""})
_GZIP = frozenset({"gzip", "x-gzip"})
_PLAIN = frozenset({"", "identity"})


def read(environ: WSGIEnvironment) -> bytes:
    """Sent whole or in chunks, as it is or in gzip. Raises `Malformed`."""
    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() not in _MEDIA:
        raise Malformed(Reason.UNSUPPORTED_MEDIA)
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in _GZIP and encoding not in _PLAIN:
        raise Malformed(Reason.UNSUPPORTED_MEDIA)
    try:
        body = _received(environ)
    except RequestEntityTooLarge:
        raise _too_large() from None
    except Exception:
        # Cut off, or chunks that are none: every server has exceptions of its own for them, and
        # nothing but the client's bytes can be at fault here.
        raise Malformed(Reason.NOT_JSON, error="the body is cut off or badly chunked") from None
    if len(body) > BODY_BYTES:
        raise _too_large()
    return gunzip(body) if encoding in _GZIP else body


def _received(environ: WSGIEnvironment) -> bytes:
    length = environ.get("CONTENT_LENGTH", "")
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    if not chunked and length.isascii() and length.isdigit() and len(length) < 19:
        # What werkzeug would do too, without the layers that it needs for other cases.
        if int(length) > BODY_BYTES:
            raise RequestEntityTooLarge
        body: bytes = environ["wsgi.input"].read(int(length))
        if len(body) < int(length):
            raise ClientDisconnected
        return body
    # One more than allowed, because werkzeug cuts a chunked body there without a word.
    return get_input_stream(environ, max_content_length=BODY_BYTES + 1).read()


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
