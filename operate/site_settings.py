"""A site's settings on the command line: as facts, in words, and what options make of its lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anonymize import exclusion
from anonymize.calendar import ALWAYS
from control.sites import Site, SiteError
from dashboards.install import website

_POLICIES = {
    "opt-in": "nothing personal of people who stated no choice",
    "exempt": "people who stated no choice are measured without consent, where law allows",
}
# The lists of a site: the options that add to them and take from them, and how an entry is kept.
_LISTS: tuple[tuple[str, str, str, Callable[[str], str]], ...] = (
    ("properties", "property", "no_property", str),
    ("excluded_hosts", "exclude_host", "include_host", exclusion.host),
    ("excluded_paths", "exclude_path", "include_path", exclusion.path),
)


def facts_of(site: Site, origin: str) -> dict[str, Any]:
    """Everything that is set, for programs. Of excluded networks there is only the number."""
    return {
        "site_id": site.public_id,
        "domain": site.domain,
        "write_key": site.write_key,
        "timezone": site.timezone,
        "timezones": [
            {"from_day": None if day == ALWAYS else day.isoformat(), "timezone": timezone}
            for day, timezone in site.zones
        ],
        "policy": site.policy,
        "country": site.country,
        "k": site.k,
        "categories": dict(site.categories),
        "child_directed": site.child_directed,
        "properties": list(site.properties),
        "city": site.city,
        "excluded_networks": len(site.excluded_networks),
        "excluded_hosts": [name.removeprefix(".") for name in site.excluded_hosts],
        "excluded_paths": [path.removesuffix("/") for path in site.excluded_paths],
        "snippet": website(site, origin),
    }


def described(site: Site, origin: str) -> list[str]:
    """Everything that is set, for people, one setting a line."""
    lines = {
        "site id": site.public_id,
        "domain": site.domain,
        "write key": site.write_key,
        "time zone": zones(site),
        "policy": f"{site.policy}: {_POLICIES[site.policy]}",
        "country": f"{site.country}, where the controller is established",
        "k": f"{site.k}: no published figure stands for fewer people",
        "for children": "yes: counts only, whatever was stated" if site.child_directed else "no",
        "categories": ", ".join(f"{name}={purpose}" for name, purpose in site.categories)
        or "none of its own",
        "properties": ", ".join(site.properties) or "none is kept",
        "cities": "kept of people who consented" if site.city else "not kept",
        "excluded": ", ".join(_excluded(site)) or "nothing",
        "snippet": website(site, origin),
    }
    return [f"{name:<16}{words}" for name, words in lines.items()]


def zones(site: Site) -> str:
    """`Europe/Brussels, from 2026-11-23 on America/New_York`: what held, holds and will hold."""
    return ", ".join(
        timezone if day == ALWAYS else f"from {day} on {timezone}"
        for day, timezone in reversed(site.zones)
    )


def _excluded(site: Site) -> list[str]:
    number = len(site.excluded_networks)
    networks = ["1 network" if number == 1 else f"{number} networks"] if number else []
    hosts = [f"host {name.removeprefix('.')}" for name in site.excluded_hosts]
    return networks + hosts + [f"path {path.removesuffix('/')}" for path in site.excluded_paths]


def changed_lists(
    site: Site, options: dict[str, Any], network: Callable[[str], str]
) -> dict[str, Any]:
    """The lists that options of `site set` change, as they then are; takes those out of `options`.

    `network` writes an excluded network as it is kept. Raises `SiteError`.
    """
    changed: dict[str, Any] = {}
    networks = ("excluded_networks", "exclude_address", "include_address", network)
    for setting, adding, taking, written in (*_LISTS, networks):
        known = getattr(site, setting)
        added = _entries(adding, options.pop(adding), written)
        taken = _entries(taking, options.pop(taking), written)
        for text, entry in taken.items():
            if entry not in known:
                raise SiteError(f"{_option(taking)}: {text!r} is not on the list")
        if added or taken:
            kept = [entry for entry in known if entry not in taken.values()]
            changed[setting] = [*kept, *added.values()]
    return changed


def _entries(name: str, texts: Iterable[str], written: Callable[[str], str]) -> dict[str, str]:
    """Each text with the entry that it stands for."""
    try:
        return {text: written(text) for text in texts}
    except ValueError as error:
        raise SiteError(f"{_option(name)}: {error}") from None


def _option(name: str) -> str:
    return name.replace("_", "-")
