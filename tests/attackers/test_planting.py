"""What an attacker plants through the real collector, and which limits bound it."""

import mmap

import pytest

from config.settings import load
from ingest.limits import SIZE, Limiter, Limits
from tests.attackers import active, planting
from tests.ingest.world import make

K = 10


@pytest.fixture
def collector(tmp_path, monkeypatch):
    """A world under the limits of a fresh installation, whose buckets' clock stands still."""
    monkeypatch.setattr("ingest.views.Limiter", lambda: Limiter(mmap.mmap(-1, SIZE), lambda: 1e6))
    world = make(tmp_path)
    settings = load({"DISCREET_HOME": str(tmp_path)})
    world.limits = Limits.of(settings.sender_limit, settings.site_limit)
    yield world, world.app().test_client()
    world.spool.close()
    world.control.dispose()


def test_one_sender_plants_at_once_all_that_the_rounding_attack_needs(collector):
    """Agents alone tell its visitors apart: neither the limit nor the bot rules stop so few."""
    world, client = collector
    planted = active.by_the_rounding(K)
    senders = [("192.0.2.77", agent) for agent in planting.agents(planted)]
    assert planting.post(client, world.site.write_key, "/alone", senders) == planted
    assert planting.people(world.rows(), "/alone") == planted


def test_one_agent_at_one_address_is_one_visitor_however_often_it_posts(collector):
    world, client = collector
    senders = [("192.0.2.77", planting.agents(1)[0])] * 17
    planting.post(client, world.site.write_key, "/alone", senders)
    assert planting.people(world.rows(), "/alone") == 1


def test_what_is_planted_and_one_visitor_more_are_told_apart(collector):
    """The figures that `active` computes with are those that the collector let in."""
    world, client = collector
    planted = active.by_the_rounding(K)
    senders = [("192.0.2.77", agent) for agent in planting.agents(planted)]
    planting.post(client, world.site.write_key, "/alone", senders)
    before = active.published(planting.people(world.rows(), "/alone"), "/alone", "2026-11-20", K)
    planting.post(client, world.site.write_key, "/alone", [("198.51.100.9", senders[0][1])])
    after = active.published(planting.people(world.rows(), "/alone"), "/alone", "2026-11-20", K)
    assert (before, after) == (15, 20)


def test_the_senders_limit_allows_a_thousand_times_what_the_attack_needs(collector):
    """It stops floods and not this: said so in docs/disclosure.md."""
    world, _ = collector
    assert world.limits.sender.burst > 1000 * active.by_the_rounding(K)


def test_an_open_days_figure_shows_the_attacker_the_next_single_arrival():
    """A known limit of rounding, stated with its figures in docs/disclosure.md."""
    planted = active.by_the_rounding(K, "open")
    seen = [active.published(n, "/a", "2026-11-20", K, "open") for n in (planted, planted + 1)]
    assert (planted, seen) == (24, [20, 30])
