"""docs/access.md: who may use which route, out of the application's own map of routes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask

from accounts.access import Rule, rule_of
from accounts.grants import ROLES
from config.settings import load
from operate import application
from operate.services import build

# What Flask adds to a GET, and what browsers ask before they send: never more than the route says.
_IMPLIED = frozenset({"HEAD", "OPTIONS"})
_HEAD = """# Who may use which route

This page is made from the application's map of routes and `accounts/access.py`: `make docs`. One
guard asks that table before every request; a route that it does not name is refused to everybody,
and fails the build.

A role counts where it was granted: at one site, or at every site. Elsewhere the site is answered as
if there were none (404); with another role than those named the answer is 403, and whoever is not
signed in is sent to sign in. Methods that a route does not name are refused (405). Every POST of
somebody who is signed in needs the token of the form that it comes from (400).
"""


class Route(NamedTuple):
    """A route of the application. `rule` is None where nobody has thought of it."""

    path: str
    methods: tuple[str, ...]
    endpoint: str
    rule: Rule | None


def routes(app: Flask) -> Iterator[Route]:
    """Every route, by path."""
    for each in sorted(
        app.url_map.iter_rules(), key=lambda each: (each.rule, sorted(each.methods or ()))
    ):
        if methods := tuple(sorted((each.methods or set()) - _IMPLIED)):
            yield Route(each.rule, methods, each.endpoint, rule_of(each.endpoint))


def render() -> str:
    """docs/access.md."""
    with tempfile.TemporaryDirectory() as home:
        services = build(load({"DISCREET_HOME": home}))
        lines = [_line(route) for route in routes(application.assemble(services))]
        services.control.dispose()
    columns = ["route", "method", "for", "nobody", *reversed(ROLES)]
    head = [" | ".join(("", *columns, "")).strip(), "|" + "---|" * len(columns)]
    return "\n".join([_HEAD, *head, *lines, ""])


def _line(route: Route) -> str:
    rule = route.rule
    if rule is None:
        raise LookupError(f"{route.endpoint} has no rule in accounts/access.py")
    roles = ["yes" if allows(rule, role) else "no" for role in reversed(ROLES)]
    cells = ["no" if rule.session else "yes", *roles]
    if rule.token:
        cells = ["with it"] * len(cells)
    return f"| {' | '.join([f'`{route.path}`', ', '.join(route.methods), rule.says, *cells])} |"


def allows(rule: Rule, role: str) -> bool:
    """Whether a rule lets in somebody who holds this role there."""
    return not rule.roles or role in rule.roles
