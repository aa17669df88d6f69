"""Authorisations: where, what for, until when; and that somebody is left who gives them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import Engine

from accounts.grants import REVIEW, PersonError, Wanted
from accounts.people import People
from accounts.sessions import Sessions
from control.sites import Sites
from tests.accounts.conftest import Clock

ADA, BOB = "ada@example.com", "bob@example.com"
SHOP, BLOG = "shop.example.com", "blog.example.org"


@pytest.fixture
def people(control: Engine, clock: Clock) -> People:
    sites = Sites(control)
    for domain in (SHOP, BLOG):
        sites.add(domain, "Europe/Brussels", "exempt", "BE")
    return People(control, clock)


def roles(people: People, domain: str, email: str = ADA) -> set[str]:
    found = people.by_email(email)
    return set(found.at(domain).roles) if found else set()


def test_a_role_holds_where_it_was_granted(people: People) -> None:
    people.invite(ADA, "viewer", "reads", domain=SHOP)
    assert (roles(people, SHOP), roles(people, BLOG)) == ({"viewer"}, set())
    people.grant(ADA, Wanted("analyst", "improves the blog", domain=BLOG))
    assert (roles(people, SHOP), roles(people, BLOG)) == ({"viewer"}, {"analyst"})
    people.grant(ADA, Wanted("privacy-officer", "answers requests"))
    assert roles(people, SHOP) == {"viewer", "privacy-officer"}
    assert roles(people, "made.later.example") == {"privacy-officer"}


def test_another_role_at_a_place_takes_the_place_of_the_one_before(people: People) -> None:
    people.invite(ADA, "admin", "sets it up", domain=SHOP)
    people.grant(ADA, Wanted("viewer", "has moved on", domain=SHOP))
    assert roles(people, SHOP) == {"viewer"}
    assert len(people.granted(ADA)) == 1


def test_it_says_what_for_by_whom_and_until_when(people: People, clock: Clock) -> None:
    people.invite(ADA, "viewer", " reads ", date(2026, 4, 2), domain=SHOP, by=BOB)
    [held] = people.granted()
    assert (held.purpose, held.granted_by, held.granted_at) == ("reads", BOB, clock.time)
    assert (held.until, held.last_day) == (date(2026, 4, 2), date(2026, 4, 2))


@pytest.mark.parametrize("until", [date(2026, 4, 2), None], ids=["its end", "no review in time"])
def test_one_that_lapses_is_worth_nothing_from_the_next_request_on(
    people: People, control: Engine, clock: Clock, until: date | None
) -> None:
    person = people.invite(ADA, "analyst", "improves it", until, domain=SHOP).person
    people.grant(ADA, Wanted("viewer", "reads", date(2030, 1, 1), BLOG))
    [number] = [each.number for each in people.granted() if each.domain == BLOG]
    clock.time += REVIEW - timedelta(days=1)
    people.renew(number)
    clock.time += timedelta(days=2)
    token = Sessions(control, clock).begin(person, "Firefox")
    session = Sessions(control, clock).of(token)
    assert session is not None
    assert not session.at(SHOP).person.roles
    assert session.at(BLOG).person.roles == {"viewer"}


def test_without_any_that_holds_nobody_signs_in(people: People, clock: Clock) -> None:
    made = people.invite(ADA, "viewer", "reads", date(2026, 3, 28))
    clock.time += timedelta(days=1)
    assert people.by_email(ADA) is None
    assert people.consume(made.token) is None


def test_a_review_in_time_prolongs_it_and_never_beyond_its_end(
    people: People, clock: Clock
) -> None:
    people.invite(ADA, "viewer", "reads", date(2026, 12, 1))
    [held] = people.granted()
    clock.time += REVIEW
    people.renew(held.number)
    [held] = people.granted()
    assert held.review_by == (clock.time + REVIEW).date()
    assert held.last_day == date(2026, 12, 1)


def test_a_site_that_goes_takes_along_what_was_granted_there(
    people: People, control: Engine
) -> None:
    people.invite(ADA, "viewer", "reads", domain=SHOP)
    sites = Sites(control)
    found = sites.by_domain(SHOP)
    assert found is not None
    sites.remove(found)
    assert people.granted() == ()


@pytest.mark.parametrize(
    "take",
    [
        pytest.param(lambda p: p.disable(ADA), id="shutting them out"),
        pytest.param(lambda p: p.withdraw(*(g.number for g in p.granted())), id="withdrawing"),
        pytest.param(lambda p: p.grant(ADA, Wanted("viewer", "reads")), id="a lesser role"),
        pytest.param(lambda p: p.invite(ADA, "analyst", "reads"), id="a new invitation"),
    ],
)
def test_the_last_who_administers_every_site_is_never_taken_away(
    people: People, take, clock: Clock
) -> None:
    people.invite(ADA, "admin", "runs it")
    people.invite(BOB, "admin", "runs the shop", domain=SHOP)
    people.invite("eve@example.com", "admin", "ran it", clock.time.date())
    clock.time += timedelta(days=1)  # eve's is over: she does not count
    with pytest.raises(PersonError, match="last administrator"):
        take(people)
    assert roles(people, BLOG) == {"admin"}
    people.invite(BOB, "admin", "runs it too")
    people.disable(ADA)
    assert roles(people, BLOG, BOB) == {"admin"}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        pytest.param(Wanted("root", "reads"), "role", id="no such role"),
        pytest.param(Wanted("viewer", " "), "purpose", id="no purpose"),
        pytest.param(Wanted("viewer", "reads", date(2026, 3, 27)), "until", id="over"),
        pytest.param(Wanted("viewer", "reads", None, "x.example"), "site", id="no such site"),
    ],
)
def test_what_cannot_be_granted_is_refused_and_takes_nothing_away(
    people: People, wanted: Wanted, names: str
) -> None:
    people.invite(ADA, "analyst", "improves it")
    with pytest.raises(PersonError, match=f"^{names}:"):
        people.grant(ADA, wanted)
    assert roles(people, SHOP) == {"analyst"}


def test_who_is_shut_out_or_unknown_is_granted_nothing(people: People) -> None:
    people.invite(ADA, "viewer", "reads")
    people.disable(ADA)
    for email in (ADA, BOB):
        with pytest.raises(PersonError, match=r"^email:"):
            people.grant(email, Wanted("viewer", "reads"))
    people.invite(ADA, "viewer", "back again", domain=SHOP)
    assert (roles(people, SHOP), roles(people, BLOG)) == ({"viewer"}, set())


def test_losing_ones_password_costs_no_authorisation(people: People) -> None:
    people.invite(ADA, "viewer", "reads", domain=SHOP)
    before = people.granted()
    people.reset(ADA)
    assert people.granted() == before
