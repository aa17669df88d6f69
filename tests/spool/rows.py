"""Rows and tallies to put into a spool."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from anonymize.event import Basis, Purpose, Reason, Row
from spool.tally import Tally

TODAY = datetime.now(UTC).date()


def day(offset: int) -> str:
    """A day from today, as rows state days."""
    return (TODAY + timedelta(days=offset)).isoformat()


def row(number: int, **fields: Any) -> Row:
    """A row whose event id is `number`; alive for sixty days unless `fields` says otherwise."""
    at = int(datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC).timestamp())
    given = {
        "site": 1,
        "day": day(0),
        "time": at,
        "received": at,
        "event_id": number,
        "basis": Basis.EXEMPT,
        "purposes": (Purpose.AUDIENCE,),
        "expires": day(60),
        "visitor": str(2**128 - 1 - number),
        "name": "pageview",
        "hostname": "example.com",
        "page": f"/{number}",
    }
    return Row(**(given | fields))


def tally(n: int, reason: Reason = Reason.TOO_OLD) -> Tally:
    return Tally(1, day(0), reason, n)
