"""A count of events that left no row, by site, day and reason."""

from __future__ import annotations

import msgspec

from anonymize.event import Reason


class Tally(msgspec.Struct, frozen=True):
    """What a line of a tallies segment and a row of `tallies` say. `day` is YYYY-MM-DD."""

    site: int
    day: str
    reason: Reason
    n: int
