"""The command line: goals, funnels and segments of a site."""

from __future__ import annotations

from typing import Any

import click

from control import definitions
from control.definitions import LIVE, NEW, Definition, Definitions, Funnel, Goal, Kind, Segment
from control.sites import Site
from operate.commands import as_json, known_site, show, with_services
from operate.services import Services, now
from releases.wording import filters, written

_LIMITS = (
    f"A site may have {LIVE} goals, funnels and segments together, and add {NEW} in seven days."
)
of_site = click.option("--site", "domain", required=True, help="The site's domain.")


@click.group(epilog=_LIMITS)
def goal() -> None:
    """What a site wants people to do: an event, or to see pages below a path."""


@goal.command("add")
@of_site
@click.argument("name")
@click.option("--event", help="The exact name of an event. Its figures are that event's.")
@click.option("--path", help="A path: /docs is also /docs/install, and not /docsify.")
@as_json
@with_services
def goal_add(
    services: Services,
    domain: str,
    name: str,
    event: str | None,
    path: str | None,
    json_: bool,
) -> None:
    """Declare a goal called NAME, by an event or a path."""
    _add(services, domain, definitions.goal(name, event, path), json_)


@click.group(epilog=_LIMITS)
def funnel() -> None:
    """Steps that people take one after another within a visit."""


@funnel.command("add")
@of_site
@click.argument("name")
@click.option(
    "--step",
    "steps",
    metavar="EVENT|/PATH",
    multiple=True,
    required=True,
    help="An event's exact name, or a path that begins with /. Two to eight, in order.",
)
@as_json
@with_services
def funnel_add(
    services: Services, domain: str, name: str, steps: tuple[str, ...], json_: bool
) -> None:
    """Declare a funnel called NAME."""
    _add(services, domain, definitions.funnel(name, steps), json_)


@click.group(epilog=_LIMITS)
def segment() -> None:
    """Views and visits with one or two values, such as a country and a kind of device."""


@segment.command("add")
@of_site
@click.argument("name")
@click.option(
    "--filter",
    "texts",
    metavar="DIMENSION=VALUE",
    multiple=True,
    required=True,
    help="Such as visit:country=BE. One or two, of different dimensions.",
)
@as_json
@with_services
def segment_add(
    services: Services, domain: str, name: str, texts: tuple[str, ...], json_: bool
) -> None:
    """Declare a segment called NAME. It is broken down by every dimension from then on."""
    _add(services, domain, definitions.segment(name, filters(texts)), json_)


def _add(services: Services, domain: str, wanted: Definition, json_: bool) -> None:
    site = known_site(services, domain)
    added = _definitions(services).add(site, wanted)
    show(
        facts_of(added),
        json_,
        lambda: [described(added), "Days whose events are all still there are computed too."],
    )


def _with_list_and_remove(group: click.Group, kind: Kind) -> click.Group:
    """The two commands that every kind of definition has."""

    @group.command("list")
    @of_site
    @as_json
    @with_services
    def list_(services: Services, domain: str, json_: bool) -> None:
        site = known_site(services, domain)
        found = [d for d in _definitions(services).live(site) if d.kind == kind]
        show(
            [facts_of(each) for each in found],
            json_,
            lambda: [described(each) for each in found] or [f"No {kind}s yet."],
        )

    list_.help = f"List the {kind}s of a site."

    @group.command("remove")
    @of_site
    @click.argument("name")
    @as_json
    @with_services
    def remove(services: Services, domain: str, name: str, json_: bool) -> None:
        site: Site = known_site(services, domain)
        removed = _definitions(services).remove(site, kind, name)
        show(
            facts_of(removed),
            json_,
            lambda: [f"{removed.name} is removed; it counts for seven days from when it was added"],
        )

    remove.help = f"Remove the {kind} called NAME. What was released of it is shown no longer."
    return group


def facts_of(definition: Definition) -> dict[str, Any]:
    """Everything that is declared, for programs."""
    facts: dict[str, Any] = {"number": definition.id, "name": definition.name}
    match definition:
        case Goal():
            return facts | {"event": definition.event or None, "path": definition.prefix or None}
        case Funnel():
            return facts | {"steps": [str(step) for step in definition.steps]}
        case Segment():
            return facts | {"filters": written(definition)}


def described(definition: Definition) -> str:
    """The same for people, in one line."""
    match definition:
        case Goal():
            words = f"event {definition.event}" if definition.event else f"path {definition.prefix}"
        case Funnel():
            words = " → ".join(str(step) for step in definition.steps)
        case Segment():
            words = " and ".join(written(definition))
    return f"{definition.id:<5} {definition.name:<30} {words}"


def _definitions(services: Services) -> Definitions:
    return Definitions(services.control, now)


_KINDS: tuple[tuple[click.Group, Kind], ...] = (
    (goal, "goal"), (funnel, "funnel"), (segment, "segment"),
)  # fmt: skip
GROUPS: tuple[click.Group, ...] = tuple(_with_list_and_remove(*each) for each in _KINDS)
