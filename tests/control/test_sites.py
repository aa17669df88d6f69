"""Sites: what can be set, what cannot be, and that an older database keeps what it has."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text

import control.database
from anonymize.calendar import ALWAYS
from anonymize.event import Purpose
from control.database import open_control
from control.sites import SiteError, Sites


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


def test_what_a_site_asks_for_and_excludes_is_kept_in_order_and_once(sites, engine):
    sites.set(
        add(sites), properties=["plan", "level", "plan"], city=True, excluded_networks=["ab", "aa"],
        excluded_hosts=[".staging.example.com"], excluded_paths=["/admin/"],
    )  # fmt: skip
    read = Sites(engine).by_domain("example.com")
    assert (read.properties, read.city, read.excluded_networks) == (
        ("level", "plan"), True, ("aa", "ab"),
    )  # fmt: skip
    assert (read.excluded_hosts, read.excluded_paths) == ((".staging.example.com",), ("/admin/",))


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
        ({"properties": [""]}, "property: '' is not a key"),
        ({"properties": ["x" * 65]}, "is not a key of 1 to 64 letters"),
        ({"properties": [str(n) for n in range(51)]}, "properties: more than 50"),
        ({"excluded_hosts": [str(n) for n in range(51)]}, "excluded hosts: more than 50"),
        ({"k": 2}, "k: 2 is below 3"),
        ({"country": "Belgium"}, "country: 'BELGIUM' is not"),
        ({"timezone": "Mars/Olympus"}, "timezone: 'Mars/Olympus' is not"),
    ],
    ids=[
        "purpose",
        "no name",
        "long name",
        "line feed",
        "too many",
        "no key",
        "long key",
        "too many keys",
        "too many hosts",
        "k",
        "country",
        "timezone",
    ],
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
    assert (site.timezone, site.zones) == ("Europe/Brussels", ((ALWAYS, "Europe/Brussels"),))


class Clock:
    """Stands at a Sunday, 15:20 in Brussels, until it is moved."""

    def __init__(self):
        self.now = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(engine: Engine, clock: Clock) -> Sites:
    """Sites that are read anew each time, at the clock's time."""
    return Sites(engine, ttl=0, now=clock)


TODAY, TOMORROW = date(2026, 11, 22), date(2026, 11, 23)
ALWAYS_BRUSSELS = (ALWAYS, "Europe/Brussels")


def test_a_new_time_zone_holds_from_the_next_day_on(watched, clock):
    site = watched.set(add(watched), timezone="America/New_York")
    assert site.timezone == "Europe/Brussels"
    assert site.zones == ((TOMORROW, "America/New_York"), ALWAYS_BRUSSELS)
    assert site.zone_on(TODAY).key == "Europe/Brussels"
    assert site.zone_on(TOMORROW).key == "America/New_York"
    clock.now = datetime(2026, 11, 22, 23, tzinfo=UTC)  # midnight in Brussels
    [site] = watched.all()
    assert site.timezone == "America/New_York"
    assert site.calendar.local_day(clock.now) == TOMORROW
    assert site.calendar.end(TOMORROW) == datetime(2026, 11, 24, 5, tzinfo=UTC)


def test_a_second_change_on_a_day_takes_the_place_of_the_first(watched):
    site = watched.set(add(watched), timezone="America/New_York")
    site = watched.set(site, timezone="Asia/Tokyo")
    assert site.zones == ((TOMORROW, "Asia/Tokyo"), ALWAYS_BRUSSELS)


def test_changing_back_on_the_same_day_cancels_the_change(watched):
    site = watched.set(add(watched), timezone="America/New_York")
    assert watched.set(site, timezone="Europe/Brussels").zones == (ALWAYS_BRUSSELS,)


def test_setting_something_else_leaves_a_change_to_come_alone(watched):
    site = watched.set(add(watched), timezone="America/New_York")
    assert watched.set(site, k=20).zones == site.zones


def test_changes_of_earlier_days_stay(watched, clock):
    watched.set(add(watched), timezone="America/New_York")
    clock.now += timedelta(days=3)
    [site] = watched.all()
    site = watched.set(site, timezone="Asia/Tokyo")
    assert site.zones == (
        (date(2026, 11, 26), "Asia/Tokyo"), (TOMORROW, "America/New_York"), ALWAYS_BRUSSELS,
    )  # fmt: skip


def test_in_the_last_minute_of_a_day_a_change_waits_for_the_next(watched, clock):
    """Another process reads the sites every two seconds: it must know before the day begins."""
    site = watched.set(add(watched), timezone="America/New_York")
    clock.now = datetime(2026, 11, 22, 22, 59, 30, tzinfo=UTC)
    site = watched.set(site, timezone="Asia/Tokyo")
    assert site.zones == (
        (date(2026, 11, 24), "Asia/Tokyo"), (TOMORROW, "America/New_York"), ALWAYS_BRUSSELS,
    )  # fmt: skip


def test_a_site_is_known_to_every_process_as_soon_as_it_is_added(engine: Engine) -> None:
    elsewhere = Sites(engine, ttl=3600)
    assert elsewhere.by_domain("shop.example") is None
    added = Sites(engine).add("shop.example", "UTC", "exempt", "BE")
    assert elsewhere.by_write_key(added.write_key) == added
    assert Sites(engine).by_domain(" Shop.Example") == added
