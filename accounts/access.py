"""Who may use which route: one table, and one guard that asks it before every request.

A route that the table does not name is refused to everybody. What is not for somebody at a site
where they hold nothing is answered as if there were no such site; where they hold too little, 403.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from flask import Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from accounts.grants import ROLES

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rule:
    """For whom a route is. `session`: whoever is signed in; with `roles` those alone who hold one
    of them, at the site that the address names (`<domain>`) if it names one. `browser`: a page,
    answered under the service's own name alone (`Host`).
    """

    says: str
    session: bool = False
    roles: frozenset[str] = frozenset()
    browser: bool = False
    incomplete: bool = False  # also for whoever still lacks the second factor that they need
    token: bool = False  # the route looks at a token of its own


# The collector, its scripts, and what machines ask: no session is looked at.
OPEN = Rule("anybody")
PAGE = Rule("anybody", browser=True)
# The views of `dashboards.stats` ask `Tokens.opens` for the site of each question.
TOKEN = Rule("tools with a token of the site", token=True)
# `operate.metrics` asks for its own token, or for the machine itself.
METRICS = Rule("the metrics token, or this machine", token=True)
SELF = Rule("whoever is signed in, about themselves", session=True, browser=True)
ENROLLING = Rule(SELF.says, session=True, browser=True, incomplete=True)
READ = Rule("whoever holds a role there", session=True, roles=frozenset(ROLES), browser=True)
DECLARE = Rule(
    "analysts, admins", session=True, roles=frozenset({"analyst", "admin"}), browser=True
)
ADMINISTER = Rule("admins", session=True, roles=frozenset({"admin"}), browser=True)

# Of blueprints that know no session, whole.
BLUEPRINTS: Mapping[str, Rule] = {
    "ingest": OPEN,
    "assets": OPEN,
    "health": OPEN,
    "openapi": OPEN,
    "edge": OPEN,
    "opt_out": PAGE,
    "stats": TOKEN,
    "metrics": METRICS,
}
# Of every other route, by endpoint.
RULES: Mapping[str, Rule] = {
    "signin.ask": PAGE,
    "signin.answer": PAGE,
    "signin.ask_code": PAGE,
    "signin.answer_code": PAGE,
    "signin.offer": PAGE,
    "signin.consume": PAGE,
    "signin.leave": PAGE,
    "account.show": SELF,
    "account.choose": SELF,
    "account.set_up": ENROLLING,
    "account.enrol": ENROLLING,
    "account.remove": SELF,
    "account.end": SELF,
    "account.end_others": SELF,
    "access.show": ADMINISTER,
    "access.give": ADMINISTER,
    "access.renew": ADMINISTER,
    "access.withdraw": ADMINISTER,
    "pages.home": READ,
    "pages.site": READ,
    "pages.table": READ,
    "pages.csv": READ,
    "pages.note": DECLARE,
    "pages.unnote": DECLARE,
    "pages.setup": READ,
    "pages.first_event": READ,
    "sections.app": READ,
    "sections.app_csv": READ,
    "sections.explorer": READ,
    "sections.explorer_csv": READ,
    "sections.declaring": DECLARE,
    "sections.withdrawing": DECLARE,
    "sections.restoring": DECLARE,
    "sections.realtime": READ,
    "sections.data": READ,
    "sections.data_csv": READ,
    "sections.stored": READ,
}


def rule_of(endpoint: str, rules: Mapping[str, Rule] = RULES) -> Rule | None:
    """The rule of a route, None where there is none: it is refused."""
    return rules.get(endpoint) or BLUEPRINTS.get(endpoint.partition(".")[0])


def init(app: Flask, hosts: frozenset[str], more: Mapping[str, Rule]) -> None:
    """Puts the guard before every request. `hosts` are the names under which pages are answered;
    `more` has rules beside `RULES`.
    """
    rules = {**RULES, **more}

    def guard() -> ResponseReturnValue | None:
        if request.endpoint is None:  # no such route, or not with this method
            return None
        rule = rule_of(request.endpoint, rules)
        if rule is None:
            log.error("route without a rule", name=request.endpoint)
            abort(403)
        if rule.browser and _name(request.host) not in hosts:
            abort(400)
        return _refused(rule) if rule.session else None

    def uncached(response: Response) -> Response:
        """Nothing that only signed-in people see stays in a cache."""
        rule = rule_of(request.endpoint or "", rules)
        if rule is not None and rule.session:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.before_request(guard)
    app.after_request(uncached)


def _refused(rule: Rule) -> ResponseReturnValue | None:
    if not current_user.is_authenticated:
        return redirect(url_for("signin.ask"))
    person = current_user.person
    if needs_factor(person.strict) and not person.factor and not rule.incomplete:
        return redirect(url_for("account.set_up"))
    if rule.roles and not person.roles:
        abort(404)
    if rule.roles and not rule.roles & person.roles:
        abort(403)
    return None


def needs_factor(strict: bool) -> bool:
    """Whether a second factor is needed: where others can reach the service, a password alone
    changes nothing.
    """
    return strict and bool(current_app.config["SECOND_FACTOR_NEEDED"])


def _name(host: str) -> str:
    """Without the port, which a proxy or a tunnel may change."""
    return host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
