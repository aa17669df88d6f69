"""The whole application in this process, without a store: who may ask is decided before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from accounts.people import People, Person
from accounts.sessions import Sessions
from config.settings import load
from operate import application
from operate.services import Services, build

HERE, ELSEWHERE = "shop.example.com", "blog.example.org"

SignIn = Callable[[Person | None], FlaskClient]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Two sites, and an administrator of both."""
    made = build(load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))}))
    for domain in (HERE, ELSEWHERE):
        made.sites.add(domain, "Europe/Brussels", "exempt", "BE")
    People(made.control).invite("root@example.com", "admin", "runs it")
    yield made
    made.control.dispose()


@pytest.fixture(scope="module")
def app(services: Services) -> Flask:
    return application.assemble(services)


@pytest.fixture(scope="module")
def sign_in(app: Flask, services: Services) -> SignIn:
    """A browser in which somebody is signed in, or nobody."""
    return lambda person: entered(app, services, person)


def entered(
    app: Flask, services: Services, person: Person | None, origin: str = "http://localhost"
) -> FlaskClient:
    client = app.test_client()
    if person is not None:
        token = Sessions(services.control).begin(person, "Firefox on Linux")
        with client.session_transaction(base_url=origin) as session:
            session.update(_user_id=token, _fresh=True)
    return client
