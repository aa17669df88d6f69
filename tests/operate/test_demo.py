"""The demo's traffic: the same from the same seed, believable, and sent the way of any other."""

import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from control.database import imported_days
from control.definitions import Definitions
from ingest import plausible, segment
from operate import demo
from operate.demo_traffic import APP, PREVIEW, RATINGS, WEBSITE, ZONE, generate
from operate.services import now
from tests.operate.world import services, spooled

UNTIL = datetime(2026, 5, 4, 15, tzinfo=UTC)
DAYS = [date(2026, 4, 27) + timedelta(days=n) for n in range(8)]


@pytest.fixture(scope="module")
def week():
    return list(generate(DAYS, UNTIL))


def test_the_same_seed_gives_the_same_requests(week):
    again = list(generate(DAYS, UNTIL))
    assert [sent.body for sent in again] == [sent.body for sent in week]
    assert [sent.request for sent in again] == [sent.request for sent in week]
    assert [s.body for s in generate(DAYS, UNTIL, seed=1)] != [s.body for s in week]


def test_every_request_is_one_that_the_collector_understands(week):
    for sent in week:
        if sent.wire == "plausible":
            items = [plausible.open_event(sent.body).item(sent.request)]
        else:
            items = segment.open_batch(sent.body).items(sent.request)
        for item in items:
            assert not hasattr(item.content, "reason"), item.content


def test_nothing_happens_after_now_or_outside_its_day(week):
    assert max(sent.at for sent in week) <= UNTIL
    assert {sent.at.astimezone(ZONE).date() for sent in week} == set(DAYS)


def test_nights_and_weekends_are_quiet(week):
    whole = [sent.at.astimezone(ZONE) for sent in week if sent.at.date() < DAYS[-1]]
    hours = Counter(at.hour for at in whole)
    assert hours[3] < hours[9] / 4
    days = Counter(at.date() for at in whole)
    assert days[date(2026, 5, 2)] < 0.8 * days[date(2026, 4, 29)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A month in one home, and what the loader would see of it."""
    with services(tmp_path_factory.mktemp("demo") / "home") as world:
        moment = now()
        sites = demo._sites(world)
        stored = demo.fill(world, sites, moment)
        with world.control.connect() as connection:
            imported = set(connection.scalars(select(imported_days.c.day)))
        tallies = spooled(world, "tallies")
        declared = Definitions(world.control)
        yield stored, sites, spooled(world), tallies, imported, moment, declared


def test_the_demo_fills_thirty_days_and_today_with_a_website_and_an_app(filled):
    stored, sites, rows, _, imported, moment, _ = filled
    assert len(rows) == stored
    assert 50_000 < stored < 120_000
    today = moment.astimezone(ZONE).date()
    assert imported == {today - timedelta(days=back) for back in range(1, 31)}
    assert {row["day"] for row in rows} >= {day.isoformat() for day in imported}
    assert Counter(row["site"] for row in rows).keys() == {site.id for site in sites.values()}


def test_every_basis_occurs_and_objections_and_drafts_leave_no_row(filled):
    _, sites, rows, tallies, *_ = filled
    for site in sites.values():
        bases = Counter(row["basis"] for row in rows if row["site"] == site.id)
        assert bases.keys() == {"consent", "exempt", "none"}
        assert min(bases.values()) > 1000
    # What arrives today of the days before is too late for an import that is final.
    found = {tally["reason"] for tally in tallies} - {"day_final"}
    assert found == {"objected", "excluded_path"}
    assert not any(row.get("page", "").startswith(PREVIEW) for row in rows)


def test_some_phones_are_late_and_browsers_rate_load_times(filled):
    _, sites, rows, *_ = filled
    app = [row for row in rows if row["site"] == sites[APP].id]
    late = [
        row
        for row in app
        if datetime.fromtimestamp(row["received"], ZONE).date().isoformat() > row["day"]
    ]
    assert 0.01 < len(late) / len(app) < 0.1
    ratings = [row["props"] for row in rows if row["name"] == "Web Vitals" and row.get("props")]
    assert {rated["lcp"] for rated in ratings} == set(RATINGS)


def test_the_demos_team_has_declared_something_of_every_kind(filled):
    _, sites, *_, declared = filled
    assert {d.kind for d in declared.live(sites[WEBSITE])} == {"goal", "funnel", "segment"}


def test_the_app_has_versions_that_follow_one_another(filled):
    _, sites, rows, *_ = filled
    by_day = {}
    for row in rows:
        if row["site"] == sites[APP].id:
            by_day.setdefault(row["day"], Counter())[row["app_version"]] += 1
    first, last = by_day[min(by_day)], by_day[sorted(by_day)[-2]]
    assert first.most_common(1)[0][0] == "3.0.2"
    assert last["3.2.0"] > last["3.0.2"]


def test_visitors_come_back_bounce_buy_and_arrive_by_every_channel(filled):
    _, sites, rows, *_ = filled
    web = [row for row in rows if row["site"] == sites[WEBSITE].id and not row.get("bot")]
    assert {row["name"] for row in web} >= {"pageview", "Signup", "Purchase"}
    assert {row["channel"] for row in web if "channel" in row} >= {
        "Direct",
        "Organic Search",
        "Organic Social",
        "AI Assistants",
        "Paid Search",
        "Email",
        "Referral",
    }
    assert any(float(row.get("revenue", 0)) > 0 for row in web)
    days = {}
    for row in web:
        if row["basis"] == "consent":
            days.setdefault(row["visitor"], set()).add(row["day"])
    assert max(map(len, days.values())) > 5
    assert any(row.get("bot") for row in rows)


def test_visitors_of_the_exempt_basis_are_not_linked_over_days(filled):
    _, _, rows, *_ = filled
    days = {}
    for row in rows:
        if row["basis"] == "exempt" and "visitor" in row:
            days.setdefault(row["visitor"], set()).add(row["day"])
    assert days
    assert all(len(seen) == 1 for seen in days.values())


def test_no_address_is_kept(filled, week):
    _, _, rows, *_ = filled
    kept = set(re.findall(r"\d+\.\d+\.\d+\.\d+", json.dumps(rows)))
    assert not kept & {sent.request.address for sent in week}
