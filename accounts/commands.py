"""`flask --app wsgi user …`: invites people, lists them, shuts them out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from functools import update_wrapper
from typing import Any

import click

from accounts.grants import EVERYWHERE, ROLES, Grant, PersonError, Wanted
from accounts.people import Invitation, People, Person


def _of_role(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say what is granted."""
    for option in (
        click.option("--site", "domain", default=EVERYWHERE, help="At this site. Without: at all."),
        click.option(
            "--until",
            type=click.DateTime(["%Y-%m-%d"]),
            help="The last day. Without: as long as it is reviewed, every half year.",
        ),
        click.option("--purpose", required=True, help="What the person needs the data for."),
        click.option("--role", type=click.Choice(ROLES), required=True),
    ):
        command = option(command)
    return command


def _plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """What cannot be is one clear line."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except PersonError as error:
            raise click.ClickException(str(error)) from None

    return update_wrapper(run, command)


def group(people: Callable[[], People], origin: str) -> click.Group:
    """The commands. `people` is called when one runs; `origin` stands in the links."""
    user = click.Group("user", help="People who may sign in, and what they are authorised to.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Facts as JSON.")
    place = click.option("--site", "domain", default=EVERYWHERE, help="At this site alone.")

    @user.command()
    @click.argument("email")
    @_of_role
    @as_json
    @_plainly
    def invite(
        email: str, role: str, purpose: str, until: datetime | None, domain: str, as_json: bool
    ) -> None:
        """Adds EMAIL, or lets them in again, with a role, and prints a one-time sign-in link."""
        last = until.date() if until else None
        made = people().invite(email, role, purpose, last, domain=domain)
        link = f"{origin}/sign-in/{made.token}"
        if as_json:
            expires = made.expires_at.isoformat(timespec="seconds")
            click.echo(json.dumps(_facts(made.person) | {"link": link, "expires_at": expires}))
        else:
            click.echo(_opens(made, origin))

    @user.command()
    @click.argument("email")
    @_of_role
    @_plainly
    def grant(email: str, role: str, purpose: str, until: datetime | None, domain: str) -> None:
        """Gives EMAIL a role, in the place of the one that they hold there."""
        wanted = Wanted(role, purpose, until.date() if until else None, domain)
        people().grant(email, wanted)
        click.echo(f"{email} is {role} at {domain or 'every site'}")

    @user.command()
    @click.argument("email")
    @place
    @_plainly
    def revoke(email: str, domain: str) -> None:
        """Withdraws what EMAIL was granted, everywhere or at one site, at once."""
        held = _held(people(), email, domain)
        people().withdraw(*(each.number for each in held))
        click.echo("\n".join(f"withdrawn: {_words(each)}" for each in held))

    @user.command()
    @click.argument("email")
    @place
    @_plainly
    def renew(email: str, domain: str) -> None:
        """Notes that what EMAIL was granted has been looked at, and is still needed."""
        held = _held(people(), email, domain)
        people().renew(*(each.number for each in held))
        click.echo("\n".join(_words(each) for each in _held(people(), email, domain)))

    @user.command()
    @click.argument("email")
    @_plainly
    def reset(email: str) -> None:
        """Takes a lost password and second factor from EMAIL, ends their sessions, and prints a
        one-time link with which they choose new ones.
        """
        click.echo(_opens(people().reset(email), origin))

    @user.command("list")
    @as_json
    def show(as_json: bool) -> None:
        """Who may sign in, as what, where, for what, until when."""
        everybody = people().all()
        if as_json:
            click.echo(json.dumps([_facts(person) for person in everybody]))
            return
        if not everybody:
            click.echo("Nobody yet. Invite somebody: flask --app wsgi user invite --help")
        given = people().granted()
        for person in everybody:
            held = [_words(each) for each in given if each.email == person.email]
            for line in held or ["disabled" if person.disabled else "nothing granted"]:
                click.echo(f"{person.email}  {line}")

    @user.command()
    @click.argument("email")
    @_plainly
    def disable(email: str) -> None:
        """Shuts EMAIL out at once, of open sessions too; a new invitation lets them in again."""
        click.echo(f"{people().disable(email).email} is shut out")

    return user


def _opens(made: Invitation, origin: str) -> str:
    return (
        f"{made.person.email} may sign in once, within 24 hours, at\n{origin}/sign-in/{made.token}"
    )


def _held(people: People, email: str, domain: str) -> list[Grant]:
    found = [each for each in people.granted(email) if domain in (EVERYWHERE, each.domain)]
    if not found:
        raise PersonError(f"email: {email} holds nothing there")
    return found


def _words(grant: Grant) -> str:
    """One authorisation in a line."""
    where, ends = grant.domain or "every site", _until(grant.until)
    by = f"review by {grant.review_by}  granted by {grant.granted_by}"
    return f"{grant.role}  {where}  {ends}  {by}  {grant.purpose}"


def _until(day: date | None) -> str:
    return f"until {day}" if day else "without end"


def _facts(person: Person) -> dict[str, object]:
    strongest = person.grants[0] if person.grants else None
    return {
        "email": person.email,
        "role": person.role,
        "purpose": strongest.purpose if strongest else "",
        "until": strongest.until.isoformat() if strongest and strongest.until else None,
        "disabled": person.disabled,
        "grants": [_grant_facts(each) for each in person.grants],
    }


def _grant_facts(grant: Grant) -> dict[str, object]:
    return {
        "role": grant.role,
        "site": grant.domain or None,
        "purpose": grant.purpose,
        "granted_by": grant.granted_by,
        "granted_at": grant.granted_at.isoformat(timespec="seconds"),
        "until": grant.until.isoformat() if grant.until else None,
        "review_by": grant.review_by.isoformat(),
    }
