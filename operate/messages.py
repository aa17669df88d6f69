"""Where alerts are told beside the log: by e-mail, and to a webhook."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec

from config.settings import Settings

_SECONDS = 10.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Message(msgspec.Struct, frozen=True):
    """`name` says what it is about, as in docs/alerts.md; `at` is ISO 8601, UTC."""

    name: str
    says: str
    at: str


class Channel(Protocol):
    """A way to tell somebody. `send` raises `OSError` where it cannot."""

    name: str

    def send(self, message: Message) -> None: ...


class Mail:
    """By SMTP, encrypted from the start or with STARTTLS, but for this machine itself."""

    name = "mail"

    def __init__(self, server: str, recipient: str, password: str = "") -> None:
        self._server = urlsplit(server)
        self._recipient = recipient
        self._password = password

    def __repr__(self) -> str:
        """Without the password."""
        return "<Mail>"

    def send(self, message: Message) -> None:
        mail = EmailMessage()
        mail["Subject"] = f"Discreet: {message.name}"
        mail["From"] = mail["To"] = self._recipient
        mail.set_content(f"{message.says}\n\n{message.at}\n")
        with self._connected() as connection:
            if self._server.username:
                connection.login(unquote(self._server.username), self._password)
            connection.send_message(mail)

    def _connected(self) -> smtplib.SMTP:
        host, context = self._server.hostname or "", ssl.create_default_context()
        if self._server.scheme == "smtps":
            return smtplib.SMTP_SSL(
                host, self._server.port or 465, timeout=_SECONDS, context=context
            )
        connection = smtplib.SMTP(host, self._server.port or 587, timeout=_SECONDS)
        if host not in _LOOPBACK:
            connection.starttls(context=context)
        return connection


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A webhook that moves is set anew: an alert follows no redirect."""


class Webhook:
    """A POST of the message as JSON, with `text` as chat services read it."""

    name = "webhook"

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise OSError("a webhook is asked by https")
        self._address = address
        self._opener = build_opener(_Stay())

    def __repr__(self) -> str:
        """Without the address: it is the secret."""
        return "<Webhook>"

    def send(self, message: Message) -> None:
        body = {"text": f"Discreet: {message.name}: {message.says}", **msgspec.to_builtins(message)}
        request = Request(  # noqa: S310  https, or this machine itself
            self._address, msgspec.json.encode(body), {"Content-Type": "application/json"}
        )
        with self._opener.open(request, timeout=_SECONDS):
            pass


def channels(settings: Settings) -> tuple[Channel, ...]:
    """Those that are set. Raises `OSError` for a password file that cannot be read."""
    found: list[Channel] = []
    if settings.alert_email and settings.alert_smtp:
        file = settings.alert_smtp_password_file
        password = Path(file).read_text().strip() if file else ""
        found.append(Mail(settings.alert_smtp, settings.alert_email, password))
    if settings.alert_webhook_file:
        found.append(Webhook(Path(settings.alert_webhook_file).read_text().strip()))
    return tuple(found)
