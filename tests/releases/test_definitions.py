"""Goals, funnels and segments: exact before disclosure, shown where nobody can be worked out."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import combinations, permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonymize.event import Row
from config.settings import load
from control.definitions import DefinitionError, Definitions, funnel, goal, segment
from releases import definitions, wording
from releases.beside import Beside
from releases.compute import write
from releases.disclosure import HUB, Figures, Published, declared, thresholds
from releases.disclosure.crosses import added, enough
from releases.disclosure.declared import MINE, REST, Act, Grid, Reach
from releases.reached import Reached
from releases.reading import Ask, Reading
from releases.scratch import scratch
from releases.segments import Segments
from store.clickhouse import hosting
from store.migrate import migrate
from tests.releases import oracle, oracle_declared
from tests.releases.audit import narrow
from tests.releases.traffic import NAMES, PAGES, PAUSES, days_around, local_day
from tests.releases.world import KEY, World

DAY = date(2026, 11, 19)
ZONE = "Europe/Brussels"
PROVISIONAL = datetime(2026, 11, 22, 12, tzinfo=UTC)
FINAL = datetime(2026, 12, 2, 12, tzinfo=UTC)
K = 5


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with hosting(load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})) as hosted:
        migrate(hosted)
        yield hosted


# Exact figures, before disclosure

FUNNELS = [
    ["/", "signup"],
    ["pageview", "pageview", "pageview"],
    ["/blog", "/shop", "/"],
    ["pageview", "Purchase", "screen", "/shop/shoes"],
    ["/"] * 8,
]
PATHS = ["/", "/blog", "/shop", "/shop/shoes", "/nowhere"]
SEGMENTS = [
    [("country", "BE"), ("device", "Desktop")],
    [("page", "/"), ("browser", "Chrome")],
    [("event", "pageview"), ("campaign", "")],
]
# Days on which clocks change, and one on which they do not.
DAYS = {
    "25 hours": (date(2026, 10, 25), ZONE),
    "23 hours": (date(2026, 3, 29), ZONE),
    "24 hours": (DAY, "Asia/Kathmandu"),
}


def busier(rows, timezone):
    """Each row with up to six more of the same person after it, of any name and page."""
    chance = random.Random(1)
    found = []
    for row in rows:
        found.append(row)
        moment = row["time"]
        for _ in range(chance.randrange(7) if row["basis"] != "none" else 0):
            moment += chance.choice(PAUSES)
            if local_day(moment, timezone) == row["day"]:
                page, name = chance.choice(PAGES), chance.choice(NAMES)
                own = {"time": moment, "received": moment, "event_id": chance.getrandbits(64) | 1}
                found.append(row | own | {"name": name, "page": page})
    return found


def released(rows, day, timezone):
    """A release that shows of each cross with a segment's filter the values that are not rare."""
    pins = {pair for filters in SEGMENTS for pair in filters}
    seen = Counter(
        (f"{name}|{table}", pin, value)
        for _, _, values in oracle_declared.values(rows, day, timezone)
        for table, pin in pins
        if values[table] == pin
        for name, value in values.items()
    )
    return [
        Published(table, by, value, n, None, None, None, None, None, None)
        for (table, by, value), n in seen.items()
        if n > 4
    ]


@pytest.fixture(scope="module", params=DAYS.values(), ids=DAYS)
def exact(request, store, tmp_path_factory):
    """A day's scratch tables in slices of a few visitors, its release, and the rows behind them."""
    day, timezone = request.param
    world = World(store, tmp_path_factory.mktemp("exact"), FINAL, timezone)
    rows = busier(days_around(1, day, timezone, 1, 150), timezone)
    world.load(rows)
    write(store, world.site, "day", day, 1, released(rows, day, timezone))
    with scratch(store, world.site, day, slice_rows=500) as tables:
        assert tables.slices > 1
        yield Beside(tables, 1, "final", thresholds(KEY, 1, "", 3)), rows, day, timezone


@pytest.mark.parametrize("steps", FUNNELS, ids=map(" then ".join, FUNNELS))
def test_each_step_of_a_funnel_counts_who_took_all_steps_to_it_in_one_visit(exact, steps):
    beside, rows, day, _ = exact
    reaches = Reached(beside).reaches(funnel("a", steps))
    assert [reach.visitors for reach in reaches] == oracle_declared.funnel(rows, day, steps)


def test_the_generated_days_have_people_at_the_end_of_funnels(exact):
    _, rows, day, _ = exact
    assert oracle_declared.funnel(rows, day, FUNNELS[1])[-1] > 5


@pytest.mark.parametrize("path", PATHS)
def test_a_paths_goal_counts_what_happens_on_its_pages(exact, path):
    beside, rows, day, _ = exact
    assert tuple(Reached(beside).of_path(path)) == oracle_declared.path(rows, day, path)


def test_each_cell_of_a_segment_counts_what_has_both_filters(exact):
    beside, rows, day, timezone = exact
    wanted = segment("a", SEGMENTS[list(DAYS.values()).index((day, timezone))])
    segments = Segments(beside)
    dimensions = segments.dimensions(wanted)
    assert len(dimensions) > 15
    segments.gather(wanted, dimensions)
    everything = list(oracle_declared.values(rows, day, timezone))
    for pinned in wanted.filters:
        [other] = set(wanted.filters) - {pinned}
        counted = segments.grids(wanted, pinned, dimensions)
        for dimension in dimensions:
            told = beside.values(f"{dimension.name}|{pinned[0]}", by=pinned[1])
            expected = defaultdict(list)
            for row, visit, values in everything:
                if values[pinned[0]] == pinned[1]:
                    line = MINE if values[other[0]] == other[1] else REST
                    value = values[dimension.name]
                    expected[line, value if value in told else HUB].append((row, visit))
            grid = counted[dimension.name]
            assert {pair: tuple(counts) for pair, counts in grid.items()} == {
                pair: oracle_declared.counts(found) for pair, found in expected.items()
            }
    beside.tables.command("DROP TABLE {scratch}segment_0 SYNC")


# What may be shown of sets of people

PLACES = ["/a", "/a/b", "/a/b/c", "/ab", "/d"]
acts = st.one_of(
    st.builds(Act, st.just("event"), st.sampled_from(["pageview", "signup"])),
    st.builds(Act, st.just("path"), st.sampled_from(["/", "/a", "/a/b", "/d"])),
    st.builds(Act, st.just("page"), st.sampled_from(PLACES)),
)
happenings = st.tuples(st.sampled_from(["pageview", "signup"]), st.sampled_from(PLACES))


def did(happening, act):
    name, page = happening
    wanted = {
        "event": name == act.value,
        "page": page == act.value,
        "path": page == act.value or page.startswith(act.value.rstrip("/") + "/"),
    }
    return wanted[act.kind]


def took(visit, steps):
    taken = 0
    for happening in visit:
        taken += taken < len(steps) and did(happening, steps[taken])
    return taken == len(steps)


@settings(max_examples=300)
@given(st.lists(acts, max_size=3), st.lists(acts, max_size=3), st.lists(happenings, max_size=6))
def test_a_set_within_another_holds_nobody_that_the_other_does_not(one, other, visit):
    inner, outer = Reach(tuple(one), 0), Reach(tuple(other), 0)
    if inner.within(outer) and took(visit, one):
        assert took(visit, other)


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ([], []),
        ([Act("event", "a")], []),
        ([Act("event", "a"), Act("event", "b")], [Act("event", "b")]),
        ([Act("event", "a"), Act("path", "/a/b"), Act("event", "c")],
         [Act("path", "/a"), Act("event", "c")]),
        ([Act("page", "/a/b")], [Act("path", "/a")]),
    ],
    ids=str,
)  # fmt: skip
def test_fewer_or_wider_steps_hold_more(inner, outer):
    assert Reach(tuple(inner), 0).within(Reach(tuple(outer), 0))


numbers = st.integers(0, 40)


@given(st.lists(numbers, min_size=2, max_size=8), st.lists(numbers, min_size=8, max_size=8))
def test_no_two_numbers_of_a_funnel_differ_by_a_few(people, own):
    people = sorted(people, reverse=True)
    steps = [Act("event", str(n)) for n in range(len(people))]
    reaches = [Reach(tuple(steps[: n + 1]), of) for n, of in enumerate(people)]
    known = [Reach((), 60)] + [
        Reach((step,), max(more, n)) for step, more, n in zip(steps, own, people, strict=False)
    ]
    shown = declared.shown_steps(reaches, [True] * len(people), known, K)
    figures = [60, *people[:shown]]
    for one, other in combinations(figures, 2):
        assert one == other or one - other >= K
    for n in range(shown):
        assert people[n] >= K
        assert known[n + 1].visitors - people[n] in (0, *range(K, 100))


def test_a_hidden_step_hides_all_after_it():
    steps = [Act("event", name) for name in "abc"]
    reaches = [Reach(tuple(steps[:n]), people) for n, people in ((1, 50), (2, 48), (3, 20))]
    assert declared.shown_steps(reaches, [True] * 3, [Reach((), 90)], K) == 1
    assert declared.shown_steps(reaches[:1], [False], [Reach((), 90)], K) == 0


@pytest.mark.parametrize(
    ("whole", "parts", "visitors", "shown"),
    [
        (Figures(20, 0, 40), [Figures(8, 0, 9), Figures(30, 0, 50)], 20, True),
        (Figures(20, 0, 40), [Figures(0, 0, 0), Figures(30, 0, 50)], 20, True),
        (Figures(4, 0, 40), [], 4, False),
        (Figures(20, 0, 40), [Figures(4, 0, 9), Figures(30, 0, 50)], 20, False),
        (Figures(20, 0, 40), [Figures(8, 0, 9), Figures(1, 0, 1)], 20, False),
        (Figures(98, 0, 200), [Figures(8, 0, 9), Figures(30, 0, 50)], 98, False),
        (Figures(28, 0, 40), [Figures(8, 0, 9), Figures(30, 0, 50)], 28, False),
        (Figures(0, 300, 300), [Figures(0, 0, 0), Figures(0, 90, 90)], 0, True),
        (Figures(0, 300, 300), [Figures(0, 9, 9), Figures(0, 90, 90)], 0, False),
    ],
    ids=[
        "all differences are large", "no page of it is hidden", "few people", "few on hidden pages",
        "few on the site's other hidden pages", "few who were not there",
        "few beyond a page that is shown", "views of nobody known", "few such on hidden pages",
    ],
)  # fmt: skip
def test_a_paths_goal_is_shown_where(whole, parts, visitors, shown):
    known = [Reach((), 100), Reach((Act("page", "/a/b"),), 26 if visitors == 28 else 10)]
    reach = Reach((Act("path", "/a"),), visitors)
    assert declared.may_show_goal(whole, parts, reach, known, K) is shown


# What may be shown of segments


def drawn(row, column):
    return K + random.Random(f"{row} {column}").randrange(K // 2 + 1)


def figures(people):
    return Figures(people, 0, people * 2)


sizes = st.one_of(st.just(0), st.integers(1, K - 1), st.integers(K, K + K // 2), st.integers(K, 60))
tables = st.dictionaries(
    st.integers(0, 6), st.tuples(*[sizes] * 4), min_size=2, max_size=7
)  # column → people in the segment, in two other rows of one filter, with the other filter


def gathered(cells):
    """As grids are counted: columns that do not fit by themselves are the hub, which fits too."""
    sums = defaultdict(list)
    for (_, column), each in cells.items():
        sums[column].append(each)
    small = {column for column, found in sums.items() if not enough(added(found), K * 2)}
    rest = sorted(set(sums) - small, key=lambda column: added(sums[column]))
    if small and not enough(added([f for c in small for f in sums[c]]), K * 2):
        small |= set(rest[:1])
    merged = defaultdict(list)
    for (row, column), each in cells.items():
        merged[row, HUB if column in small else column].append(each)
    return {pair: added(found) for pair, found in merged.items()}


def open_grids(table, sibling=None):
    """The grids of the segment, the other row as one that is shown or as part of the rest."""
    one, other = {}, {}
    for column, (mine, beside, rest, elsewhere) in table.items():
        one[MINE, column] = figures(mine)
        if sibling is None:
            one[REST, column] = figures(beside + rest)
        else:
            one["sibling", column], one[REST, column] = figures(beside), figures(rest)
        other[MINE, column], other[REST, column] = figures(mine), figures(elsewhere)
    shown = {} if sibling is None else {"sibling": sibling}
    return [Grid(gathered(one), shown), Grid(gathered(other), {})]


@settings(max_examples=300)
@given(tables)
def test_what_a_segment_hides_is_left_open_by_all_that_is_published(table):
    grids = open_grids(table)
    may = declared.may_show_segment(grids, (), (), drawn, K)
    for grid in grids:
        shown = {(MINE, column) for column in may}
        assert narrow(grid.cells, shown, K, drawn) == []
        assert HUB not in may


@settings(max_examples=300)
@given(tables)
def test_so_it_is_beside_a_segment_of_another_value_that_is_shown_already(table):
    turned = {c: (beside, mine, rest, 30) for c, (mine, beside, rest, _) in table.items()}
    [first, _] = open_grids(turned)
    sibling = declared.may_show_segment([first], (), (), drawn, K)
    grids = open_grids(table, sibling)
    may = declared.may_show_segment(grids, (), (), drawn, K)
    if may:
        shown = {(MINE, c) for c in may} | {("sibling", c) for c in sibling}
        assert narrow(grids[0].cells, shown, K, drawn) == []


@settings(max_examples=200)
@given(tables, st.sets(st.integers(0, 6)), st.sets(st.integers(0, 6)))
def test_a_cell_that_has_two_names_is_shown_under_both_or_neither(table, hidden, known):
    may = declared.may_show_segment(open_grids(table), hidden - known, known, drawn, K)
    assert not may & (hidden - known)
    assert not may or known <= may


# Released with their day, and afterwards


BASE = {
    column.name: column.default
    for column in msgspec.structs.fields(Row)
    if column.default is not msgspec.NODEFAULT
}


def view(number, page, name="pageview", minute=0, **more):
    moment = int(datetime(2026, 11, 19, 9, minute, tzinfo=UTC).timestamp())
    return BASE | {
        "site": 1, "day": DAY.isoformat(), "user": "0", "time": moment, "received": moment,
        "event_id": number * 1000 + minute + 1, "basis": "exempt", "purposes": ["audience"],
        "expires": "2100-01-15", "visitor": str(number * 2**66), "name": name, "page": page,
    } | more  # fmt: skip


def crowd(first, number, *pages, **more):
    """Visitors who see these pages one after another."""
    return [
        view(who, page, minute=minute, **more)
        for who in range(first, first + number)
        for minute, page in enumerate(pages)
    ]


@pytest.fixture
def world(store, tmp_path):
    return World(store, tmp_path / "world", PROVISIONAL, k=K)


@pytest.fixture
def made(world):
    return Definitions(world.control, lambda: world.now)


def values(world, table, day=DAY):
    """What is read of a table: each value with its visitors and events."""
    found = Reading(world.store, world.control).find(world.site, Ask(table, day, day, ("value",)))
    return {row.key[0]: (row.figures.visitors, row.figures.events) for row in found.rows}


def site_of_docs(world):
    """Forty who read the manual, of whom thirty come from its first page, and a hundred others."""
    world.load(
        crowd(1, 30, "/docs", "/docs/install") + crowd(101, 10, "/docs/install")
        + crowd(201, 100, "/") + crowd(401, 20, "/shop", "/shop/shoes"),
    )  # fmt: skip


def test_a_days_release_takes_its_definitions_along(world, made):
    made.add(world.site, goal("Manual", prefix="/docs"))
    made.add(world.site, funnel("Read", ["/docs", "/docs/install"]))
    made.add(world.site, goal("Any", event_name="pageview"))
    site_of_docs(world)
    world.run()
    assert values(world, "goal") == {"Manual": (40, 70)}
    assert values(world, "funnel:2") == {"1": (40, None), "2": (30, None)}
    assert not world.job().behind()
    world.erase(3 * 2**66)
    world.run()
    assert values(world, "goal") == {"Manual": (40, 70)}  # 39 and 68, rounded to 10
    assert [p[3] for p in world.pointers()["released_definitions"]] == ["provisional"] * 2


def test_what_is_declared_later_is_computed_back_and_changes_nothing_else(world, made):
    site_of_docs(world)
    world.now = FINAL
    world.run()
    world.job().sweep()
    before = world.everything()[0]
    made.add(world.site, goal("Aim", prefix="/docs"))
    assert world.job().behind()
    assert world.run() == []
    assert values(world, "goal") == {"Aim": (40, 70)}
    assert not world.job().behind()
    world.job().sweep()
    after = world.everything()[0]
    assert len(after) == len(before) + 1
    assert set(before) < set(after)
    # A name given anew shows none of the old one's figures, which stay as they were.
    made.remove(world.site, "goal", "Aim")
    assert values(world, "goal") == {}
    made.add(world.site, goal("Aim", prefix="/shop"))
    world.run()
    assert values(world, "goal") == {"Aim": (20, 40)}
    world.job().sweep()
    assert set(after) < set(world.everything()[0])


def test_a_day_whose_rows_have_changed_since_is_not_computed_back(world, made):
    site_of_docs(world)
    world.now = FINAL
    world.run()
    world.erase(205 * 2**66)
    made.add(world.site, goal("Manual", prefix="/docs"))
    world.run()
    assert values(world, "goal") == {}
    assert not world.job().behind()


def test_a_goal_is_weighed_beside_one_that_was_shown_and_removed(world, made):
    world.load(manual())
    world.now = FINAL
    made.add(world.site, INSTALL)
    world.run()
    assert set(values(world, "goal")) == {"Install"}
    made.remove(world.site, "goal", "Install")
    made.add(world.site, MANUAL)
    world.run()
    assert values(world, "goal") == {}


SENDERS = [
    ("BE", "Desktop", "Mac", 30), ("BE", "Desktop", "Windows", 25),
    ("BE", "Mobile", "iOS", 40), ("BE", "Mobile", "Android", 35),
    ("DK", "Desktop", "Mac", 20), ("DK", "Desktop", "Windows", 30),
    ("DK", "Mobile", "iOS", 25), ("DK", "Mobile", "Android", 45),
]  # fmt: skip


def senders(few=()):
    rows, first = [], 1
    for country, device, os, number in (*SENDERS, *few):
        rows += crowd(first, number, "/", country=country, device=device, os=os)
        first += number
    return rows


# Decided beside a release that shows pages, events and crosses of at least nine people


def shown(world, rows, *wanted):
    """What each definition shows, by table: each value with its visitors and events."""
    world.load(rows)
    people = defaultdict(set)
    for row, _, values in oracle_declared.values(rows, DAY, ZONE):
        people["total", "", ""].add(row["visitor"])
        for name, value in values.items():
            people[name, "", value].add(row["visitor"])
            for by in ("country", "device", "os", "event"):
                people[f"{name}|{by}", values[by], value].add(row["visitor"])
    cells = [
        Published(*key, len(who), None, None, None, None, None, None)
        for key, who in people.items()
        if len(who) > 8
    ]
    write(world.store, world.site, "day", DAY, 1, cells)
    numbered = [replace(each, id=n) for n, each in enumerate(wanted, 1)]
    found = defaultdict(dict)
    with scratch(world.store, world.site, DAY) as tables:
        drawn = thresholds(KEY, 1, "", K)
        for _, shown in definitions.cells(tables, 1, "final", drawn, numbered):
            for cell in shown:
                found[cell.table][cell.value] = (cell.visitors, cell.events)
    return dict(found)


def manual():
    """Twelve on pages below /docs/install that are too small to be shown, two beside them."""
    return (
        crowd(1, 4, "/docs/install/a") + crowd(11, 4, "/docs/install/b")
        + crowd(21, 4, "/docs/install/c") + crowd(31, 2, "/docs/d") + crowd(201, 90, "/")
        + crowd(301, 4, "/x") + crowd(311, 4, "/y") + crowd(321, 4, "/z")
    )  # fmt: skip


INSTALL, MANUAL = goal("Install", prefix="/docs/install"), goal("Manual", prefix="/docs")


@pytest.mark.parametrize("order", [(INSTALL, MANUAL), (MANUAL, INSTALL)], ids=["in", "out"])
def test_of_two_goals_that_differ_by_a_few_people_the_later_is_not_shown(world, order):
    [found] = shown(world, manual(), *order).values()
    assert set(found) == {order[0].name}


def test_a_goal_that_says_what_a_few_did_on_hidden_pages_is_not_shown(world):
    few = crowd(1, 30, "/docs/a") + crowd(101, 2, "/docs/b") + crowd(201, 90, "/")
    assert shown(world, few + crowd(301, 8, "/x") + crowd(401, 4, "/y"), MANUAL) == {}


def test_a_step_that_is_not_shown_by_itself_is_not_shown_in_a_funnel(world):
    rows = crowd(1, 40, "/") + [view(n, "/", "signup", 5) for n in range(1, 31)]
    rows += [view(n, "/", "rare", 6) for n in range(1, 9)]
    found = shown(
        world, rows + crowd(201, 60, "/"),
        funnel("A", ["pageview", "rare", "signup"]), funnel("B", ["pageview", "signup"]),
    )  # fmt: skip
    assert found["funnel:1"] == {"1": (100, None)}
    assert found["funnel:2"] == {"1": (100, None), "2": (30, None)}


DECLARED = [
    goal("a", prefix="/blog"), goal("b", prefix="/blog/one"), goal("c", prefix="/shop"),
    goal("d", prefix="/"), goal("e", prefix="/blog/one/1"),
    funnel("f", ["/blog", "/shop"]), funnel("g", ["/blog", "pageview", "/shop"]),
    funnel("h", ["pageview"] * 4), funnel("i", ["pageview", "signup", "/blog/one"]),
    funnel("j", ["/blog/one", "/shop/shoes"]),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_whoever_subtracts_all_that_is_shown_finds_nobody_or_enough(world, seed):
    """Sets of people that lie within one another, and hidden pages that only some paths contain."""
    chance = random.Random(seed)
    rows = busier(days_around(1, DAY, ZONE, seed, 120), ZONE)
    rows = [
        row | {"page": row["page"].rstrip("/") + chance.choice(["", "", "/1", "/1/2", "/3"])}
        for row in rows
        if row["name"] == "pageview" or row["basis"] != "none"
    ]
    wanted = chance.sample(DECLARED, len(DECLARED))
    found = shown(world, rows, *wanted)
    counted = oracle_declared.events(rows, DAY)
    pages = defaultdict(list)
    for row in counted:
        pages[row["page"]].append(row)
    big = {page for page, own in pages.items() if len({r["visitor"] for r in own}) > 8}

    steps = [[]] + [[each.prefix] for each in wanted if each.name in found.get("goal", {})]
    for number, each in enumerate(wanted, 1):
        taken = range(1, len(found.get(f"funnel:{number}", {})) + 1)
        steps += [[str(step) for step in each.steps[:n]] for n in taken]
    sets = [
        Reach(tuple(Act("path" if s.startswith("/") else "event", s) for s in taken), number)
        for taken in steps
        for number in [oracle_declared.funnel(rows, DAY, taken)[-1] if taken else
                       len({row["visitor"] for row in counted if oracle.linked(row)})]
    ]  # fmt: skip
    sets += [Reach((Act("page", p),), people(pages[p])) for p in big if p]
    for one, other in permutations(sets, 2):
        declared_ones = {one, other} & set(sets[1 : len(steps)])
        if one.within(other) and declared_ones:
            assert other.visitors - one.visitors in (0, *range(K, 10**6)), (one, other)

    paths = {taken[0] for taken in steps if len(taken) == 1 and taken[0].startswith("/")}
    atoms = defaultdict(list)
    for page in pages.keys() - big:
        atoms[frozenset(p for p in paths if oracle_declared.under(page, p))] += pages[page]
    if paths:
        assert len(steps) > 2
        assert all(people(own) + lone(own) // 10 >= K for own in atoms.values())


def people(rows):
    return len({row["visitor"] for row in rows if oracle.linked(row)})


def lone(rows):
    return sum(not oracle.linked(row) for row in rows)


BELGIAN_MOBILES = segment("A", [("country", "BE"), ("device", "Mobile")])


def test_a_segment_is_broken_down_by_what_is_crossed_with_both_filters(world):
    found = shown(world, senders(), BELGIAN_MOBILES)
    assert found["os|segment:1"] == {"iOS": (40, None), "Android": (35, None)}
    assert "device|segment:1" not in found


def test_a_segments_cell_is_hidden_where_the_rest_of_its_filter_would_be_few(world):
    found = shown(world, senders([("BE", "Desktop", "iOS", 2)]), BELGIAN_MOBILES)
    assert "iOS" not in found.get("os|segment:1", {})


def test_a_cell_of_two_segments_is_hidden_in_both(world):
    found = shown(
        world, senders([("BE", "Desktop", "iOS", 2)]),
        BELGIAN_MOBILES, segment("B", [("country", "BE"), ("os", "iOS")]),
    )  # fmt: skip
    assert "iOS" not in found.get("os|segment:1", {})
    assert "Mobile" not in found.get("device|segment:2", {})


def test_a_segment_shows_events_where_a_filter_is_an_event(world):
    found = shown(world, senders(), segment("A", [("event", "pageview"), ("country", "BE")]))
    assert found["os|segment:1"]["iOS"] == (40, 40)


@pytest.mark.parametrize(
    "alias", [segment("A", [("country", "BE")]), goal("B", event_name="pageview")], ids=str
)
def test_what_is_a_cell_of_another_table_has_no_figures_of_its_own(alias):
    assert not wording.has_figures(alias)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("country=BE", "is not DIMENSION=VALUE with one of app:version, consent:basis, event:name"),
        ("visit:city=Gent", "'visit:city=Gent' is not DIMENSION=VALUE"),
        ("visit:country", "is not DIMENSION=VALUE"),
    ],
)
def test_a_segment_is_of_dimensions_that_others_are_crossed_with(text, words):
    with pytest.raises(DefinitionError) as refused:
        wording.filters([text])
    assert words in str(refused.value)


def test_a_segments_filters_are_written_as_they_are_read():
    texts = ["visit:utm_campaign=a=b", "visit:country=BE"]
    assert wording.written(segment("a", wording.filters(reversed(texts)))) == texts


def test_allowed_properties_are_dimensions_and_a_goals_money_is_no_one_persons(world, made):
    """Of each event the sum of the currency of most payments; not where one made up half of it."""
    world.sites.set(world.site, properties=["plan"])
    site = world.sites.all()[0]
    plans = {"props": {"plan": "pro", "other": "x"}, "country": "BE"}
    bought = {"basis": "consent", "revenue": "10.0000", "currency": "EUR"}
    rows = [view(n, "/", "Purchase", **bought, **plans) for n in range(1, 31)]
    rows += [view(n, "/", "Gift", **bought) for n in range(101, 131)]
    rows += [view(100, "/", "Gift", **bought | {"revenue": "900.0000"}, country="DK")]
    world.load(rows + [view(n, "/", country="DK") for n in range(201, 241)])
    world.now = FINAL
    world.run()
    reading = Reading(world.store, world.control)

    def found(table, keys):
        ask = Ask(table, DAY, DAY, keys, measures=("visitors", "events", "revenue", "currency"))
        return {row.key: row.figures for row in reading.find(site, ask).rows}

    assert found("props:plan", ("value",))["pro",].visitors == 30
    assert found("props:plan|country", ("by", "value"))["BE", "pro"].events == 30
    assert found("props:other", ("value",)) == {}
    paid = found("event", ("value",))
    assert (paid["Purchase",].revenue, paid["Purchase",].currency) == (300, "EUR")
    assert paid["Gift",].events == 30
    assert paid["Gift",].revenue is None
