"""Attackers on what is published: `make attack` runs them on larger sites, with a report."""

import pytest

from tests.attackers import active, informed, passive, three
from tests.attackers.__main__ import MONDAY, K, looks, passive_claims, three_together
from tests.attackers.release import publisher
from tests.attackers.town import Town


@pytest.fixture(scope="module", params=[20, 200])
def attacked(request, tmp_path_factory):
    """A site's day and what the attacks on its releases claimed."""
    day = Town(request.param).day(MONDAY)
    with publisher(tmp_path_factory.mktemp("home"), K) as published:
        found, view = passive_claims(published, day)
        if request.param == 200:
            found |= looks(published, day, view)
    return found, day, view


@pytest.mark.parametrize("variant", ["published", "unrounded"])
@pytest.mark.parametrize("attack", ["read", "subtract", "solve"])
def test_who_sees_everything_of_a_day_singles_out_nobody(attacked, attack, variant):
    """Not even with rounding undone: no group of fewer than k is found, by any subtraction."""
    claims = attacked[0].get((attack, variant), passive.Claims())
    assert (claims.certain_right, claims.guessed_right) == (0, 0)


def test_two_looks_at_a_day_are_certain_of_nobody(attacked):
    claims = attacked[0].get(("looks", "published"), passive.Claims())
    assert claims.certain == 0


def test_the_same_attackers_succeed_without_disclosure_control(attacked):
    found, day, _ = attacked
    assert found["read", "off"].certain_right > len(day.visits)
    assert found["read", "off"].certain == found["read", "off"].certain_right


def test_the_same_attackers_succeed_against_a_floor_alone(attacked):
    """What a minimum for each cell hides, its margins give away: so there are rules besides it."""
    assert attacked[0]["subtract", "floor"].certain_right > 0


def test_three_crosses_solved_together_leave_each_hidden_cell_wide(tmp_path):
    """And a floor alone does not, so the attack is known to work."""
    with publisher(tmp_path, K) as published:
        widths = three_together(published, Town(200).day(MONDAY), three.TRIPLES[:3], most=8)
    assert min(widths["unrounded"]) >= K
    assert min(widths["floor"]) < K


def test_one_who_plants_visitors_learns_whether_a_cell_has_somebody():
    """Undefended, and said so: it posts so many that one more is rounded up."""
    sure, wrong, right = active.ask(active.by_the_rounding(K), K, trials=200)
    assert (sure, wrong, right) == (1, 0, 1)


def test_one_who_plants_visitors_up_to_the_line_rarely_hits_it():
    """The line is drawn from k to 1.5 k: k - 1 planted lift one real visitor over it one in six."""
    sure, wrong, _ = active.ask(active.by_the_line(K), K)
    assert 0.1 < sure < 0.25
    assert wrong == 0


def test_one_who_knows_all_but_one_learns_of_that_one(attacked):
    """Undefended, and said so: only noise would prevent it."""
    _, day, view = attacked
    if len(day.visits) > 100:
        claims = informed.one_of_all(view, day, people=20)
        assert claims.certain_right > 100
        assert claims.certain_right == claims.certain
        rounded = informed.one_of_all(view.rounded(), day, people=20)
        assert rounded.certain_right < claims.certain_right / 2
