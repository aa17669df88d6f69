"""`/access`: admins grant, look again and withdraw, each as far as their own role reaches."""

from __future__ import annotations

import re
from itertools import count

import pytest
from flask.testing import FlaskClient

from accounts.people import People
from operate.services import Services
from tests.edge.conftest import ELSEWHERE, HERE, SignIn

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def people(services: Services) -> People:
    return People(services.control)


@pytest.fixture(scope="module")
def root(people: People, sign_in: SignIn) -> FlaskClient:
    return sign_in(people.by_email("root@example.com"))


@pytest.fixture(scope="module")
def local(people: People, sign_in: SignIn) -> FlaskClient:
    """Who administers one site."""
    return sign_in(people.invite("local@example.com", "admin", "runs it", domain=HERE).person)


@pytest.fixture
def somebody(people: People) -> str:
    """Reads at both sites."""
    email = f"reader{next(_NUMBERS)}@example.com"
    people.invite(email, "viewer", "reads", domain=ELSEWHERE)
    people.invite(email, "viewer", "reads", domain=HERE)
    return email


def fields(client: FlaskClient, **more: str) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/access").text)
    assert found is not None
    return {"csrf_token": found[1], "role": "viewer", "purpose": "reads", "site": HERE, **more}


def number(people: People, email: str, domain: str) -> int:
    return next(each.number for each in people.granted(email) if each.domain == domain)


def test_an_admin_grants_renews_and_withdraws_on_record(
    services: Services, people: People, root: FlaskClient, somebody: str
) -> None:
    given = root.post("/access", data=fields(root, email=somebody, role="analyst", site=HERE))
    assert given.status_code == 303
    [held] = [each for each in people.granted(somebody) if each.domain == HERE]
    assert (held.role, held.granted_by) == ("analyst", "root@example.com")
    assert root.post(f"/access/{held.number}/renew", data=fields(root)).status_code == 303
    assert root.post(f"/access/{held.number}/withdraw", data=fields(root)).status_code == 303
    assert [each.domain for each in people.granted(somebody)] == [ELSEWHERE]
    told = [(e.action, e.subject, e.detail["site"]) for e in services.audit.newest(3)]
    assert told == [
        (action, f"person {somebody}", HERE)
        for action in ("access withdrawn", "access reviewed", "access granted")
    ]


def test_somebody_new_gets_a_link_that_is_shown_once(people: People, root: FlaskClient) -> None:
    shown = root.post("/access", data=fields(root, email="fresh@example.com"))
    token = re.search(r"/sign-in/([\w-]{22})<", shown.text)
    assert token is not None
    assert people.awaits(token[1])
    again = root.post("/access", data=fields(root, email="fresh@example.com"))
    assert again.status_code == 303
    assert "/sign-in/" not in again.text


def test_who_administers_one_site_sees_and_changes_nothing_of_another(
    people: People, local: FlaskClient, somebody: str
) -> None:
    shown = local.get("/access").text
    assert somebody in shown
    assert ELSEWHERE not in shown
    assert "every site" not in shown
    before = people.granted()
    theirs = number(people, somebody, ELSEWHERE)
    everywhere = number(people, "root@example.com", "")
    for target in (theirs, everywhere, 10**9):
        for act in ("renew", "withdraw"):
            answer = local.post(f"/access/{target}/{act}", data=fields(local))
            assert answer.status_code == 404
    for place in (ELSEWHERE, "", "no.example.net"):
        steps = fields(local, email="local@example.com", role="admin", site=place)
        assert local.post("/access", data=steps).status_code == 404
    assert people.granted() == before


def test_no_link_is_made_into_an_account_that_exists(
    services: Services, people: People, local: FlaskClient
) -> None:
    answer = local.post("/access", data=fields(local, email="root@example.com"))
    assert answer.status_code == 303
    people.withdraw(number(people, "root@example.com", HERE))
    people.invite("gone@example.com", "viewer", "reads")
    people.disable("gone@example.com")
    refused = local.post("/access", data=fields(local, email="gone@example.com"))
    assert refused.status_code == 400
    assert "shut out" in refused.text


def test_the_last_administrator_stays(people: People, root: FlaskClient) -> None:
    own = number(people, "root@example.com", "")
    answer = root.post(f"/access/{own}/withdraw", data=fields(root))
    assert answer.status_code == 400
    assert "last administrator of every site" in answer.text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"email": "x"}, "not an address", id="no address"),
        pytest.param({"email": "a@b.be", "role": "root"}, "none of", id="no such role"),
        pytest.param({"email": "a@b.be", "purpose": " "}, "say in 1 to 500", id="no purpose"),
        pytest.param({"email": "a@b.be", "until": "soon"}, "not a day", id="no day"),
        pytest.param({"email": "a@b.be", "until": "2020-01-01"}, "is over", id="over"),
        pytest.param({"email": "<b>@b.be", "role": "<i>"}, "&#39;&lt;i&gt;", id="markup"),
    ],
)
def test_what_cannot_be_granted_is_refused_with_the_reason(
    root: FlaskClient, change: dict[str, str], says: str
) -> None:
    answer = root.post("/access", data=fields(root, **change))
    assert answer.status_code == 400
    assert says in answer.text
