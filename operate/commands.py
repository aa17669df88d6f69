"""The command line: sites, releases, keys, spool, retention, leaks, worker, serve."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import update_wrapper
from typing import Any, cast
from urllib.parse import urlsplit

import click
import msgspec
from flask import current_app

from accounts.tokens import SCOPES, Token, TokenError, Tokens
from anonymize import exclusion, pseudonyms
from anonymize.event import Purpose
from config.secret import SecretError
from control.definitions import DefinitionError
from control.sites import POLICIES, Site, SiteError
from operate import jobs, leaks, rotation, supervisor, worker
from operate.services import Services, now
from operate.site_settings import changed_lists, described, facts_of
from spool import reader
from store import grants
from store.clickhouse import StoreRefused, StoreUnavailable
from store.migrate import MigrationChanged, migrate
from store.retention import ages, expire


def services() -> Services:
    return cast(Services, current_app.extensions["discreet"])


def with_services(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hands the services to a command and turns what can go wrong into one clear line."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(services(), *args, **kwargs)
        except (
            SiteError, TokenError, DefinitionError, jobs.Busy, MigrationChanged, leaks.SearchBroken,
            supervisor.PortTaken, SecretError,
        ) as error:  # fmt: skip
            raise click.ClickException(str(error)) from None
        except (StoreUnavailable, StoreRefused) as error:
            raise click.ClickException(f"the store: {error}") from None

    return update_wrapper(run, command)


as_json = click.option("--json", "json_", is_flag=True, help="Print facts as JSON.")


def show(facts: Any, json_: bool, lines: Callable[[], list[str]]) -> None:
    """Prints facts for a program or for a person."""
    click.echo(msgspec.json.encode(facts).decode() if json_ else "\n".join(lines()))


def known_site(services: Services, domain: str) -> Site:
    found = services.sites.by_domain(domain)
    if found is None:
        known = ", ".join(s.domain for s in services.sites.all()) or "none yet"
        raise click.ClickException(f"no site {domain!r}. Sites: {known}")
    return found


@click.group()
def site() -> None:
    """Websites and apps that are measured."""


@site.command("add")
@click.argument("domain")
@click.option(
    "--timezone",
    default="Europe/Brussels",
    show_default=True,
    help="IANA time zone: when its days begin.",
)
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    default="opt-in",
    show_default=True,
    help="What holds for people who stated no choice: nothing personal, or audience measurement without consent where law allows.",
)
@click.option(
    "--country",
    default="BE",
    show_default=True,
    help="Where the controller is established (ISO 3166-1).",
)
@click.option(
    "-k",
    "k",
    type=int,
    default=10,
    show_default=True,
    help="Fewest persons a published figure may stand for.",
)
@as_json
@with_services
def site_add(
    services: Services, domain: str, timezone: str, policy: str, country: str, k: int, json_: bool
) -> None:
    """Add DOMAIN and print its write key and the line to paste into its pages."""
    added = services.sites.add(domain, timezone, policy, country, k)
    facts = facts_of(added, services.settings.origin)
    show(
        facts,
        json_,
        lambda: [
            *described(added, services.settings.origin),
            "",
            "Paste the snippet into the <head> of every page.",
        ],
    )


@site.command("list")
@as_json
@with_services
def site_list(services: Services, json_: bool) -> None:
    """List all sites."""
    sites = services.sites.all()
    show(
        [facts_of(s, services.settings.origin) for s in sites],
        json_,
        lambda: (
            [f"{s.public_id}  {s.domain:<30} {s.timezone:<20} {s.policy:<7} k={s.k}" for s in sites]
            or ["No sites yet: flask --app wsgi site add DOMAIN"]
        ),
    )


@site.command("show")
@click.argument("domain")
@as_json
@with_services
def site_show(services: Services, domain: str, json_: bool) -> None:
    """Show the settings, write key and snippet of DOMAIN."""
    found, origin = known_site(services, domain), services.settings.origin
    show(facts_of(found, origin), json_, lambda: described(found, origin))


def repeated(name: str, metavar: str, words: str) -> Callable[[Callable[..., Any]], Any]:
    """An option that may be given several times."""
    return click.option(name, metavar=metavar, multiple=True, help=f"{words} May be repeated.")


@site.command("set")
@click.argument("domain")
@click.option(
    "--timezone",
    help="IANA time zone. Holds from the site's next day on; the current one cancels a change to come.",
)
@click.option(
    "--policy", type=click.Choice(POLICIES), help="What holds for people who stated no choice."
)
@click.option("--country", help="Where the controller is established (ISO 3166-1).")
@click.option("-k", "k", type=int, help="Fewest persons a published figure may stand for.")
@click.option(
    "--category",
    "named",
    metavar="NAME=PURPOSE",
    multiple=True,
    help=f"What a category of the site's consent banner stands for: {', '.join(Purpose)}. May be repeated; NAME= forgets it.",
)
@click.option(
    "--child-directed/--not-child-directed",
    default=None,
    help="Whether the site or app is for children, and so keeps counts only.",
)
@repeated(
    "--property",
    "KEY",
    "Keep this property of the events of people who consented. Without it none is kept.",
)
@repeated("--no-property", "KEY", "Keep this property no longer.")
@click.option(
    "--city/--no-city",
    default=None,
    help="Whether to keep the city of people who consented. Needs a geography that knows cities (DISCREET_GEO_DB).",
)
@repeated(
    "--exclude-address",
    "ADDRESS",
    "Measure nothing from an address or network, such as your own people's. The whole /24 (IPv4) or /48 (IPv6) that it lies in is excluded, and kept as a keyed code alone.",
)
@repeated("--include-address", "ADDRESS", "Measure it again.")
@repeated("--exclude-host", "NAME", "Measure nothing on a host name and all names below it.")
@repeated("--include-host", "NAME", "Measure it again.")
@repeated(
    "--exclude-path",
    "PATH",
    "Measure no page at a path or below it: /admin is also /admin/users, and not /administrator.",
)
@repeated("--include-path", "PATH", "Measure it again.")
@as_json
@with_services
def site_set(
    services: Services, domain: str, named: tuple[str, ...], json_: bool, **options: Any
) -> None:
    """Change settings of DOMAIN. They hold for what arrives and is computed from now on; a new
    time zone from the site's next day on.
    """
    found, origin = known_site(services, domain), services.settings.origin

    def network(text: str) -> str:
        return pseudonyms.network(services.keys.exclusion(), found.id, exclusion.network(text))

    given = changed_lists(found, options, network)
    given |= {name: value for name, value in options.items() if value is not None}
    if named:
        given["categories"] = with_categories(dict(found.categories), named)
    if not given:
        raise click.UsageError("nothing to change: see --help for what can be given")
    changed = services.sites.set(found, **given)
    show(facts_of(changed, origin), json_, lambda: described(changed, origin))


def with_categories(known: dict[str, str], named: tuple[str, ...]) -> dict[str, str]:
    """The known names with those of `NAME=PURPOSE` set and those of `NAME=` forgotten."""
    for pair in named:
        name, equals, purpose = pair.rpartition("=")
        if not equals:
            raise click.UsageError(f"{pair!r} is not of the form NAME=PURPOSE")
        known[name] = purpose
    return {name: purpose for name, purpose in known.items() if purpose}


@site.command("remove")
@click.argument("domain")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_services
def site_remove(services: Services, domain: str, yes: bool) -> None:
    """Stop collecting for DOMAIN and delete its settings, rows and releases."""
    found = known_site(services, domain)
    if not yes:
        click.confirm(f"Delete {found.domain} and everything measured on it?", abort=True)
    with jobs.store_at_hand(services) as store:
        services.sites.remove(found)
        jobs.catch_up(services, store)
        for table in ("events", "tallies", "cells"):
            store.delete(table, "site = {site:UInt32}", {"site": found.id})
    click.echo(f"{found.domain} is deleted")


@click.group()
def release() -> None:
    """The published figures: computing them, and what state they are in."""


@release.command("run")
@click.option("--site", "domain", help="Only this site.")
@as_json
@with_services
def release_run(services: Services, domain: str | None, json_: bool) -> None:
    """Load everything accepted so far and compute what is due, now."""
    only = known_site(services, domain) if domain else None
    with jobs.store_at_hand(services) as store:
        jobs.catch_up(services, store)
        done = jobs.release_due(services, only)
    facts = [{"domain": d.site.domain, "day": d.day.isoformat(), "state": d.state} for d in done]
    show(
        facts,
        json_,
        lambda: (
            [f"{f['domain']}  {f['day']}  {f['state']}" for f in facts]
            or ["Nothing was due: every day's figures are up to date."]
        ),
    )


@release.command("status")
@as_json
@with_services
def release_status(services: Services, json_: bool) -> None:
    """Each site's released days by state, and how fresh they are."""
    facts = [
        asdict(f) | {"domain": s.domain}
        for s in services.sites.all()
        for f in [services.reading.freshness(s)]
    ]
    show(
        facts,
        json_,
        lambda: (
            [
                f"{f['domain']:<30} final {f['final']}, provisional {f['provisional']}, open {f['open']}; computed {f['computed_at'].strftime('%Y-%m-%d %H:%M UTC') if f['computed_at'] else 'never'}"
                for f in facts
            ]
            or ["No sites yet."]
        ),
    )


@click.group()
def keys() -> None:
    """The keys of pseudonyms. No command ever prints one."""


@keys.command("status")
@as_json
@with_services
def keys_status(services: Services, json_: bool) -> None:
    """Which keys exist, and when each is (or was) destroyed."""
    facts = [
        {
            "kind": kind,
            "scope": scope,
            "period": period,
            "exists": exists,
            "created_at": created.isoformat(),
            "destroy_at": destroy.isoformat() if destroy.year < 9999 else None,
        }
        for kind, scope, period, exists, created, destroy in services.keys.status()
    ]
    show(
        facts,
        json_,
        lambda: (
            [
                f"{f['kind']:<10} {f['scope']:<20} {f['period']:<12} "
                + (f"until {f['destroy_at'] or 'further notice'}" if f["exists"] else "destroyed")
                for f in facts
            ]
            or ["No keys yet: the first event makes them."]
        ),
    )


@keys.command("rotate")
@click.option("--at-once", is_flag=True, help="Read nothing by the old key: all sign in again.")
@click.option("--only-seal", is_flag=True, help="The new key is in its file already.")
@as_json
@with_services
def keys_rotate(services: Services, at_once: bool, only_seal: bool, json_: bool) -> None:
    """Replace the secret key, which seals keys at rest and signs sessions, while all runs."""
    if only_seal:
        done = rotation.seal_anew(services)
    else:
        done = rotation.rotate(services, now(), at_once=at_once)
    until = f"what the key before has signed is read until {done.last_day}"
    last_day = done.last_day.isoformat() if done.last_day else None
    show(
        {"keys": done.keys, "seeds": done.seeds, "last_day": last_day},
        json_,
        lambda: [
            f"sealed anew: {done.keys} keys, {done.seeds} second factors",
            until if done.last_day else "the newest key alone is read" if at_once else "",
        ],
    )


@click.group()
def spool() -> None:
    """What was accepted and waits for the store."""


@spool.command("status")
@as_json
@with_services
def spool_status(services: Services, json_: bool) -> None:
    """Segments and bytes waiting, the age of the oldest, and what the store has refused."""
    directory = services.settings.spool
    used = reader.measure(directory)
    refused = [found.segment.name for found in reader.refused(directory)]
    facts = {
        "segments": used.segments,
        "bytes": used.bytes,
        "oldest_seconds": used.seconds,
        "total_bytes": used.total,
        "max_bytes": services.settings.spool_max_bytes,
        "refused": refused,
    }
    show(
        facts,
        json_,
        lambda: [
            f"{used.segments} segments, {used.bytes} bytes, the oldest {used.seconds:.0f} seconds old"
            if used.segments
            else "nothing waits for the store",
            f"{used.total} of {services.settings.spool_max_bytes} bytes are used",
            f"{len(refused)} set aside because the store refused them",
        ],
    )


@spool.command("inspect")
@as_json
@with_services
def spool_inspect(services: Services, json_: bool) -> None:
    """What the store refused, and why. Shows no line: the rows in them are pseudonymous."""
    facts: list[dict[str, Any]] = [
        {
            "name": found.segment.name,
            "table": found.segment.table,
            "lines": len(lines),
            "bytes": found.segment.size,
            "code": found.code,
            "refused_at": datetime.fromtimestamp(found.at, UTC).isoformat(),
            "unknown_fields": sorted(reader.unknown_fields(found.segment)),
        }
        for found in reader.refused(services.settings.spool)
        for lines in [found.segment.path.read_bytes().splitlines()]
    ]
    show(
        facts,
        json_,
        lambda: (
            [
                f"{f['name']}  {f['lines']} lines  ClickHouse's error {f['code']}  {f['refused_at']}"
                + (
                    f"  unknown fields: {', '.join(f['unknown_fields'])}"
                    if f["unknown_fields"]
                    else ""
                )
                for f in facts
            ]
            or ["The store refused nothing."]
        ),
    )


@spool.command("retry")
@click.argument("names", nargs=-1)
@as_json
@with_services
def spool_retry(services: Services, names: tuple[str, ...], json_: bool) -> None:
    """Put what was refused back among what waits: all of it, or NAMES that `inspect` shows.

    After a repair, such as a migration. The worker loads it; what is refused again is set aside
    again. Rows of a day that has become final meanwhile are stored and no longer counted.
    """
    found = {refused.segment.name: refused for refused in reader.refused(services.settings.spool)}
    if unknown := set(names) - found.keys():
        raise click.ClickException(f"not among what was refused: {', '.join(sorted(unknown))}")
    again = [name for name in found if name in names or not names]
    for name in again:
        reader.retry(services.settings.spool, found[name])
    show({"retried": again}, json_, lambda: [f"{len(again)} segments wait for the store again"])


@click.group()
def retention() -> None:
    """How long data are kept."""


@retention.command("status")
@as_json
@with_services
def retention_status(services: Services, json_: bool) -> None:
    """The oldest row of each site and basis beside its limit; fails where one is late."""
    domains = {each.id: each.domain for each in services.sites.all()}
    with jobs.store_at_hand(services) as store:
        migrate(store, services.settings.clickhouse_cluster)
        found = ages(store, now().date())
    facts = [asdict(age) | {"site": domains.get(age.site, "removed")} for age in found]
    show(
        facts,
        json_,
        lambda: (
            [
                f"{f['site']:<30} {f['basis']:<8} {f['rows']:>12} rows, the oldest of"
                f" {f['oldest']:%Y-%m-%d}, gone by {f['first_expires']}"
                + (f", {f['restricted']} restricted" if f["restricted"] else "")
                + (f"  LATE: {f['late']}" if f["late"] else "")
                for f in facts
            ]
            or ["No rows are stored."]
        ),
    )
    if late := sum(age.late for age in found):
        raise click.ClickException(f"{late} rows are past the day on which they must be gone")


@retention.command("run")
@as_json
@with_services
def retention_run(services: Services, json_: bool) -> None:
    """Delete what is due: rows on the day they carry, keys at their end."""
    with jobs.store_at_hand(services) as store:
        migrate(store, services.settings.clickhouse_cluster)
        rows = expire(store, now().date())
    destroyed = services.keys.destroy_due()
    show(
        {"rows": rows, "keys": destroyed},
        json_,
        lambda: [f"{rows} rows deleted, {destroyed} keys destroyed"],
    )


@click.group("store")
def store_() -> None:
    """The ClickHouse server, where there is one."""


@store_.command("grants")
@click.option("--print", "only_print", is_flag=True, help="Show the statements and run none.")
@with_services
def store_grants(services: Services, only_print: bool) -> None:
    """Make the roles of a server's database (docs/clickhouse.md), as a user who may."""
    cluster = services.settings.clickhouse_cluster
    if services.store.embedded:
        raise click.ClickException("the embedded engine has no users: DISCREET_CLICKHOUSE_URL")
    if only_print:
        database = urlsplit(services.settings.clickhouse_url).path.strip("/") or "default"
        click.echo(";\n".join([*grants.statements(database, cluster), ""]))
        return
    migrate(services.store, cluster)
    grants.apply(services.store, cluster)
    click.echo("roles: discreet_loader, discreet_releaser, discreet_dashboards, discreet_keeper")


@click.command("leaks")
@click.argument("files", nargs=-1, type=click.File("rb"), required=True)
@as_json
@with_services
def leaks_(services: Services, files: tuple[Any, ...], json_: bool) -> None:
    """Look for strings, one a line in each of FILES, everywhere that anything is kept.

    Searches the bytes of every file of the home, every value of every column of every table read
    through the engine, both databases and the spool. Plants a string in each place and finds it
    first. Exits with 1 when something was found.
    """
    needles = {line for file in files for line in file.read().split(b"\n") if line}
    with jobs.store_at_hand(services) as store:
        report = leaks.search(services, store, needles)
    show(msgspec.to_builtins(report), json_, report.lines)
    if report.found:
        sys.exit(1)


@click.command("worker")
@with_services
def worker_(services: Services) -> None:
    """Load, release, expire, destroy keys, host the embedded engine. One per node."""
    worker.run(services)


@click.command("serve")
@with_services
def serve(services: Services) -> None:
    """Run web and worker under one supervisor, stopping together."""

    def greet() -> None:
        click.echo(f"Discreet is ready on {services.settings.origin} (Ctrl-C stops it)")
        if not services.sites.all():
            click.echo("\n".join(_FIRST_STEPS))

    sys.exit(supervisor.run(services.settings.local, greet))


_FIRST_STEPS = (
    "No site yet. In another terminal:",
    "  .venv/bin/flask --app wsgi site add example.com",
    "  .venv/bin/flask --app wsgi user invite you@example.com --role admin --purpose 'setting up'",
)


@click.group()
def token() -> None:
    """Tokens with which tools read the figures of one site."""


@token.command("add")
@click.option("--site", "domain", required=True, help="The site's domain.")
@click.option("--scope", type=click.Choice(SCOPES), required=True, help="What it may do.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC) on which it works."
)
@as_json
@with_services
def token_add(
    services: Services, domain: str, scope: str, until: datetime | None, json_: bool
) -> None:
    """Make a token and print it. It is kept as a hash: nobody can show it again."""
    made = Tokens(services.control).add(
        known_site(services, domain), scope, until.date() if until else None
    )
    show(
        _token_facts(services, made.token) | {"token": made.text},
        json_,
        lambda: [
            f"{made.text}",
            f"Shown once. Revoke it with: token revoke {made.token.public_id}",
        ],
    )


@token.command("list")
@click.option("--site", "domain", help="Of this site alone.")
@as_json
@with_services
def token_list(services: Services, domain: str | None, json_: bool) -> None:
    """Each token's number, site, scope, last day and the day of its last use."""
    wanted = known_site(services, domain) if domain else None
    facts = [_token_facts(services, found) for found in Tokens(services.control).all(wanted)]
    show(
        facts,
        json_,
        lambda: (
            [
                f"{f['number']:<8} {f['site']:<30} {f['scope']:<12} until {f['until'] or 'revoked'}, used {f['last_used'] or 'never'}"
                for f in facts
            ]
            or ["No tokens yet."]
        ),
    )


@token.command("revoke")
@click.argument("number")
@as_json
@with_services
def token_revoke(services: Services, number: str, json_: bool) -> None:
    """End a token at once, by its number."""
    facts = _token_facts(services, Tokens(services.control).revoke(number))
    show(facts, json_, lambda: [f"{facts['number']} opens nothing any more"])


def _token_facts(services: Services, found: Token) -> dict[str, Any]:
    domains = {site.id: site.domain for site in services.sites.all()}
    return {
        "number": found.public_id,
        "site": domains.get(found.site, ""),
        "scope": found.scope,
        "until": found.until.isoformat() if found.until else None,
        "created_at": found.created_at.isoformat(timespec="seconds"),
        "last_used": found.last_used.isoformat() if found.last_used else None,
    }


GROUPS: tuple[click.Command, ...] = (
    site, token, release, keys, spool, store_, retention, leaks_, worker_, serve,
)  # fmt: skip
