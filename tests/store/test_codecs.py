"""Compressed bodies are read as streams, whole or not at all, and never swell in memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import codecs

CODINGS = sorted(codecs.ENCODERS)


@pytest.mark.parametrize("coding", CODINGS)
@settings(max_examples=30, deadline=None)
@given(bodies=st.lists(st.binary(max_size=500), min_size=1, max_size=3), step=st.integers(1, 600))
def test_what_was_compressed_comes_back_however_it_was_cut(
    coding: str, bodies: list[bytes], step: int
) -> None:
    """clickhouse-connect sends each block of an insert as a frame of its own."""
    sent = b"".join(codecs.ENCODERS[coding](body) for body in bodies)
    chunks = (sent[at : at + step] for at in range(0, len(sent), step))
    assert b"".join(codecs.decode(chunks, coding)) == b"".join(bodies)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_small_body_does_not_become_a_large_piece(coding: str) -> None:
    sent = codecs.ENCODERS[coding](b"\0" * (8 * codecs.PIECE))
    sizes = [len(piece) for piece in codecs.decode([sent], coding)]
    assert sum(sizes) == 8 * codecs.PIECE
    assert max(sizes) <= codecs.PIECE


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_ends_too_early_is_refused(coding: str) -> None:
    sent = codecs.ENCODERS[coding](b"some lines\n" * 100)
    with pytest.raises(codecs.BadCoding):
        list(codecs.decode([sent[:-3]], coding))


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_in_another_coding_is_refused_without_being_quoted(coding: str) -> None:
    with pytest.raises(codecs.BadCoding) as refused:
        list(codecs.decode([b"plain secret text, long enough to be looked at"], coding))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("lz4,zstd,gzip,deflate", "lz4"),
        ("br, gzip", "gzip"),
        ("gzip;q=0, zstd", "zstd"),
        ("identity", ""),
        ("", ""),
    ],
)
def test_the_first_coding_that_the_client_names_is_used(accept: str, chosen: str) -> None:
    assert codecs.choose(accept) == chosen
