"""Which local day of a site an instant belongs to, also where its clocks or its zone change.

Every instant belongs to exactly one day, and a day begins where the one before it ends:

- In one zone a day begins at its first midnight on the wall clock. Midnights that clocks skip or
  show twice change nothing of that.
- A new zone holds from a day on. The day before ends as it would have, the new zone's first day
  begins there, and ends at its midnight in the new zone. A change to the west therefore makes this
  first day longer, a change to the east shorter; where the new zone is so far east that the day is
  over there already, the day is empty and the next begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
ALWAYS = date.min  # the day from which a site's first zone holds

Zones = tuple[tuple[date, str], ...]


class Moment(NamedTuple):
    """When something happened, in Unix seconds: to the second, and where its local hour began."""

    second: int
    hour: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """A site's days. `zones` are the days from which IANA time zones hold, the latest first.

    The last of them holds from `ALWAYS`, each other from a later day than the next.
    """

    zones: Zones

    @classmethod
    def of(cls, timezone: str) -> Calendar:
        """The days of a site whose time zone never changed."""
        return cls(((ALWAYS, timezone),))

    def local_day(self, instant: datetime) -> date:
        """The day that an aware `instant` belongs to: `start(day) <= instant < end(day)`."""
        from_day, zone = self.zones[self._in_force(instant)]
        return max(from_day, _day(zone, instant))

    def start(self, day: date) -> datetime:
        """The first instant of a day, in UTC. An empty day starts where it ends."""
        entry = self._holding(day)
        from_day, zone = self.zones[entry]
        if from_day == ALWAYS:
            return midnight(zone, day)
        begins = _begins(self.zones[entry:])
        return begins if day == from_day else max(begins, midnight(zone, day))

    def end(self, day: date) -> datetime:
        """The instant at which a day is over and the next begins, in UTC."""
        return self.start(day + _DAY)

    def zone_on(self, day: date) -> ZoneInfo:
        """The zone by whose clocks a day ends, and by which its hours are told."""
        return ZoneInfo(self.zones[self._holding(day)][1])

    def zone_at(self, instant: datetime) -> ZoneInfo:
        """The zone in force at an aware `instant`."""
        return ZoneInfo(self.zones[self._in_force(instant)][1])

    def hour(self, instant: datetime) -> int:
        """When the local hour of an aware `instant` began, in Unix seconds.

        It is told as the same hour of the same day: clocks that are half an hour apart from UTC, or
        put forward by half of one, begin their hours elsewhere than UTC does.
        """
        return _hour(self.zones, int(instant.timestamp()) // 60)

    def _holding(self, day: date) -> int:
        return next(n for n, (from_day, _) in enumerate(self.zones) if from_day <= day)

    def _in_force(self, instant: datetime) -> int:
        for n in range(len(self.zones) - 1):
            if _begins(self.zones[n:]) <= instant:
                return n
        return len(self.zones) - 1


@lru_cache(maxsize=1024)
def _begins(zones: Zones) -> datetime:
    """When the first of `zones` comes into force: where the last day before it ends."""
    return Calendar(zones[1:]).start(zones[0][0])


@lru_cache(maxsize=4096)
def _hour(zones: Zones, minute: int) -> int:
    """`Calendar.hour` of a minute since 1970."""
    calendar, instant = Calendar(zones), datetime.fromtimestamp(minute * 60, UTC)
    day = calendar.local_day(instant)
    zone = calendar.zone_on(day)
    wall = instant.astimezone(zone)
    past = timedelta(minutes=wall.minute, seconds=wall.second)
    begins = instant - past
    while past and (begins.astimezone(zone).hour != wall.hour or calendar.local_day(begins) != day):
        step = min(_MINUTE, past)
        begins, past = begins + step, past - step
    return int(begins.timestamp())


@lru_cache(maxsize=4096)
def midnight(timezone: str, day: date) -> datetime:
    """When a day begins in one zone, in UTC: at the first of two midnights, or where one is
    skipped when it would have been."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(UTC)


def _day(timezone: str, instant: datetime) -> date:
    """The day of one zone. Where clocks are put back across midnight, the wall shows the old date
    again after the new one has begun."""
    day = instant.astimezone(ZoneInfo(timezone)).date()
    if instant < midnight(timezone, day):
        return day - _DAY
    return day if instant < midnight(timezone, day + _DAY) else day + _DAY
