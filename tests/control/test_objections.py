"""Objections and withdrawals on record: by pseudonym, at once here, within seconds everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError

from anonymize.basis import NO_RECORD, Record
from control.database import objections
from control.objections import Kind, Objections
from control.sites import Sites

SINCE = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIER = SINCE - timedelta(days=1)
ME, YOU = 2**128 - 1, 7


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def site(engine: Engine) -> int:
    return Sites(engine).add("example.com", "Europe/Brussels", "opt-in", "BE").id


@pytest.mark.parametrize(
    ("told", "record"),
    [
        ([], NO_RECORD),
        ([(Kind.OBJECTED, SINCE)], Record(objected=True)),
        ([(Kind.WITHDRAWN, SINCE)], Record(withdrawn=SINCE)),
        ([(Kind.WITHDRAWN, EARLIER), (Kind.WITHDRAWN, SINCE)], Record(withdrawn=SINCE)),
        ([(Kind.WITHDRAWN, SINCE), (Kind.WITHDRAWN, EARLIER)], Record(withdrawn=SINCE)),
        ([(Kind.OBJECTED, EARLIER), (Kind.WITHDRAWN, SINCE)], Record(True, SINCE)),
        ([(Kind.OBJECTED, SINCE), (Kind.OBJECTED, SINCE)], Record(objected=True)),
    ],
    ids=["nothing", "objection", "withdrawal", "later", "earlier", "both", "twice"],
)
def test_the_strongest_of_what_was_told_is_remembered(
    engine: Engine, site: int, told: list[tuple[Kind, datetime]], record: Record
) -> None:
    here, anew = Objections(engine), Objections(engine)
    assert here.of(site, [ME]) == NO_RECORD
    for kind, since in told:
        here.record(site, ME, kind, since)
    assert here.of(site, [ME]) == anew.of(site, [ME]) == record
    assert here.of(site, [YOU]) == here.of(site + 1, [ME]) == here.of(site, []) == NO_RECORD


def test_of_a_client_and_its_account_the_stronger_record_counts(engine: Engine, site: int) -> None:
    records = Objections(engine)
    records.record(site, ME, Kind.WITHDRAWN, SINCE)
    records.record(site, YOU, Kind.OBJECTED, SINCE)
    assert records.of(site, [ME, YOU]) == Record(True, SINCE)


def test_another_process_knows_after_its_time_to_live(engine: Engine, site: int) -> None:
    clock = Clock()
    elsewhere = Objections(engine, ttl=2.0, clock=clock)
    assert elsewhere.of(site, [ME]) == NO_RECORD
    Objections(engine).record(site, ME, Kind.OBJECTED, SINCE)
    clock.seconds = 1.9
    assert elsewhere.of(site, [ME]) == NO_RECORD
    clock.seconds = 2.0
    assert elsewhere.of(site, [ME]) == Record(objected=True)
    Objections(engine).record(site, YOU, Kind.WITHDRAWN, SINCE)
    clock.seconds = 4.0
    assert elsewhere.of(site, [ME, YOU]) == Record(True, SINCE)


def test_a_record_of_a_site_that_is_gone_is_refused_and_those_it_had_go_with_it(
    engine: Engine, site: int
) -> None:
    records, sites = Objections(engine), Sites(engine)
    records.record(site, ME, Kind.OBJECTED, SINCE)
    known = sites.by_domain("example.com")
    assert known is not None
    sites.remove(known)
    with pytest.raises(IntegrityError):
        records.record(site, YOU, Kind.OBJECTED, SINCE)
    with engine.connect() as connection:
        assert connection.execute(select(objections)).first() is None
