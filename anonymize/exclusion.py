"""What a site does not want measured: its own people's networks, hosts and paths.

A network is known by the keyed MAC of its truncated address alone: the list tells nobody who has
no key which addresses are on it, and the whole /24 or /48 is excluded, because nothing finer is
ever compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from anonymize import ip, url
from anonymize.event import Reason

_LENGTH = re.compile("[0-9]{1,3}")


@dataclass(frozen=True, slots=True)
class Exclusions:
    """`networks` as `pseudonyms.network` makes them. `hosts` and `paths` as `host` and `path` do:
    a name or a path is excluded with everything below it."""

    networks: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def of_page(self, page: url.Page) -> Reason | None:
        """Why the site does not want this page, if so."""
        if self.hosts and f".{page.hostname}".endswith(self.hosts):
            return Reason.EXCLUDED_HOST
        if self.paths and f"{page.path}/".startswith(self.paths):
            return Reason.EXCLUDED_PATH
        return None


NOTHING_EXCLUDED = Exclusions()


def network(text: str) -> bytes:
    """The truncated address of `203.0.113.7`, `203.0.113.0/24`, `2001:db8::1` or `2001:db8::/48`.

    Raises `ValueError` for what is no address, and for networks that are wider than is compared.
    """
    address, slash, length = text.strip().partition("/")
    prefix = ip.truncated(address)
    if prefix is None or (slash and not _LENGTH.fullmatch(length)):
        raise ValueError(f"{text!r} is not an address or network such as 203.0.113.0/24")
    if length and int(length) < (48 if ":" in address else 24):
        raise ValueError(
            f"{text!r} is wider than /24 (IPv4) or /48 (IPv6): name its parts one by one"
        )
    return prefix


def host(text: str) -> str:
    """`.staging.example.com`, which ends that name and all below it. Raises `ValueError`."""
    name = url.hostname(text.strip())
    if name is None:
        raise ValueError(f"{text!r} is not a host name such as staging.example.com")
    return f".{name}"


def path(text: str) -> str:
    """`/admin/`, which begins that path (a slash added) and all below it. Raises `ValueError`."""
    text = text.strip()
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a path such as /admin")
    cleaned = url.clean_path(text.partition("?")[0].partition("#")[0]).rstrip("/") + "/"
    if cleaned == "/":
        raise ValueError(f"{text!r} would exclude every page")
    return cleaned
