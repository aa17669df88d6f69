"""Logs: one line an event, only named fields, and nothing of what a request held."""

import json
import logging
import socket

import pytest
import structlog

from operate import logs
from tests.service import eventually, running


@pytest.fixture(autouse=True)
def configured(capsys):
    handlers, level = logging.root.handlers, logging.root.level
    logs.configure()
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    logging.root.handlers, logging.root.level = handlers, level


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_only_named_fields_are_printed(capsys):
    structlog.get_logger().warning("store away", reason="x", address="203.0.113.9", query="q=1")
    [line] = lines(capsys)
    assert set(line) == {"event", "level", "timestamp", "reason"}


def test_a_traceback_shows_places_and_no_message(capsys):
    def choke(address):
        raise ValueError(f"bad address {address}")

    try:
        choke("203.0.113.9")
    except ValueError:
        structlog.get_logger().exception("job failed")
    [line] = lines(capsys)
    assert "203.0.113.9" not in json.dumps(line)
    assert line["exception"].startswith("ValueError at ")
    assert "choke" in line["exception"]


def test_what_is_filled_into_a_librarys_message_is_left_out(capsys):
    logging.getLogger("gunicorn.error").warning(
        "Invalid request from ip=%s: %s", "203.0.113.9", "q"
    )
    logging.getLogger("somebody").error(f"could not send {'to 203.0.113.9'}")
    printed = lines(capsys)
    assert printed[0]["event"] == "Invalid request from ip=%s: %s"
    assert "203.0.113.9" not in json.dumps(printed)


def test_a_broken_request_leaves_nothing_of_itself_in_the_log(tmp_path):
    with running(tmp_path / "home", "web") as service:
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(b"GET /s3cret?token=s3cret BROKEN/9\r\nHost: s3cret\r\n\r\n")
            client.recv(1000)
        eventually(lambda: "gunicorn.error" in service.printed(), "the refusal logged")
        assert "s3cret" not in service.printed()
        assert "127.0.0.1" not in service.printed()
