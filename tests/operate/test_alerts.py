"""What engineers are told of, and how often."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from accounts.people import People
from config.settings import SettingsError, load
from operate.alerts import RULES, Found, Hour, certificate_ends, judge, look
from operate.messages import Mail, Message, Webhook, channels
from operate.metrics import FAMILIES, GAUGES
from operate.services import build

NOW = datetime(2026, 3, 28, 12, 30, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = Found((), 0, 0.0, 0, 50 * 1024**3, 100 * 1024**3, {"tokens": 0}, timedelta(1), None, NOW)


def hours(*counts: tuple[int, int], usual: tuple[int, int] = (1000, 10)) -> tuple[Hour, ...]:
    """Eight days of the usual, and then these."""
    at, accepted, refused, found = 0.0, 0, 0, []
    for more in [(0, 0), *[usual] * (8 * 24), *counts]:
        accepted, refused = accepted + more[0], refused + more[1]
        found.append(Hour(at, accepted, refused))
        at += 3600
    return tuple(found)


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        pytest.param({"hours": hours((0, 0))}, "traffic", "usually has about 1,000", id="silent"),
        pytest.param({"hours": hours((5432, 0))}, "traffic", "About 5,000 events", id="multiplied"),
        pytest.param({"hours": hours((1000, 300))}, "refusals", "About 300", id="refusals rise"),
        pytest.param({"failures": 61}, "sign-in", "About 60 tries", id="sign-in failures"),
        pytest.param({"spool_seconds": 1000.0}, "spool", "16 minutes", id="the spool ages"),
        pytest.param({"set_aside": 2}, "spool", "refused 2 segments", id="segments set aside"),
        pytest.param({"free_bytes": 5 * 1024**3}, "disk", "5120 MiB", id="the disk is nearly full"),
        pytest.param({"endings": {"tokens": 2}}, "endings", "2 tokens", id="tokens end"),
        pytest.param({"secret_age": timedelta(400)}, "secret key", "400 days", id="an old key"),
        pytest.param(
            {"certificate_ends": NOW + timedelta(13)}, "certificate", "2026-04-10", id="certificate"
        ),
    ],
)  # fmt: skip
def test_each_thing_that_goes_wrong_is_told_and_nothing_else(
    change: dict[str, object], name: str, says: str
) -> None:
    told = judge(replace(GOOD, **change))
    assert list(told) == [name]
    assert says in told[name]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(GOOD, id="nothing"),
        pytest.param(replace(GOOD, hours=hours((1200, 20))), id="an hour like any"),
        pytest.param(replace(GOOD, hours=hours((0, 0), usual=(40, 0))), id="a quiet site"),
        pytest.param(replace(GOOD, hours=hours((0, 0))[-30:]), id="the second day"),
        pytest.param(replace(GOOD, hours=hours((1000, 300), usual=(1000, 280))), id="as ever"),
        pytest.param(replace(GOOD, certificate_ends=NOW + timedelta(60)), id="a good certificate"),
    ],
)
def test_what_is_usual_is_not_told(found: Found) -> None:
    assert judge(found) == {}


class Kept:
    """A channel that keeps what is sent, or cannot send."""

    name = "kept"

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.away = False

    def send(self, message: Message) -> None:
        if self.away:
            raise OSError
        self.sent.append(message)


def test_it_is_told_once_when_it_begins_and_once_when_it_is_over_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    services = build(load({"DISCREET_HOME": str(tmp_path)}))
    now = datetime.now(UTC)
    made = People(services.control, lambda: now).invite
    made("ada@example.com", "viewer", "reads", (now + timedelta(days=3)).date())
    channel = Kept()
    channel.away = True
    assert "endings" in look(services, [channel], now)
    channel.away = False
    for _ in range(3):
        look(services, [channel], now)
    assert [m.says for m in channel.sent if m.name == "endings"] == [
        "Within two weeks end: 1 authorisations."
    ]
    made("ada@example.com", "viewer", "reads", date(2999, 1, 1))
    look(services, [channel], now)
    assert [m.says for m in channel.sent if m.name == "endings"][1:] == ["Over."]
    assert "ada" not in (tmp_path / "alerts.json").read_text()
    services.control.dispose()


@contextmanager
def webhook(status: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    got: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()
        thread.join()


def test_a_webhook_gets_the_message_and_is_not_followed_elsewhere() -> None:
    with webhook(204) as (address, got):
        Webhook(address).send(Message("disk", "It is full.", "2026-03-28T12:30:00+00:00"))
    assert got[0]["text"] == "Discreet: disk: It is full."
    with webhook(307) as (address, got), pytest.raises(OSError, match="307"):
        Webhook(address).send(Message("disk", "It is full.", ""))
    with pytest.raises(OSError, match="https"):
        Webhook("http://hooks.example.com/secret")


def test_mail_is_sent_by_smtp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        got: list[str] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rw", newline="\r\n") as talk:

                def say(line: str) -> None:
                    talk.write(line + "\r\n")
                    talk.flush()

                say("220 here")
                for line in talk:
                    got.append(line.strip())
                    word = line[:4].upper().strip()
                    if word == "DATA":
                        say("354 go on")
                        while (line := talk.readline().strip()) != ".":
                            got.append(line)
                    say("221 bye" if word == "QUIT" else "250 ok")
                    if word == "QUIT":
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        mail = Mail(f"smtp://127.0.0.1:{server.getsockname()[1]}", "ops@example.com")
        mail.send(Message("disk", "It is full.", "2026-03-28T12:30:00+00:00"))
        thread.join()
    assert "Subject: Discreet: disk" in got
    assert "It is full." in got
    assert "rcpt to:<ops@example.com>" in [line.lower().partition(" size")[0] for line in got]


def test_the_channels_are_those_that_are_set_and_show_no_secret(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text("https://hooks.example.com/secret\n")
    environment = {
        "DISCREET_HOME": str(tmp_path),
        "DISCREET_ALERT_EMAIL": "ops@example.com",
        "DISCREET_ALERT_SMTP": "smtps://ops@mail.example.com",
        "DISCREET_ALERT_WEBHOOK_FILE": str(tmp_path / "hook"),
    }
    assert repr(channels(load(environment))) == "(<Mail>, <Webhook>)"
    assert channels(load({"DISCREET_HOME": str(tmp_path)})) == ()
    with pytest.raises(SettingsError, match="ALERT_SMTP"):
        load(environment | {"DISCREET_ALERT_SMTP": "smtps://ops:password@mail.example.com"})


def test_an_origin_that_shows_no_certificate_is_no_alert() -> None:
    assert certificate_ends("http://127.0.0.1:8000") is None
    assert certificate_ends("https://127.0.0.1:9") is None


def test_every_alert_and_every_series_of_the_rules_is_known() -> None:
    described = (ROOT / "docs" / "alerts.md").read_text()
    assert all(f"| `{name}` |" in described for name in RULES)
    known = {family.name for family in (*FAMILIES, *GAUGES)}
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    used = set(re.findall(r"\bdiscreet_[a-z_]+", rules))
    assert used
    assert used <= known
