"""A site with an empty store: rows go in, the job runs, and what is published is read as bytes."""

from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import select

from control.database import metadata, open_control, released_days
from control.sites import Sites
from releases.job import ReleaseJob

KEY = b"t" * 32
LATE = timedelta(days=7)


class World:
    """`now` is the clock of everything in it. The store is emptied of whoever was there before."""

    def __init__(self, store, folder, now, timezone="Europe/Brussels", k=3):
        folder.mkdir(exist_ok=True)
        self.store = store
        self.empty()
        self.url = f"sqlite:///{folder}/control.db"
        self.control = open_control(self.url)
        self.sites = Sites(self.control)
        self.site = self.sites.add("example.com", timezone, "exempt", "BE", k)
        self.now = now

    def empty(self):
        for table in ("events", "tallies", "cells"):
            self.store.command(f"TRUNCATE TABLE {table}")
        self._segments = []

    def job(self, store=None):
        """A runner of its own, as another process would have it."""
        return ReleaseJob(
            store or self.store, open_control(self.url), self.sites, KEY, lambda: self.now, LATE
        )

    def run(self):
        """(day, state) of what was computed."""
        return [(due.day, due.state) for due in self.job().run()]

    def load(self, *segments):
        for rows in segments:
            self._segments.append(rows)
            self._insert(len(self._segments), rows)

    def restart(self):
        """A loader that died before it could note what it had done sends every segment again."""
        for number, rows in enumerate(self._segments, 1):
            self._insert(number, rows)

    def _insert(self, number, rows):
        lines = msgspec.json.Encoder().encode_lines(rows)
        self.store.insert_lines("events", [lines], f"{self.url} {number}")

    def erase(self, visitor):
        """What an erasure does to the rows: a mutation, finished when it returns."""
        self.store.command(
            "ALTER TABLE events DELETE WHERE visitor = {visitor:UInt128}",
            {"visitor": visitor},
            {"mutations_sync": 2},
        )

    def shown(self):
        """The bytes of every cell that a pointer shows, but for the version's number."""
        with self.control.connect() as connection:
            versions = [row.version for row in connection.execute(select(released_days))]
        rows = self.store.query_rows(
            "SELECT hex(formatRow('RowBinary', *)) AS bytes FROM (SELECT * EXCEPT version"
            " FROM cells WHERE version IN {versions:Array(UInt32)}) ORDER BY bytes",
            {"versions": versions},
        )
        return [row[0] for row in rows]

    def everything(self):
        """The bytes of every stored cell, and every pointer with all that it says."""
        cells = self.store.query_rows(
            "SELECT hex(formatRow('RowBinary', *)) AS bytes FROM cells ORDER BY bytes"
        )
        return cells, self.pointers()

    def pointers(self):
        """Which version of which day or week is shown, in which state, computed when."""
        with self.control.connect() as connection:
            return {
                name: sorted(map(tuple, connection.execute(select(table))))
                for name, table in metadata.tables.items()
                if name.startswith("released")
            }


def noon(day):
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
