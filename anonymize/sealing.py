"""Sealing what is kept: by the newest secret, and opened by any that is still read.

AES-256-GCM with a random nonce before it; the key is derived from the secret for one use (`person`
of BLAKE2b). What a seal is bound to (its label) is authenticated along: a sealed value moved to
another place does not open there.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Callable
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12  # bytes

# The secrets (32 bytes each) of this moment, the newest first.
Secrets = Callable[[], tuple[bytes, ...]]


class Seal:
    """`secret` may be replaced while this is in use, where it is a function."""

    def __init__(self, secret: bytes | Secrets, person: bytes) -> None:
        self._secrets: Secrets = secret if callable(secret) else lambda: (secret,)
        self._person = person

    def seal(self, plain: bytes, label: bytes) -> bytes:
        nonce = random.token_bytes(_NONCE)
        return nonce + self._keys()[0].encrypt(nonce, plain, label)

    def open(self, sealed: bytes, label: bytes) -> bytes:
        """Raises `InvalidTag` where it was sealed by none of the secrets, or for another label."""
        for key in self._keys():
            if (plain := _opened(key, sealed, label)) is not None:
                return plain
        raise InvalidTag

    def anew(self, sealed: bytes, label: bytes) -> bytes | None:
        """The same, sealed by the newest secret; None where it is already, or none opens it."""
        newest, *older = self._keys()
        if _opened(newest, sealed, label) is not None:
            return None
        found = (_opened(key, sealed, label) for key in older)
        plain = next((each for each in found if each is not None), None)
        return None if plain is None else self.seal(plain, label)

    def _keys(self) -> list[AESGCM]:
        return [
            AESGCM(blake2b(key=secret, person=self._person, digest_size=32).digest())
            for secret in self._secrets()
        ]


def _opened(key: AESGCM, sealed: bytes, label: bytes) -> bytes | None:
    try:
        return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], label)
    except InvalidTag:
        return None
