"""`/opt-out`: anybody objects without an identifier, in their own language, and takes it back."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask.testing import FlaskClient

from operate.application import assemble
from subjects.languages import LANGUAGES
from tests.operate.world import services, spooled

ROOT = Path(__file__).parents[2]
PAGES = ("accounts", "dashboards", "subjects")
HERE = "http://localhost"


@pytest.fixture
def built(tmp_path):
    with services(tmp_path) as made:
        made.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        yield made


@pytest.fixture
def client(built) -> FlaskClient:
    return assemble(built).test_client()


def choose(client, choice="object", **headers):
    return client.post("/opt-out", data={"choice": choice}, headers={"Origin": HERE, **headers})


def view(client):
    body = json.dumps({"n": "pageview", "u": "https://example.com/a", "d": "example.com"})
    return client.post("/api/event", data=body, content_type="text/plain")


def test_who_objected_leaves_no_row(client, built):
    assert choose(client).status_code == 303
    assert view(client).headers["X-Discreet-Reason"] == "objected"
    assert client.get("/pixel.gif?domain=example.com&url=https://example.com/b").headers[
        "X-Discreet-Reason"
    ] == "objected"  # fmt: skip
    assert spooled(built) == []


def test_taking_it_back_is_as_easy(client, built):
    choose(client)
    assert "Take the objection back" in client.get("/opt-out").text
    choose(client, "undo")
    assert client.get_cookie("discreet_optout") is None
    assert "X-Discreet-Reason" not in view(client).headers
    assert len(spooled(built)) == 1


def test_the_page_sets_no_cookie_before_somebody_objects_and_one_after(client):
    assert "Set-Cookie" not in client.get("/opt-out").headers
    [cookie] = choose(client).headers.getlist("Set-Cookie")
    assert cookie.startswith("discreet_optout=1;")
    assert "HttpOnly" in cookie


def test_over_https_the_cookie_may_be_sent_from_other_sites(tmp_path):
    from config.settings import load
    from operate.services import build

    made = build(load({"DISCREET_HOME": str(tmp_path), "DISCREET_PUBLIC_URL": "https://s.example"}))
    client = assemble(made).test_client()
    answer = client.post(
        "/opt-out", base_url="https://s.example", headers={"Origin": "https://s.example"}
    )
    cookie = answer.headers["Set-Cookie"]
    assert "Secure" in cookie
    assert "SameSite=None" in cookie
    made.spool.close()
    made.control.dispose()


def test_another_site_can_neither_object_for_anybody_nor_take_it_back(client):
    for choice in ("object", "undo"):
        assert choose(client, choice, Origin="https://evil.example").status_code == 403
    assert client.get_cookie("discreet_optout") is None


@pytest.mark.parametrize("signal", ["Sec-GPC", "DNT"])
def test_whose_browser_objects_already_is_told_so(client, signal):
    assert "Your browser already objects" in client.get("/opt-out", headers={signal: "1"}).text


@pytest.mark.parametrize(
    ("asked", "accepted", "lang", "words"),
    [
        ("", "nl-BE,nl;q=0.9,en;q=0.5", "nl", "Meet mij niet"),
        ("", "da-DK", "da", "Mål mig ikke"),
        ("", "fr-BE,en;q=0.5", "fr", "Ne pas me mesurer"),
        ("", "ja", "en", "Do not measure me"),
        ("fr", "nl", "fr", "Ne pas me mesurer"),
        ("xx", "nl", "nl", "Meet mij niet"),
    ],
)
def test_it_speaks_the_readers_language(client, asked, accepted, lang, words):
    answer = client.get(f"/opt-out?lang={asked}", headers={"Accept-Language": accepted})
    assert f'<html lang="{lang}">' in answer.text
    assert f"<h1>{words}</h1>" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def messages() -> set[str]:
    """Everything that a page says by way of the catalogues."""
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    return {
        message
        for room in PAGES
        for _, _, message, _, _ in extract_from_dir(ROOT / room, method_map=methods)
    }


@pytest.mark.parametrize("language", sorted(LANGUAGES.keys() - {"en"}))
def test_no_message_is_missing_in_any_language(language):
    text = (ROOT / "translations" / language / "LC_MESSAGES" / "messages.po").read_bytes()
    catalogue = read_po(BytesIO(text), locale=language)
    known = {m.id for m in catalogue if m.id and m.string and not m.fuzzy}
    assert known == messages()
