"""Sites: what can be set, what cannot be, and that an older database keeps what it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text

import control.database
from anonymize.event import Purpose
from control.database import open_control
from control.sites import SiteError, Sites


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_control(f"sqlite:///{tmp_path / 'control.db'}")
    yield opened
    opened.dispose()


@pytest.fixture
def sites(engine: Engine) -> Sites:
    return Sites(engine)


def add(sites: Sites):
    return sites.add("example.com", "Europe/Brussels", "exempt", "BE")


def test_a_new_site_has_no_names_of_its_own_and_is_not_for_children(sites):
    site = add(sites)
    assert (site.categories, site.child_directed) == ((), False)


def test_a_sites_category_names_are_kept_with_their_purposes(sites, engine):
    sites.set(add(sites), categories={"statistics": "audience", "C0003": "product"})
    read = Sites(engine).by_domain("example.com")
    assert read.categories == (("C0003", Purpose.PRODUCT), ("statistics", Purpose.AUDIENCE))


def test_setting_one_thing_leaves_the_others_as_they_are(sites):
    named = sites.set(add(sites), categories={"statistics": "audience"}, k=20)
    marked = sites.set(named, child_directed=True)
    assert (marked.categories, marked.k, marked.policy) == (named.categories, 20, "exempt")
    assert marked.child_directed


def test_a_country_is_kept_in_capitals(sites):
    assert sites.set(add(sites), country="dk").country == "DK"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"categories": {"statistics": "everything"}}, "category: 'everything' is neither of"),
        ({"categories": {"": "audience"}}, "category: '' is not a name"),
        ({"categories": {"x" * 65: "audience"}}, "is not a name of 1 to 64 letters"),
        ({"categories": {"a\nb": "audience"}}, "is not a name"),
        ({"categories": {str(n): "audience" for n in range(51)}}, "category: more than 50"),
        ({"k": 2}, "k: 2 is below 3"),
        ({"country": "Belgium"}, "country: 'BELGIUM' is not"),
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not"),
    ],
    ids=["purpose", "no name", "long name", "line feed", "too many", "k", "country", "timezone"],
)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(sites, changes, words):
    site = add(sites)
    with pytest.raises(SiteError, match=words):
        sites.set(site, **changes)
    assert sites.by_domain("example.com") == site


def test_a_database_of_the_first_version_keeps_its_sites(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'old.db'}"
    config = Config()
    migrations = Path(control.database.__file__).parent / "migrations"
    config.set_main_option("script_location", str(migrations))
    old = create_engine(url)
    with old.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO sites (domain, write_key, timezone, policy, country, k, created_at) "
                "VALUES ('example.com', 'k', 'Europe/Brussels', 'opt-in', 'BE', 10, "
                "'2026-01-01 00:00:00')"
            )
        )
    old.dispose()

    engine = open_control(url)
    [site] = Sites(engine).all()
    engine.dispose()
    assert (site.domain, site.categories, site.child_directed) == ("example.com", (), False)
