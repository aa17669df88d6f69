"""What a site excludes and allows, over HTTP: answered, tallied, and kept or not."""

import pytest

from anonymize import exclusion, pseudonyms

VIEW = {
    "type": "page",
    "anonymousId": "5f0c9f2e-5a6b-4a41-9a8e-1f2b3c4d5e6f",
    "properties": {"url": "https://example.com/admin/users", "plan": "pro", "secret": "x"},
    "context": {"consent": {"categoryPreferences": {"analytics": True}}},
}


def posted(client, world):
    body = {"writeKey": world.site.write_key, "batch": [VIEW]}
    return client.post("/v1/batch", json=body).json


def network(world, text):
    key = world.keys.exclusion()
    return pseudonyms.network(key, world.site.id, exclusion.network(text))


@pytest.mark.parametrize(
    ("setting", "entry", "reason"),
    [
        ("excluded_networks", "192.0.2.1", "excluded_address"),
        ("excluded_hosts", exclusion.host("example.com"), "excluded_host"),
        ("excluded_paths", exclusion.path("/admin"), "excluded_path"),
    ],
)
def test_what_is_excluded_is_answered_and_tallied_and_leaves_no_row(
    world, client, setting, entry, reason
):
    kept = network(world, entry) if setting == "excluded_networks" else entry
    world.sites.set(world.site, **{setting: [kept]})
    [dropped] = posted(client, world)["dropped"]
    assert dropped["reason"] == reason
    assert world.rows() == []
    assert world.tallied() == {(world.site.id, reason): 1}


def test_a_plausible_tag_is_told_why_its_event_is_dropped(world, client):
    world.sites.set(world.site, excluded_networks=[network(world, "192.0.2.9")])
    view = {"n": "pageview", "u": "https://example.com/", "d": "example.com"}
    answer = client.post("/api/event", json=view)
    assert answer.status_code == 202
    assert answer.headers["x-plausible-dropped"] == "1"
    assert answer.headers["x-discreet-reason"] == "excluded_address"


@pytest.mark.parametrize(
    ("allowed", "kept"), [([], None), (["plan"], {"plan": "pro"})], ids=["none", "one"]
)
def test_only_properties_that_the_site_allows_are_kept(world, client, allowed, kept):
    world.sites.set(world.site, properties=allowed)
    posted(client, world)
    [row] = world.rows()
    assert row.get("props") == kept


def test_what_is_included_again_is_measured_again(world, client):
    changed = world.sites.set(world.site, excluded_paths=["/admin/"])
    world.sites.set(changed, excluded_paths=[])
    posted(client, world)
    assert len(world.rows()) == 1
