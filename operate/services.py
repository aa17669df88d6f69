"""The parts that a process works with, built once from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Engine

from accounts.audit import Audit
from anonymize.agent import Agents
from anonymize.geo import Geo, open_geo
from anonymize.keys import KeyStore
from config.settings import Settings
from control.database import open_control
from control.objections import Objections
from control.sites import Sites
from dashboards.assets import banner_notices
from ingest.limits import Limits
from operate.metrics import Metrics
from releases.job import ReleaseJob
from releases.reading import Reading
from spool.writer import Spool
from store.clickhouse import Store
from subjects.ledger import Ledger
from subjects.requests import Requests

log = structlog.get_logger()


def now() -> datetime:
    """The clock: aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a process shares. Opening it connects to no ClickHouse and starts no thread."""

    settings: Settings
    control: Engine
    sites: Sites
    keys: KeyStore
    store: Store
    spool: Spool
    geo: Geo
    agents: Agents
    reading: Reading
    metrics: Metrics

    @property
    def late(self) -> timedelta:
        return timedelta(days=self.settings.late_days)

    @property
    def limits(self) -> Limits:
        return Limits.of(self.settings.sender_limit, self.settings.site_limit)

    @property
    def notices(self) -> Mapping[str, str]:
        return banner_notices()

    @property
    def public_host(self) -> str:
        return urlsplit(self.settings.public_url).netloc

    @property
    def audit(self) -> Audit:
        key = self.keys.lasting("audit", "")
        return Audit(self.control, key, self.settings.home / "audit.head", now)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.control, self.keys, Objections(self.control))

    @property
    def requests(self) -> Requests:
        return Requests(self.control, self.keys, self.ledger)

    def releases(self) -> ReleaseJob:
        key = self.keys.lasting("threshold", "")
        return ReleaseJob(self.store, self.control, self.sites, key, now, self.late)


def build(settings: Settings) -> Services:
    """Raises `SettingsError` for what only shows when it is used, such as a bad secret key file."""
    settings.secret_key()  # made here if it is not there, and refused here if it is no key
    control = open_control(settings.control_url)
    store = Store(settings)
    late = timedelta(days=settings.late_days)
    metrics = Metrics(settings.home)
    spool = Spool(
        settings.spool, settings.spool_fsync, settings.spool_max_bytes, observe=metrics.appended
    )
    return Services(
        settings=settings,
        control=control,
        sites=Sites(control),
        keys=KeyStore(settings.keys_url, settings.secrets(), now, late),
        store=store,
        spool=spool,
        geo=open_geo(Path(settings.geo_db)),
        agents=Agents(),
        reading=Reading(store, control),
        metrics=metrics,
    )
