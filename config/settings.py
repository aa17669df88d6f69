"""Settings from the environment: one table, checked at the start, rendered into the docs.

Raises `SettingsError`, whose message names every unknown or bad setting and why, so that a
service never starts with half of what its operator meant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.secret import SecretError, SecretFile

PREFIX = "DISCREET_"


class SettingsError(ValueError):
    """The environment cannot be used; the message says which names and why."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table. `default` is as it would be written in the environment."""

    name: str
    default: str
    unit: str
    parse: Callable[[str], Any]
    reason: str

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def _choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def _clickhouse(text: str) -> str:
    if text == "embedded":
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be 'embedded' or http(s)://user:password@host:port/database")
    _ = parts.port  # raises ValueError for what is no port
    return text


def _public(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must be an origin such as https://stats.example.com")
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        raise ValueError("must be https (http only for this machine itself)")
    return text.rstrip("/")


def _contact(text: str) -> str:
    if text and (not text.startswith(("mailto:", "https://", "tel:")) or not text.isprintable()):
        raise ValueError("must be mailto:security@example.com, or an https address")
    return text


def _smtp(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.password):
        raise ValueError("must be smtp(s)://user@host:port, the password in its own file")
    _ = parts.port  # raises ValueError for what is no port
    return text


def _address(text: str) -> str:
    if text and ("@" not in text or not text.isprintable() or " " in text):
        raise ValueError("must be one e-mail address")
    return text


def _cluster(text: str) -> str:
    if text and not text.replace("_", "").isalnum():
        raise ValueError("must be a cluster's name: letters, digits and _")
    return text


TABLE: tuple[Setting, ...] = (
    Setting(
        "home",
        "./var",
        "folder",
        Path,
        "all state: `spool/`, `clickhouse/`, `tmp/`, `control.db`, `keys.db`",
    ),
    Setting(
        "clickhouse_url",
        "embedded",
        "URL",
        _clickhouse,
        "`embedded`: the worker hosts the engine on `$DISCREET_HOME/clickhouse`; or `http(s)://user:password@host:port/database`",
    ),
    Setting(
        "clickhouse_password_file",
        "",
        "file",
        str,
        "the password kept out of the URL, where process lists and logs could show it",
    ),
    Setting(
        "clickhouse_cluster",
        "",
        "name",
        _cluster,
        "replicated tables on this cluster; empty for one server",
    ),
    Setting(
        "control_url",
        "",
        "SQLAlchemy URL",
        str,
        "sites, people, release pointers; empty: SQLite in home. Where there are several nodes `postgresql+psycopg://user:password@host/database`",
    ),
    Setting(
        "keys_url",
        "",
        "SQLAlchemy URL",
        str,
        "pseudonym keys; empty: SQLite in home. Another database than the control database, because the two must never be backed up together",
    ),
    Setting(
        "secret_key_file",
        "",
        "file",
        str,
        "32 random bytes as hexadecimal text; seals keys at rest and signs sessions; `keys rotate` replaces it. Empty: `secret.key` in home, made at the first start, readable by its owner only",
    ),
    Setting(
        "geo_db",
        "",
        "file",
        str,
        "any MaxMind-format database; empty: the country database that `make setup` fetched. Missing or corrupt: no geography, a warning, everything else works",
    ),
    Setting(
        "trusted_proxies",
        "0",
        "hops",
        _whole(0, 10),
        "exact number of proxies in front. Zero, because a forwarded address that nobody vouches for is the sender's invention",
    ),
    Setting(
        "late_days",
        "7",
        "days",
        _whole(1, 29),
        "how late an event may arrive, and how long a day stays provisional; always below the shortest life of a row (30 days)",
    ),
    Setting(
        "spool_fsync",
        "interval",
        "policy",
        _choice("always", "interval", "never"),
        "`always`: nothing acknowledged is lost even if the machine loses power; `interval`: at most the last second; `never`: what the kernel had not written. A crash of the process alone loses nothing under any of them",
    ),
    Setting(
        "spool_max_bytes",
        str(2 * 1024**3),
        "bytes",
        _whole(1024**2, 2**50),
        "past it the collector answers 503 with `Retry-After`: a full disk would hurt more",
    ),
    Setting(
        "sender_limit",
        "2000",
        "events/s",
        _whole(0, 10**9),
        "what one network (an IPv4 /24, an IPv6 /48) may send over ten seconds on average; past it 429 with `Retry-After`. Far above a phone network that shares one, or a site's own server; behind a proxy that `DISCREET_TRUSTED_PROXIES` does not count everybody is one network. `0`: no limit",
    ),
    Setting(
        "site_limit",
        "50000",
        "events/s",
        _whole(0, 10**9),
        "likewise what one site may receive on each node: a write key is public, and one site's flood must not use up what all share. `0`: no limit",
    ),
    Setting(
        "public_url",
        "",
        "origin",
        _public,
        "https origin in links, snippets and notices; empty: this machine's own",
    ),
    Setting(
        "security_contact",
        "",
        "mailto: or https:",
        _contact,
        "whom to tell of a weakness, in `/.well-known/security.txt` (RFC 9116); empty: there is none",
    ),
    Setting(
        "alert_email",
        "",
        "address",
        _address,
        "who is told by e-mail of what [alerts](alerts.md) find, beside the log",
    ),
    Setting(
        "alert_smtp",
        "",
        "SMTP URL",
        _smtp,
        "`smtps://user@host:465`, or `smtp://host:587` with STARTTLS; this machine itself in the clear",
    ),
    Setting(
        "alert_smtp_password_file",
        "",
        "file",
        str,
        "the password of the user in it",
    ),
    Setting(
        "alert_webhook_file",
        "",
        "file",
        str,
        "holds the address to which alerts are posted as JSON: whoever knows it may post there",
    ),
    Setting(
        "metrics_token_file",
        "",
        "file",
        str,
        "bearer token for `/metrics`. Empty: it answers this machine itself, and nobody at all once a proxy or a public origin is set, since exact counters let single arrivals be watched",
    ),
    Setting(
        "require_browser",
        "",
        "`1`",
        _choice("", "0", "1"),
        "for tests: browser tests fail instead of being skipped where no Chromium is found",
    ),
    Setting(
        "require_postgres",
        "",
        "`1`",
        _choice("", "0", "1"),
        "for tests: likewise where no PostgreSQL is found",
    ),
    Setting(
        "test_clickhouse_url",
        "",
        "URL",
        str,
        "for tests: a real server to run the store's tests against",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment said, parsed. Paths are absolute."""

    home: Path
    port: int
    clickhouse_url: str
    clickhouse_password_file: str
    clickhouse_cluster: str
    control_url: str
    keys_url: str
    secret_key_file: str
    geo_db: str
    trusted_proxies: int
    late_days: int
    spool_fsync: str
    spool_max_bytes: int
    sender_limit: int
    site_limit: int
    public_url: str
    security_contact: str
    alert_email: str
    alert_smtp: str
    alert_smtp_password_file: str
    alert_webhook_file: str
    metrics_token_file: str
    require_browser: str
    require_postgres: str
    test_clickhouse_url: str

    def __repr__(self) -> str:
        """Shows no value: URLs may hold passwords."""
        return "<Settings>"

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    @property
    def local(self) -> str:
        """Where gunicorn listens on this machine (gunicorn.conf.py)."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        """The public origin, for links and snippets."""
        return self.public_url or self.local

    def secrets(self) -> SecretFile:
        """The keys that seal keys at rest and sign sessions, as their file has them."""
        return SecretFile(Path(self.secret_key_file))

    def secret_key(self) -> bytes:
        """The newest of them, 32 bytes; makes the file at the first call.

        Raises `SettingsError` for a file that cannot be used.
        """
        try:
            return self.secrets()()[0]
        except SecretError as error:
            raise SettingsError(f"{PREFIX}SECRET_KEY_FILE: {error}") from None


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the environment and makes the home. Raises `SettingsError` naming all that is wrong."""
    environ = os.environ if environ is None else environ
    known = {setting.variable for setting in TABLE}
    wrong = [
        f"{name}: no such setting (docs/settings.md lists them)"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
    values: dict[str, Any] = {}
    for setting in TABLE:
        try:
            values[setting.name] = setting.parse(environ.get(setting.variable, setting.default))
        except ValueError as error:
            wrong.append(f"{setting.variable}: {error}")
    try:
        values["port"] = _whole(1, 65535)(environ.get("PORT", "8000"))
    except ValueError as error:
        wrong.append(f"PORT: {error}")
    if wrong:
        raise SettingsError("\n".join(wrong))
    home = values["home"] = values["home"].expanduser().resolve()
    values["control_url"] = values["control_url"] or f"sqlite:///{home / 'control.db'}"
    values["keys_url"] = values["keys_url"] or f"sqlite:///{home / 'keys.db'}"
    values["secret_key_file"] = values["secret_key_file"] or str(home / "secret.key")
    values["geo_db"] = values["geo_db"] or str(GEO_DB)
    if values["control_url"] == values["keys_url"]:
        raise SettingsError(f"{PREFIX}KEYS_URL: must not be the control database")
    try:
        for folder in (home, home / "spool", home / "tmp"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{PREFIX}HOME: {home}: {error.strerror}") from None
    return Settings(**values)


# `make setup` copies it here out of the npm package that carries it.
GEO_DB = Path(__file__).resolve().parent.parent / "clients" / "geo" / "country.mmdb"


def render() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "From the environment only. An unknown `DISCREET_` name or a bad value stops the start.",
        "This page is made from `config/settings.py`: `make docs`.",
        "",
        "| name | unit | default | |",
        "|---|---|---|---|",
    ]
    for setting in TABLE:
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{setting.variable}` | {setting.unit} | {default} | {setting.reason} |")
    lines += [
        "",
        "Beside them gunicorn's usual `PORT` (8000) and `WEB_CONCURRENCY` (one process a core).",
        "",
    ]
    return "\n".join(lines)
