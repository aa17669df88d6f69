"""Settings: one table, checked at the start, documented."""

import stat
from pathlib import Path

import pytest

from config import settings
from config.settings import SettingsError, load


def test_an_empty_environment_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load({})
    assert loaded.home == tmp_path / "var"
    assert loaded.clickhouse_url == "embedded"
    assert loaded.control_url != loaded.keys_url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DISCREET_LATE_DAYS", "0"),
        ("DISCREET_LATE_DAYS", "30"),
        ("DISCREET_LATE_DAYS", "seven"),
        ("DISCREET_LATE_DAYS", "٧"),
        ("DISCREET_TRUSTED_PROXIES", "-1"),
        ("DISCREET_SPOOL_FSYNC", "sometimes"),
        ("DISCREET_SPOOL_MAX_BYTES", "1"),
        ("DISCREET_CLICKHOUSE_URL", "clickhouse://db"),
        ("DISCREET_CLICKHOUSE_URL", "http://db:port/x"),
        ("DISCREET_CLICKHOUSE_CLUSTER", "a'; DROP TABLE events"),
        ("DISCREET_PUBLIC_URL", "http://stats.example.com"),
        ("DISCREET_PUBLIC_URL", "https://stats.example.com/path"),
        ("PORT", "abc"),
        ("PORT", "70000"),
    ],
)
def test_a_bad_value_stops_the_start_and_is_named(tmp_path, name, value):
    with pytest.raises(SettingsError, match=name):
        load({"DISCREET_HOME": str(tmp_path), name: value})


def test_every_wrong_name_and_value_is_named_at_once(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load({"DISCREET_HOME": str(tmp_path), "DISCREET_HOEM": "x", "DISCREET_LATE_DAYS": "x"})
    assert "DISCREET_HOEM: no such setting" in str(caught.value)
    assert "DISCREET_LATE_DAYS: must be" in str(caught.value)


def test_keys_and_control_may_not_share_a_database(tmp_path):
    with pytest.raises(SettingsError, match="KEYS_URL"):
        load(
            {
                "DISCREET_HOME": str(tmp_path),
                "DISCREET_CONTROL_URL": "sqlite:///x.db",
                "DISCREET_KEYS_URL": "sqlite:///x.db",
            }
        )


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(tmp_path):
    loaded = load({"DISCREET_HOME": str(tmp_path)})
    first = loaded.secret_key()
    assert len(first) == 32
    assert loaded.secret_key() == first
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_a_damaged_secret_key_is_refused_without_being_shown(tmp_path):
    (tmp_path / "secret.key").write_text("not a key")
    with pytest.raises(SettingsError) as caught:
        load({"DISCREET_HOME": str(tmp_path)}).secret_key()
    assert "not a key" not in str(caught.value)


def test_settings_do_not_show_their_values(tmp_path):
    url = "http://user:hunter2@db:8123/x"
    loaded = load({"DISCREET_HOME": str(tmp_path), "DISCREET_CLICKHOUSE_URL": url})
    assert "hunter2" not in repr(loaded)


def test_the_home_is_closed_to_others(tmp_path):
    load({"DISCREET_HOME": str(tmp_path / "home")})
    for folder in ("home", "home/spool", "home/tmp"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_no_variable_of_the_product_is_read_outside_the_table():
    root = Path(settings.__file__).resolve().parent.parent
    rooms = ("anonymize", "ingest", "spool", "control", "store", "releases", "dashboards",
             "accounts", "operate")  # fmt: skip
    for room in rooms:
        for file in (root / room).rglob("*.py"):
            assert "os.environ" not in file.read_text(), file


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="DISCREET_HOME"):
        load({"DISCREET_HOME": str(tmp_path / "file" / "home")})
