"""`import-log`: replays an access log through the collector, as a whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, delete, insert
from tqdm import tqdm

from anonymize.event import Accepted, Dropped, Outcome, Reason
from anonymize.keys import EphemeralKeys
from control.database import imported_days
from control.sites import Site
from ingest.access_log import LINE_BYTES, read_line
from ingest.collector import Collector
from ingest.final_days import final_days
from ingest.wire import Item
from operate.commands import as_json, known_site, show, with_services
from operate.jobs import finish_import
from operate.services import Services, now
from spool.importing import Import

_BATCH = 1000  # lines between two writes
_SHOWN = 5  # numbers of unparsable lines in the report


class Damaged(Exception):
    """The file ends in the middle or is not what it claims; nothing of it was kept."""


@dataclass(slots=True)
class Report:
    """What became of each line. `read` is the sum of the rest, but for `bots`, part of `stored`."""

    read: int = 0
    stored: int = 0
    bots: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    unparsable_lines: list[int] = field(default_factory=list)
    days: set[str] = field(default_factory=set)

    def count(self, line: int, outcome: Outcome) -> None:
        self.read += 1
        if isinstance(outcome, Accepted):
            self.stored += 1
            self.bots += bool(outcome.row.bot)
            self.days.add(outcome.row.day)
        elif isinstance(outcome, Dropped):
            self.dropped[outcome.reason.value] += 1
        else:
            self.rejected[outcome.reason.value] += 1
            if outcome.reason is Reason.UNPARSABLE_LINE and len(self.unparsable_lines) < _SHOWN:
                self.unparsable_lines.append(line)

    @property
    def adds_up(self) -> bool:
        return self.read == self.stored + self.dropped.total() + self.rejected.total()

    def facts(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "stored": self.stored,
            "bots": self.bots,
            "dropped": dict(self.dropped.most_common()),
            "rejected": dict(self.rejected.most_common()),
            "unparsable_lines": self.unparsable_lines,
            "days": sorted(self.days),
            "adds_up": self.adds_up,
        }

    def lines(self) -> list[str]:
        told = [
            f"{self.read:>9,} lines read",
            f"{self.stored:>9,} stored, of which {self.bots:,} of bots",
        ]
        told += [f"{n:>9,} dropped: {reason}" for reason, n in self.dropped.most_common()]
        told += [f"{n:>9,} rejected: {reason}" for reason, n in self.rejected.most_common()]
        if self.unparsable_lines:
            numbers = ", ".join(map(str, self.unparsable_lines))
            told.append(f"          the first lines that could not be read: {numbers}")
        total = self.stored + self.dropped.total() + self.rejected.total()
        verdict = "adds up" if self.adds_up else "DOES NOT ADD UP: please report this"
        told.append(f"stored + dropped + rejected = {total:,}, read = {self.read:,}: {verdict}")
        if self.dropped[Reason.DAY_FINAL] and not self.stored:
            told.append("imported before: its days are final, and nothing was counted twice")
        if self.days:
            told.append(f"{len(self.days)} days, {min(self.days)} to {max(self.days)}")
        return told


def numbered(file: io.BufferedIOBase) -> Iterator[tuple[int, str, str]]:
    """Number, text and digest of each line; '' stands for one too long to be a log line.

    The digest is of everything up to the line's end, so it is the same however often the file is
    read, packed or not, and when more lines were added to it since.
    """
    digest = hashlib.sha256()
    number = 0
    while line := file.readline(LINE_BYTES):
        number += 1
        digest.update(line)
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        while not line.endswith(b"\n") and (line := file.readline(LINE_BYTES)):
            digest.update(line)
            text = ""
        yield number, text, digest.copy().hexdigest()


def replay(file: io.BufferedIOBase, site: Site, collector: Collector, moment: datetime) -> Report:
    """Every line through the collector, in constant memory. Raises `Damaged`."""
    report = Report()
    batch: list[tuple[int, Item]] = []

    def flush() -> None:
        outcomes = collector.collect(site, [item for _, item in batch], moment, counted=None)
        for (number, _), outcome in zip(batch, outcomes, strict=True):
            report.count(number, outcome)
        batch.clear()

    try:
        for number, text, digest in numbered(file):
            batch.append((number, read_line(text, site.domain, moment, digest)))
            if len(batch) == _BATCH:
                flush()
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Damaged(f"the file is damaged after line {report.read + len(batch)}") from None
    flush()
    return report


def publish(services: Services, rows: Import, days: dict[Site, set[str]]) -> None:
    """Makes an import visible and its days known as imported, in one go.

    Raises `Damaged` where one of the days became final meanwhile, by another import.
    """
    for site, filled in days.items():
        if late := filled & final_days(services.control, site):
            raise Damaged(f"{len(late)} days became final during the import: start it again")
    # Recorded first: a day without rows does no harm, rows whose day is unknown would.
    # The moment is that of publishing, after every segment was begun: while one of them waits to
    # be loaded, what is loaded reaches less far, and the day cannot become final.
    with services.control.begin() as connection:
        for site, filled in days.items():
            if filled:
                _record(connection, site, filled, now())
    rows.publish()


def _record(connection: Connection, site: Site, days: set[str], moment: datetime) -> None:
    filled = [date.fromisoformat(day) for day in sorted(days)]
    known = (imported_days.c.site == site.id) & imported_days.c.day.in_(filled)
    connection.execute(delete(imported_days).where(known))
    connection.execute(
        insert(imported_days),
        [{"site": site.id, "day": day, "imported_at": moment} for day in filled],
    )


def plain(file: io.BufferedReader) -> io.BufferedIOBase:
    """The file as plain bytes: gzip is told by its first two bytes (RFC 1952)."""
    return gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file


class _Watched(io.RawIOBase):
    """A file that shows how far it was read."""

    def __init__(self, file: io.FileIO, bar: Any) -> None:
        self._file = file
        self._bar = bar

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = self._file.readinto(buffer)
        self._bar.update(n)
        return n


@click.command("import-log")
@click.argument(
    "file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False, exists=True)
)
@click.option("--site", "domain", required=True, help="The domain of the site that the log is of.")
@as_json
@with_services
def command(services: Services, file: Path, domain: str, json_: bool) -> None:
    """Replays an access log FILE (common or combined format, plain or gzip; - for stdin).

    It is anonymised here, before anything is written. Its days become final when it ends. It may
    be repeated without counting anything twice, and one that is interrupted leaves nothing.
    """
    site = known_site(services, domain)
    moment = now()
    final = final_days(services.control, site)
    try:
        with Import(services.settings.spool) as rows:
            collector = Collector(
                rows,
                EphemeralKeys(services.keys),
                services.geo,
                services.agents,
                late=None,
                final_days=lambda _: final,
            )
            with _reading(file) as source:
                report = replay(source, site, collector, moment)
            if report.rejected[Reason.UNPARSABLE_LINE] == report.read:
                raise Damaged(
                    f"this is no access log: none of its {report.read:,} lines is in the common"
                    " or combined format"
                )
            publish(services, rows, {site: report.days})
    except Damaged as error:
        raise click.ClickException(f"{error}; nothing was imported") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise click.ClickException(f"{reason}; nothing was imported") from None
    show(report.facts(), json_, report.lines)
    if report.days:
        finish_import(services, site, lambda words: click.echo(words, err=True))


@contextmanager
def _reading(path: Path) -> Iterator[io.BufferedIOBase]:
    """The log's plain bytes, with a progress bar on a terminal."""
    dash = str(path) == "-"
    with (
        open(0 if dash else path, "rb", buffering=0, closefd=not dash) as file,
        tqdm(
            total=None if dash else path.stat().st_size,
            desc="anonymising",
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar,
    ):
        yield plain(io.BufferedReader(_Watched(file, bar)))
