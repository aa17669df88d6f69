"""What a process has done, counted so that the figures of all processes add up, and `/metrics`.

Each process counts in a file of its own below `<home>/metrics`, mapped into memory: an array with
one number for each series. Every series is declared here, with its labels: none can hold a site, a
path, an address or an identifier, because nothing of a request ever becomes a label. Whoever reads
the figures adds up the files; those whose process is gone are added to `ended.json` and removed, so
that a restart takes nothing back.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import ipaddress
import mmap
import os
import secrets
import struct
import threading
import time
import weakref
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Blueprint, Response, request

from anonymize.event import DROPS, REFUSALS, REJECTIONS, Reason
from operate.heartbeat import last_beat
from spool import reader
from spool.tally import Tally
from store.loader import Attempt

if TYPE_CHECKING:
    from operate.services import Services

# Seconds; what lies above the last is in +Inf.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
# Which part of the product answers, by how the path begins; the first that fits.
_PARTS = (
    ("/v1/", "collect"),
    ("/api/event", "collect"),
    ("/pixel.gif", "collect"),
    ("/api/", "read"),
    ("/healthz", "operate"),
    ("/readyz", "operate"),
    ("/metrics", "operate"),
    ("/js/", "static"),
    ("/static/", "static"),
    ("", "pages"),
)
_PART_NAMES = tuple(dict.fromkeys(name for _, name in _PARTS))
_OUTCOMES = {
    reason: outcome
    for outcome, reasons in (("dropped", DROPS), ("rejected", REJECTIONS), ("refused", REFUSALS))
    for reason in reasons
}
_NUMBER = struct.Struct("<d")
_HEADER = 64  # the digest of the series' names, as hexadecimal text
_ENDED = "ended.json"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: its type and meaning, and the labels of each of its series."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ("",)

    def series(self) -> Iterator[str]:
        for labels in self.labels:
            if self.kind == "histogram":
                for bound in (*_BUCKETS, "+Inf"):
                    yield f"{self.name}_bucket{{{_joined(labels, f'le={_quoted(bound)}')}}}"
                yield f"{self.name}_sum{_braced(labels)}"
                yield f"{self.name}_count{_braced(labels)}"
            else:
                yield f"{self.name}{_braced(labels)}"


def _quoted(value: object) -> str:
    return f'"{value}"'


def _joined(*labels: str) -> str:
    return ",".join(label for label in labels if label)


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


_ACCEPTED = Family("discreet_events_accepted_total", "counter", "Events stored as rows.")
_LOST = Family(
    "discreet_events_not_stored_total",
    "counter",
    "Events, and whole requests where the outcome is refused, that left no row (docs/reasons.md).",
    tuple(f'outcome="{outcome}",reason="{reason}"' for reason, outcome in _OUTCOMES.items()),
)
_REQUESTS = Family(
    "discreet_requests_total",
    "counter",
    "Requests answered, by part of the product and class of status.",
    tuple(f'part="{part}",status="{n}xx"' for part in _PART_NAMES for n in range(1, 6)),
)
_LATENCY = Family(
    "discreet_request_seconds",
    "histogram",
    "From a request's arrival at a thread to its answer, without waiting for a thread.",
    tuple(f'part="{part}"' for part in _PART_NAMES),
)
_INSERTS = Family("discreet_insert_seconds", "histogram", "Inserts that the store has confirmed.")
_FAILED = Family("discreet_inserts_failed_total", "counter", "Inserts that were not confirmed.")
FAMILIES = (_ACCEPTED, _LOST, _REQUESTS, _LATENCY, _INSERTS, _FAILED)
GAUGES = (
    Family("discreet_spool_segments", "gauge", "Segments that wait for the store."),
    Family("discreet_spool_waiting_bytes", "gauge", "Their bytes."),
    Family("discreet_spool_oldest_seconds", "gauge", "Age of the oldest of them."),
    Family("discreet_spool_bytes", "gauge", "Bytes of the whole spool, as its limit counts them."),
    Family("discreet_spool_max_bytes", "gauge", "The limit."),
    Family("discreet_spool_refused_segments", "gauge", "Segments that the store refused."),
    Family("discreet_worker_beat_seconds", "gauge", "Since the worker's last sign of life."),
)
_SERIES = tuple(series for family in FAMILIES for series in family.series())
_AT = {series: _HEADER + _NUMBER.size * number for number, series in enumerate(_SERIES)}
_SIZE = _HEADER + _NUMBER.size * len(_SERIES)
_DIGEST = sha256("\n".join(_SERIES).encode()).hexdigest().encode()


@dataclass(frozen=True, slots=True)
class _Histogram:
    """Where the numbers of one histogram stand."""

    buckets: tuple[int, ...]
    sum: int
    count: int


def _histogram(family: Family, labels: str) -> _Histogram:
    bounds = (f"le={_quoted(bound)}" for bound in (*_BUCKETS, "+Inf"))
    return _Histogram(
        tuple(_AT[f"{family.name}_bucket{{{_joined(labels, bound)}}}"] for bound in bounds),
        _AT[f"{family.name}_sum{_braced(labels)}"],
        _AT[f"{family.name}_count{_braced(labels)}"],
    )


_LATENCY_AT = {part: _histogram(_LATENCY, f'part="{part}"') for part in _PART_NAMES}
_INSERTS_AT = _histogram(_INSERTS, "")
_REQUESTS_AT = {
    (part, n): _AT[f'{_REQUESTS.name}{{part="{part}",status="{n}xx"}}']
    for part in _PART_NAMES
    for n in range(1, 6)
}
_ACCEPTED_AT = _AT["discreet_events_accepted_total"]
_FAILED_AT = _AT["discreet_inserts_failed_total"]
_LOST_AT = {
    reason: _AT[f"{_LOST.name}{{{labels}}}"]
    for reason, labels in zip(_OUTCOMES, _LOST.labels, strict=True)
}


class Metrics:
    """The figures of this process. Thread-safe; a forked child counts in a file of its own.

    Nothing here fails a request: where no file can be made, nothing is counted.
    """

    _memory: mmap.mmap | None
    _lock: threading.Lock

    def __init__(self, home: Path) -> None:
        self._folder = home / "metrics"
        self._begin()
        _all.add(self)

    def appended(self, rows: int, tallies: Sequence[Tally]) -> None:
        """The spool has kept rows and tallies."""
        self._add([(_ACCEPTED_AT, rows)] + [(_LOST_AT[t.reason], t.n) for t in tallies])

    def postponed(self, reason: Reason) -> None:
        """A request was sent away to come again."""
        self._add([(_LOST_AT[reason], 1)])

    def inserted(self, attempt: Attempt) -> None:
        """The loader has made an insert."""
        if attempt.stored:
            self._add(_observed(_INSERTS_AT, attempt.seconds))
        else:
            self._add([(_FAILED_AT, 1)])

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request was answered."""
        part = next(name for start, name in _PARTS if path.startswith(start))
        self._add([*_observed(_LATENCY_AT[part], seconds), (_REQUESTS_AT[part, status // 100], 1)])

    def timed(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """The WSGI application with its answers counted."""

        def answering(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            began = time.perf_counter()
            status = "500"

            def noting(line: str, *rest: Any) -> Any:
                nonlocal status
                status = line
                return start_response(line, *rest)

            try:
                return application(environ, noting)
            finally:
                self.answered(
                    environ.get("PATH_INFO", ""), int(status[:3]), time.perf_counter() - began
                )

        return answering

    def totals(self) -> dict[str, float]:
        """Every series, added up over all processes that ever ran on this home."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        totals: Counter[str] = Counter()
        with _locked(self._folder / "lock"):
            ended = _read_ended(self._folder)
            folded = set(ended.folded)
            gone = []
            for path in self._folder.glob("*.counts"):
                if path.name in folded:  # a reader was killed between the sum and the removal
                    gone.append(path)
                    continue
                figures, dead = _figures(path)
                if dead:
                    for series, value in figures.items():
                        ended.totals[series] = ended.totals.get(series, 0.0) + value
                    gone.append(path)
                else:
                    totals.update(figures)
            if gone:
                ended.folded = [path.name for path in gone]
                _write_ended(self._folder, ended)
                for path in gone:
                    path.unlink(missing_ok=True)
            totals.update(ended.totals)
        return {series: totals[series] for series in _SERIES}

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._memory = None
        self._opened = False

    def _begin_in_child(self) -> None:
        # The parent's lock came with the fork: kept here, it would outlive the parent.
        if self._memory is not None:
            self._memory.close()
        self._begin()

    def _open(self) -> None:
        self._opened = True
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            # Under the readers' lock: without its own lock yet, the file looks like a dead one's.
            with _locked(self._folder / "lock"):
                path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.counts"
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                descriptor = os.open(path, flags, 0o600)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    os.posix_fallocate(descriptor, 0, _SIZE)
                    # It keeps a descriptor of its own, and with it the lock, while it is open.
                    self._memory = mmap.mmap(descriptor, _SIZE)
                finally:
                    os.close(descriptor)
                self._memory[:_HEADER] = _DIGEST

    def _add(self, amounts: Iterable[tuple[int, float]]) -> None:
        with self._lock:
            if not self._opened:
                self._open()
            if (memory := self._memory) is not None:
                for at, amount in amounts:
                    if amount:
                        _NUMBER.pack_into(memory, at, _NUMBER.unpack_from(memory, at)[0] + amount)


_all: weakref.WeakSet[Metrics] = weakref.WeakSet()


def _begin_in_child() -> None:
    for metrics in list(_all):
        metrics._begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)


class _Ended(msgspec.Struct):
    """The figures of processes that are gone, and the files that they come from last."""

    totals: dict[str, float] = {}
    folded: list[str] = []


def _read_ended(folder: Path) -> _Ended:
    try:
        return msgspec.json.decode((folder / _ENDED).read_bytes(), type=_Ended)
    except (FileNotFoundError, msgspec.DecodeError):
        return _Ended()


def _write_ended(folder: Path, ended: _Ended) -> None:
    draft = folder / f".{_ENDED}"
    draft.write_bytes(msgspec.json.encode(ended))
    draft.replace(folder / _ENDED)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _figures(path: Path) -> tuple[dict[str, float], bool]:
    """A file's figures, and whether its process is gone. Another version's series are left out."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            dead = True
        except BlockingIOError:
            dead = False
        data = file.read()
    if len(data) != _SIZE or data[:_HEADER] != _DIGEST:
        return {}, dead
    return {series: _NUMBER.unpack_from(data, at)[0] for series, at in _AT.items()}, dead


def _observed(histogram: _Histogram, seconds: float) -> list[tuple[int, float]]:
    """What an observation adds: to one bucket (they are summed up when read), sum and count."""
    bucket = histogram.buckets[bisect_left(_BUCKETS, seconds)]
    return [(bucket, 1), (histogram.sum, seconds), (histogram.count, 1)]


def exposition(totals: Mapping[str, float], gauges: Mapping[str, float]) -> str:
    """Prometheus' text format 0.0.4."""
    lines: list[str] = []
    for family in (*FAMILIES, *GAUGES):
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        below = 0.0
        for series in family.series():
            value = totals[series] if family.kind != "gauge" else gauges[series]
            if "_bucket{" in series:
                below = value = below + value
                below = 0.0 if 'le="+Inf"' in series else below
            lines.append(f"{series} {value:.17g}")
    return "\n".join([*lines, ""])


def _gauges(services: Services) -> dict[str, float]:
    used = reader.measure(services.settings.spool)
    beat = last_beat(services.settings.home)
    values = (
        used.segments,
        used.bytes,
        used.seconds,
        used.total,
        services.settings.spool_max_bytes,
        len(reader.refused(services.settings.spool)),
        time.time() - beat[0] if beat else float("inf"),
    )
    return {family.name: float(value) for family, value in zip(GAUGES, values, strict=True)}


def blueprint(services: Services) -> Blueprint:
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        """Exact figures would let single arrivals be watched: never for the public."""
        if not _may_read(services):
            return Response(
                "a bearer token (DISCREET_METRICS_TOKEN_FILE), or this machine itself\n",
                403,
                content_type="text/plain",
            )
        return Response(
            exposition(services.metrics.totals(), _gauges(services)),
            content_type="text/plain; version=0.0.4; charset=utf-8",
            headers={"Cache-Control": "no-store"},
        )

    return routes


def _may_read(services: Services) -> bool:
    settings = services.settings
    if settings.metrics_token_file:
        try:
            token = Path(settings.metrics_token_file).read_text().strip().encode()
        except (OSError, UnicodeDecodeError):
            return False
        given = request.environ.get("HTTP_AUTHORIZATION", "")
        return bool(token) and hmac.compare_digest(given.encode("latin-1"), b"Bearer " + token)
    # Behind a proxy everybody comes from the loopback, so there has to be no sign of one.
    return (
        not settings.trusted_proxies
        and not settings.public_url
        and _is_loopback(request.environ.get("REMOTE_ADDR", ""))
        and _host(request.environ.get("HTTP_HOST", "")) in _LOOPBACK
        and not any(name in request.environ for name in _FORWARDED)
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _host(stated: str) -> str:
    """The name in a Host header, without its port."""
    name = stated.partition("]")[0].lstrip("[") if stated.startswith("[") else stated.split(":")[0]
    return name.lower()
