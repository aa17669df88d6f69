"""What the pages say, over a real store with released days."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from accounts.people import People
from config.settings import load
from control.database import open_control
from dashboards import assets
from tests.dashboards.world import World, build

SHOP = "/sites/shop.example.com"
EVERY_PAGE = [
    "/",
    SHOP,
    f"{SHOP}?period=day",
    f"{SHOP}?period=12mo&metric=bounce_rate",
    f"{SHOP}/page",
    f"{SHOP}/country?period=7d",
    "/sites/blog.example.org",
    "/sites/tiny.example.net",
    "/sites/archive.example.com",
    "/sites/new.example.com",
    "/sites/new.example.com/install",
    "/sites/new.example.com/install?for=proxy",
    "/sites/new.example.com/install?for=app",
    "/sites/nowhere.example.com",
    f"{SHOP}?period=fortnight",
    "/sign-in",
    "/sign-in/unknown",
    "/forbidden",
]


def read(client: FlaskClient, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return " ".join(response.get_data(as_text=True).split())


def words(html: str) -> str:
    """What a reader sees."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ").split())


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_no_page_holds_inline_code_or_names_another_host(client: FlaskClient, path: str) -> None:
    html = client.get(path).get_data(as_text=True)
    assert "<h1>" in html
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    for script in re.findall(r"<script[^>]*>", html):
        assert 'src="/static/' in script
    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', html)


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_every_page_has_the_strict_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/", SHOP, f"{SHOP}/page", "/sign-in"])
def test_what_signed_in_people_see_stays_in_no_cache(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", SHOP, f"{SHOP}/page", "/sites/nowhere.example.com"])
def test_nobody_else_sees_anything_of_a_site(world: World, path: str) -> None:
    response = world.client(signed_in=False).get(path)
    assert response.status_code == 302
    assert response.location == "/sign-in"


def test_the_list_says_of_each_site_what_there_is(client: FlaskClient) -> None:
    text = words(read(client, "/"))
    nothing = "Nothing in the last 7 days; the latest figures are of 20 May 2015"
    assert f"archive.example.com Europe/Brussels {nothing}" in text
    assert re.search(r"blog\.example\.org Europe/Paris Page views [\d,]+", text)
    assert re.search(r"new\.example\.com Europe/Brussels Waiting for the first event", text)
    assert re.search(r"shop\.example\.com Europe/Brussels Visitors [\d,]+ Page views", text)
    assert re.search(r"tiny\.example\.net Europe/Copenhagen Too few people to show", text)


def test_a_site_shows_its_six_figures_with_their_change(client: FlaskClient) -> None:
    text = words(read(client, SHOP))
    for name in ("Visitors", "Visits", "Page views", "Views per visit", "Bounce rate"):
        assert re.search(rf"{name} [\d.,%]+ (?:[↑↓] \d+ ?(?:%|pts)|unchanged)", text), name
    assert re.search(r"Visit duration 2m \d\ds", text)


def test_the_figures_are_the_sum_of_what_was_released(world: World, client: FlaskClient) -> None:
    rows = world.store.query_rows(
        "SELECT sum(visitors), sum(pageviews) FROM cells WHERE table = 'total'"
        " AND site = 1 AND day BETWEEN '2026-11-16' AND '2026-11-22'"
    )
    text = words(read(client, f"{SHOP}?period=7d"))
    assert f"Visitors {rows[0][0]:,} " in text
    assert f"Page views {rows[0][1]:,} " in text


def test_today_is_compared_with_nothing_while_it_lasts(client: FlaskClient) -> None:
    text = words(read(client, f"{SHOP}?period=day"))
    assert re.search(r"Visitors \d+ so far", text)
    assert "↑" not in text
    assert "↓" not in text


def test_days_before_the_first_measured_one_are_no_comparison(client: FlaskClient) -> None:
    text = words(read(client, f"{SHOP}?period=12mo"))
    assert "↑" not in text
    assert "↓" not in text


def test_the_chart_is_also_a_table_and_a_drawing(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?period=7d&metric=pageviews")
    table = re.search(
        r'<table id="series" data-metric="page views" data-kind="count">.*?</table>', html
    )
    assert table is not None
    assert len(re.findall(r"<td data-value=", table[0])) == 14
    assert table[0].count("data-open") == 1
    assert html.index('class="stroke"') < html.index('id="series"')


def test_withheld_hours_are_dashes_not_zeros(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?period=day")
    assert re.search(r'<th scope="row" data-short="23:00">23:00 – 23:59</th> <td>–</td>', html)


@pytest.mark.parametrize(
    "heading",
    ["Pages", "Entry pages", "Sources", "Channels", "Countries", "Devices", "Browsers", "Systems",
     "Events"],
)  # fmt: skip
def test_a_site_has_a_table_of_each_kind(client: FlaskClient, heading: str) -> None:
    html = read(client, SHOP)
    table = re.search(rf'<caption class="hidden">{heading}</caption>.*?</table>', html)
    assert table is not None
    assert "(other)" in table[0]
    assert re.search(r'<rect width="100\.00"', table[0])


def test_countries_have_names_and_unknown_sources_say_so(client: FlaskClient) -> None:
    text = words(read(client, SHOP))
    assert "Countries Visitors Belgium" in text
    assert "Sources Visitors Direct or unknown" in text


def test_apps_have_tables_only_where_there_is_an_app(client: FlaskClient) -> None:
    text = words(read(client, SHOP))
    assert "App screens App screens Visitors Views Home" in text
    assert "App versions App versions Visitors Not an app" in text
    assert "App " not in words(read(client, "/sites/blog.example.org"))


def test_a_longer_table_has_a_page_of_its_own(client: FlaskClient) -> None:
    assert f'href="{SHOP}/page?period=28d"' in read(client, SHOP)
    assert "/jobs" not in read(client, SHOP)
    assert "/jobs" in read(client, f"{SHOP}/page")


def test_a_page_states_freshness_coverage_and_what_was_withheld(client: FlaskClient) -> None:
    text = words(read(client, SHOP))
    assert "Computed 22 Nov 2026, 15:15 (Europe/Brussels)." in text
    assert "Today is still open" in text
    assert "late events may still come: 15 – 21 Nov 2026" in text
    assert re.search(r"Views on the basis consent [\d,]+", text)
    assert re.search(r"Events of bots, kept apart 3,360", text)
    assert re.search(r"Not kept: objected 1,260", text)
    assert "Every figure stands for at least 10 people" in text


def test_a_site_without_consent_says_why_there_are_no_visitors(client: FlaskClient) -> None:
    text = words(read(client, "/sites/blog.example.org"))
    assert re.search(r"Page views [\d,]+", text)
    assert "No visitor figures" in text
    assert "policy is opt-in" in text
    assert "site set blog.example.org --policy exempt" in text
    assert "Visitors 0" not in text
    assert "Bounce rate" not in text


def test_a_site_for_children_says_why_there_are_no_visitors(client: FlaskClient) -> None:
    text = words(read(client, "/sites/kids.example.org"))
    assert re.search(r"Page views [\d,]+", text)
    assert "No visitor figures: this site is for children." in text
    assert "policy" not in text
    assert "Visitors 0" not in text
    assert "Bounce rate" not in text


def test_a_site_that_never_sent_anything_shows_its_snippet(
    world: World, client: FlaskClient
) -> None:
    site = world.sites.by_domain("new.example.com")
    assert site is not None
    html = read(client, "/sites/new.example.com")
    assert "Waiting for the first event" in html
    assert f"data-key=&#34;{site.write_key}&#34;" in html


def test_a_period_without_figures_leads_to_the_latest(client: FlaskClient) -> None:
    html = read(client, "/sites/archive.example.com")
    assert "The latest figures are of 20 May 2015" in html
    link = "/sites/archive.example.com?period=custom&amp;from=2015-05-17&amp;to=2015-05-20"
    assert f'href="{link}">Show 17 – 20 May 2015<' in html
    text = words(read(client, link.replace("&amp;", "&")))
    assert "All days are final" in text
    assert "without any event" not in text


def test_days_of_a_period_that_were_not_measured_are_counted(client: FlaskClient) -> None:
    link = "/sites/archive.example.com?period=custom&from=2015-04-23&to=2015-05-20"
    assert "24 days without any event" in words(read(client, link))


def test_panels_that_would_say_nothing_are_left_out(client: FlaskClient) -> None:
    text = words(read(client, "/sites/blog.example.org"))
    assert "Channels Channels Views Direct" in text
    assert "Sources" not in text
    assert re.search(r"Left out, because .*: entry pages, sources, events, devices", text)
    assert "Left out" not in words(read(client, SHOP))


def test_a_period_that_cannot_be_shown_leads_back_to_the_site(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?period=custom&from=2026-05-02&to=2026-05-01", 400)
    assert f'href="{SHOP}"' in html


def test_too_few_people_is_said_instead_of_shown(client: FlaskClient) -> None:
    html = read(client, "/sites/tiny.example.net")
    assert "Too few people to show anything" in html
    assert "at least 10 people" in html
    assert 'id="chart"' not in html


def test_a_service_without_sites_says_how_to_add_one(tmp_path: Path) -> None:
    settings = load({"DISCREET_HOME": str(tmp_path)})
    control = open_control(settings.control_url)
    people = People(control)
    client = build(settings, control, people).test_client()
    client.post(f"/sign-in/{people.invite('ada@example.com', 'admin', 'sets it up').token}")
    assert "flask --app wsgi site add example.com" in read(client, "/")
    control.dispose()


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        pytest.param("/sites/nowhere.example.com", 404, "No such page", id="unknown site"),
        pytest.param(f"{SHOP}/shoe-size", 404, "No such page", id="unknown table"),
        pytest.param("/nowhere", 404, "No such page", id="unknown page"),
        pytest.param("/static/../pages.py", 404, "No such page", id="outside the assets"),
        pytest.param(f"{SHOP}?period=fortnight", 400, "period: must be custom", id="bad period"),
        pytest.param(f"{SHOP}?period=custom&from=1", 400, "from: must be a day", id="bad day"),
        pytest.param("/forbidden", 403, "Not for your role", id="forbidden"),
    ],
)
def test_what_cannot_be_shown_has_a_page_that_says_so(
    client: FlaskClient, path: str, status: int, says: str
) -> None:
    assert says in words(read(client, path, status))


def test_what_was_asked_is_not_repeated(client: FlaskClient) -> None:
    assert "zebra" not in read(client, f"{SHOP}?period=custom&from=zebra&to=zebra", 400)
    assert "zebra" not in read(client, "/sites/zebra", 404)


def test_a_mistake_of_ours_tells_nothing(world: World) -> None:
    html = read(world.client(), "/broken", 500)
    assert "Something broke here" in html
    assert "secret text" not in html


def test_without_a_store_the_page_says_that_collecting_goes_on(
    tmp_path: Path, world: World
) -> None:
    # The same sites and people, but no engine has ever run in this home.
    settings = load(
        {"DISCREET_HOME": str(tmp_path), "DISCREET_CONTROL_URL": world.settings.control_url}
    )
    client = build(settings, world.control, world.people).test_client()
    client.post(f"/sign-in/{world.people.invite('eve@example.com', 'viewer', 'reads').token}")
    for path in ("/", SHOP, f"{SHOP}/page"):
        response = client.get(path)
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "30"
        assert "collecting goes on" in response.get_data(as_text=True)


def test_hashed_assets_are_kept_for_good_and_sent_gzipped(client: FlaskClient) -> None:
    name = assets.manifest()["app.css"]
    plain = client.get(f"/static/{name}")
    assert "immutable" in plain.headers["Cache-Control"]
    zipped = client.get(f"/static/{name}", headers={"Accept-Encoding": "br, gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in zipped.headers["Vary"]
    assert "Set-Cookie" not in zipped.headers
    assert gzip.decompress(zipped.data) == plain.data


def test_the_beacon_is_small_and_for_every_site(client: FlaskClient) -> None:
    response = client.get("/js/discreet.js", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.mimetype == "text/javascript"
    assert len(response.data) <= 2600


def test_the_front_end_is_pinned_and_names_no_registry() -> None:
    clients = Path(__file__).parents[2] / "clients"
    package = json.loads((clients / "package.json").read_text())
    for version in (package["dependencies"] | package["devDependencies"]).values():
        assert re.fullmatch(r"\d+(\.\d+)+", version)
    assert '"resolved"' not in (clients / "package-lock.json").read_text()
