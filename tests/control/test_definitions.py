"""What analysts declare: what can be, what cannot, how much of it, and who did it."""

from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import insert, select

from control import definitions as declared
from control.database import open_control, released_days, released_definitions
from control.definitions import (
    DefinitionError,
    Definitions,
    Goal,
    Room,
    Step,
    funnel,
    goal,
    segment,
)
from control.sites import Sites

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def site(engine):
    return Sites(engine).add("example.com", "Europe/Brussels", "exempt", "BE")


@pytest.fixture
def made(engine, clock):
    return Definitions(engine, clock)


def test_what_is_declared_is_found_again_by_name_and_kind(made, site, engine, clock):
    made.add(site, goal("Signed up", event_name="Sign up"))
    made.add(site, goal("Docs", prefix="/docs/"))
    made.add(site, funnel("Buy", ["/shop", "Add to cart", "Purchase"]))
    made.add(site, segment("Belgian phones", [("device", "Mobile"), ("country", "BE")]))
    again = Definitions(engine, clock)
    assert again.goals(site) == [
        Goal("Signed up", event="Sign up", id=1), Goal("Docs", prefix="/docs", id=2),
    ]  # fmt: skip
    assert again.funnels(site)[0].steps == (
        Step(prefix="/shop"), Step(event="Add to cart"), Step(event="Purchase"),
    )  # fmt: skip
    [found] = again.segments(site)
    assert (found.filters, found.number) == ((("country", "BE"), ("device", "Mobile")), "4")
    assert again.goal(site, "Docs").prefix == "/docs"
    assert again.goal(site, "Buy") is None


def test_one_sites_definitions_are_not_anothers(made, site, engine):
    other = Sites(engine).add("example.org", "Europe/Brussels", "exempt", "BE")
    made.add(site, goal("Docs", prefix="/docs"))
    made.add(other, goal("Docs", prefix="/docs"))
    assert [found.id for found in made.live(other)] == [2]
    assert len(made.changes(site)) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: goal("", event_name="a"), "name: '' is not a name of 1 to 64 letters"),
        (lambda: goal("x" * 65, event_name="a"), "is not a name of 1 to 64 letters"),
        (lambda: goal("a\nb", event_name="a"), "is not a name"),
        (lambda: goal(" a", event_name="a"), "is not a name"),
        (lambda: goal("a"), "goal: either an event or a path"),
        (lambda: goal("a", "b", "/c"), "goal: either an event or a path"),
        (lambda: goal("a", event_name=""), "event: '' is not the name of an event"),
        (lambda: goal("a", event_name="engagement"), "is no event of its own"),
        (lambda: goal("a", prefix="docs"), "path: 'docs' is not a path such as /docs"),
        (lambda: goal("a", prefix="/docs?page=2"), "has a query or fragment, which no page keeps"),
        (lambda: goal("a", prefix="/x" * 1025), "is not a path"),
        (lambda: funnel("a", ["one"]), "step: 2 to 8 steps, not 1"),
        (lambda: funnel("a", ["one"] * 9), "step: 2 to 8 steps, not 9"),
        (lambda: funnel("a", ["one", ""]), "event: '' is not the name"),
        (lambda: segment("a", []), "filter: one or two, each of another dimension, not 0"),
        (lambda: segment("a", [("country", "BE"), ("country", "DK")]), "each of another dimension"),
        (
            lambda: segment("a", [("country", "BE"), ("os", "iOS"), ("device", "TV")]),
            "filter: one or two, each of another dimension, not 3",
        ),
        (lambda: segment("a", [("country", "B\nE")]), "is not a value of country"),
    ],
)
def test_a_definition_that_cannot_be_is_refused_with_the_reason(make, words):
    with pytest.raises(DefinitionError) as refused:
        make()
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/docs/", "/docs"),
        ("/docs", "/docs"),
        ("/", "/"),
        ("//docs/../blog/", "/blog"),
        ("/é", "/%C3%A9"),
        (" /docs ", "/docs"),
    ],
)
def test_a_path_is_written_as_pages_are(text, kept):
    assert goal("a", prefix=text).prefix == kept


def test_a_name_is_given_once_on_a_site_whatever_it_names(made, site):
    made.add(site, goal("Buy", event_name="Purchase"))
    with pytest.raises(DefinitionError, match="there is a goal 'Buy' already"):
        made.add(site, funnel("Buy", ["/shop", "Purchase"]))


def test_the_same_is_not_declared_twice_under_two_names(made, site):
    made.add(site, goal("Docs", prefix="/docs"))
    with pytest.raises(DefinitionError, match="goal: 'Docs' is the same"):
        made.add(site, goal("Manual", prefix="/docs/"))
    made.add(site, segment("A", [("country", "BE"), ("os", "iOS")]))
    with pytest.raises(DefinitionError, match="segment: 'A' is the same"):
        made.add(site, segment("B", [("os", "iOS"), ("country", "BE")]))


def test_at_most_five_are_added_in_any_seven_days_whatever_is_removed(made, site, clock):
    for n in range(5):
        made.add(site, goal(f"goal {n}", event_name=f"event {n}"))
        clock.now += timedelta(hours=1)
    made.remove(site, "goal", "goal 0")
    with pytest.raises(DefinitionError) as refused:
        made.add(site, goal("another", event_name="another"))
    assert "5 definitions were added to example.com within seven days" in str(refused.value)
    assert "the next may be on 2026-11-29 14:20 UTC" in str(refused.value)
    clock.now = NOW + timedelta(days=7)
    made.add(site, goal("another", event_name="another"))
    with pytest.raises(DefinitionError, match="within seven days"):
        made.add(site, goal("one more", event_name="one more"))


def test_at_most_twenty_are_declared_at_a_time_and_removing_one_makes_room(made, site, clock):
    for n in range(20):
        made.add(site, goal(f"goal {n}", event_name=f"event {n}"))
        clock.now += timedelta(days=2)
    with pytest.raises(DefinitionError, match="has 20 definitions, the most; remove one first"):
        made.add(site, goal("another", event_name="another"))
    made.remove(site, "goal", "goal 3")
    made.add(site, goal("another", event_name="another"))
    assert len(made.live(site)) == 20
    assert len(made.ever(site)) == 21


def test_two_who_add_at_once_share_the_last_place(made, site, url, clock):
    for n in range(4):
        made.add(site, goal(f"{n}", event_name=f"{n}"))
    engines, results = [open_control(url), open_control(url)], []

    def add(engine, name):
        try:
            Definitions(engine, clock).add(site, goal(name, name))
            results.append("added")
        except DefinitionError:
            results.append("refused")

    threads = [Thread(target=add, args=each) for each in zip(engines, "ab", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert sorted(results) == ["added", "refused"]


def test_a_removed_name_may_be_given_anew_and_gets_a_number_of_its_own(made, site):
    made.add(site, goal("Docs", prefix="/docs"))
    assert made.remove(site, "goal", "Docs").prefix == "/docs"
    assert made.live(site) == []
    assert made.add(site, goal("Docs", prefix="/manual")).id == 2


def test_a_removal_can_be_taken_back_for_a_day_and_costs_no_place(made, site, clock):
    for n in range(5):
        made.add(site, goal(f"{n}", event_name=f"{n}"))
    made.remove(site, "goal", "3")
    assert made.room(site) == Room(live=4, lately=5, next_at=NOW + timedelta(days=7))
    clock.now += timedelta(hours=23)
    [removed] = made.removed(site)
    made.restore(site, removed.id, by="ada@example.com")
    assert [d.id for d in made.live(site)] == [1, 2, 3, 4, 5]
    assert (made.changes(site)[-1].action, made.changes(site)[-1].by) == (
        "restored", "ada@example.com",
    )  # fmt: skip
    assert made.removed(site) == []
    made.remove(site, "goal", "3")
    clock.now += timedelta(days=1)
    with pytest.raises(DefinitionError, match="only what was removed within a day"):
        made.restore(site, removed.id)


def test_what_was_given_away_meanwhile_cannot_be_had_back(made, site, engine):
    other = Sites(engine).add("example.org", "Europe/Brussels", "exempt", "BE")
    docs = made.add(site, goal("Docs", prefix="/docs"))
    made.remove(site, "goal", "Docs")
    with pytest.raises(DefinitionError, match="undo"):
        made.restore(other, docs.id)
    made.add(site, goal("Docs", prefix="/manual"))
    with pytest.raises(DefinitionError, match="there is a goal 'Docs' already"):
        made.restore(site, docs.id)


def test_what_is_had_back_keeps_the_days_that_are_as_they_were(made, site, engine):
    docs = made.add(site, goal("Docs", prefix="/docs"))
    days = [(NOW - timedelta(days=back)).date() for back in range(3)]
    same = {"version": 7, "state": "final", "computed_at": NOW.replace(tzinfo=None)}
    with engine.begin() as connection:
        for number, day in enumerate(days):
            connection.execute(
                insert(released_days).values(site=site.id, day=day, digest=number, **same)
            )
            # Of the last day the release was made anew while the goal was away.
            digest = number if number < 2 else 99
            connection.execute(
                insert(released_definitions).values(
                    definition=docs.id, day=day, digest=digest, **same
                )
            )
    made.remove(site, "goal", "Docs")
    made.restore(site, docs.id)
    with engine.connect() as connection:
        assert set(connection.scalars(select(released_definitions.c.day))) == set(days[:2])


def test_what_is_not_there_cannot_be_removed(made, site):
    made.add(site, goal("Docs", prefix="/docs"))
    with pytest.raises(DefinitionError, match=r"no goal 'Doc'\. There are: Docs"):
        made.remove(site, "goal", "Doc")
    with pytest.raises(DefinitionError, match=r"no funnel 'Docs'\. There are: none"):
        made.remove(site, "funnel", "Docs")


def test_every_change_is_on_record_with_who_made_it_and_when(made, site, clock):
    made.add(site, funnel("Buy", ["/shop", "Purchase"]), by="ada@example.com")
    clock.now += timedelta(hours=1)
    made.remove(site, "funnel", "Buy")
    added, removed = made.changes(site)
    assert (added.at, added.by, added.action) == (NOW, "ada@example.com", "added")
    assert (removed.at, removed.by) == (NOW + timedelta(hours=1), declared.COMMAND_LINE)
    assert removed.action == "removed"
    assert added.definition == removed.definition
    assert added.definition.steps == (Step(prefix="/shop"), Step(event="Purchase"))


def test_a_removed_sites_definitions_go_with_it(made, site, engine):
    made.add(site, goal("Docs", prefix="/docs"))
    Sites(engine).remove(site)
    assert made.ever(site) == []
    assert made.changes(site) == []
