"""The tier of visitors now: by the clock, never at the look, each person once."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from config.settings import load
from control import database
from control.database import open_control
from control.sites import Site, Sites
from releases import realtime
from releases.reading import Reading
from releases.realtime import Counted, closed, tier, tiers
from store.clickhouse import hosting
from store.migrate import migrate

KEY = b"t" * 32
NOW = datetime(2026, 11, 22, 23, 7, 20, tzinfo=UTC)
START, END = NOW.replace(minute=0, second=0), NOW.replace(minute=5, second=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with hosting(load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})) as hosted:
        migrate(hosted)
        yield hosted


@pytest.fixture
def control(tmp_path, store):
    store.command("TRUNCATE TABLE events")
    engine = open_control(f"sqlite:///{tmp_path}/control.db")
    yield engine
    engine.dispose()


@pytest.fixture
def sites(control):
    return Sites(control, ttl=0)


@pytest.fixture
def site(sites):
    return sites.add("example.com", "Asia/Tokyo", "exempt", "JP")


def load_rows(store, site, rows):
    lines = []
    if not rows:
        return
    for number, row in enumerate(rows):
        whole = {
            "site": site.id, "day": "2026-11-23", "time": int(START.timestamp()) + 60,
            "received": int(START.timestamp()) + 61, "event_id": number + 1, "basis": "exempt",
            "purposes": ["audience"], "expires": "2100-01-15", "bot": "", "visitor": "7",
            "name": "pageview",
        } | row  # fmt: skip
        lines.append(whole)
    store.insert_lines("events", [msgspec.json.Encoder().encode_lines(lines)], f"{id(rows)}")


def shown(store, control, sites, now=NOW):
    realtime.release(store, control, sites.all(), KEY, now)
    with control.connect() as connection:
        newest = select(database.realtime).order_by(database.realtime.c.until.desc())
        row = connection.execute(newest.limit(1)).one()
    return row.tier, row.until.replace(tzinfo=UTC)


def visitors(count, **fields):
    return [
        {"visitor": str(number + 1), "event_id": number + 1} | fields for number in range(count)
    ]


AT = int(START.timestamp())


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], "0", id="nobody"),
        pytest.param(visitors(1), "<10", id="one"),
        pytest.param(visitors(9), "<10", id="nine"),
        pytest.param(visitors(16), "10", id="sixteen"),
        pytest.param(visitors(120) , "50", id="below every line of a hundred"),
        pytest.param([{"event_id": n} for n in range(1, 60)], "<10", id="one who does much"),
        pytest.param(visitors(40, bot="bot"), "0", id="machines"),
        pytest.param(visitors(40, restricted=1), "0", id="restricted"),
        pytest.param(visitors(40, name="engagement"), "0", id="signs of life are no events"),
        pytest.param(visitors(40, purposes=["product"]), "0", id="not for this purpose"),
        pytest.param(visitors(40, time=AT - 1), "0", id="before the window"),
        pytest.param(visitors(40, time=AT + 300), "0", id="after the window"),
        pytest.param(
            [{"visitor": "0", "event_id": n + 1, "time": AT - 3600} for n in range(1920)], "10",
            id="without a pseudonym: a twelfth of the hour before, ten for one",
        ),
        pytest.param(
            [{"visitor": "0", "event_id": n % 9, "time": AT - 3600} for n in range(1920)], "<10",
            id="a retry is the same event",
        ),
    ],
)  # fmt: skip
def test_the_tier_counts_persons_of_the_last_closed_five_minutes(
    store, control, sites, site, rows, expected
):
    load_rows(store, site, rows)
    found, until = shown(store, control, sites)
    assert until == END
    assert found == expected


def test_a_window_is_computed_once_whoever_arrives_late(store, control, sites, site):
    assert shown(store, control, sites)[0] == "0"
    load_rows(store, site, visitors(40))
    assert shown(store, control, sites)[0] == "0"
    assert shown(store, control, sites, NOW + timedelta(minutes=2)) == ("0", END)
    assert shown(store, control, sites, NOW + timedelta(minutes=5))[1] == END + timedelta(minutes=5)


def test_tiers_are_told_for_half_an_hour_each_once(store, control, sites, site):
    reading = Reading(store, control)
    for minutes in (0, 5, 10, 20, 25, 30, 35):
        shown(store, control, sites, NOW + timedelta(minutes=minutes))
    now = NOW + timedelta(minutes=36)
    assert [(each.until - END) // timedelta(minutes=1) for each in reading.lately(site, now)] == [
        10, 20, 25, 30, 35,
    ]  # fmt: skip
    assert reading.lately(site, now + timedelta(minutes=40)) == []


@pytest.mark.parametrize(
    ("now", "start"),
    [("23:05:00", "23:00"), ("23:09:59", "23:00"), ("23:10:00", "23:05"), ("00:00:20", "23:55")],
)
def test_windows_lie_on_the_clock(now, start):
    day = "2026-11-23" if now < "12" else "2026-11-22"
    found = closed(datetime.fromisoformat(f"{day}T{now}+00:00"))
    assert found[0] == datetime.fromisoformat(f"2026-11-22T{start}:00+00:00")
    assert found[1] - found[0] == timedelta(minutes=5)


@given(st.integers(0, 5_000_000), st.integers(3, 200), st.integers(0, 200))
def test_a_tier_never_promises_more_than_were_there(persons, k, window):
    site = _site(k)
    start = START + timedelta(minutes=5 * window)
    found = tier(Counted(persons, 0), KEY, site, start)
    lowest = max(10, k)
    if found.isdigit():
        assert int(found) <= persons
        assert persons == 0 or int(found) >= lowest
        assert persons < 4 * max(int(found), 1)
    else:
        assert found == f"<{lowest}"
        assert 0 < persons < 1.5 * lowest + 1


def test_the_line_of_a_tier_moves_from_window_to_window():
    site = _site(10)
    lines = {
        min(
            n
            for n in range(10, 17)
            if tier(Counted(n, 0), KEY, site, START + timedelta(days=i)) == "10"
        )
        for i in range(60)
    }
    assert lines == {10, 11, 12, 13, 14, 15}


def test_tiers_begin_with_k_where_it_is_larger_than_ten():
    def first(k):
        return [next(numbers) for numbers in [iter(tiers(k))] for _ in range(4)]

    assert first(3) == [10, 20, 50, 100]
    assert first(30) == [30, 50, 100, 200]


def _site(k):
    return Site(1, "example.com", "w", "Europe/Brussels", "exempt", "BE", k)
