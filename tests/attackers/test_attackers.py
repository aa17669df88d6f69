"""Attackers on what is published: `make attack` runs them on larger sites, with a report."""

import pytest

from tests.attackers import active, informed, insider, passive, three
from tests.attackers.__main__ import (
    MONDAY,
    K,
    floored,
    followed_claims,
    looks,
    passive_claims,
    three_together,
)
from tests.attackers.release import publisher
from tests.attackers.town import Town


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    with publisher(tmp_path_factory.mktemp("home"), K) as releases:
        yield releases


@pytest.fixture(scope="module", params=[20, 200])
def attacked(request, published):
    """A site's day and what the attacks on its releases claimed."""
    day = Town(request.param).day(MONDAY)
    found, seen = passive_claims(published, day)
    if request.param == 200:
        found |= looks(published, day, seen["unrounded"])
    return found, day, seen


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


def test_who_declares_and_subtracts_singles_out_nobody(published):
    """Goals, funnels and a segment, others later, and all declared tables; `make attack`: more."""
    day, weeks = Town(200).day(MONDAY), insider.weeks(2)
    reached = [each for each in weeks[0] if each.kind != "segment"]
    declared = [[*reached[:8], weeks[0][15]], reached[8:10]]
    wanted = [each for week in declared for each in week]
    rows = list(day.rows(published.site.id))
    claims = insider.subtract(published.declare(day.day, rows, declared), wanted, day, K)
    assert claims.looked > 30
    assert (claims.certain, claims.guessed_right) == (0, 0)
    # Without disclosure control, and against a floor alone, the same attack succeeds.
    everything = published.declare(day.day, rows, [weeks[0][15:16]], disclose=False)
    for shown in (everything, floored(everything, K)):
        found = insider.subtract(shown, wanted, day, K)
        assert found.certain == found.certain_right > 1


def test_who_subtracts_unique_visitors_and_cohorts_singles_out_nobody(published):
    claims = followed_claims(published, 200)
    shown = claims["followed", "unrounded"]
    assert shown.looked > 50
    assert (shown.certain, shown.guessed_right) == (0, 0)
    assert claims["followed", "off"].certain_right > 10


def test_the_tier_of_people_now_tells_nobody_from_somebody_and_little_besides():
    """Said so in docs/disclosure.md. Each line is drawn anew, and planting is a gamble."""
    assert active.ask_now(0, K, trials=100) == (1, 0)
    sure, wrong = active.ask_now(9, K)
    assert 0.1 < sure < 0.25
    assert active.ask_now(14, K, trials=500) == (0, 0)
    assert wrong == 0


def test_one_sender_of_views_without_a_pseudonym_learns_the_same_for_ten_times_as_many():
    """Undefended, and said so: nobody can tell how many people made them."""
    views = active.views_by_the_rounding(K)
    assert (views, active.ask_views(views, K, trials=50)) == (152, 1)


def test_three_crosses_solved_together_leave_each_hidden_cell_wide(attacked):
    """And a floor alone does not, so the attack is known to work."""
    _, day, seen = attacked
    if len(day.visits) > 100:
        widths = three_together(seen, day, three.TRIPLES[:3])
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
    _, day, seen = attacked
    if len(day.visits) > 100:
        view = seen["unrounded"]
        claims = informed.one_of_all(view, day, people=20)
        assert claims.certain_right > 100
        assert claims.certain_right == claims.certain
        rounded = informed.one_of_all(view.rounded(), day, people=20)
        assert rounded.certain_right < claims.certain_right / 2
