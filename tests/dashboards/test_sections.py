"""The pages beside the overview: what they say of a site, in every state that they can be in."""

from __future__ import annotations

import csv
import io
import random
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, BrowserContext, expect
from werkzeug.serving import make_server

from accounts.audit import Audit
from anonymize.keys import KeyStore
from control.definitions import NEW as MOST_NEW
from control.definitions import Definitions, goal
from control.sites import Site
from control.stored import columns, of_site
from dashboards import privacy
from dashboards.apps import natural
from dashboards.course import HEIGHT, WIDTH, Course, Point
from dashboards.live import live
from dashboards.sections import SECTIONS
from releases.reading import Freshness, Reading
from tests.browser import browser, watch  # noqa: F401  the fixture
from tests.dashboards.axe import LOOKS, faults
from tests.dashboards.sections_world import CHILDREN, NEW, RIDES, WEB, fill, tell
from tests.dashboards.test_pages import read, words
from tests.dashboards.world import NOW, World
from tests.dashboards.world import world as empty

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
PAGES = ("apps", "explore", "realtime", "data", "privacy")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with empty(tmp_path_factory.mktemp("home")) as built:
        fill(built)
        yield built


@pytest.fixture(scope="module")
def reader(made: World) -> FlaskClient:
    """Somebody who reads figures alone."""
    return made.client()


@pytest.fixture(scope="module")
def analyst(made: World) -> FlaskClient:
    client = made.app.test_client()
    link = made.people.invite("grace@example.com", "analyst", "asks questions")
    client.post(f"/sign-in/{link.token}")
    return client


def site_of(made: World, domain: str = RIDES) -> Site:
    site = made.sites.by_domain(domain)
    assert site is not None
    return site


def test_every_page_leads_to_the_others_and_says_which_it_is(reader: FlaskClient) -> None:
    for page in ("", *(f"/{page}" for page in PAGES)):
        html = read(reader, f"/sites/{RIDES}{page}")
        nav = re.search(rf'<nav[^>]*aria-label="Pages of {RIDES}">(.*?)</nav>', html)
        assert nav is not None
        assert words(nav[1]) == " ".join(SECTIONS.values())
        assert nav[1].count('aria-current="page"') == 1


@pytest.mark.parametrize("domain", [RIDES, WEB, NEW, CHILDREN])
@pytest.mark.parametrize("page", PAGES)
def test_in_every_state_a_page_has_no_inline_code_and_is_kept_nowhere(
    reader: FlaskClient, domain: str, page: str
) -> None:
    response = reader.get(f"/sites/{domain}/{page}?period=month")
    html = response.get_data(as_text=True)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*src=)", html)
    assert html.count("<h1>") == 1
    assert "{{" not in html
    assert "None" not in words(html)


@pytest.mark.parametrize("page", PAGES)
def test_nobody_else_sees_any_of_it(made: World, reader: FlaskClient, page: str) -> None:
    assert made.client(signed_in=False).get(f"/sites/{RIDES}/{page}").location == "/sign-in"
    assert reader.get(f"/sites/nowhere.example.com/{page}").status_code == 404


def test_users_of_an_app_are_told_by_day_week_and_month(reader: FlaskClient) -> None:
    text = words(read(reader, f"/sites/{RIDES}/apps"))
    assert re.search(r"Users a day \? .*? 120 ", text)
    assert re.search(r"Users a week \? .*? 640 9 – 15 Nov 2026", text)
    assert re.search(r"Users a month \? .*? 1,900 October 2026", text)
    assert re.search(r"Session length \? .*? 1m 30s", text)
    assert re.search(r"Screens a session \? .*? 3\.0", text)
    assert "They include visitors of the website." in text


def test_versions_stand_newest_first_with_their_share_of_late(reader: FlaskClient) -> None:
    html = read(reader, f"/sites/{RIDES}/apps")
    table = html[html.index("Screens a session</th>") :]
    rows = [words(row) for row in re.findall(r"<tr>(.*?)</tr>", table)[:3]]
    assert [row.split()[0] for row in rows] == ["3.10.0", "3.9.1", "(other)"]
    assert rows[0].startswith("3.10.0 50% 1,200 1,200 1m 30s 3.0")


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param(["3.9", "3.10", "3.10.1"], id="numbers, not letters"),
        pytest.param(["", "1", "1²", "2b1", "2b10"], id="what is no number"),
    ],
)
def test_versions_are_sorted_as_people_count(versions: list[str]) -> None:
    mixed = random.Random(1).sample(versions, len(versions))
    assert sorted(mixed, key=natural) == versions


def test_devices_are_those_of_apps_alone_and_say_of_how_many_they_are_known(
    reader: FlaskClient,
) -> None:
    text = words(read(reader, f"/sites/{RIDES}/apps"))
    assert re.search(
        r"Models Users Share Pixel 8 420 50% \(other\) 420 50% Users · known of 50%", text
    )
    assert re.search(r"Memory Users Share <?\S* ?<2 GB 560 57% 16\+ GB 420 43%|&lt;2 GB 560", text)
    assert "pageview" not in text


def test_a_site_without_an_app_says_how_to_connect_one(reader: FlaskClient) -> None:
    html = read(reader, f"/sites/{WEB}/apps")
    assert "No app has sent anything yet" in html
    assert f'href="/sites/{WEB}/install?for=app"' in html
    ago = f"/sites/{RIDES}/apps?period=custom&from=2026-01-01&to=2026-01-07"
    assert "Nothing in this period" in read(reader, ago)


def test_a_funnel_says_who_went_on_and_where_most_are_lost(reader: FlaskClient) -> None:
    text = words(read(reader, f"/sites/{RIDES}/explore?period=28d"))
    assert "30% went all the way · most are lost before Purchase" in text
    assert "1 /shop 2,700 visitors · 100%" in text
    assert "2 Add to cart 1,620 visitors · 60% 1,080 left here (40%)" in text
    # The last step is compared with the same days of the one before.
    assert "3 Purchase 390 visitors · 30% 390 left here (50%) of 13 days that show it" in text


def test_goals_have_their_conversion_and_money(reader: FlaskClient) -> None:
    text = words(read(reader, f"/sites/{RIDES}/explore?period=7d"))
    assert "Bought Purchase 175 8.3% unchanged 350 EUR 3,500.00 EUR 20.00" in text
    assert re.search(r"Read the manual /docs 240 11\.4% .*? 480 – –", text)


def test_retention_is_a_table_that_can_be_read_without_its_colours(reader: FlaskClient) -> None:
    html = read(reader, f"/sites/{RIDES}/explore")
    table = html[html.index('<table class="heat">') : html.index("</table>", html.index("heat"))]
    assert "19 – 25 Oct 2026 200 25% (50) 10% (20) – withheld" in words(table)
    assert "9 – 15 Nov 2026 200 not over yet" in words(table)
    assert '<td class="h6">25%' in table
    assert '<td class="h4">10%' in table
    assert "On average, by size 25% 10%" in words(table)


def test_a_segment_can_be_looked_into(reader: FlaskClient) -> None:
    html = read(reader, f"/sites/{RIDES}/explore?period=7d")
    assert "Belgian phones Belgium, Mobile 315 15% 315 7 of 7 days" in words(html)
    link = re.search(r'href="(/sites/[^"]*segment=4[^"]*)#segments"', html)
    assert link is not None
    chosen = words(read(reader, link[1].replace("&amp;", "&")))
    assert "Belgian phones Close Pages Pages Pages Users Share /shop 120 100%" in chosen


def test_load_times_pass_where_three_quarters_of_the_views_are_good(reader: FlaskClient) -> None:
    text = words(read(reader, f"/sites/{RIDES}/explore?period=7d"))
    assert "LCP good 76% good · 14% to be improved · 10% poor" in text
    assert "CLS poor 60% good · 10% to be improved · 30% poor" in text
    assert "/shop to be improved 560 140 210" in text
    assert "/help – 210 – –" in text, "what may be withheld is no zero"
    assert "site set web.example.com --property lcp" in read(reader, f"/sites/{WEB}/explore")


def test_who_reads_alone_may_not_declare(reader: FlaskClient) -> None:
    text = words(read(reader, f"/sites/{RIDES}/explore"))
    assert "Declaring takes the role analyst or admin" in text
    assert "Declare a goal" not in text
    for path in ("declare/goal", "withdraw", "restore"):
        assert reader.post(f"/sites/{RIDES}/explore/{path}").status_code == 403


def test_what_an_analyst_declares_is_on_record_and_can_be_taken_back(
    made: World, analyst: FlaskClient
) -> None:
    page = f"/sites/{WEB}/explore"
    form = {"name": "Signed up", "step": " Sign up "}
    answer = analyst.post(f"{page}/declare/goal", data=form)
    assert (answer.status_code, answer.location) == (303, f"{page}?period=28d#declared")
    text = words(read(analyst, page))
    assert "Signed up is declared." in text
    assert re.search(r"Signed up goal Sign up grace@example.com 2026-11-22 Withdraw", text)
    assert "1 of 20 declared · 1 of 5 new within seven days" in text

    analyst.post(f"{page}/withdraw", data={"kind": "goal", "name": "Signed up"})
    text = words(read(analyst, page))
    assert "Signed up is withdrawn." in text
    assert "0 of 20 declared · 1 of 5 new" in text
    number = Definitions(made.control).ever(site_of(made, WEB))[0].id
    analyst.post(f"{page}/restore", data={"number": number})
    assert "1 of 20 declared · 1 of 5 new" in words(read(analyst, page))

    audit = Audit(made.control, bytes(32), made.settings.home / "audit.head")
    acts = [(e.actor, e.action, e.subject) for e in audit.newest(3)]
    assert acts == [
        ("grace@example.com", "definition restore", f"site {WEB}"),
        ("grace@example.com", "goal remove", f"site {WEB}"),
        ("grace@example.com", "goal add", f"site {WEB}"),
    ]


@pytest.mark.parametrize(
    ("kind", "form", "says"),
    [
        pytest.param("goal", {"name": "", "step": "a"}, "is not a name of 1 to 64", id="no name"),
        pytest.param("goal", {"name": "a", "step": "/a?b"}, "has a query", id="a query"),
        pytest.param("funnel", {"name": "a", "step": ["/a", " "]}, "2 to 8 steps", id="one step"),
        pytest.param(
            "segment", {"name": "a", "filter": ["x=y", ""]}, "is not DIMENSION=VALUE", id="unknown"
        ),
        pytest.param("segment", {"name": "a"}, "one or two, each of another", id="nothing chosen"),
        pytest.param(
            "goal", {"name": "Bought", "step": "Buy"}, "there is a goal", id="a name that is taken"
        ),
    ],
)
def test_what_cannot_be_declared_is_refused_beside_the_form_as_it_was(
    analyst: FlaskClient, kind: str, form: dict[str, object], says: str
) -> None:
    answer = analyst.post(f"/sites/{RIDES}/explore/declare/{kind}", data=form)
    html = " ".join(answer.get_data(as_text=True).split())
    assert answer.status_code == 400
    refused = re.search(r'role="alert" id="refused">(.*?)</p>', html)
    assert refused is not None
    assert says.lower() in refused[1].replace("&#39;", "'").lower()
    assert f'<details id="declare-{kind}" open>' in html
    assert f'name="name" maxlength="64" required autocomplete="off" value="{form["name"]}"' in html


def test_forms_offer_what_is_shown_and_nothing_that_is_hidden(analyst: FlaskClient) -> None:
    html = read(analyst, f"/sites/{RIDES}/explore")
    acts = re.search(r'<datalist id="acts">(.*?)</datalist>', html)
    assert acts is not None
    assert re.findall(r'value="([^"]*)"', acts[1]) == ["/shop", "pageview", "Purchase"]
    assert '<option value="visit:country=BE">Belgium</option>' in html
    assert "(other)</option>" not in html


def test_the_limits_are_said_before_somebody_runs_into_them(
    made: World, analyst: FlaskClient
) -> None:
    site = site_of(made, NEW)
    declared = Definitions(made.control, lambda: NOW)
    for number in range(MOST_NEW):
        declared.add(site, goal(f"{number}", event_name=f"{number}"))
    text = words(read(analyst, f"/sites/{NEW}/explore"))
    assert "5 of 20 declared · 5 of 5 new within seven days" in text
    assert "the next may be declared from 2026-11-29 14:20 UTC" in text
    assert "the seven days’ number is used up" in text
    assert "Declare a goal" not in text
    answer = analyst.post(
        f"/sites/{NEW}/explore/declare/goal", data={"name": "more", "step": "more"}
    )
    assert answer.status_code == 400
    assert "within seven days, the most" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("tiers", "state", "kinds"),
    [
        pytest.param({}, "silent", ["missing"] * 6, id="never computed"),
        pytest.param(
            {0: "20", 5: "<10", 10: "0", 15: "10", 20: "10", 25: "50"}, "now",
            ["some", "some", "some", "none", "few", "some"], id="half an hour",
        ),
        pytest.param(
            {5: "10", 15: "10"}, "now",
            ["missing", "missing", "missing", "some", "missing", "some"],
            id="the newest window is not told yet",
        ),
        pytest.param(
            {15: "10"}, "late", ["missing", "missing", "missing", "some", "missing", "missing"],
            id="the worker is late",
        ),
    ],
)  # fmt: skip
def test_the_last_half_hour_is_told_window_by_window(
    made: World, tiers: dict[int, str], state: str, kinds: list[str]
) -> None:
    site = site_of(made)
    tell(made, site, tiers)
    found = live(Reading(made.store, made.control), site, NOW + timedelta(seconds=15))
    assert (found.state, [window.kind for window in found.windows]) == (state, kinds)
    assert all(w.ends - w.begins == timedelta(minutes=5) for w in found.windows)


def test_now_is_a_tier_in_words_and_by_the_sites_clock(made: World, reader: FlaskClient) -> None:
    tell(made, site_of(made), {0: "20", 5: "<10", 10: "0"})
    text = words(read(reader, f"/sites/{RIDES}/realtime"))
    assert "20 or more 15:15 – 15:20 · Europe/Brussels" in text
    assert "nobody 15:05 – 15:10 fewer than 10 15:10 – 15:15 20 or more 15:15 – 15:20" in text
    assert "The next figure comes at about 15:25:30" in text
    assert "Look again" in text, "where there is no script"
    tell(made, site_of(made), {})
    assert "No figure of the last half hour" in read(reader, f"/sites/{RIDES}/realtime")


def test_what_came_in_is_told_by_basis_reason_machine_and_delay(reader: FlaskClient) -> None:
    text = words(read(reader, f"/sites/{RIDES}/data?period=7d"))
    assert re.search(r"Views measured \? .*? 9,240 ", text)
    assert re.search(r"Events of machines \? .*? 1,050 ", text)
    assert re.search(r"A day late or more \? .*? 7% ", text)
    assert "objected 315 the person objected: Sec-GPC: 1, DNT: 1" in text
    assert "Views Share with consent 3,640 39% exempt from consent 4,200 45%" in text
    assert "Bots and crawlers 840 80% Pages fetched in advance 210 20%" in text
    assert "the same day 7,840 93% one day later 560 7%" in text
    assert "Pages 10%" in text
    assert "Of this period 0 days are final, 6 provisional, 1 open and 0 without any event." in text
    assert "Spool works: has room" in text


def test_without_figures_the_data_page_tells_how_the_service_does(reader: FlaskClient) -> None:
    assert "Nothing was released yet" in read(reader, f"/sites/{NEW}/data")
    ago = f"/sites/{WEB}/data?period=custom&from=2026-01-01&to=2026-01-07"
    assert "Nothing in this period" in read(reader, ago)
    assert "How fresh it all is" in read(reader, ago)


def test_the_matrix_is_the_sites_own(made: World) -> None:
    rides = {column.name: column for column in columns(site_of(made))}
    assert (rides["props"].consent, rides["props"].none) == ("those that the site allows", "")
    assert rides["city"].asked
    assert rides["city"].consent == ""
    web = {column.name: column for column in columns(site_of(made, WEB))}
    assert web["props"].asked
    with_city = made.sites.set(site_of(made, WEB), city=True)
    assert {c.name: c for c in columns(with_city)}["city"].consent == "yes"


def test_the_privacy_page_shows_the_configuration_that_holds(reader: FlaskClient) -> None:
    text = words(read(reader, f"/sites/{RIDES}/privacy"))
    assert re.search(r"People behind a figure \? .*? 10 at least, up to 15", text)
    assert "Properties that are kept cls , lcp , plan" in text
    assert "0 networks, 0 hosts, 1 path" in text
    assert "city city this site has not asked for it – – –" in text
    assert "rows live then they are deleted 90 days 30 days 30 days" in text
    assert "4 of at most 20 goals, funnels and segments" in text
    assert "Threshold key" in text
    children = read(reader, f"/sites/{CHILDREN}/privacy")
    assert children.count("not used here") == 2, "neither consent nor exempt"
    assert read(reader, f"/sites/{WEB}/privacy").count("not used here") == 1


def test_every_column_word_purpose_and_key_has_words_of_its_own(made: World) -> None:
    found = columns(made.sites.set(site_of(made), city=True))
    assert {column.name for column in found} == set(privacy.MEANINGS)
    said = {word for c in found for word in (c.consent, c.exempt, c.none) if word}
    assert said <= set(privacy.WORDS)


def test_keys_are_told_by_age_and_end_and_only_those_of_the_site(tmp_path: Path) -> None:
    clock = [NOW]
    store = KeyStore(f"sqlite:///{tmp_path}/keys.db", bytes(32), lambda: clock[0])
    site = Site(7, "a.example", "w", "Europe/Brussels", "exempt", "BE", 10)
    store.day("Europe/Brussels", NOW.date())
    store.day("Asia/Tokyo", NOW.date())
    store.identity(7)
    store.identity(8)
    store.event(NOW)
    clock[0] = NOW + timedelta(days=2)
    store.destroy_due()
    store.day("Europe/Brussels", clock[0].date())
    found = of_site(site, store.status())
    assert [(key.kind, key.exists) for key in found] == [
        ("identity", True), ("event", True), ("day", True), ("day", False),
    ]  # fmt: skip
    assert found[1].period == "2026-11-19", "the week's first day"
    shown = privacy.privacy(site, store.status(), 7, Freshness(0, 0, 0, None), clock[0])
    assert (shown.overdue, shown.identity and shown.identity.age) == (0, timedelta(days=2))
    late = privacy.privacy(
        site, store.status(), 7, Freshness(0, 0, 0, None), NOW + timedelta(days=4)
    )
    assert late.overdue == 1
    store._engine.dispose()


def test_two_prints_of_one_configuration_have_the_same_mark() -> None:
    one = Site(7, "a.example", "w", "Europe/Brussels", "exempt", "BE", 10)
    other = Site(7, "a.example", "w", "Europe/Brussels", "exempt", "BE", 11)
    nothing = Freshness(0, 0, 0, None)
    marks = [
        privacy.privacy(site, [], 7, nothing, at).fingerprint
        for site, at in ((one, NOW), (one, datetime(2027, 1, 1, tzinfo=UTC)), (other, NOW))
    ]
    assert marks[0] == marks[1] != marks[2]


@pytest.mark.parametrize("page", ["apps", "explore", "data"])
def test_every_table_can_be_taken_along(reader: FlaskClient, page: str) -> None:
    html = read(reader, f"/sites/{RIDES}/{page}")
    links = re.findall(r'class="csv" href="([^"]*)"', html)
    assert links
    for link in links:
        response = reader.get(link.replace("&amp;", "&"))
        assert response.status_code == 200, link
        assert response.mimetype == "text/csv"
        assert 'attachment; filename="rides.example.com-' in response.headers["Content-Disposition"]
        header, *rows = csv.reader(io.StringIO(response.get_data(as_text=True)))
        assert rows, link
        assert {len(row) for row in rows} == {len(header)}
    assert reader.get(f"/sites/{RIDES}/{page}/shoes.csv").status_code == 404


@given(
    st.lists(
        st.lists(st.none() | st.integers(0, 10**9), min_size=3, max_size=3), min_size=1, max_size=40
    ),
    st.booleans(),
)
def test_columns_stay_in_their_box_and_never_overlap(
    values: list[list[int | None]], shares: bool
) -> None:
    points = tuple(Point(str(n), str(n), tuple(each)) for n, each in enumerate(values))
    course = Course(("a", "b", "(other)"), points, "day", shares)
    by_column: dict[str, float] = {}
    for block in course.blocks:
        x, y, width, height = map(float, (block.x, block.y, block.width, block.height))
        assert 0 <= x <= x + width <= WIDTH + 0.1
        assert -0.1 <= y <= y + height <= HEIGHT + 0.1
        by_column[block.x] = by_column.get(block.x, 0.0) + height
    assert all(height <= HEIGHT + 0.1 for height in by_column.values())
    if shares:
        assert all(height == pytest.approx(HEIGHT, abs=0.1) for height in by_column.values())
    if not course.says:
        assert course.newest is None


@pytest.fixture(scope="module")
def origin(made: World) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, made.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def state(made: World, browser: Browser, origin: str) -> object:  # noqa: F811
    """The cookies of an analyst."""
    link = made.people.invite("grace@example.com", "analyst", "asks questions")
    context = browser.new_context(base_url=origin)
    page = context.new_page()
    page.goto(f"/sign-in/{link.token}")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Sites")).to_be_visible()
    cookies = context.storage_state()
    context.close()
    return cookies


@pytest.fixture
def context(
    browser: Browser,  # noqa: F811
    origin: str,
    state: object,
    request: pytest.FixtureRequest,
) -> Iterator[BrowserContext]:
    options = {"viewport": {"width": 1280, "height": 900}} | getattr(request, "param", {})
    made = browser.new_context(base_url=origin, storage_state=state, **options)
    yield made
    made.close()


@pytest.mark.parametrize("context", LOOKS, ids=["phone, dark", "desktop, light"], indirect=True)
def test_on_no_page_does_axe_find_a_fault_or_the_console_a_word(
    made: World, context: BrowserContext, origin: str
) -> None:
    site = made.sites.by_domain(RIDES)
    assert site is not None
    tell(made, site, {0: "20", 5: "<10", 10: "0"})
    page = context.new_page()
    seen = watch(page)
    empty_ones = [f"{WEB}/apps", f"{WEB}/explore"]
    narrow = page.viewport_size == {"width": 390, "height": 844}
    for path in (
        f"{RIDES}/apps", f"{RIDES}/explore", f"{RIDES}/realtime", f"{RIDES}/data",
        f"{RIDES}/privacy", *(empty_ones if narrow else ()),
    ):  # fmt: skip
        page.goto(f"/sites/{path}")
        for more in page.locator("details.behind > summary, .forms summary").all():
            more.click()
        assert faults(page) == [], path
    assert seen.errors == []
    assert seen.hosts == {origin.removeprefix("http://")}


def test_by_keyboard_an_explanation_opens_and_closes_and_a_goal_is_declared_and_withdrawn(
    context: BrowserContext,
) -> None:
    page = context.new_page()
    page.goto(f"/sites/{CHILDREN}/explore")
    asked = page.locator("#funnels details.explain")
    asked.locator("summary").press("Enter")
    expect(asked.get_by_text("Steps that people take")).to_be_visible()
    page.keyboard.press("Escape")
    expect(asked).not_to_have_attribute("open", "")
    expect(asked.locator("summary")).to_be_focused()

    page.locator("#goals").get_by_role("link", name="Declare one").press("Enter")
    form = page.locator("#declare-goal")
    expect(form).to_have_attribute("open", "")
    form.get_by_label("Name", exact=True).fill("Called us")
    form.get_by_label("An event’s exact name").fill("Call")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Called us is declared")
    page.get_by_role("button", name="Withdraw Called us").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("You can take that back")
    page.get_by_role("button", name="Take back Called us").press("Enter")
    expect(page.get_by_role("row", name="Called us goal Call")).to_be_visible()


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], ids=[""], indirect=True)
def test_without_a_script_everything_can_be_read_and_done(
    made: World, context: BrowserContext
) -> None:
    page = context.new_page()
    page.goto(f"/sites/{RIDES}/apps")
    page.get_by_text("The figures behind the chart").first.click()
    expect(page.get_by_role("rowheader", name="Sat 21 Nov 2026 not final").first).to_be_visible()
    page.goto(f"/sites/{RIDES}/realtime")
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Realtime")


def test_the_page_of_the_moment_looks_by_the_clock_and_not_while_it_is_hidden(
    made: World, context: BrowserContext
) -> None:
    site = made.sites.by_domain(RIDES)
    assert site is not None
    tell(made, site, {5: "<10"})
    page = context.new_page()
    page.clock.install(time=NOW + timedelta(seconds=1))
    page.goto(f"/sites/{RIDES}/realtime")
    expect(page.locator("#pulse")).to_have_text("Refreshes itself")
    expect(page.locator(".tier")).to_have_text("fewer than 10")
    tell(made, site, {0: "50", 5: "<10"})
    page.clock.run_for(20_000)
    expect(page.locator(".tier")).to_have_text("50 or more")

    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(HIDE, True)
    expect(page.locator("#pulse")).to_have_text("Paused while hidden")
    page.clock.run_for(300_000)
    assert asked == []
    tell(made, site, {0: "100"})
    page.evaluate(HIDE, False)
    expect(page.locator(".tier")).to_have_text("100 or more")
    expect(page.locator("#pulse")).to_have_text("Refreshes itself")

    page.route("**/realtime", lambda route: route.abort())
    page.clock.run_for(20_000)
    expect(page.locator("#pulse")).to_have_text("Out of reach; tries again")
    expect(page.locator(".tier")).to_have_text("100 or more")
