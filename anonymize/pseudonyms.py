"""Keyed pseudonyms: BLAKE2b MACs (RFC 7693), separated by domain, with the site in the input.

Without the key nobody can recompute one; with the site inside, no two sites share one. Every part
is length-prefixed, so that no two inputs read the same.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b


def _mac(key: bytes, domain: bytes, size: int, site: int, parts: tuple[bytes, ...]) -> int:
    return _finished(_keyed(key, domain, size, site), parts)


def _keyed(key: bytes, domain: bytes, size: int, site: int) -> blake2b:
    return blake2b(site.to_bytes(8, "big"), key=key, person=domain, digest_size=size)


def _finished(mac: blake2b, parts: tuple[bytes, ...]) -> int:
    for part in parts:
        mac.update(len(part).to_bytes(4, "big") + part)
    return int.from_bytes(mac.digest(), "big") or 1  # 0 means "none" in the row


def visitor_of_day(day_key: bytes, site: int, prefix: bytes, user_agent: str, stated: str) -> int:
    """128 bits: one person on one site on one day, as far as network and browser tell them apart.

    `prefix` is the truncated address: a whole one never enters a hash. `stated` is the system and
    model that an app states, since an SDK's user agent is the same for everybody.
    """
    parts = (prefix, user_agent.encode("utf-8", "replace"), stated.encode("utf-8", "replace"))
    return _mac(day_key, b"visitor/day", 16, site, parts)


def visitor_of_client(identity_key: bytes, site: int, anonymous_id: str) -> int:
    """128 bits: one browser or installation that consented to be recognised."""
    return _mac(identity_key, b"visitor/id", 16, site, (anonymous_id.encode("utf-8", "replace"),))


def user(identity_key: bytes, site: int, user_id: str) -> int:
    """128 bits: one signed-in account, under the purpose `account` alone."""
    return _mac(identity_key, b"user", 16, site, (user_id.encode("utf-8", "replace"),))


def visit(identity_key: bytes, site: int, visitor: int, session_id: str) -> int:
    """64 bits: one session that the client states."""
    parts = (visitor.to_bytes(16, "big"), session_id.encode("utf-8", "replace"))
    return _mac(identity_key, b"visit", 8, site, parts)


def on_record(
    record_key: bytes, site: int, anonymous_id: str | None, user_id: str | None
) -> tuple[int, ...]:
    """128 bits each: who a client says that it is, in the list of those who objected or withdrew.

    No row holds these, so the list tells nothing of what anybody did.
    """
    stated = ((b"record/id", anonymous_id), (b"record/user", user_id))
    return tuple(
        _mac(record_key, domain, 16, site, (text.encode("utf-8", "replace"),))
        for domain, text in stated
        if text
    )


def network(exclusion_key: bytes, site: int, prefix: bytes) -> str:
    """128 bits in hexadecimal: a truncated address whose events the site excludes."""
    return f"{_mac(exclusion_key, b'exclusion', 16, site, (prefix,)):032x}"


def event_ids(event_key: bytes, site: int) -> Callable[[str], int]:
    """What makes message ids into 64 bits, equal for a message and its retries, so that they count
    once. The key is taken in once for all that are named with it.
    """
    keyed = _keyed(event_key, b"event", 8, site)

    def name(message_id: str) -> int:
        return _finished(keyed.copy(), (message_id.encode("utf-8", "replace"),))

    return name


def event_id(event_key: bytes, site: int, message_id: str) -> int:
    """One of `event_ids`."""
    return event_ids(event_key, site)(message_id)
