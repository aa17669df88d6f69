"""Commands that act are put on record; `RULES` says which, and a command without a rule cannot be.

An entry is written before the command runs. It holds the names of the options that were given, and
the values of those in `_TOLD` alone: the others may hold an address or an identifier of somebody
who is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from datetime import date, datetime
from functools import update_wrapper
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from accounts.audit import COMMAND_LINE, Audit


class Acts(NamedTuple):
    """A command that changes something, or shows what is not for everybody.

    `subject` names the parameter that holds what it acts on; `kind` is the word before it.
    """

    kind: str = ""
    subject: str = ""


READS = None
"""A command that changes nothing and shows nothing about anybody."""

_SITE = Acts("site", "domain")
_AT = Acts("somebody at", "domain")
_PERSON = Acts("person", "email")
RULES: Mapping[str, Acts | None] = {
    "site add": _SITE,
    "site list": READS,
    "site show": READS,
    "site set": _SITE,
    "site remove": _SITE,
    "user invite": _PERSON,
    "user grant": _PERSON,
    "user revoke": _PERSON,
    "user renew": _PERSON,
    "user list": READS,
    "user reset": _PERSON,
    "user disable": _PERSON,
    "token add": _SITE,
    "token list": READS,
    "token revoke": Acts("token", "number"),
    "release run": _SITE,
    "release status": READS,
    "keys status": READS,
    "keys rotate": Acts(),
    "spool status": READS,
    "spool inspect": READS,
    "spool retry": Acts(),
    "retention status": READS,
    "retention run": Acts(),
    "store grants": Acts(),
    "leaks": Acts(),
    "import-log": _SITE,
    "goal add": _SITE,
    "goal list": READS,
    "goal remove": _SITE,
    "funnel add": _SITE,
    "funnel list": READS,
    "funnel remove": _SITE,
    "segment add": _SITE,
    "segment list": READS,
    "segment remove": _SITE,
    "subject export": _AT,
    "subject erase": _AT,
    "subject restrict": _AT,
    "subject unrestrict": _AT,
    "subject rectify": _AT,
    "subject list": READS,
    "audit list": READS,
    "audit verify": READS,
    "audit export": Acts(),
    "worker": READS,
    "serve": READS,
    "demo": Acts(),
}
_TOLD = frozenset(
    {"policy", "country", "k", "timezone", "role", "purpose", "until", "scope", "name",
     "child_directed", "city", "only_print", "domain"}
)  # fmt: skip


def recorded(command: click.Command, audit: Callable[[], Audit], before: str = "") -> click.Command:
    """The command, or group of commands, with those that act put on record. The given one stays as
    it is. Raises `KeyError` for a command that has no rule.
    """
    made = copy(command)
    name = f"{before} {command.name}".strip()
    if isinstance(made, click.Group):
        parts = made.commands.items()
        made.commands = {word: recorded(part, audit, name) for word, part in parts}
    elif (rule := RULES[name]) is not READS and made.callback is not None:
        made.callback = _recorded(name, rule, made.callback, audit)
    return made


def _recorded(
    name: str, rule: Acts, callback: Callable[..., Any], audit: Callable[[], Audit]
) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        context = click.get_current_context()
        given = {
            option: value
            for option, value in context.params.items()
            if context.get_parameter_source(option) is not ParameterSource.DEFAULT
        }
        on = given.pop(rule.subject, None)
        told = {option: _plain(value) for option, value in given.items() if option in _TOLD}
        if others := sorted(given.keys() - _TOLD):
            told["options"] = others
        subject = f"{rule.kind} {on}" if on else ""
        audit().record(COMMAND_LINE, name, subject, **told)
        return callback(*args, **kwargs)

    return update_wrapper(run, callback)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else value
