"""`subject …`: what a privacy officer does for a person who asks, and the list of what was asked.

The identifier is read from the standard input and never an argument: those stand in the shell's
history and in the list of processes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from anonymize.scrub import scrub
from control.sites import Site
from operate import jobs
from operate.commands import as_json, known_site, show, with_services
from operate.services import Services, now
from store import subjects as rows
from subjects.fulfil import theirs
from subjects.requests import Asked, Kind, State

_PATIENCE = 120  # seconds


@click.group()
def subject() -> None:
    """What people ask about their own data. Identifiers are read from the standard input."""


_account = click.option("--account", is_flag=True, help="The identifier is a user id.")
_site = click.option("--site", "domain", required=True, help="The site's domain.")


def _identifier(*, account: bool) -> str:
    what = "user id" if account else "anonymous id"
    text = click.prompt(what, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    if not (identifier := str(text).strip()):
        raise click.ClickException(f"no {what} on the standard input")
    return identifier


@subject.command("export")
@_site
@_account
@with_services
def subject_export(services: Services, domain: str, account: bool) -> None:
    """Print everything there is about a person, as JSON that explains itself."""
    site = known_site(services, domain)
    identifier = _identifier(account=account)
    asked = services.requests
    with jobs.store_at_hand(services) as store:
        jobs.catch_up(services, store)
        if account:
            shown = jobs.rights(services, store).shown(site, asked.whose(site.id, "", identifier))
        else:
            whose, client = asked.whose(site.id, identifier), asked.client(site.id, identifier)
            shown = jobs.rights(services, store).shown(site, whose, client)
    click.echo(shown.decode())


@subject.command("erase")
@_site
@_account
@as_json
@with_services
def subject_erase(services: Services, domain: str, account: bool, json_: bool) -> None:
    """Erase every row of a person, and end their consent.

    Takes some ten seconds: until no collector can still accept what it did not know about.
    Days that are final keep their figures, which stand for nobody in particular.
    """
    _done(services, known_site(services, domain), Kind.ERASURE, account, json_)


@subject.command("restrict")
@_site
@_account
@as_json
@with_services
def subject_restrict(services: Services, domain: str, account: bool, json_: bool) -> None:
    """Keep a person's rows, also beyond their time, and count them nowhere (GDPR art. 18)."""
    _done(services, known_site(services, domain), Kind.RESTRICTION, account, json_)


@subject.command("unrestrict")
@_site
@_account
@as_json
@with_services
def subject_unrestrict(services: Services, domain: str, account: bool, json_: bool) -> None:
    """Lift a restriction: the person was told so before (GDPR art. 18 (3))."""
    site = known_site(services, domain)
    asked = services.requests
    identifier = _identifier(account=account)
    named = ("", identifier) if account else (identifier, "")
    whose = asked.whose(site.id, *named)
    with jobs.store_at_hand(services) as store:
        jobs.catch_up(services, store)
        asked.lift(whose)
        count = rows.restrict(store, theirs(whose), on=False)
    show({"rows": count}, json_, lambda: [f"{count} rows count again"])


@subject.command("rectify")
@_site
@_account
@click.option("--property", "properties", multiple=True, required=True, metavar="KEY=VALUE",
              help="A property that the site stores, and its right value.")  # fmt: skip
@as_json
@with_services
def subject_rectify(
    services: Services, domain: str, account: bool, properties: tuple[str, ...], json_: bool
) -> None:
    """Give properties of a person's rows their right values."""
    site = known_site(services, domain)
    right = dict(each.partition("=")[::2] for each in properties)
    if unknown := sorted(right.keys() - set(site.properties)):
        raise click.ClickException(f"{domain} stores no property {unknown[0]!r}")
    scrubbed = {key: scrub(value) for key, value in right.items()}
    _done(services, site, Kind.RECTIFICATION, account, json_, scrubbed)


@subject.command("list")
@as_json
@with_services
def subject_list(services: Services, json_: bool) -> None:
    """What was asked, how far it is, and until when it is due. Shows nobody's identifier."""
    domains = {site.id: site.domain for site in services.sites.all()}
    facts = [
        {
            "number": number,
            "site": domains.get(site, ""),
            "type": progress.kind,
            "status": progress.state,
            "received_at": progress.received_at,
            "due_at": progress.due_at,
            "answered_at": progress.answered_at,
            "rows": progress.rows,
        }
        for number, site, progress in services.requests.all()
    ]
    show(
        facts,
        json_,
        lambda: [_line(f) for f in facts] or ["Nobody has asked for anything yet."],
    )


def _line(f: Mapping[str, Any]) -> str:
    return f"{f['number']}  {f['site']}  {f['type']}  {f['status']}  due {f['due_at']:%Y-%m-%d}"


def _done(
    services: Services,
    site: Site,
    kind: Kind,
    account: bool,
    json_: bool,
    properties: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Files the request and returns once it is completed, by the worker or by this process."""
    asked = services.requests
    identifier = _identifier(account=account)
    named = ("", identifier) if account else (identifier, "")
    request = Asked(kind, named[0], properties=properties)
    filed = asked.file_for(site.id, request, asked.whose(site.id, *named), now())
    deadline = time.monotonic() + _PATIENCE
    with jobs.store_at_hand(services) as store:
        while True:
            jobs.catch_up(services, store)
            jobs.rights(services, store).run()
            progress = asked.progress(filed.receipt)
            if progress is not None and progress.state is State.COMPLETED:
                break
            if time.monotonic() > deadline:
                raise jobs.Busy("events keep coming in faster than they are loaded")
            time.sleep(1)
    facts = {"receipt": filed.receipt, "status": progress.state, "rows": progress.rows}
    show(facts, json_, lambda: [f"{kind} completed: {progress.rows} rows"])
