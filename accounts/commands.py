"""`flask --app wsgi user …`: invites people, lists them, shuts them out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime

import click

from accounts.people import ROLES, People, Person, PersonError


def group(people: Callable[[], People], origin: str) -> click.Group:
    """The commands. `people` is called when one runs; `origin` stands in the links."""
    user = click.Group("user", help="People who may sign in.")

    @user.command()
    @click.argument("email")
    @click.option("--role", type=click.Choice(ROLES), required=True)
    @click.option("--purpose", required=True, help="What the person needs the data for.")
    @click.option(
        "--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which they may sign in."
    )
    @click.option("--json", "as_json", is_flag=True, help="Facts as JSON.")
    def invite(email: str, role: str, purpose: str, until: datetime | None, as_json: bool) -> None:
        """Adds EMAIL, or renews what is known of them, and prints a one-time sign-in link."""
        try:
            made = people().invite(email, role, purpose, until.date() if until else None)
        except PersonError as error:
            raise click.ClickException(str(error)) from None
        link = f"{origin}/sign-in/{made.token}"
        if as_json:
            expires = made.expires_at.isoformat(timespec="seconds")
            click.echo(json.dumps(_facts(made.person) | {"link": link, "expires_at": expires}))
        else:
            click.echo(f"{made.person.email} may sign in once, within 24 hours, at\n{link}")

    @user.command()
    @click.argument("email")
    def reset(email: str) -> None:
        """Takes a lost password and second factor from EMAIL, ends their sessions, and prints a
        one-time link with which they choose new ones.
        """
        try:
            made = people().reset(email)
        except PersonError as error:
            raise click.ClickException(str(error)) from None
        link = f"{origin}/sign-in/{made.token}"
        click.echo(f"{made.person.email} may sign in once, within 24 hours, at\n{link}")

    @user.command("list")
    @click.option("--json", "as_json", is_flag=True, help="Facts as JSON.")
    def show(as_json: bool) -> None:
        """Who may sign in, as what, for what, until when."""
        everybody = people().all()
        if as_json:
            click.echo(json.dumps([_facts(person) for person in everybody]))
            return
        if not everybody:
            click.echo("Nobody yet. Invite somebody: flask --app wsgi user invite --help")
        for person in everybody:
            state = "disabled" if person.disabled else _until(person.until)
            click.echo(f"{person.email}  {person.role}  {state}  {person.purpose}")

    @user.command()
    @click.argument("email")
    def disable(email: str) -> None:
        """Shuts EMAIL out at once, of open sessions too; a new invitation lets them in again."""
        try:
            click.echo(f"{people().disable(email).email} is shut out")
        except PersonError as error:
            raise click.ClickException(str(error)) from None

    return user


def _until(day: date | None) -> str:
    return f"until {day}" if day else "without end"


def _facts(person: Person) -> dict[str, object]:
    return {
        "email": person.email,
        "role": person.role,
        "purpose": person.purpose,
        "until": person.until.isoformat() if person.until else None,
        "disabled": person.disabled,
    }
