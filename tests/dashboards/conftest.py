"""One world for the module: the embedded engine starts once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.dashboards.world import World, fill
from tests.dashboards.world import world as made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with made(tmp_path_factory.mktemp("home")) as world:
        fill(world)
        yield world


@pytest.fixture(scope="module")
def client(world: World) -> FlaskClient:
    """Somebody signed in."""
    return world.client()
