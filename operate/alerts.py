"""What engineers should know of: looked for every five minutes, told once when it begins and ends.

`judge` is pure: what was measured and what is usual, to sentences. None of them names a site, a
person or an address, and counts are rounded to their first figure, so that an alert tells of a
change and never of an arrival.
"""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import msgspec
import structlog
from sqlalchemy import func, select

from accounts.attempts import FORGOTTEN
from accounts.people import People
from accounts.tokens import Tokens
from control.database import sign_in_failures
from operate.messages import Channel, Message
from operate.services import Services
from spool import reader

log = structlog.get_logger()

_HOURS = 8 * 24  # of which counts are kept: a week, and a day to compare with
# Traffic below this much in an hour may stop or double by chance.
_ENOUGH = 100
_MULTIPLIED = 5
_REFUSED_SHARE = 0.2
_FAILURES = 50
_SPOOL_SECONDS = 15 * 60
_FREE_SHARE, _FREE_BYTES = 0.1, 1024**3
_SOON = timedelta(days=14)
_SECRET_LIFE = timedelta(days=365)


class Hour(msgspec.Struct, frozen=True):
    """Events since the beginning, as they stood at an hour (seconds since 1970, UTC)."""

    at: float
    accepted: float
    refused: float


class Memory(msgspec.Struct):
    """What is known from one look to the next: a file of this node, without anybody's data."""

    hours: list[Hour] = []
    standing: dict[str, str] = {}
    unsent: dict[str, list[Message]] = {}


@dataclass(frozen=True, slots=True)
class Found:
    """What one look has found. `endings` counts what ends within two weeks, by what it is."""

    hours: tuple[Hour, ...]
    failures: int
    spool_seconds: float
    set_aside: int
    free_bytes: int
    whole_bytes: int
    endings: Mapping[str, int]
    secret_age: timedelta
    certificate_ends: datetime | None
    now: datetime


def judge(found: Found) -> dict[str, str]:
    """What is not as it should be: a sentence each, by name."""
    told = {name: rule(found) for name, rule in RULES.items()}
    return {name: says for name, says in told.items() if says}


def _traffic(found: Found) -> str:
    last, usual = _last_and_usual(found.hours, lambda hour: hour.accepted)
    if usual < _ENOUGH:
        return ""
    if last == 0:
        return f"No event was accepted in an hour that usually has about {_about(usual)}."
    if last > _MULTIPLIED * usual:
        return f"About {_about(last)} events in an hour that usually has {_about(usual)}."
    return ""


def _refusals(found: Found) -> str:
    refused, usual = _last_and_usual(found.hours, lambda hour: hour.refused)
    accepted, _ = _last_and_usual(found.hours, lambda hour: hour.accepted)
    if refused < max(_ENOUGH, 2 * usual) or refused < _REFUSED_SHARE * (accepted + refused):
        return ""
    many, often = _about(refused), _about(usual)
    return f"About {many} events and requests were refused in an hour; usually {often}."


def _sign_in(found: Found) -> str:
    if found.failures < _FAILURES:
        return ""
    return f"About {_about(found.failures)} tries to sign in have failed and are still counted."


def _spool(found: Found) -> str:
    if found.set_aside:
        return f"The store refused {found.set_aside} segments: see `spool inspect`."
    if found.spool_seconds > _SPOOL_SECONDS:
        return f"Events have waited for the store for {int(found.spool_seconds // 60)} minutes."
    return ""


def _disk(found: Found) -> str:
    if found.free_bytes > max(_FREE_BYTES, _FREE_SHARE * found.whole_bytes):
        return ""
    return f"{found.free_bytes // 1024**2} MiB are left on the disk of the home."


def _endings(found: Found) -> str:
    parts = [f"{count} {what}" for what, count in found.endings.items() if count]
    return f"Within two weeks end: {', '.join(parts)}." if parts else ""


def _secret(found: Found) -> str:
    if found.secret_age < _SECRET_LIFE:
        return ""
    return f"The secret key is {found.secret_age.days} days old: `keys rotate`."


def _certificate(found: Found) -> str:
    ends = found.certificate_ends
    if ends is None or ends - found.now > _SOON:
        return ""
    return f"The certificate of the public origin ends on {ends.date()}."


RULES: Mapping[str, Callable[[Found], str]] = {
    "traffic": _traffic,
    "refusals": _refusals,
    "sign-in": _sign_in,
    "spool": _spool,
    "disk": _disk,
    "endings": _endings,
    "secret key": _secret,
    "certificate": _certificate,
}


def _last_and_usual(hours: tuple[Hour, ...], of: Callable[[Hour], float]) -> tuple[float, float]:
    """Of the last hour, and the median of the same hour of the days before; zeros without three."""
    counts = {
        int(after.at // 3600): of(after) - of(before)
        for before, after in pairwise(hours)
        if 3000 < after.at - before.at < 4200
    }
    if not counts:
        return 0.0, 0.0
    newest = max(counts)
    before = [counts[newest - 24 * day] for day in range(1, 8) if newest - 24 * day in counts]
    return max(counts[newest], 0.0), max(median(before), 0.0) if len(before) >= 3 else 0.0


def _about(count: float) -> str:
    """To its first figure: 1,234 is 1,000."""
    whole = int(count)
    step: int = 10 ** (len(str(whole)) - 1)
    return f"{round(whole / step) * step:,}"


def look(services: Services, channels: Iterable[Channel], now: datetime) -> dict[str, str]:
    """One look: tells what has begun and what is over. Returns what stands."""
    path = services.settings.home / "alerts.json"
    memory = _remembered(path)
    _note_hour(services, memory, now)
    stands = judge(_found(services, memory, now))
    messages = [Message(name, says, now.isoformat()) for name, says in stands.items()
                if name not in memory.standing]  # fmt: skip
    messages += [Message(name, "Over.", now.isoformat()) for name in memory.standing
                 if name not in stands]  # fmt: skip
    for message in messages:
        log.warning("alert", name=message.name, reason=message.says)
    for channel in channels:
        memory.unsent[channel.name] = _sent(
            channel, [*memory.unsent.get(channel.name, ()), *messages]
        )
    memory.standing = stands
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(memory))
    draft.replace(path)
    return stands


def _sent(channel: Channel, messages: list[Message]) -> list[Message]:
    """Sends in turn; returns what could not be sent, for the next look."""
    for number, message in enumerate(messages):
        try:
            channel.send(message)
        except OSError as error:  # also what smtplib and urllib raise
            log.warning("alert not sent", name=channel.name, error=type(error).__name__)
            return messages[number:][-50:]
    return []


def _remembered(path: Path) -> Memory:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memory)
    except (FileNotFoundError, msgspec.DecodeError):
        return Memory()


def _note_hour(services: Services, memory: Memory, now: datetime) -> None:
    """Keeps the counts as they stand, once an hour."""
    at = now.timestamp()
    if memory.hours and at // 3600 == memory.hours[-1].at // 3600:
        return
    totals = services.metrics.totals()
    lost = "discreet_events_not_stored_total"
    refused = sum(
        value
        for series, value in totals.items()
        if series.startswith(lost) and 'outcome="dropped"' not in series
    )
    memory.hours.append(Hour(at, totals.get("discreet_events_accepted_total", 0.0), refused))
    del memory.hours[:-_HOURS]


def _found(services: Services, memory: Memory, now: datetime) -> Found:
    home = services.settings.home
    disk, spool = shutil.disk_usage(home), services.settings.spool
    secret = Path(services.settings.secret_key_file).stat().st_mtime
    return Found(
        hours=tuple(memory.hours),
        failures=_failures(services, now),
        spool_seconds=reader.measure(spool).seconds,
        set_aside=len(reader.refused(spool)),
        free_bytes=disk.free,
        whole_bytes=disk.total,
        endings=_ending(services, now),
        secret_age=now - datetime.fromtimestamp(secret, UTC),
        certificate_ends=certificate_ends(services.settings.public_url),
        now=now,
    )


def _failures(services: Services, now: datetime) -> int:
    """Each is counted twice, by account and by network: half of the sum."""
    here = sign_in_failures.c
    wanted = select(func.coalesce(func.sum(here.failures), 0)).where(here.last_at > now - FORGOTTEN)
    with services.control.connect() as connection:
        return int(connection.execute(wanted).scalar_one()) // 2


def _ending(services: Services, now: datetime) -> dict[str, int]:
    today = now.date()
    days = {
        "authorisations": [each.last_day for each in People(services.control).granted()],
        "tokens": [each.until for each in Tokens(services.control).all() if each.until],
    }
    return {
        what: sum(today <= day <= today + _SOON for day in found) for what, found in days.items()
    }


def certificate_ends(origin: str, port: int = 443) -> datetime | None:
    """When the certificate that the origin shows ends; None where it shows none that is good."""
    parts = urlsplit(origin)
    if parts.scheme != "https" or not parts.hostname:
        return None
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or port), timeout=5) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) as tls,
        ):
            shown = tls.getpeercert() or {}
    except OSError:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
