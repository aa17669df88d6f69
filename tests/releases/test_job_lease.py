"""A long day: the runner's lease is renewed while it computes, and a second runner stays away."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from config.settings import load
from control.database import leases
from releases import job as module
from store.clickhouse import hosting
from store.migrate import migrate
from tests.releases.traffic import Traffic
from tests.releases.world import World

DAY = date(2026, 11, 19)


@pytest.fixture
def world(tmp_path):
    settings = load({"DISCREET_HOME": str(tmp_path / "home")})
    with hosting(settings) as store:
        migrate(store)
        world = World(store, tmp_path / "world", datetime(2026, 11, 22, 12, tzinfo=UTC))
        rows = Traffic(world.site.id, DAY, "Europe/Brussels", 1, 30).rows
        world.load([row for row in rows if row["day"] == DAY.isoformat()])
        yield world


def test_the_lease_is_renewed_while_a_day_is_computed(world, monkeypatch):
    monkeypatch.setattr(module, "_RENEW_SECONDS", 0)
    compute = module.compute_day
    until = []

    def watched(*arguments, **named):
        *others, alive, definitions = arguments

        def seen():
            alive()
            with world.control.connect() as connection:
                until.append(connection.execute(select(leases.c.until)).scalar())

        return compute(*others, seen, definitions, **named)

    monkeypatch.setattr(module, "compute_day", watched)
    assert len(world.run()) == 1
    assert len(until) > 20
    assert until == sorted(until)
    assert len(set(until)) > 20


def test_a_second_runner_finds_nothing_to_do_while_a_day_is_computed(world, monkeypatch):
    compute = module.compute_day
    others = []

    def watched(*arguments, **named):
        others.append(list(world.job().run()))
        return compute(*arguments, **named)

    monkeypatch.setattr(module, "compute_day", watched)
    assert len(world.run()) == 1
    assert others == [[]]
