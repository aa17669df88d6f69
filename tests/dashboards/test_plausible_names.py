"""The names under which sites load Plausible's script load ours."""

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from dashboards.assets import is_plausibles

# https://plausible.io/docs/script-extensions, and `pageleave`, which its own code knows besides.
EXTENSIONS = (
    "compat", "engagement", "exclusions", "file-downloads", "hash", "local", "manual",
    "outbound-links", "pageleave", "pageview-props", "revenue", "tagged-events",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "script.js",
        "plausible.js",
        "analytics.js",
        "p.js",
        "script.manual.js",
        "plausible.outbound-links.hash.js",
        "script.file-downloads.hash.outbound-links.pageview-props.revenue.tagged-events.js",
        "pa-gYyxvZhkMzdzXBAtSeSNz.js",
    ],
)
def test_a_name_of_plausibles_is_served(client: FlaskClient, name: str) -> None:
    ours, theirs = (client.get(f"/js/{n}") for n in ("discreet.js", name))
    assert theirs.status_code == 200
    assert b"plausible" in theirs.data
    for header in ("Cache-Control", "Cross-Origin-Resource-Policy", "Content-Type"):
        assert theirs.headers[header] == ours.headers[header]
    assert "Set-Cookie" not in theirs.headers


@pytest.mark.parametrize(
    "name",
    ["script", "js", ".js", "script.", "script..js", "script.teleport.js", "script.js.map",
     "pa-.js", "pa-a.hash.js", "pa-a%2Fb.js", "tracker.js", "script.min.js"],
)  # fmt: skip
def test_any_other_name_is_not_found(client: FlaskClient, name: str) -> None:
    assert client.get(f"/js/{name}").status_code == 404


@given(
    st.sampled_from(["script", "plausible", "analytics"]),
    st.lists(st.sampled_from(EXTENSIONS), unique=True),
)
def test_every_combination_in_every_order_is_known(base: str, extensions: list[str]) -> None:
    assert is_plausibles(".".join([base, *extensions, "js"]))


@given(st.text())
def test_no_name_is_an_error(name: str) -> None:
    assert is_plausibles(name) in (True, False)
