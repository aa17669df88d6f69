"""`demo`: a website and an app with thirty days of generated traffic, and a sign-in link.

The traffic takes the way of any other: bytes on the wire, decoded, anonymised, spooled. Past days
are an import, with keys that live in this process only; today goes the way of live traffic.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import click
from sqlalchemy import select
from tqdm import tqdm

from accounts.audit import COMMAND_LINE
from accounts.people import People
from anonymize import exclusion
from anonymize.event import Accepted
from anonymize.keys import EphemeralKeys, Keys
from control import definitions as declared
from control.database import imported_days
from control.definitions import Definition, Definitions
from control.sites import Changes, Site
from ingest import plausible, segment
from ingest.collector import Collector, Sink
from ingest.final_days import final_days
from ingest.wire import Item
from operate import supervisor
from operate.commands import with_services
from operate.demo_traffic import APP, PREVIEW, WEBSITE, ZONE, Sent, generate
from operate.import_log import Damaged, publish
from operate.jobs import await_notice, catch_up, loaded_until, store_at_hand
from operate.services import Services, now
from spool.importing import Import

DAYS = 30
_BATCH = 500  # events between two writes
# For how long figures are computed before the link is shown: the newest days. The worker goes on.
_FIRST_SECONDS = 2
_EMAIL = "demo@demo.example"


def fill(services: Services, sites: dict[str, Site], moment: datetime) -> int:
    """Thirty past days as one import, and today up to `moment`. Returns the events stored.

    Raises `Damaged` where somebody else fills the same days at the same time.
    """
    today = moment.astimezone(ZONE).date()
    days = [today - timedelta(days=back) for back in range(DAYS, -1, -1)]
    past: list[Sent] = []
    live: list[Sent] = []
    for sent in generate(days, moment):
        (live if sent.at.astimezone(ZONE).date() == today else past).append(sent)
    with Import(services.settings.spool) as rows:
        keys = EphemeralKeys(services.keys)
        stored, filled = _send(services, sites, past, rows, keys, None, moment)
        publish(services, rows, filled)
    more, _ = _send(services, sites, live, services.spool, services.keys, services.late, moment)
    return stored + more


def _send(
    services: Services,
    sites: dict[str, Site],
    requests: Iterable[Sent],
    sink: Sink,
    keys: Keys,
    late: timedelta | None,
    moment: datetime,
) -> tuple[int, dict[Site, set[str]]]:
    """Every request through the collector. Returns the events stored and the days they fell on."""
    finals = {site: final_days(services.control, site) for site in sites.values()}
    collector = Collector(
        sink, keys, services.geo, services.agents, late, lambda site: finals[site]
    )
    waiting: dict[tuple[Site, date], list[Item]] = defaultdict(list)
    filled: dict[Site, set[str]] = defaultdict(set)
    stored = 0

    def flush(site: Site, items: list[Item], at: datetime) -> int:
        outcomes = collector.collect(site, items, moment, counted=at)
        days = [outcome.row.day for outcome in outcomes if isinstance(outcome, Accepted)]
        filled[site].update(days)
        items.clear()
        return len(days)

    last: dict[tuple[Site, date], datetime] = {}
    for sent in tqdm(requests, desc="generating traffic", unit=" requests", disable=None):
        place = sites[sent.domain], sent.at.astimezone(ZONE).date()
        waiting[place] += _decoded(sent)
        last[place] = sent.at
        if len(waiting[place]) >= _BATCH:
            stored += flush(place[0], waiting[place], sent.at)
    for place, items in waiting.items():
        stored += flush(place[0], items, last[place])
    return stored, filled


def _decoded(sent: Sent) -> list[Item]:
    if sent.wire == "plausible":
        return [plausible.open_event(sent.body).item(sent.request)]
    return segment.open_batch(sent.body).items(sent.request)


def _sites(services: Services) -> dict[str, Site]:
    return {domain: services.sites.by_domain(domain) or _added(services, domain) for domain in _SET}


def _added(services: Services, domain: str) -> Site:
    """A site as its team would have set it up, with what they declared."""
    site = services.sites.add(domain, ZONE.key, "exempt", "BE")
    definitions = Definitions(services.control, now)
    for definition in _DECLARED[domain]:
        definitions.add(site, definition)
    return services.sites.set(site, **_SET[domain])


_SET: dict[str, Changes] = {
    WEBSITE: {
        "properties": ("class", "plan", "lcp", "inp", "cls", "ttfb", "load"),
        "excluded_paths": (exclusion.path(PREVIEW),),
    },
    APP: {"properties": ("route",)},
}
_DECLARED: dict[str, tuple[Definition, ...]] = {
    WEBSITE: (
        declared.goal("Ticket bought", event_name="Purchase"),
        declared.goal("Looked for a route", prefix="/routes"),
        declared.funnel("From a route to a ticket", ["/", "/routes", "Purchase"]),
        declared.segment("Phones", [("device", "Mobile")]),
    ),
    APP: (
        declared.goal("Ticket bought", event_name="Ticket Bought"),
        declared.segment("iPhones", [("os", "iOS")]),
    ),
}


def _filled(services: Services, site: Site) -> bool:
    with services.control.connect() as connection:
        found = select(imported_days.c.day).where(imported_days.c.site == site.id).limit(1)
        return connection.execute(found).first() is not None


@click.command("demo")
@click.option("--filled", is_flag=True, hidden=True, help="The traffic has just been made.")
@with_services
def command(services: Services, filled: bool) -> None:
    """A demo website and app with thirty days of traffic; runs the service, prints a sign-in link.

    May be repeated: what is there already stays as it is.
    """
    sites = _sites(services)
    if not _filled(services, sites[WEBSITE]):
        _make(services, sites)
        # A fresh process for the supervisor: this one has held the engine, and its memory.
        os.execv(sys.executable, [sys.executable, *_AGAIN])  # noqa: S606  our own command
    if not filled:
        click.echo("The demo's traffic is there already.")
    if supervisor.at_work(services.settings.local):
        _show(services)
    else:
        sys.exit(supervisor.run(services.settings.local, lambda: _show(services)))


_AGAIN = ("-m", "flask", "--app", "wsgi", "demo", "--filled")


def _make(services: Services, sites: dict[str, Site]) -> None:
    click.echo(f"Generating {DAYS} days of traffic …")
    try:
        stored = fill(services, sites, now())
    except Damaged as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{stored:,} events; loading them and computing the newest days' releases …")
    with store_at_hand(services) as store:
        catch_up(services, store)
        await_notice(services)
        enough = time.monotonic() + _FIRST_SECONDS
        for _ in services.releases().run(loaded_until(services)):
            if time.monotonic() > enough:
                click.echo("The days before them follow in the next minutes, newest first.")
                break


def _show(services: Services) -> None:
    """The last line that is printed: a link that signs in once."""
    services.audit.record(COMMAND_LINE, "user invite", f"person {_EMAIL}", role="admin")
    invited = People(services.control).invite(_EMAIL, "admin", "looking around the demo")
    click.echo(
        f"Sign in once, within 24 hours, at\n{services.settings.origin}/sign-in/{invited.token}"
    )
