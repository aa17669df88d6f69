"""The command line: reading the audit log, checking it, taking it along."""

from __future__ import annotations

import sys

import click
import msgspec

from accounts.audit import Entry
from operate.commands import as_json, show, with_services
from operate.services import Services


@click.group()
def audit() -> None:
    """Who did what with the service, in a chain that shows any change of itself."""


@audit.command("list")
@click.option("--most", type=click.IntRange(1, 10_000), default=50, show_default=True)
@as_json
@with_services
def audit_list(services: Services, most: int, json_: bool) -> None:
    """The newest entries, newest first."""
    entries = services.audit.newest(most)
    show(
        [entry.facts() for entry in entries],
        json_,
        lambda: [_line(entry) for entry in entries] or ["Nothing is on record yet."],
    )


@audit.command("verify")
@as_json
@with_services
def audit_verify(services: Services, json_: bool) -> None:
    """Check every entry against the one before it. Exits with 1 where something is wrong."""
    found = services.audit.verify()
    show(
        {"entries": found.entries, "problems": found.problems},
        json_,
        lambda: [
            *found.problems,
            f"{found.entries} entries read: "
            + (f"{len(found.problems)} problems" if found.problems else "the chain is whole"),
        ],
    )
    if found.problems:
        sys.exit(1)


@audit.command("export")
@click.option("--after", type=int, default=0, help="Only entries with a number above this.")
@with_services
def audit_export(services: Services, after: int) -> None:
    """Every entry as a line of JSON, oldest first."""
    for entry in services.audit.entries(after):
        click.echo(msgspec.json.encode(entry.facts()).decode())


def _line(entry: Entry) -> str:
    detail = ", ".join(f"{name} {value}" for name, value in entry.detail.items())
    words = (f"{entry.number:>6}", f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.action)
    return "  ".join([*words, *filter(None, (entry.subject, detail))])
