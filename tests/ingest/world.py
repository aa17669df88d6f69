"""The collecting endpoints over real parts: control database, keys, spool, all in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine

from anonymize.agent import Agents
from anonymize.event import Reason
from anonymize.geo import NoGeography
from anonymize.keys import KeyStore
from control.database import open_control
from control.sites import Site, Sites
from ingest.limits import NONE, Limits
from ingest.views import init
from spool.writer import Spool

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)


UNLIMITED = Limits(NONE, NONE)


@dataclass
class World:
    """What `ingest.views` asks for, and what a test looks at."""

    home: Path
    control: Engine
    sites: Sites
    keys: KeyStore
    spool: Spool
    site: Site
    geo: NoGeography
    agents: Agents
    late: timedelta = timedelta(days=7)
    limits: Limits = UNLIMITED
    public_host: str = ""
    notices: Mapping[str, str] = field(default_factory=lambda: {"1": "ab" * 32})

    def app(self, postponed: Callable[[Reason], None] = lambda _: None) -> Flask:
        app = Flask("ingest")
        init(app, self, postponed)
        return app

    def lines(self, kind: str) -> list[dict]:
        """Everything of a kind (`events`, `tallies`) that was spooled so far."""
        while True:
            try:
                files = sorted(self.home.joinpath("spool").rglob(f"{kind}-*"))
                return [json.loads(line) for f in files for line in f.read_bytes().splitlines()]
            except FileNotFoundError:  # sealed, and so renamed, meanwhile
                continue

    def rows(self) -> list[dict]:
        return self.lines("events")

    def tallied(self) -> dict[tuple[int, str], int]:
        counts: dict[tuple[int, str], int] = {}
        for line in self.lines("tallies"):
            key = (line["site"], line["reason"])
            counts[key] = counts.get(key, 0) + line["n"]
        return counts


def make(home: Path, max_bytes: int = 2**30, policy: str = "exempt") -> World:
    control = open_control(f"sqlite:///{home / 'control.db'}")
    sites = Sites(control)
    keys = KeyStore(f"sqlite:///{home / 'keys.db'}", b"k" * 32, lambda: datetime.now(UTC))
    spool = home / "spool"
    spool.mkdir(mode=0o700)
    return World(
        home=home,
        control=control,
        sites=sites,
        keys=keys,
        spool=Spool(spool, "never", max_bytes),
        site=sites.add("example.com", "Europe/Brussels", policy, "BE"),
        geo=NoGeography("none in this test"),
        agents=Agents(),
    )
