"""The files in deploy/ say what the service understands, and open no more than they must."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from config.settings import TABLE, load

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def test_the_settings_that_are_named_exist_and_can_be_used(tmp_path: Path) -> None:
    known = {setting.variable for setting in TABLE}
    for name in ("web", "worker"):
        given = SERVICES[name]["environment"]
        assert set(given) <= known
        filled = {
            key: re.sub(r"\$\{DISCREET_HOST[^}]*\}", "stats.example.com", value)
            for key, value in given.items()
        }
        filled["DISCREET_SECURITY_CONTACT"] = ""
        settings = load(filled | {"DISCREET_HOME": str(tmp_path)})
        assert settings.public_url == "https://stats.example.com"
        assert settings.trusted_proxies == 1


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert SERVICES["clickhouse"]["networks"] == ["inside"]


def test_no_secret_is_an_argument_or_a_variable() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("_FILE") or "password" not in name.lower(), name
            assert not re.search(r"//[^/@]*:[^/@]*@", value), name


def test_the_service_can_write_to_its_home_alone_and_gain_no_rights() -> None:
    for name in ("web", "worker"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["volumes"] == ["home:/var/lib/discreet"]
    assert re.search(r"^USER discreet$", (DEPLOY / "Dockerfile").read_text(), re.M)


def test_the_proxy_drops_what_senders_claim_about_themselves() -> None:
    text = (DEPLOY / "Caddyfile").read_text()
    assert "header_up X-Forwarded-For {remote_host}" in text
    assert re.search(r"@inside path /metrics\n\s*respond @inside 404", text)
