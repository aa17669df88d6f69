"""The secret key is replaced while everything runs."""

from __future__ import annotations

import re
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from accounts.factor import Factor, new_seed
from accounts.people import People
from accounts.sessions import LONGEST
from anonymize.keys import KeyStore
from config.secret import SecretError, SecretFile
from config.settings import load
from operate import application
from operate.rotation import rotate, seal_anew
from operate.services import Services, build
from spool import reader
from tests.edge.conftest import entered

NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = build(load({"DISCREET_HOME": str(tmp_path), "DISCREET_SENDER_LIMIT": "0"}))
    made.sites.add("shop.example.com", "Europe/Brussels", "exempt", "BE")
    yield made
    made.control.dispose()


@pytest.fixture
def app(services: Services) -> Flask:
    return application.assemble(services)


@pytest.fixture
def client(app: Flask, services: Services) -> FlaskClient:
    person = People(services.control).invite("ada@example.com", "viewer", "reads").person
    return entered(app, services, person)


def form(client: FlaskClient) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)
    assert found is not None
    return {"csrf_token": found[1]}


def test_who_is_signed_in_stays_so_and_a_form_that_is_open_can_be_sent(
    services: Services, client: FlaskClient
) -> None:
    fields = form(client)
    for _ in range(3):
        rotate(services, datetime.now(UTC))
    assert client.get("/account").status_code == 200
    assert client.post("/account/sessions/end-others", data=fields).status_code == 303


def test_with_at_once_everybody_signs_in_again(services: Services, client: FlaskClient) -> None:
    rotate(services, datetime.now(UTC), at_once=True)
    assert client.get("/account").location == "/sign-in"


def test_keys_and_second_factors_outlive_the_key_that_sealed_them(
    services: Services, tmp_path: Path
) -> None:
    key = services.keys.lasting("threshold", "")
    person = People(services.control).invite("ada@example.com", "viewer", "reads").person
    seed = new_seed()
    factor = Factor(services.control, services.settings.secrets(), lambda: NOW)
    assert factor.enrol(person, seed, pyotp.TOTP(seed).at(NOW))
    done = rotate(services, datetime.now(UTC), at_once=True)
    assert (done.keys, done.seeds) == (1, 1)
    newest = services.settings.secret_key()
    fresh = KeyStore(services.settings.keys_url, newest, lambda: NOW)
    assert fresh.lasting("threshold", "") == key
    later = NOW + timedelta(minutes=5)
    again = Factor(services.control, newest, lambda: later)
    assert again.passes(person, pyotp.TOTP(seed).at(later))
    assert seal_anew(services)[:2] == (0, 0)


def test_a_process_that_runs_makes_and_reads_keys_by_the_new_one(services: Services) -> None:
    running = replace(services, keys=_store(services))
    before = running.keys.lasting("one", "")
    rotate(services, datetime.now(UTC))
    made = running.keys.lasting("two", "")
    newest = KeyStore(services.settings.keys_url, services.settings.secret_key(), lambda: NOW)
    assert newest.lasting("two", "") == made
    assert newest.lasting("one", "") == before


def _store(services: Services) -> KeyStore:
    return KeyStore(services.settings.keys_url, services.settings.secrets(), lambda: NOW)


def test_an_old_key_is_read_until_its_last_day(tmp_path: Path) -> None:
    clock = [NOW]
    file = SecretFile(tmp_path / "secret.key", lambda: clock[0])
    [first] = file()
    file.rotate((NOW + LONGEST).date())
    second, read = file()
    assert (read, second != first) == (first, True)
    clock[0] += LONGEST
    assert len(file()) == 2
    clock[0] += timedelta(days=1)
    assert file() == (second,)
    file.rotate(date(2030, 1, 1))
    assert first.hex() not in (tmp_path / "secret.key").read_text()


def test_the_file_is_its_owners_alone_and_its_words_show_no_key(tmp_path: Path) -> None:
    file = SecretFile(tmp_path / "secret.key")
    keys = file()
    file.rotate(date(2999, 1, 1))
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert keys[0].hex() not in repr(file)


@pytest.mark.parametrize(
    "content",
    ["", "short", "00" * 32 + "\n" + "11" * 32, "00" * 32 + " 2026-01-01", "zz" * 32,
     "00" * 32 + "\n" + "11" * 32 + " soon"],
    ids=["empty", "short", "two without a day", "none without a day", "no hex", "no day"],
)  # fmt: skip
def test_a_file_that_holds_something_else_is_refused_without_quoting_it(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "secret.key").write_text(content)
    with pytest.raises(SecretError) as refused:
        SecretFile(tmp_path / "secret.key")()
    assert "00" * 32 not in str(refused.value)
    assert "zz" not in str(refused.value)


def test_under_load_no_request_fails_and_no_event_is_lost(
    app: Flask, services: Services, client: FlaskClient
) -> None:
    site = services.sites.by_domain("shop.example.com")
    assert site is not None
    over, accepted, failed = threading.Event(), [0, 0], list[str]()

    def send(number: int) -> None:
        sender, turn = app.test_client(), 0
        while not over.is_set() or turn < 20:
            turn += 1
            event = {
                "type": "page", "anonymousId": f"{number}-{turn}", "messageId": f"{number}-{turn}",
                "properties": {"url": "https://shop.example.com/"},
            }  # fmt: skip
            answer = sender.post("/v1/batch", json={"writeKey": site.write_key, "batch": [event]})
            if answer.status_code != 200 or answer.json is None or answer.json["accepted"] != 1:
                failed.append(f"event {answer.status_code} {answer.text}")
            accepted[number] += 1

    def look() -> None:
        turn = 0
        while not over.is_set() or turn < 20:
            turn += 1
            fields = form(client)
            if client.get("/account").status_code != 200:
                failed.append("page")
            if client.post("/account/sessions/end-others", data=fields).status_code != 303:
                failed.append("form")

    threads = [threading.Thread(target=send, args=(0,)), threading.Thread(target=send, args=(1,)),
               threading.Thread(target=look)]  # fmt: skip
    for thread in threads:
        thread.start()
    for _ in range(5):
        rotate(services, datetime.now(UTC))
    over.set()
    for thread in threads:
        thread.join()
    assert failed == []
    services.spool.close()
    lines = sum(
        segment.path.read_bytes().count(b"\n")
        for segment in reader.waiting(services.settings.spool)
    )
    assert lines == sum(accepted)
