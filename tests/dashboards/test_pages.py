"""What the pages say, over a real store with released days."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from accounts.people import People
from config.settings import load
from control.database import audit_log, open_control
from control.definitions import Definitions, segment
from dashboards import assets
from dashboards.panels import CARDS, Tab
from tests.dashboards.world import NOW, World, build

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


def tiles(html: str) -> dict[str, str]:
    """The headline figures by their names, each with what is said of its change."""
    found = re.findall(
        r'<div class="name"> <a [^>]*>(.*?)</a>.*?<span class="value[^>]*>(.*?)</span>'
        r' <span class="change[^>]*>(.*?)</span>',
        html,
    )
    return {name: words(f"{value} {change}") for name, value, change in found}


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
    found = tiles(read(client, SHOP))
    for name in ("Visitors", "Visits", "Page views", "Views per visit", "Bounce rate"):
        assert re.match(r"[\d.,%]+ (?:[↑↓] \d+ ?(?:%|pts)|unchanged)", found[name]), name
    assert re.match(r"2m \d\ds", found["Visit duration"])


def test_the_figures_are_the_sum_of_what_was_released(world: World, client: FlaskClient) -> None:
    rows = world.store.query_rows(
        "SELECT sum(visitors), sum(pageviews) FROM cells WHERE table = 'total'"
        " AND site = 1 AND day BETWEEN '2026-11-16' AND '2026-11-22'"
    )
    found = tiles(read(client, f"{SHOP}?period=7d"))
    assert found["Visitors"].startswith(f"{rows[0][0]:,} ")
    assert found["Page views"].startswith(f"{rows[0][1]:,} ")


def test_today_is_compared_with_nothing_while_it_lasts(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?period=day")
    assert re.match(r"\d+ so far", tiles(html)["Visitors"])
    assert "↑" not in html
    assert "↓" not in html


def test_days_before_the_first_measured_one_are_no_comparison(client: FlaskClient) -> None:
    text = words(read(client, f"{SHOP}?period=12mo"))
    assert "↑" not in text
    assert "↓" not in text


def test_the_chart_is_also_a_table_and_a_drawing(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?period=7d&metric=pageviews")
    table = re.search(r'<table id="series" data-metric="page views">.*?</table>', html)
    assert table is not None
    assert len(re.findall(r"<td[^>]* data-value=", table[0])) == 14
    assert table[0].count('data-state="open"') == 1
    assert table[0].count('data-state="provisional"') == 6
    assert html.index('class="stroke"') < html.index('id="series"')
    assert html.index('class="stroke open"') < html.index('id="series"')


def test_withheld_hours_are_dashes_not_zeros(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?period=day")
    assert re.search(r'<th scope="row">23:00 – 23:59</th> <td>–</td>', html)


@pytest.mark.parametrize(
    ("query", "points", "marked"),
    [
        pytest.param("period=7d&by=hour", 7 * 24, 1, id="hours of a week"),
        pytest.param("period=28d", 28, 1, id="days"),
        pytest.param("period=28d&by=week", 4, 1, id="weeks"),
        pytest.param("period=30d&by=week", 5, 2, id="weeks, the first cut off"),
        pytest.param("period=year&by=month", 11, 1, id="months"),
        pytest.param("period=28d&by=hour", 28, 1, id="too many hours are days"),
    ],
)
def test_the_chart_has_a_point_for_each(
    client: FlaskClient, query: str, points: int, marked: int
) -> None:
    html = read(client, f"{SHOP}?{query}")
    assert len(re.findall(r"<tr data-day=", html)) == points
    assert len(re.findall(r'data-state="(?:open|partial)"', html)) == marked


@pytest.mark.parametrize(
    ("query", "days"),
    [
        pytest.param("", "19 – 25 Oct 2026", id="the days before"),
        pytest.param("&compare=custom&since=2026-10-05&until=2026-10-11", "5 – 11 Oct 2026",
                     id="days of one's own"),
        pytest.param("&compare=none", "", id="nothing"),
        pytest.param("&compare=year", "", id="a year before, not measured yet"),
    ],
)  # fmt: skip
def test_a_week_is_set_against(client: FlaskClient, query: str, days: str) -> None:
    html = read(client, f"{SHOP}?period=custom&from=2026-10-26&to=2026-11-01{query}")
    change = tiles(html)["Visitors"]
    assert change.endswith(f"against {days}") if days else "↑" not in html and "↓" not in html


def test_a_row_filters_the_page_and_the_filter_can_be_removed(client: FlaskClient) -> None:
    html = read(client, SHOP)
    link = re.search(r'<a class="label" href="([^"]*country=BE)" title="Belgium">', html)
    assert link is not None
    filtered = read(client, link[1].replace("&amp;", "&"))
    assert "Countries: Belgium" in words(filtered)
    assert f'href="{SHOP}?period=28d" aria-label="Remove the filter Countries: Belgium"' in filtered
    assert 0 < number(filtered) < number(html)
    # The tables and the chart are of Belgium too.
    assert re.search(r">/pricing</a></th> <td class=\"n\">[\d,]+<", filtered)
    assert filtered.count('<td data-value="') < filtered.count("<tr data-day=") * 2
    assert "not with these filters" not in tiles(filtered)["Bounce rate"]


def number(html: str) -> int:
    return int(tiles(html)["Visitors"].split()[0].replace(",", ""))


def test_filters_that_are_not_published_together_say_so(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?exit_page=/docs&language=nl")
    assert "These filters are not published together" in html
    assert words(html).count("Remove") == 1
    assert html.count('aria-label="Remove the filter') == 2
    refused = words(read(client, f"{SHOP}?exit_page=/docs&places=language"))
    assert "Not published with these filters" in refused


def test_a_segment_is_chosen_from_a_menu(world: World, client: FlaskClient) -> None:
    site = world.sites.by_domain("shop.example.com")
    assert site is not None
    made = Definitions(world.control, lambda: NOW).add(
        site, segment("Phones", [("device", "Mobile")])
    )
    assert f"{SHOP}?period=28d&amp;segment={made.id}" in read(client, SHOP)
    html = read(client, f"{SHOP}?segment={made.id}")
    assert "Segment: Phones" in words(html)
    assert 0 < number(html) < number(read(client, SHOP))


@pytest.mark.parametrize(
    ("card", "tab"),
    [(card.key, tab) for card in CARDS for tab in card.tabs if tab.kind == "rows"],
    ids=lambda each: each if isinstance(each, str) else each.key,
)
def test_every_table_has_its_tab_and_its_page(client: FlaskClient, card: str, tab: Tab) -> None:
    html = read(client, f"{SHOP}/{tab.key}")
    assert f"<h1>{tab.name}</h1>" in html
    assert "Nothing that stands for" in html or "Not kept on this site" in html or "<rect" in html


def test_a_card_shows_the_table_that_the_address_names(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}?places=map&happened=goal&content=exit_page&devices=screen_size")
    assert '<path class="depth-5"' in html
    assert 'aria-label="Belgium: ' in html
    assert "No goal is declared" in html
    for heading in ("Exit", "Screen sizes", "Channels", "Campaigns"):
        table = re.search(rf'<caption class="hidden">{heading}</caption>.*?</table>', html)
        assert table is not None, heading
        assert "(other)" in table[0]
        assert re.search(r'<rect width="100\.00"', table[0])


def test_values_that_are_missing_have_names(client: FlaskClient) -> None:
    text = words(read(client, f"{SHOP}?sources=source"))
    assert "Filter by Belgium" in text
    assert "Filter by Direct or unknown" in text
    assert "Filter by No campaign" in text


def test_apps_have_tables_only_where_there_is_an_app(client: FlaskClient) -> None:
    assert "App versions" in read(client, SHOP)
    assert "App versions" not in read(client, "/sites/blog.example.org")


@pytest.mark.parametrize(
    ("query", "first", "total"),
    [
        pytest.param("", "/", 13, id="largest first"),
        pytest.param("?sort=pageviews&order=asc", "/jobs", 13, id="smallest first"),
        pytest.param("?sort=name", "/pricing", 13, id="by name"),
        pytest.param("?q=DOCS", "/docs", 4, id="searched"),
        pytest.param("?q=zebra", "", 0, id="nothing found"),
        pytest.param("?nr=2", "", 0, id="beyond the last"),
    ],
)
def test_a_table_is_searched_sorted_and_paged(
    client: FlaskClient, query: str, first: str, total: int
) -> None:
    html = read(client, f"{SHOP}/page{query}")
    found = re.findall(r'<a class="label".*?</span>(.*?)</a>', html)
    assert (found[0] if found else "") == first
    assert f"1 to {total} of {total}" in html or not total


def test_countries_are_searched_by_their_names(client: FlaskClient) -> None:
    html = read(client, f"{SHOP}/country?q=kingdom")
    assert re.findall(r'<a class="label".*?</span>(.*?)</a>', html) == ["United Kingdom"]


def test_a_table_can_be_taken_along(client: FlaskClient) -> None:
    response = client.get(f"{SHOP}/country.csv?period=7d")
    assert response.mimetype == "text/csv"
    assert "shop.example.com-country-2026-11-16-2026-11-22.csv" in response.headers[
        "Content-Disposition"
    ]  # fmt: skip
    lines = response.text.splitlines()
    assert lines[0] == (
        "value,visitors,visits,pageviews,views_per_visit,bounce_rate,visit_duration,time_on_page"
    ).replace(",time_on_page", "")
    assert lines[1].startswith("BE,")
    assert lines[-1].startswith("(other),")


def test_every_figure_explains_itself(client: FlaskClient) -> None:
    text = words(read(client, SHOP))
    for name in ("Visitors", "Bounce rate", "Channels", "Countries"):
        assert f"What is this: {name}" in text
    assert "nobody is recognised from one day to the next" in text
    assert "Here 96% of all views" in text


def test_analysts_note_what_happened_and_it_is_on_record(world: World) -> None:
    link = world.people.invite("ann@example.com", "analyst", "keeps the figures")
    client = world.app.test_client()
    client.post(f"/sign-in/{link.token}")
    assert "on the chart" in words(
        read_after(client, {"day": "2026-11-10", "text": " Release  3 "})
    )
    html = read(client, SHOP)
    assert "<title>Release 3</title>" in html
    assert "10 Nov 2026" in words(html)
    for wrong in ({"day": "", "text": "x"}, {"day": "2026-11-10", "text": " "}):
        assert client.post(f"{SHOP}/notes", data=wrong).status_code == 400
    assert "Release 3" not in read(client, f"{SHOP}?period=7d")
    viewer = world.client()
    assert "Release 3" in read(viewer, SHOP)
    assert viewer.post(f"{SHOP}/notes", data={"day": "2026-11-10", "text": "x"}).status_code == 403
    remove = re.search(r'action="([^"]*/notes/\d+/remove)', html)
    assert remove is not None
    assert viewer.post(remove[1]).status_code == 403
    assert client.post(remove[1]).status_code == 303
    assert client.post(remove[1]).status_code == 404
    with world.control.connect() as connection:
        entries = connection.execute(select(audit_log.c.action)).scalars().all()
    assert {"note add", "note remove"} <= set(entries)


def read_after(client: FlaskClient, form: dict[str, str]) -> str:
    response = client.post(f"{SHOP}/notes", data=form, follow_redirects=True)
    assert response.status_code == 200
    return " ".join(response.text.split())


@pytest.mark.parametrize(
    ("language", "says"),
    [("nl", "19.950"), ("fr", "26 oct."), ("da", "okt.")],
)
def test_figures_and_days_read_as_in_the_readers_language(
    client: FlaskClient, language: str, says: str
) -> None:
    html = client.get(SHOP, headers={"Accept-Language": language}).text
    assert f'<html lang="{language}">' in html
    assert says in html or language == "nl"
    assert re.search(r"\d\.\d{3}<", html) or language != "nl"


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
    html = read(client, "/sites/blog.example.org")
    text = words(html)
    assert list(tiles(html)) == ["Page views"]
    assert "No visitor figures" in text
    assert "policy is opt-in" in text
    assert "site set blog.example.org --policy exempt" in text
    assert "Visitors 0" not in text
    assert "Bounce rate" not in text


def test_a_site_for_children_says_why_there_are_no_visitors(client: FlaskClient) -> None:
    html = read(client, "/sites/kids.example.org")
    text = words(html)
    assert list(tiles(html)) == ["Page views"]
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


def test_a_table_without_anything_to_show_says_so(client: FlaskClient) -> None:
    html = read(client, "/sites/blog.example.org")
    assert '<caption class="hidden">Channels</caption>' in html
    assert "Nothing that stands for 10 people or more." in html


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
    for version in package["devDependencies"].values():
        assert re.fullmatch(r"\d+(\.\d+)+", version)
    assert '"resolved"' not in (clients / "package-lock.json").read_text()
