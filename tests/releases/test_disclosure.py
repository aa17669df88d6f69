"""Disclosure control: no figure stands for fewer than k persons, and none can be subtracted."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.disclosure import (
    ROUNDING,
    Cell,
    fits,
    grants,
    publish,
    separable,
    split,
    thresholds,
    to_demote,
    unseparated,
)
from releases.tables import OTHER

KEY = b"t" * 32


def cell(value="a", visitors=0, table="page", **figures):
    zero = dict.fromkeys(
        ("visits", "pageviews", "events", "linked_pageviews", "bounces", "duration", "unlinked",
         "bounced_visitors", "staying_visitors"), 0,
    )  # fmt: skip
    zero |= {"visits": visitors, "pageviews": visitors, "events": visitors}
    return Cell(table=table, value=value, visitors=visitors, **(zero | figures))


def fixed(n):
    return lambda table, value, by="": n


counts = st.integers(min_value=0, max_value=200)
cells = st.builds(
    lambda value, visitors, unlinked, bounced, staying: cell(
        str(value), visitors, unlinked=unlinked,
        pageviews=visitors + unlinked, linked_pageviews=visitors,
        bounced_visitors=min(bounced, visitors), staying_visitors=min(staying, visitors),
        bounces=min(bounced, visitors), duration=visitors * 61,
    ),
    st.integers(min_value=0, max_value=10**9), counts, counts, counts, counts,
)  # fmt: skip
tables = st.lists(cells, max_size=12, unique_by=lambda c: c.value)
floors = st.integers(min_value=3, max_value=30)


def merged(hidden):
    """As the store would merge them, of distinct persons: no fewer than the largest of them."""
    return cell(OTHER, max(c.visitors for c in hidden), unlinked=sum(c.unlinked for c in hidden))


@given(tables, floors)
def test_no_shown_cell_stands_for_fewer_than_its_threshold(page, k):
    total = cell("", 10_000, table="total")
    shown, hidden = split([total, *page], fixed(k), frozenset())
    assert all(c.persons >= k for c in shown)
    assert all(c.visitors == 0 or c.visitors >= k for c in shown)
    assert set(shown) | set(hidden) == {total, *page}


@given(tables, floors)
def test_what_is_hidden_is_nothing_or_stands_for_enough_once_the_smallest_has_joined(page, k):
    threshold, demoted = fixed(k), frozenset()
    total = cell("", 10_000, table="total")
    for _ in range(20):
        shown, hidden = split([total, *page], threshold, demoted)
        if not hidden:
            return
        more = to_demote(shown, [merged(hidden)], threshold)
        if not more:
            break
        demoted |= more
    of_table = [c for c in shown if c.table == "page"]
    assert fits(merged(hidden), k) or not of_table


def test_where_the_day_itself_is_too_small_nothing_of_it_is_shown():
    day = [cell("", 9, table="total"), cell("/", 9), cell("gone", 0, table="dropped", unlinked=500)]
    shown, _ = split(day, fixed(9 + 1), frozenset())
    assert [c.table for c in shown] == ["dropped"]


@given(cells, floors, st.sampled_from(list(ROUNDING)), st.sampled_from(["total", "page", "event"]))
def test_every_figure_is_rounded_and_held_to_the_floor_by_itself(one, k, state, table):
    shown = publish(replace(one, table=table), fixed(k), state)
    step = ROUNDING[state]
    for figure in (shown.visitors, shown.visits, shown.pageviews, shown.events, shown.bounces):
        assert figure is None or figure % step == 0
    assert (shown.visitors is None) == (one.visitors < k)
    assert (shown.visits is None) == (one.visitors < k)
    assert (shown.linked_pageviews, shown.bounces, shown.duration) == (None, None, None)


@given(cells, st.sampled_from(list(ROUNDING)))
def test_views_and_events_of_one_cell_are_never_both_shown(one, state):
    for table in ("total", "page", "country", "event", "bot", "dropped"):
        shown = publish(replace(one, table=table), fixed(3), state)
        assert None in (shown.pageviews, shown.events)


@pytest.mark.parametrize(
    ("state", "shown"), [("open", False), ("provisional", False), ("final", True)]
)
def test_seconds_are_shown_only_of_a_day_that_changes_no_more(state, shown):
    day = cell("", 50, table="total", duration=6000)
    assert (publish(day, fixed(10), state, {"duration"}).duration is not None) == shown


def test_few_visitors_among_many_views_without_a_pseudonym_are_not_a_cell_of_their_own():
    """Otherwise theirs would be the total's visitors less those of the other cells."""
    day = [
        cell("", 41, table="total", unlinked=250),
        cell("Mobile", 40, table="device"),
        cell("Tablet", 1, table="device", unlinked=250),
    ]
    shown, hidden = split(day, fixed(10), frozenset())
    assert [c.value for c in hidden] == ["Tablet"]
    assert to_demote(shown, [replace(hidden[0], value=OTHER)], fixed(10)) == {
        ("device", "", "Mobile")
    }


@given(tables, floors)
def test_where_too_few_visitors_can_be_told_apart_none_are_and_they_still_count_as_persons(page, k):
    total = cell("", k - 1, table="total", unlinked=10_000)
    assert not separable([total, *page], fixed(k))
    for one in page:
        without = unseparated(one)
        assert without.persons == one.persons
        assert publish(without, fixed(k), "final").visitors is None


@pytest.mark.parametrize(("unlinked", "persons"), [(0, 0), (9, 0), (10, 1), (99, 9), (100, 10)])
def test_ten_views_without_a_pseudonym_count_as_one_person(unlinked, persons):
    assert cell(unlinked=unlinked).persons == persons


@pytest.mark.parametrize("k", [3, 5, 10, 25])
def test_thresholds_lie_between_k_and_half_as_much_again_and_all_of_them_occur(k):
    threshold = thresholds(KEY, 1, "2026-11-22", k)
    drawn = {threshold("page", f"/{n}") for n in range(2000)}
    assert drawn == set(range(k, k + k // 2 + 1))


def test_a_threshold_is_the_same_at_every_look_and_another_on_another_day_or_site():
    def draw(site, day, key=KEY):
        return [thresholds(key, site, day, 100)("page", str(n)) for n in range(30)]

    assert draw(1, "2026-11-22") == draw(1, "2026-11-22")
    others = [draw(2, "2026-11-22"), draw(1, "2026-11-23"), draw(1, "2026-11-22", b"u" * 32)]
    assert draw(1, "2026-11-22") not in others


def test_the_two_orientations_of_a_cross_draw_the_same_threshold():
    threshold = thresholds(KEY, 1, "2026-11-22", 100)
    one = [threshold("page|country", f"/{n}", "BE") for n in range(30)]
    assert one == [threshold("country|page", "BE", f"/{n}") for n in range(30)]
    assert one != [threshold("page|country", f"/{n}", "DK") for n in range(30)]


# Rates, averages and sums

ENOUGH = {
    "pageviews": 90, "linked_pageviews": 90, "bounced_visitors": 20, "staying_visitors": 20,
    "duration": 6000, "longest": 900, "engagement": 3000, "engaged": 30, "most_engaged": 100,
    "scroll": 2000, "scrolled": 40, "revenue": Decimal(900), "payers": 30, "most_paid": Decimal(60),
}  # fmt: skip


def busy(value="a", visitors=40, table="page", **figures):
    return cell(value, visitors, table, **(ENOUGH | figures))


def granted(cells, floor=10, **options):
    return grants(cells, fixed(floor), **options)


@pytest.mark.parametrize(
    ("figures", "withheld"),
    [
        ({}, set()),
        ({"bounced_visitors": 9}, {"bounces"}),
        ({"staying_visitors": 9}, {"bounces"}),
        ({"longest": 3001}, {"duration"}),
        ({"engaged": 9}, {"engagement"}),
        ({"engaged": 31}, {"engagement"}),  # the nine who did not read would be told apart
        ({"most_engaged": 1501}, {"engagement"}),
        ({"scrolled": 9}, {"scroll"}),
        ({"scrolled": 35}, {"scroll"}),
        ({"payers": 9}, {"revenue"}),
        ({"most_paid": Decimal(451)}, {"revenue"}),
        ({"unlinked": 50}, {"linked_pageviews"}),
        ({"unlinked": 100}, set()),
        ({"pageviews": 9, "linked_pageviews": 9}, {"pageviews", "linked_pageviews"}),
        ({"pageviews": 0, "linked_pageviews": 0}, set()),
    ],
    ids=lambda case: " ".join(sorted(case)) or "none",
)
def test_a_figure_is_withheld_where_few_or_one_person_makes_it(figures, withheld):
    one = busy(**figures)
    shown = granted([one])["a"]
    every = {"pageviews", "linked_pageviews", "bounces", "duration", "engagement", "scroll"}
    assert shown == (every | {"revenue"}) - withheld


def test_a_withheld_rate_takes_others_with_it_until_their_sum_may_be_known():
    """Otherwise the whole less the shown ones gives it away."""
    few = busy("few", 39, bounced_visitors=3, staying_visitors=36)
    cells = [few, busy("b", 41), busy("c", 42), busy("d", 43)]
    rates = {value for value, names in granted(cells).items() if "bounces" in names}
    assert rates == {"c", "d"}


def test_the_bounces_of_other_count_as_withheld_too():
    other = busy(OTHER, 12, bounced_visitors=2, staying_visitors=10)
    rates = {
        v
        for v, names in granted([busy("b", 41), busy("c", 42), other]).items()
        if "bounces" in names
    }
    assert rates == {"c"}


sides = st.integers(0, 60)
rated = st.builds(
    lambda value, bounced, staying, longest: busy(
        str(value), bounced + staying, bounced_visitors=bounced, staying_visitors=staying,
        bounces=bounced, duration=max(6000, longest), longest=longest,
    ),
    st.integers(0, 10**9), sides, sides, st.integers(0, 12000),
)  # fmt: skip


@given(st.lists(rated, max_size=8, unique_by=lambda c: c.value), floors)
def test_what_is_left_of_a_rate_is_nobody_or_enough_on_both_sides(cells, k):
    shown = {value for value, names in granted(cells, k).items() if "bounces" in names}
    for one in cells:
        if one.value in shown:
            assert min(one.bounced_visitors, one.staying_visitors) >= k
    left = [c for c in cells if c.value not in shown]
    if shown and sum(c.visitors for c in left):
        assert sum(c.bounced_visitors for c in left) >= k
        assert sum(c.staying_visitors for c in left) >= k


@given(st.lists(rated, max_size=8, unique_by=lambda c: c.value), floors)
def test_no_one_person_makes_half_of_what_is_left_of_a_duration(cells, k):
    shown = {value for value, names in granted(cells, k).items() if "duration" in names}
    left = [c for c in cells if c.value not in shown]
    if shown and sum(c.visitors for c in left):
        assert 2 * max(c.longest for c in left) <= sum(c.duration for c in left)


def test_parts_show_no_figure_that_their_whole_withholds():
    names = granted([busy("a"), busy("b")], whole={"pageviews", "duration"})
    assert names["a"] == {"pageviews", "duration", "revenue"}


@pytest.mark.parametrize("name", ["bounces", "duration", "engagement", "scroll", "revenue"])
def test_a_figure_that_was_not_granted_is_not_published(name):
    full = publish(busy(bounces=20, table="event"), fixed(10), "final", frozenset(ALL_FIGURES))
    less = publish(busy(bounces=20, table="event"), fixed(10), "final", ALL_FIGURES - {name})
    assert getattr(full, name) is not None
    assert getattr(less, name) is None


ALL_FIGURES = {
    "pageviews",
    "linked_pageviews",
    "bounces",
    "duration",
    "engagement",
    "scroll",
    "revenue",
}


# Nested dimensions

NESTED = [
    cell("", 200, table="total"),
    cell("BE", 150, table="country"), cell("FR", 41, table="country"),
    cell("LU", 9, table="country"),
    cell("BE-VLG", 100, table="region", by="BE"), cell("BE-BRU", 46, table="region", by="BE"),
    cell("BE-WAL", 4, table="region", by="BE"), cell("FR-IDF", 41, table="region", by="FR"),
    cell("LU-L", 9, table="region", by="LU"),
    cell("Gent", 100, table="city", by="BE-VLG"), cell("Eupen", 4, table="city", by="BE-WAL"),
]  # fmt: skip


def test_what_is_nested_in_a_hidden_value_is_hidden():
    floor = {"BE-VLG": 101}
    shown, _ = split(NESTED, lambda table, value, by="": floor.get(value, 10))
    assert {c.value for c in shown} == {"", "BE", "FR", "BE-BRU", "FR-IDF"}


def test_other_is_filled_up_within_its_group_alone():
    shown, hidden = split(NESTED, fixed(10))
    others = [
        cell(OTHER, 9, table="country"), cell(OTHER, 4, table="region", by="BE"),
    ]  # fmt: skip
    assert {c.value for c in hidden} == {"LU", "BE-WAL", "LU-L", "Eupen"}
    assert to_demote(shown, others, fixed(10)) == {
        ("country", "", "FR"),
        ("region", "BE", "BE-BRU"),
    }


def test_a_value_that_a_client_calls_other_is_no_cell_of_its_own():
    day = [cell("", 90, table="total"), cell(OTHER, 40), cell("/", 50)]
    shown, hidden = split(day, fixed(10), frozenset())
    assert [c.value for c in hidden] == [OTHER]
    assert {c.value for c in shown} == {"", "/"}
