"""The stats API over a real store: what it answers, and that it says what it will not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask import Flask
from sqlalchemy import insert

from accounts.tokens import Tokens
from control.database import realtime, released_definitions, released_spans, released_weeks
from control.definitions import Definitions, funnel, goal, segment
from control.sites import Site, Sites
from dashboards import stats
from releases.reading import Reading
from store.clickhouse import Store
from tests.dashboards.world import NOW, TODAY, World, world
from tests.store.conftest import Where

FIRST = date(2026, 11, 1)  # a Sunday
WEEKS = (date(2026, 11, 2), date(2026, 11, 9))
SITE = "stats.example.com"


@dataclass
class Api:
    """The routes alone, asked with a token of `SITE`."""

    app: Flask
    token: str

    def post(self, token: str | None = None, accept: str = "application/json", **query: Any) -> Any:
        asked = {"site_id": SITE, "metrics": ["visitors"], "date_range": "28d"} | query
        headers = {"Accept": accept, "Authorization": f"Bearer {token or self.token}"}
        return self.app.test_client().post("/api/v2/query", json=asked, headers=headers)

    def get(
        self, name: str, token: str | None = None, accept: str = "application/json", **asked: str
    ) -> Any:
        headers = {"Accept": accept, "Authorization": f"Bearer {token or self.token}"}
        return self.app.test_client().get(
            f"/api/v1/stats/{name}", query_string={"site_id": SITE} | asked, headers=headers
        )

    def ask(self, **query: Any) -> Any:
        response = self.post(**query)
        assert response.status_code == 200, response.get_data(as_text=True)
        return response.get_json()

    def rows(self, **query: Any) -> list[tuple[Any, ...]]:
        """Each row's dimensions, then its metrics."""
        return [(*row["dimensions"], *row["metrics"]) for row in self.ask(**query)["results"]]

    def refused(self, **query: Any) -> str:
        response = self.post(**query)
        assert response.status_code == 400, response.get_data(as_text=True)
        assert set(response.get_json()) == {"error"}
        return str(response.get_json()["error"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("home")) as empty:
        fill(empty)
        yield empty


@pytest.fixture(scope="module")
def api(made: World) -> Api:
    app = Flask("stats")
    tokens = Tokens(made.control, lambda: NOW)
    app.register_blueprint(
        stats.blueprint(
            Reading(Store(made.settings), made.control),
            Sites(made.control, ttl=0),
            tokens,
            Definitions(made.control),
            now=lambda: NOW,
        )
    )
    site = made.sites.by_domain(SITE)
    assert site is not None
    return Api(app, tokens.add(site, stats.SCOPE).text)


def fill(made: World) -> None:
    """Days from the first of November on, two of its weeks, and a site of somebody else."""
    site = made.sites.add(SITE, "Europe/Brussels", "exempt", "BE")
    site = made.sites.set(site, properties=("plan",))
    made.sites.add("other.example.com", "Europe/Brussels", "exempt", "BE")
    for number in range((TODAY - FIRST).days + 1):
        day = FIRST + timedelta(days=number)
        state = "open" if day == TODAY else "provisional" if number > 14 else "final"
        release(made, site, "day", day, state, cells(100, 1))
    declared = Definitions(made.control)
    declared.add(site, goal("Signed up", event_name="Sign up"))
    docs = declared.add(site, goal("Docs", prefix="/docs"))
    belgians = segment("Belgians on the move", [("country", "BE"), ("device", "Mobile")])
    assert declared.add(site, belgians).id == 3
    declared.add(site, segment("French", [("country", "FR")]))
    buy = declared.add(site, funnel("Buy", ["/shop", "Add to cart", "Purchase"]))
    for day, *steps in STEPS:
        shown = [(f"funnel:{buy.id}", "", str(n), {"visitors": v}) for n, v in enumerate(steps, 1)]
        define(made, site, day, buy.id, shown)
    for spans, first, uniques in SPANS:
        version = next(_VERSIONS)
        with made.control.begin() as connection:
            connection.execute(
                insert(released_spans).values(
                    site=site.id, period=spans, first=first, version=version,
                    computed_at=NOW.replace(tzinfo=None),
                )
            )  # fmt: skip
        cohorts = [
            ("cohort", str(first - timedelta(weeks=age)), str(age), {"visitors": n})
            for age, n in RETURNED.get(first, ())
            if spans == "week"
        ]
        write(
            made,
            site,
            spans,
            first,
            version,
            [("uniques", "", "", {"visitors": uniques}), *cohorts],
        )
    for number in range((TODAY - FIRST).days + 1):
        day = FIRST + timedelta(days=number)
        define(made, site, day, docs.id, [("goal", "", "Docs", DID)])
        of_segment = [
            ("page|segment:3", "", "/docs", {"visitors": 13}),
            ("hour|segment:3", "", "09", {"visitors": 11}),
        ]
        define(made, site, day, 3, of_segment)
    for monday in WEEKS:
        release(made, site, "week", monday, "final", cells(720, 7))


def cells(visitors: int, times: int) -> list[tuple[str, str, str, dict[str, Any]]]:
    """(table, by, value, measures). `times` days are in the figures, `visitors` in their total."""

    def seen(n: int) -> dict[str, Any]:
        return {"visitors": n * times, "visits": 2 * n * times, "pageviews": 5 * n * times}

    def did(n: int) -> dict[str, Any]:
        return {"visitors": n * times, "visits": 2 * n * times, "events": 3 * n * times}

    total = seen(100) | {
        "visitors": visitors, "linked_pageviews": 4 * 100 * times, "bounces": 80 * times,
        "duration": 6000 * times,
    }  # fmt: skip
    paid = {"revenue": "250.00", "payments": 5 * times, "currency": "EUR"}
    read = {"engagement": 1200 * times, "engaged": 40 * times, "scroll": 3000, "scrolled": 40}
    return [
        ("total", "", "", total),
        ("country", "", "BE", seen(50) | {"bounces": 30 * times}),
        ("country", "", "FR", seen(30)),
        ("country", "", "", {"pageviews": 60 * times}),
        ("country", "", "(other)", seen(20)),
        ("region", "BE", "BE-VLG", seen(25)),
        ("region", "BE", "(other)", seen(25)),
        ("source", "", "", seen(60)),
        ("source", "", "Google", seen(40)),
        ("source", "", "=cmd()", seen(15)),
        ("page", "", "/", seen(70) | read),
        ("page", "", "/docs", seen(40)),
        ("page", "", "/docs/api", seen(20)),
        ("event", "", "pageview", did(95)),
        ("event", "", "Sign up", did(20) | paid),
        ("props:plan", "", "pro", did(15)),
        ("hour", "", "09", seen(40)),
        ("hour", "", "10", seen(30)),
        ("hour", "", "(other)", seen(30)),
        ("device", "", "Mobile", seen(60)),
        ("page|country", "BE", "/", seen(35)),
        ("page|country", "BE", "/docs", seen(20)),
        ("page|country", "FR", "/", seen(20)),
        ("country|page", "/", "BE", seen(35)),
        ("country|page", "/", "FR", seen(20)),
        ("country|page", "/docs", "BE", seen(20)),
        ("country|event", "Sign up", "BE", did(12)),
        ("event|country", "BE", "Sign up", did(12)),
        ("hour|country", "BE", "09", seen(22)),
        ("country|device", "Mobile", "BE", seen(31)),
        ("device|country", "BE", "Mobile", seen(31)),
    ]


# A funnel's steps as each day shows them: of the second day the last is hidden.
STEPS = [(date(2026, 11, 2), 60, 40, 20), (date(2026, 11, 3), 50, 25)]
SPANS = [
    ("week", date(2026, 10, 19), 310), ("week", date(2026, 10, 26), 340),
    ("week", date(2026, 11, 2), 400), ("month", date(2026, 10, 1), 900),
]  # fmt: skip
# (age in weeks, visitors) that each week shows.
RETURNED = {
    date(2026, 10, 26): [(0, 200)],
    date(2026, 11, 2): [(0, 150), (1, 50), (2, 15)],
}
DID = {"visitors": 45, "visits": 90, "events": 135}
_VERSIONS = iter(range(1000, 9999))


def define(made: World, site: Site, day: date, number: int, cells: list[Any]) -> None:
    """Shows cells of a definition, which has pointers of its own."""
    version = next(_VERSIONS)
    with made.control.begin() as connection:
        connection.execute(
            insert(released_definitions).values(
                definition=number, day=day, version=version, state="final", digest=1,
                computed_at=NOW.replace(tzinfo=None),
            )
        )  # fmt: skip
    write(made, site, "day", day, version, cells)


def release(made: World, site: Site, period: str, day: date, state: str, cells: list[Any]) -> None:
    if period == "day":
        made.release(site, day, state, {})
        version = max(
            row.version for row in Reading(made.store, made.control)._days(site, day, day)
        )
    else:
        version = next(_VERSIONS)
        with made.control.begin() as connection:
            connection.execute(
                insert(released_weeks).values(
                    site=site.id,
                    week=day,
                    version=version,
                    computed_at=datetime(2026, 11, 20),  # noqa: DTZ001
                )
            )
    write(made, site, period, day, version, cells)


def write(made: World, site: Site, period: str, day: date, version: int, cells: list[Any]) -> None:
    lines = msgspec.json.Encoder().encode_lines(
        {"site": site.id, "period": period, "day": str(day), "version": version,
         "table": table, "by": by, "value": value} | measures
        for table, by, value, measures in cells
    )  # fmt: skip
    made.store.insert_lines("cells", [lines], f"stats-{period}-{day}-{version}")


WEEK = ["2026-11-02", "2026-11-08"]
DAY = ["2026-11-20", "2026-11-20"]


def test_a_whole_week_is_answered_by_its_own_cell_and_other_days_by_theirs(api: Api) -> None:
    assert api.rows(date_range=WEEK) == [(720,)]
    assert api.rows(date_range=["2026-11-02", "2026-11-07"]) == [(600,)]
    assert api.rows(date_range=["2026-11-01", "2026-11-09"]) == [(100 + 720 + 100,)]
    # Sixteen days: two whole weeks, the Sunday before and the Monday after.
    assert api.rows(date_range=["2026-11-01", "2026-11-16"]) == [(100 + 720 + 720 + 100,)]


def test_a_series_of_days_weeks_or_months_adds_up_what_each_of_its_points_is(api: Api) -> None:
    by_week = api.rows(date_range=["2026-11-01", "2026-11-17"], dimensions=["time:week"])
    assert by_week == [
        ("2026-11-01", 100), ("2026-11-02", 720), ("2026-11-09", 720), ("2026-11-16", 200),
    ]  # fmt: skip
    assert api.rows(date_range=WEEK, dimensions=["time:day"]) == [
        (f"2026-11-0{day}", 100) for day in range(2, 9)
    ]
    assert api.rows(date_range="all", dimensions=["time:month"]) == [
        ("2026-11-01", 100 + 720 + 720 + 700)
    ]


def test_hours_are_told_in_the_sites_time_and_the_merged_ones_are_left_out(api: Api) -> None:
    found = api.ask(date_range=DAY, dimensions=["time:hour"], include={"time_labels": True})
    assert [row["dimensions"] for row in found["results"]] == [
        ["2026-11-20 09:00:00"], ["2026-11-20 10:00:00"],
    ]  # fmt: skip
    assert len(found["meta"]["time_labels"]) == 24
    assert found["meta"]["time_labels"][0] == "2026-11-20 00:00:00"


def test_time_alone_picks_hours_days_or_months_by_the_length_of_the_range(api: Api) -> None:
    assert api.rows(date_range=DAY, dimensions=["time"])[0][0] == "2026-11-20 09:00:00"
    assert api.rows(date_range=WEEK, dimensions=["time"])[0][0] == "2026-11-02"
    assert api.rows(date_range="12mo", dimensions=["time"]) == [("2026-11-01", 2240)]


def test_a_table_puts_its_largest_first_and_what_was_merged_last(api: Api) -> None:
    rows = api.rows(date_range=DAY, dimensions=["visit:country"], metrics=["visitors", "pageviews"])
    assert rows == [
        ("BE", 50, 250), ("FR", 30, 150), ("(not set)", None, 60), ("(other)", 20, 100),
    ]  # fmt: skip


def test_an_order_that_is_asked_for_holds_and_withheld_figures_come_last(api: Api) -> None:
    def names(*order: list[str]) -> list[str]:
        query = {"dimensions": ["visit:country"], "order_by": list(order)}
        return [row[0] for row in api.rows(date_range=DAY, **query)]

    assert names(["visitors", "asc"]) == ["FR", "BE", "(not set)", "(other)"]
    assert names(["visit:country", "desc"]) == ["FR", "BE", "(not set)", "(other)"]
    assert names(["visitors", "desc"], ["visit:country", "asc"])[0] == "BE"


def test_pages_of_a_table_are_parts_of_the_whole(api: Api) -> None:
    def part(limit: int, offset: int) -> Any:
        return api.ask(
            date_range=DAY,
            dimensions=["event:page"],
            pagination={"limit": limit, "offset": offset},
            include={"total_rows": True},
        )

    parts = [part(2, 0), part(2, 2)]
    named = [row["dimensions"][0] for found in parts for row in found["results"]]
    assert named == ["/", "/docs", "/docs/api"]
    assert {found["meta"]["total_rows"] for found in (*parts, part(2, 4))} == {3}


@pytest.mark.parametrize(
    ("metrics", "query", "expected"),
    [
        pytest.param(
            ["visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration"],
            {}, (100, 200, 500, 2.0, 40.0, 30), id="totals",
        ),
        pytest.param(
            ["bounce_rate", "visits"], {"filters": [["is", "visit:country", ["BE"]]]},
            (30.0, 100), id="one value of a dimension",
        ),
        pytest.param(
            ["time_on_page", "engagement_time", "scroll_depth"],
            {"filters": [["is", "event:page", ["/"]]]}, (30, 30, 75), id="a page",
        ),
        pytest.param(
            ["visitors", "events", "conversion_rate"],
            {"filters": [["is", "event:goal", ["Signed up"]]]}, (20, 60, 20.0), id="a goal",
        ),
        pytest.param(
            ["visitors", "conversion_rate"], {"filters": [["is", "event:goal", ["Docs"]]]},
            (45, 45.0), id="a path's goal",
        ),
        pytest.param(
            ["visitors", "conversion_rate"],
            {"filters": [["is", "event:goal", ["Signed up"]], ["is", "visit:country", ["BE"]]]},
            (12, 24.0), id="a goal among a country's visitors",
        ),
        pytest.param(
            ["visitors"],
            {"filters": [["and", [["is", "visit:country", ["BE"]], ["is", "event:page", ["/"]]]]]},
            (35,), id="two filters are a cell of a cross",
        ),
        pytest.param(
            ["visitors"], {"filters": [["is", "visit:country", ["BE", "FR"]]]}, (80,),
            id="several values",
        ),
        pytest.param(
            ["pageviews"], {"filters": [["is", "visit:country", ["(not set)"]]]}, (60,),
            id="no value",
        ),
        pytest.param(
            ["pageviews"], {"filters": [["is", "visit:source", ["Direct / None"]]]}, (300,),
            id="no source",
        ),
        pytest.param(
            ["visitors"], {"filters": [["contains", "event:page", ["/docs"]]]}, (60,),
            id="part of a value",
        ),
        pytest.param(
            ["visitors"],
            {"filters": [["is", "visit:country", ["be"], {"case_sensitive": False}]]}, (50,),
            id="whatever the case",
        ),
        pytest.param(
            ["visitors"], {"filters": [["is", "segment", [3]]]}, (31,), id="a segment",
        ),
        pytest.param(
            ["visitors"], {"filters": [["is", "visit:country", ["DE"]]]}, (None,),
            id="a value that is not shown",
        ),
    ],
)  # fmt: skip
def test_aggregates(
    api: Api, metrics: list[str], query: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert api.rows(date_range=DAY, metrics=metrics, **query) == [expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            {"dimensions": ["event:page"], "filters": [["is", "visit:country", ["BE"]]]},
            [("/", 35), ("/docs", 20)], id="pages of a country",
        ),
        pytest.param(
            {"dimensions": ["visit:country"], "filters": [["is", "event:page", ["/"]]]},
            [("BE", 35), ("FR", 20)], id="countries of a page",
        ),
        pytest.param(
            {"dimensions": ["event:page", "visit:country"]},
            [("/", "BE", 35), ("/", "FR", 20), ("/docs", "BE", 20)], id="a whole cross",
        ),
        pytest.param(
            {"dimensions": ["visit:country", "visit:region"]},
            [("BE", "BE-VLG", 25), ("BE", "(other)", 25)], id="regions within their countries",
        ),
        pytest.param(
            {"dimensions": ["visit:region"], "filters": [["is", "visit:country", ["BE"]]]},
            [("BE-VLG", 25), ("(other)", 25)], id="regions of a country",
        ),
        pytest.param(
            {"dimensions": ["event:page"], "filters": [["contains", "event:page", ["/docs"]]]},
            [("/docs", 40), ("/docs/api", 20)], id="a search in a table",
        ),
        pytest.param(
            {"dimensions": ["event:page"], "filters": [["is_not", "event:page", ["/docs"]]]},
            [("/", 70), ("/docs/api", 20)], id="rows left out",
        ),
        pytest.param(
            {"dimensions": ["event:props:plan"]}, [("pro", 15)], id="an allowed property",
        ),
        pytest.param(
            {"dimensions": ["event:goal"]}, [("Docs", 45), ("Signed up", 20)], id="goals",
        ),
        pytest.param(
            {"dimensions": ["visit:country"], "filters": [["is", "event:goal", ["Signed up"]]]},
            [("BE", 12)], id="countries of a goal",
        ),
        pytest.param(
            {"dimensions": ["event:page"], "filters": [["is", "segment", ["3"]]]},
            [("/docs", 13)], id="pages of a segment",
        ),
        pytest.param(
            {"dimensions": ["time:hour"], "filters": [["is", "segment", [3]]]},
            [("2026-11-20 09:00:00", 11)], id="hours of a segment",
        ),
        pytest.param(
            {"dimensions": ["event:page"], "filters": [["is", "segment", [4]]]},
            [("/", 20)], id="pages of a segment that is one filter",
        ),
        pytest.param(
            {"dimensions": ["time:hour"], "filters": [["is", "visit:country", ["BE"]]]},
            [("2026-11-20 09:00:00", 22)], id="hours of a country",
        ),
        pytest.param(
            {"dimensions": ["time:day", "visit:source"], "pagination": {"limit": 2}},
            [("2026-11-20", "Direct / None", 60), ("2026-11-20", "Google", 40)],
            id="days and sources",
        ),
    ],
)  # fmt: skip
def test_breakdowns(api: Api, query: dict[str, Any], expected: list[Any]) -> None:
    assert api.rows(date_range=DAY, **query) == expected


def test_percentages_are_of_the_same_question_without_its_groups(api: Api) -> None:
    of_all = api.rows(date_range=DAY, dimensions=["visit:country"], metrics=["percentage"])
    assert of_all[0] == ("BE", 50.0)
    of_country = api.rows(
        date_range=DAY,
        dimensions=["event:page"],
        metrics=["percentage"],
        filters=[["is", "visit:country", ["BE"]]],
    )
    assert of_country == [("/", 70.0), ("/docs", 40.0)]


def test_conversions_over_time_are_of_the_visitors_of_each_point(api: Api) -> None:
    rows = api.rows(
        date_range=WEEK,
        dimensions=["time:day"],
        metrics=["visitors", "conversion_rate"],
        filters=[["is", "event:goal", ["Signed up"]]],
    )
    assert rows[0] == ("2026-11-02", 20, 20.0)
    assert len(rows) == 7


def test_goals_of_events_are_broken_down_where_they_are_named(api: Api) -> None:
    named = [["is", "event:goal", ["Signed up"]], ["is", "visit:country", ["BE"]]]
    rows = api.rows(date_range=DAY, dimensions=["event:goal"], filters=named)
    assert rows == [("Signed up", 12)]


def test_distinct_visitors_of_whole_weeks_stand_beside_the_sums_of_days(api: Api) -> None:
    both = {"metrics": ["visitors", "unique_visitors"], "dimensions": ["time:week"]}
    found = api.ask(date_range=["2026-10-19", "2026-11-11"], **both)
    rows = [(*row["dimensions"], *row["metrics"]) for row in found["results"]]
    assert rows == [
        ("2026-10-19", None, 310), ("2026-10-26", 100, 340), ("2026-11-02", 720, 400),
        ("2026-11-09", 300, None),
    ]  # fmt: skip
    assert "who consented" in found["meta"]["metric_warnings"]["unique_visitors"]["warning"]
    # A week that the range cuts is none that was computed.
    assert api.rows(date_range=["2026-10-20", "2026-11-04"], **both)[-1] == (
        "2026-11-02",
        300,
        None,
    )
    largest = {"order_by": [["unique_visitors", "desc"]], "pagination": {"limit": 2, "offset": 1}}
    rows = api.rows(date_range=["2026-10-19", "2026-11-11"], **both, **largest)
    assert [row[0] for row in rows] == ["2026-10-26", "2026-10-19"]


def test_distinct_visitors_of_months_can_be_compared_with_the_months_before(api: Api) -> None:
    found = api.ask(
        metrics=["unique_visitors"],
        dimensions=["time:month"],
        date_range=["2026-11-01", "2026-11-22"],
        include={"comparisons": {"mode": "custom", "date_range": ["2026-10-01", "2026-10-31"]}},
    )
    (row,) = found["results"]
    assert (row["dimensions"], row["metrics"]) == (["2026-11-01"], [None])
    assert row["comparison"]["metrics"] == [900]


def test_a_funnel_compares_its_steps_on_the_days_that_show_them(api: Api) -> None:
    found = api.get("funnels", date_range="2026-11-02,2026-11-04").get_json()
    (buy,) = found["results"]
    assert (buy["name"], [step["step"] for step in buy["steps"]]) == (
        "Buy", ["/shop", "Add to cart", "Purchase"],
    )  # fmt: skip
    figures = [
        tuple(step[name] for name in ("visitors", "conversion_rate", "step_rate", "days"))
        for step in buy["steps"]
    ]
    # The last step is known of the first day alone: 20 of its 60, and of its 40.
    assert figures == [(110, 100.0, 100.0, 2), (65, 59.1, 59.1, 2), (20, 33.3, 50.0, 1)]
    assert found["meta"]["disclosure"] == {"k": 10, "suppressed": True, "rounded_to": 5}
    assert found["meta"]["freshness"]["days"]["final"] == 3
    assert found["query"]["date_range"][0] == "2026-11-02T00:00:00+01:00"
    (nothing,) = api.get("funnels", date_range="2026-11-10,2026-11-12").get_json()["results"]
    assert {step["visitors"] for step in nothing["steps"]} == {None}


def test_retention_follows_the_cohorts_of_the_weeks_asked_for(api: Api) -> None:
    found = api.get("retention", date_range="2026-10-18,2026-11-07").get_json()
    assert [(c["week"], c["new_visitors"], c["returned"][:3]) for c in found["results"]] == [
        ("2026-10-19", None, [None, 15, None]),
        ("2026-10-26", 200, [50, None, None]),
        ("2026-11-02", 150, [None, None, None]),
    ]
    assert found["results"][1]["retention"] == [25.0, None, None, None, None, None]
    assert found["meta"]["disclosure"]["suppressed"]  # the first cohort's size
    shown = api.get("retention", date_range="2026-10-26,2026-11-07").get_json()
    assert not shown["meta"]["disclosure"]["suppressed"]  # the rest is not over yet


def test_funnels_and_cohorts_can_be_had_as_csv(api: Api) -> None:
    def lines(name: str) -> list[list[str]]:
        response = api.get(name, accept="text/csv", date_range="2026-10-26,2026-11-03")
        assert response.content_type == "text/csv; charset=utf-8"
        return list(csv.reader(io.StringIO(response.get_data(as_text=True))))

    assert lines("funnels")[1] == ["Buy", "/shop", "110", "100.0", "100.0", "2"]
    assert lines("retention")[1] == ["2026-10-26", "200", "50", "", "", "", "", ""]


@pytest.mark.parametrize("name", ["funnels", "retention"])
@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        pytest.param({}, 400, "date_range: is needed", id="no range"),
        pytest.param({"date_range": "soon"}, 400, "none of day,", id="no such range"),
        pytest.param({"date_range": "28d", "k": "1"}, 400, "k: no parameter", id="more"),
        pytest.param({"date_range": "28d", "site_id": "other.example.com"}, 401, "Invalid API key",
                     id="another site"),
        pytest.param({"date_range": "28d", "token": "wrong"}, 401, "Invalid API key", id="token"),
    ],
)  # fmt: skip
def test_a_question_for_funnels_or_cohorts_that_cannot_be_answered_is_refused(
    api: Api, name: str, asked: dict[str, str], status: int, says: str
) -> None:
    response = api.get(name, **asked)
    assert response.status_code == status
    assert says in response.get_json()["error"]


def test_money_says_its_currency(api: Api) -> None:
    ((total, average),) = api.rows(
        date_range=DAY,
        metrics=["total_revenue", "average_revenue"],
        filters=[["is", "event:goal", ["Signed up"]]],
    )
    assert (total["value"], total["currency"]) == (250.0, "EUR")
    assert (average["value"], average["currency"]) == (50.0, "EUR")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        pytest.param({"metrics": ["users"]}, "metrics: 'users' is none of visitors,", id="metric"),
        pytest.param({"metrics": []}, "metrics: name at least one", id="no metric"),
        pytest.param({"metrics": "visitors"}, "metrics: expected `array`", id="type"),
        pytest.param({"metrics": ["visits", "visits"]}, "metrics: names", id="metric twice"),
        pytest.param({"colour": "blue"}, "query: object contains unknown field `colour`; fields are"
                     " site_id,", id="field"),
        pytest.param({"dimensions": ["visit:shoe_size"]}, "dimensions: 'visit:shoe_size' is not"
                     " published; dimensions are app:build,", id="dimension"),
        pytest.param({"dimensions": ["event:props:secret"]}, "event:props:plan", id="prop"),
        pytest.param({"dimensions": ["time:minute"]}, "time:hour", id="minutes"),
        pytest.param({"dimensions": ["time:day", "time:week"]}, "one dimension", id="times"),
        pytest.param({"dimensions": ["visit:utm_term", "visit:utm_content"]}, "not published"
                     " together with", id="no such cross"),
        pytest.param({"dimensions": ["event:page"], "filters": [["is", "visit:country", ["BE"]],
                      ["is", "visit:device", ["Mobile"]]]}, "at most two", id="three dimensions"),
        pytest.param({"filters": [["is_not", "visit:country", ["BE"]]]}, "among the dimensions",
                     id="the rest of a total"),
        pytest.param({"filters": [["matches", "event:page", ["^/"]]]}, "'matches'", id="pattern"),
        pytest.param({"filters": [["or", [["is", "visit:country", ["BE"]]]]]}, "'or'", id="or"),
        pytest.param({"filters": [["has_done", ["is", "event:name", ["x"]]]]}, "'has_done'",
                     id="behaviour"),
        pytest.param({"filters": ["visit:country==BE"]}, "filters: not of the form", id="old form"),
        pytest.param({"filters": [["is", "visit:country", []]]}, "from 1 to", id="no clause"),
        pytest.param({"filters": [["is", "visit:country", [["BE"]]]]}, "texts", id="clause"),
        pytest.param({"filters": [["is", "visit:country", ["BE"], {"x": 1}]]}, "case_sensitive",
                     id="modifier"),
        pytest.param({"filters": [["is", "time:day", ["2026-11-02"]]]}, "date_range", id="time"),
        pytest.param({"filters": [["is", "event:goal", ["None"]]]}, "Docs, Signed up", id="goal"),
        pytest.param({"filters": [["is", "segment", [8]]]}, "number: 3, 4", id="segment"),
        pytest.param({"filters": [["is", "event:goal", ["Docs"]], ["is", "visit:country", ["BE"]]]},
                     "nothing but days", id="a path's goal crossed"),
        pytest.param({"filters": [["and", [["is", "event:goal", ["Docs"]],
                      ["is", "visit:country", ["BE"]]]]]}, "nothing but days",
                     id="a path's goal crossed within and"),
        pytest.param({"filters": [["is", "event:goal", ["Docs"]]], "dimensions": ["time:hour"]},
                     "nothing but days", id="a path's goal by the hour"),
        pytest.param({"dimensions": ["event:goal"], "filters": [["is", "visit:country", ["BE"]]]},
                     "goals of paths ('Docs')", id="all goals of a country"),
        pytest.param({"dimensions": ["visit:region"], "filters": [["is", "segment", [3]]]},
                     "dimensions: visit:region are not published of segment 3 (Belgians on the"
                     " move); it goes with one of app:name, app:screen, app:version,",
                     id="what is nested, of a segment"),
        pytest.param({"dimensions": ["visit:browser_version"], "filters":
                      [["is", "segment", [3]]]}, "visit:browser,", id="versions of a segment"),
        pytest.param({"filters": [["is", "segment", [3]], ["is", "visit:city", ["Gent"]]]},
                     "visit:city are not published", id="a nested filter of a segment"),
        pytest.param({"dimensions": ["visit:country"], "filters": [["is", "segment", [3]]]},
                     "visit:country are not published", id="a segment's own dimension"),
        pytest.param({"dimensions": ["event:goal"], "filters": [["is", "segment", [3]]]},
                     "event:goal are not published", id="goals of a segment"),
        pytest.param({"dimensions": ["event:page", "visit:source"], "filters":
                      [["is", "segment", [3]]]}, "event:page and visit:source are not published",
                     id="two dimensions of a segment"),
        pytest.param({"filters": [["is", "segment", [3]], ["is", "segment", [4]]]},
                     "one segment's number", id="two segments"),
        pytest.param({"dimensions": ["visit:city"], "filters": [["is", "visit:country", ["BE"]]]},
                     "visit:region", id="a city of a country"),
        pytest.param({"metrics": ["unique_visitors"]}, "time:week or time:month", id="uniques"),
        pytest.param({"metrics": ["unique_visitors"], "dimensions": ["time:day"]},
                     "unique_visitors is published of whole weeks", id="uniques of days"),
        pytest.param({"metrics": ["unique_visitors"], "dimensions": ["time:week", "visit:source"]},
                     "only dimension", id="uniques of a source"),
        pytest.param({"metrics": ["unique_visitors"], "dimensions": ["time:week"], "filters":
                      [["is", "segment", [3]]]}, "no filter", id="uniques of a segment"),
        pytest.param({"metrics": ["events"]}, "events is published with event:name", id="events"),
        pytest.param({"metrics": ["pageviews"], "dimensions": ["event:name"]}, "ask for events",
                     id="views of events"),
        pytest.param({"metrics": ["bounce_rate"], "dimensions": ["event:page"]}, "belongs to",
                     id="bounces of a page"),
        pytest.param({"metrics": ["bounce_rate"], "dimensions": ["visit:source"],
                      "filters": [["is", "visit:country", ["BE"]]]}, "never of", id="rate of two"),
        pytest.param({"metrics": ["conversion_rate"]}, "needs event:goal", id="no goal"),
        pytest.param({"metrics": ["percentage"]}, "needs a dimension", id="share of nothing"),
        pytest.param({"metrics": ["total_revenue"]}, "with event:goal", id="money of a page"),
        pytest.param({"date_range": "fortnight"}, "date_range: 'fortnight' is none of day,",
                     id="range"),
        pytest.param({"date_range": ["2026-11-02T10:00:00Z", "2026-11-02T11:00:00Z"]},
                     "only whole days", id="part of a day"),
        pytest.param({"date_range": ["2026-11-09", "2026-11-02"]}, "after", id="backwards"),
        pytest.param({"date_range": ["0001-01-01", "9999-12-31"]}, "ten years", id="for ever"),
        pytest.param({"order_by": [["pageviews", "desc"]]}, "order_by: 'pageviews' is neither",
                     id="order by what is not asked"),
        pytest.param({"order_by": [["visitors", "down"]]}, "neither asc nor desc", id="direction"),
        pytest.param({"include": {"weather": True}}, "include: object contains unknown field",
                     id="include"),
        pytest.param({"include": {"time_labels": True}}, "include.time_labels: needs", id="labels"),
        pytest.param({"include": {"comparisons": {"mode": "best_week"}}}, "previous_period",
                     id="comparison"),
        pytest.param({"pagination": {"limit": 0}}, "pagination.limit", id="limit"),
        pytest.param({"pagination": {"offset": -1}}, "pagination.offset", id="offset"),
    ],
)  # fmt: skip
def test_what_is_not_published_is_refused_by_name_with_what_is_possible(
    api: Api, query: dict[str, Any], says: str
) -> None:
    assert says in api.refused(**query)


def test_a_comparison_stands_beside_each_row(api: Api) -> None:
    previous = {"comparisons": {"mode": "previous_period"}}
    found = api.ask(date_range=WEEK, metrics=["visitors", "bounce_rate"], include=previous)
    assert found["query"]["comparison_date_range"][0].startswith("2026-10-26T00:00:00")
    (row,) = found["results"]
    assert row["comparison"] == {"dimensions": [], "metrics": [100, 40.0], "change": [620.0, 0.0]}


def test_a_compared_series_moves_its_points_and_a_compared_table_keeps_its_values(api: Api) -> None:
    other = {"comparisons": {"mode": "custom", "date_range": ["2026-11-09", "2026-11-15"]}}
    series = api.ask(date_range=WEEK, dimensions=["time:day"], include=other)["results"]
    assert series[0]["dimensions"] == ["2026-11-02"]
    assert series[0]["comparison"]["dimensions"] == ["2026-11-09"]
    table = api.ask(
        date_range=WEEK, dimensions=["event:page"], include=other, pagination={"limit": 1}
    )["results"]
    assert table[0]["comparison"] == {"dimensions": ["/"], "metrics": [490], "change": [0.0]}
    before = {"comparisons": {"mode": "year_over_year"}}
    nothing = api.ask(date_range=WEEK, dimensions=["event:page"], include=before)["results"]
    assert nothing[0]["comparison"]["metrics"] == [None]
    assert nothing[0]["comparison"]["change"] == [None]


def test_the_answer_says_what_is_withheld_how_coarse_it_is_and_how_fresh(api: Api) -> None:
    meta = api.ask(date_range=WEEK)["meta"]
    assert meta["disclosure"] == {"k": 10, "suppressed": False, "rounded_to": 5}
    assert meta["freshness"]["days"] == {"final": 7, "provisional": 0, "open": 0, "missing": 0}
    assert meta["freshness"]["computed_at"].startswith("2026-11-22T14:15:00")
    assert api.ask(date_range="day")["meta"]["disclosure"]["rounded_to"] == 10
    assert api.ask(date_range="28d")["meta"]["freshness"]["days"]["missing"] == 6
    for hides in (
        {"dimensions": ["visit:country"]},
        {"dimensions": ["event:page"], "filters": [["is", "visit:country", ["BE"]]]},
        {"filters": [["is", "visit:country", ["DE"]]]},
    ):
        assert api.ask(date_range=WEEK, **hides)["meta"]["disclosure"]["suppressed"]


def test_sums_of_daily_visitors_are_called_so(api: Api) -> None:
    warned = api.ask(date_range=WEEK)["meta"]["metric_warnings"]["visitors"]["warning"]
    assert "sum of daily visitors" in warned
    assert "metric_warnings" not in api.ask(date_range=DAY)["meta"]
    assert "metric_warnings" not in api.ask(date_range=WEEK, dimensions=["time:day"])["meta"]
    several = {"filters": [["is", "visit:country", ["BE", "FR"]]]}
    warned = api.ask(date_range=DAY, **several)["meta"]["metric_warnings"]["visitors"]["warning"]
    assert "counts twice" in warned


def test_the_question_comes_back_as_it_was_understood(api: Api) -> None:
    query = api.ask(date_range=DAY, dimensions=["visit:country"])["query"]
    assert query["date_range"] == ["2026-11-20T00:00:00+01:00", "2026-11-20T23:59:59+01:00"]
    assert query["order_by"] == [["visitors", "desc"]]
    assert (query["site_id"], query["pagination"]) == (SITE, {"limit": 10000, "offset": 0})
    assert api.ask(include={"imports": True})["meta"]["imports_included"] is False


def test_a_table_can_be_had_as_csv_that_no_spreadsheet_takes_for_a_formula(api: Api) -> None:
    response = api.post(
        accept="text/csv",
        date_range=DAY,
        dimensions=["visit:source"],
        metrics=["visitors", "bounce_rate"],
    )
    assert response.content_type == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(response.get_data(as_text=True)))) == [
        ["visit:source", "visitors", "bounce_rate"],
        ["Direct / None", "60", ""],
        ["Google", "40", ""],
        ["'=cmd()", "15", ""],
    ]


def test_unknown_and_forbidden_sites_and_tokens_are_answered_alike(api: Api) -> None:
    answers = [
        api.post(site_id="nowhere.example.com"),
        api.post(site_id="other.example.com"),
        api.post(token="wrong"),
        api.post(token="wrong", site_id="nowhere.example.com", metrics=["nonsense"]),
        api.post(metrics=["nonsense"], site_id="other.example.com"),
        api.app.test_client().post(
            "/api/v2/query", data=b"{", headers={"Authorization": f"Bearer {api.token}"}
        ),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.get_data() for answer in answers}) == 1
    without = api.app.test_client().post("/api/v2/query", json={})
    assert without.status_code == 401
    assert without.headers["WWW-Authenticate"] == "Bearer"


def test_an_answer_stays_in_no_cache(api: Api) -> None:
    assert api.post().headers["Cache-Control"] == "no-store"


def test_a_question_larger_than_any_is_not_read(api: Api) -> None:
    assert api.post(filters=["x" * 70_000]).status_code == 413


def test_while_the_store_is_away_the_answer_says_when_to_come_back(
    made: World, api: Api, tmp_path: Path
) -> None:
    gone = Store(Where(tmp_path))
    app = Flask("away")
    tokens = Tokens(made.control, lambda: NOW)
    app.register_blueprint(
        stats.blueprint(
            Reading(gone, made.control), made.sites, tokens, Definitions(made.control), lambda: NOW
        )
    )
    response = Api(app, api.token).post()
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert "error" in response.get_json()


@pytest.mark.parametrize(
    ("tier", "answer"),
    [("0", 0), ("<10", "<10"), ("50", 50)],
    ids=["nobody", "few", "many"],
)
def test_visitors_now_are_a_tier(made: World, api: Api, tier: str, answer: Any) -> None:
    site = made.sites.by_domain(SITE)
    assert site is not None
    show(made, site, tier, NOW - timedelta(minutes=1))
    assert now(api).get_json() == answer


def test_a_tier_of_long_ago_is_none_of_now(made: World, api: Api) -> None:
    site = made.sites.by_domain(SITE)
    assert site is not None
    show(made, site, "50", NOW - timedelta(minutes=16))
    assert now(api).status_code == 503
    assert now(api, "other.example.com").status_code == 401


def show(made: World, site: Site, tier: str, until: datetime) -> None:
    with made.control.begin() as connection:
        connection.execute(realtime.delete())
        connection.execute(
            insert(realtime).values(
                site=site.id, until=until.astimezone(UTC).replace(tzinfo=None), tier=tier
            )
        )


def now(api: Api, domain: str = SITE) -> Any:
    return api.app.test_client().get(
        f"/api/v1/stats/realtime/visitors?site_id={domain}",
        headers={"Authorization": f"Bearer {api.token}"},
    )
