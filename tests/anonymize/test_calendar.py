"""The calendar: every instant has one local day, and days follow one another without a gap."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.calendar import ALWAYS, Calendar, midnight

DAY = timedelta(days=1)
# Clock changes at, before and after midnight, of half an hour, a day left out, and both ends of
# the world.
ZONES = [
    "UTC", "Europe/Brussels", "America/New_York", "America/Santiago", "Africa/Cairo",
    "Asia/Beirut", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu",
    "America/Nuuk", "Pacific/Kiritimati", "Etc/GMT+12", "America/Havana", "Africa/Casablanca",
]  # fmt: skip
# Around which the generated instants lie: clock changes, and Samoa's move across the date line.
CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC), datetime(2011, 11, 6, 2, 31, tzinfo=UTC),
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC), datetime(2026, 9, 6, 4, tzinfo=UTC),
    datetime(2026, 4, 23, 22, tzinfo=UTC), datetime(2026, 3, 8, 5, tzinfo=UTC),
]  # fmt: skip

instants = st.builds(
    lambda near, away: near + timedelta(seconds=away),
    st.sampled_from(CHANGES),
    st.integers(-5 * 86_400, 5 * 86_400),
) | st.datetimes(datetime(1971, 1, 1), datetime(2105, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def calendars_and_instants(draw):
    """A calendar of up to four zones that changes around the instant."""
    instant = draw(instants)
    first = instant.date() + draw(st.integers(-4, 2)) * DAY
    gaps = draw(st.lists(st.integers(1, 3), max_size=3))
    zones = [(ALWAYS, draw(st.sampled_from(ZONES)))]
    for gap in gaps:
        zones.insert(0, (first, draw(st.sampled_from(ZONES))))
        first += gap * DAY
    return Calendar(tuple(zones)), instant


@given(calendars_and_instants())
def test_every_instant_lies_within_its_day(drawn):
    calendar, instant = drawn
    day = calendar.local_day(instant)
    assert calendar.start(day) <= instant < calendar.end(day)


@given(calendars_and_instants())
def test_an_hour_is_told_as_the_same_hour_of_the_same_day_as_the_instants_in_it(drawn):
    calendar, instant = drawn
    begins = datetime.fromtimestamp(calendar.hour(instant), UTC)
    zone = calendar.zone_on(calendar.local_day(instant))
    assert timedelta(0) <= instant - begins < timedelta(hours=1)
    assert begins.astimezone(zone).hour == instant.astimezone(zone).hour
    assert calendar.local_day(begins) == calendar.local_day(instant)
    assert calendar.hour(begins) == calendar.hour(instant)


def test_in_every_zone_the_first_minutes_of_a_day_are_in_its_first_hour():
    for name in sorted(available_timezones()):
        calendar = Calendar.of(name)
        for day in (date(2026, 1, 15), date(2026, 7, 15)):
            start = calendar.start(day)
            assert calendar.hour(start + timedelta(minutes=5)) == start.timestamp(), name


@given(calendars_and_instants())
def test_an_instant_belongs_to_no_other_day(drawn):
    calendar, instant = drawn
    around = [instant.date() + n * DAY for n in range(-4, 5)]
    holding = [day for day in around if calendar.start(day) <= instant < calendar.end(day)]
    assert holding == [calendar.local_day(instant)]


@given(calendars_and_instants())
def test_days_never_run_backwards_and_none_ends_before_it_starts(drawn):
    calendar, instant = drawn
    around = [instant.date() + n * DAY for n in range(-6, 7)]
    starts = [calendar.start(day) for day in around]
    assert starts == sorted(starts)
    assert all(calendar.end(day) == calendar.start(day + DAY) for day in around)


@given(calendars_and_instants())
def test_a_day_ends_at_the_midnight_of_its_zone(drawn):
    """So the day key, which goes by that zone, is destroyed when the site's day is over."""
    calendar, instant = drawn
    day = calendar.local_day(instant)
    assert calendar.end(day) == midnight(calendar.zone_on(day).key, day + DAY)


@given(calendars_and_instants())
def test_no_day_begins_more_than_26_hours_before_the_midnight_of_its_zone(drawn):
    """So its key can be made when its first event comes."""
    calendar, instant = drawn
    day = calendar.local_day(instant)
    assert midnight(calendar.zone_on(day).key, day) - calendar.start(day) <= timedelta(hours=26)


@given(calendars_and_instants(), st.sampled_from(ZONES))
def test_a_change_to_come_moves_nothing_that_was(drawn, zone):
    calendar, instant = drawn
    after = max(calendar.local_day(instant), calendar.zones[0][0]) + DAY
    changed = Calendar(((after, zone), *calendar.zones))
    day = calendar.local_day(instant)
    assert changed.local_day(instant) == day
    assert (changed.start(day), changed.end(day)) == (calendar.start(day), calendar.end(day))
    assert changed.zone_at(instant) == calendar.zone_at(instant)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        pytest.param("Europe/Brussels", "2026-06-01", 24, id="a plain day"),
        pytest.param("Europe/Brussels", "2026-03-29", 23, id="clocks go forward"),
        pytest.param("Europe/Brussels", "2026-10-25", 25, id="clocks go back"),
        pytest.param("Africa/Cairo", "2026-04-24", 23, id="midnight is skipped"),
        pytest.param("America/Havana", "2026-11-01", 25, id="midnight comes twice"),
        pytest.param("Pacific/Apia", "2011-12-30", 0, id="a day that Samoa left out"),
    ],
)
def test_a_local_day_has_as_many_hours_as_its_zone_says(zone, day, hours):
    calendar, day = Calendar.of(zone), date.fromisoformat(day)
    assert calendar.end(day) - calendar.start(day) == timedelta(hours=hours)


def test_the_hour_that_comes_back_across_midnight_stays_with_the_new_day():
    """St. John's, 2010: at 00:01 clocks went back to 23:01 of the day before."""
    calendar = Calendar.of("America/St_Johns")
    after = datetime(2010, 11, 7, 2, 45, tzinfo=UTC)
    assert after.astimezone(ZoneInfo("America/St_Johns")).date() == date(2010, 11, 6)
    assert calendar.local_day(after) == date(2010, 11, 7)


@pytest.mark.parametrize(
    ("old", "new", "first_hours"),
    [
        pytest.param("Europe/Brussels", "America/New_York", 30, id="west: longer"),
        pytest.param("Europe/Brussels", "Asia/Tokyo", 16, id="east: shorter"),
        pytest.param("Europe/Brussels", "Europe/Paris", 24, id="a zone of the same hours"),
        pytest.param("Pacific/Kiritimati", "Etc/GMT+12", 50, id="as far west as can be"),
        pytest.param("Etc/GMT+12", "Pacific/Kiritimati", 0, id="as far east: an empty day"),
    ],
)
def test_the_first_day_of_a_new_zone_takes_the_difference(old, new, first_hours):
    first = date(2026, 11, 23)
    calendar = Calendar(((first, new), (ALWAYS, old)))
    assert calendar.end(first - DAY) == calendar.start(first) == midnight(old, first)
    assert calendar.end(first) - calendar.start(first) == timedelta(hours=first_hours)
    after = calendar.end(first + DAY) - calendar.start(first + DAY)
    assert after == timedelta(hours=22 if first_hours == 0 else 24)
