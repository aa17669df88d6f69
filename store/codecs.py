"""HTTP content codings of request and response bodies, streamed: gzip, deflate, lz4 and zstd.

A request may hold several compressed frames one after another, as clickhouse-connect sends them.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import lz4.frame  # type: ignore[import-untyped]  # it ships no types

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# However little input it came from, no piece of output is larger: a small body cannot become
# gigabytes in memory.
PIECE = 1 << 20


class BadCoding(ValueError):
    """The body is not what its Content-Encoding says, or ends too early."""


class _Frame(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, limit: int) -> bytes: ...

    def waiting(self) -> bool:
        """Whether output is left that needs no more input."""


class _Zlib:
    """zlib's decompressor with the interface of the others."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, limit: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, limit)

    def waiting(self) -> bool:
        return bool(self._inner.unconsumed_tail)


class _Bounded:
    """lz4's and zstd's decompressors, which share the standard library's interface of bz2."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data or b""

    def decompress(self, data: bytes, limit: int) -> bytes:
        return bytes(self._inner.decompress(data, max_length=limit))

    def waiting(self) -> bool:
        return not self._inner.eof and not self._inner.needs_input


_DECODERS: dict[str, Callable[[], _Frame]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "lz4": lambda: _Bounded(lz4.frame.LZ4FrameDecompressor()),
    "zstd": lambda: _Bounded(zstd.ZstdDecompressor()),
}
_ERRORS = (zlib.error, RuntimeError, zstd.ZstdError, EOFError)

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "gzip": lambda data: zlib.compress(data, 1, 31),
    "deflate": lambda data: zlib.compress(data, 1),
}


def supported(coding: str) -> bool:
    """Whether a request's Content-Encoding can be read; '' and identity can."""
    return coding in ("", "identity") or coding in _DECODERS


def decode(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """The decompressed body, in pieces of at most `PIECE` bytes. Raises `BadCoding`."""
    if coding in ("", "identity"):
        yield from chunks
        return
    new = _DECODERS[coding]
    frame: _Frame | None = None
    for chunk in chunks:
        rest = chunk
        while rest or (frame is not None and frame.waiting()):
            frame = frame or new()
            try:
                piece = frame.decompress(rest, PIECE)
            except _ERRORS:
                raise BadCoding(f"the body is not {coding}") from None
            if piece:
                yield piece
            rest = b""
            if frame.eof:
                rest, frame = frame.unused_data, None
    if frame is not None:
        raise BadCoding(f"the {coding} body ends too early")


def compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A zstd frame of what `chunks` hold, in constant memory."""
    # Level 1: rows shrink to an eighth, and a core compresses more than the network carries.
    compressor = zstd.ZstdCompressor(level=1)
    for chunk in chunks:
        if piece := compressor.compress(chunk):
            yield piece
    yield compressor.flush()


def choose(accept: str) -> str:
    """The response's coding: the first of the client's that is known, '' for none."""
    for item in accept.split(","):
        name, _, weight = item.strip().partition(";")
        if name in ENCODERS and weight.replace(" ", "") not in ("q=0", "q=0.0"):
            return name
    return ""
