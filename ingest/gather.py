"""When a request that is being received is there as a whole: where it ends, and nothing else of it.

This decides only whether the request may be looked at yet. What it is, the server's own parser says
of the same bytes afterwards. A request counts as whole only where its framing (RFC 9112 section 6)
can be read in one way; all else is cut, so that nothing behind it is ever taken for a request.
"""

from __future__ import annotations

import re
from enum import Enum, auto

HEAD_BYTES = 64 * 1024

# Of a head in lower case. None of them can match in two ways: hostile blanks cost no time.
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:([^\r\n]*)")
_CODING = re.compile(rb"\r\ntransfer-encoding[ \t]*:([^\r\n]*)")
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?")  # and what is said of the chunk
_SIZE_LINE = 1024  # bytes of a chunk's size with its extensions
# Of all sizes and ends of a body's chunks: each chunk is work, and half a megabyte could be of one
# byte each. In chunks of two hundred bytes the largest body still passes.
_FRAMING_BYTES = 16 * 1024
_LENGTH_DIGITS = 18
_END = b"\r\n\r\n"


class Progress(Enum):
    """What is known of the request at the front."""

    NOTHING = auto()  # no byte of it
    PARTLY = auto()
    EXPECTED = auto()  # its sender waits to be told to go on (RFC 9110 section 10.1.1)
    WHOLE = auto()
    CUT = auto()  # to be refused: too large, or framed badly; nothing after it can be read
    ENDLESS = auto()  # a head without an end


class Gatherer:
    """The bytes of one connection. A body of more than `body_bytes` is not waited for."""

    def __init__(self, body_bytes: int) -> None:
        self._body_bytes = body_bytes
        self._data = bytearray()
        self._begin()

    def _begin(self) -> None:
        self._body = 0  # where the body begins, once the head is there
        self._end = 0  # where the request ends, once that is known
        self._chunk = 0  # where the next chunk's size stands, in a chunked body
        self._framing = 0  # bytes of the chunks' sizes and ends so far
        self._expected = False
        self._progress = Progress.NOTHING

    def __len__(self) -> int:
        """Bytes that are held."""
        return len(self._data)

    def feed(self, data: bytes) -> Progress:
        """Adds what came next; empty to look again at what is there."""
        before = len(self._data)
        self._data += data
        if not self._body:
            self._read_head(max(0, before - len(_END)))
        if self._progress is Progress.PARTLY and self._body:
            if self._chunk:
                self._read_chunks()
            elif len(self._data) >= self._end:
                self._progress = Progress.WHOLE
        if self._progress is Progress.PARTLY and self._expected:
            self._expected = False
            return Progress.EXPECTED
        return self._progress

    def take(self) -> bytes:
        """Everything that is there, also what follows the request; begins anew."""
        data = bytes(self._data)
        self._data.clear()
        self._begin()
        return data

    def _read_head(self, since: int) -> None:
        data = self._data
        if not data:
            return
        self._progress = Progress.PARTLY
        found = data.find(_END, since)
        if found < 0:
            if len(data) > HEAD_BYTES:
                self._progress = Progress.ENDLESS
            return
        if found > HEAD_BYTES:
            self._progress = Progress.ENDLESS
            return
        self._body = self._end = found + len(_END)
        head = bytes(data[: self._body]).lower()
        # Most heads have none of the last two: to look for the words takes less than to search.
        lengths = _LENGTH.findall(head)
        codings = _CODING.findall(head) if b"transfer-encoding" in head else []
        if len(lengths) + len(codings) > 1:
            self._progress = Progress.CUT
        elif codings:
            self._chunk = self._body
            if codings[0].strip(b" \t") != b"chunked":
                self._progress = Progress.CUT
        elif lengths:
            self._read_length(lengths[0].strip(b" \t"))
        if b"100-continue" in head and head.partition(b"\r\n")[0].endswith(b" http/1.1"):
            self._expected = _EXPECT.search(head) is not None

    def _read_length(self, stated: bytes) -> None:
        if not stated.isdigit() or len(stated) > _LENGTH_DIGITS or int(stated) > self._body_bytes:
            self._progress = Progress.CUT
        else:
            self._end += int(stated)

    def _read_chunks(self) -> None:
        """Follows the sizes of the chunks (RFC 9112 section 7.1) as far as they have come."""
        data = self._data
        while True:
            line = data.find(b"\r\n", self._chunk, self._chunk + _SIZE_LINE)
            if line < 0:
                if len(data) - self._chunk >= _SIZE_LINE:
                    self._progress = Progress.CUT
                return
            size = _SIZE.fullmatch(data, self._chunk, line)
            length = int(size[1], 16) if size else -1
            if length == 0:
                self._read_trailers(line)
                return
            framing = self._framing + line - self._chunk + 4
            after = line + 2 + length + 2
            # Twice what is allowed, so that the application sees that it is too much, and says so.
            too_large = after - self._body > 2 * self._body_bytes
            if length < 0 or framing > _FRAMING_BYTES or too_large:
                self._progress = Progress.CUT
                return
            if len(data) < after:
                return
            self._chunk, self._framing = after, framing

    def _read_trailers(self, line: int) -> None:
        """After the last chunk: an empty line, or fields that end with one."""
        data = self._data
        if data.find(_END, line) >= 0:
            self._progress = Progress.WHOLE
        elif len(data) - line > HEAD_BYTES:
            self._progress = Progress.CUT
