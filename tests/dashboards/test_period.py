"""Which days a period means, at fixed days: month ends, leap years, clock changes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.calendar import Calendar
from dashboards.period import CHOICES, MOST_DAYS, PeriodError, choose, days, hours, months


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("key", "today", "expected", "before"),
    [
        pytest.param("day", "2026-03-01", "2026-03-01/2026-03-01", "2026-02-28/2026-02-28"),
        pytest.param("7d", "2026-03-03", "2026-02-25/2026-03-03", "2026-02-18/2026-02-24"),
        pytest.param("28d", "2026-11-22", "2026-10-26/2026-11-22", "2026-09-28/2026-10-25"),
        pytest.param("30d", "2024-03-01", "2024-02-01/2024-03-01", "2024-01-02/2024-01-31"),
        pytest.param("month", "2026-11-22", "2026-11-01/2026-11-22", "2026-10-01/2026-10-22"),
        pytest.param("month", "2026-03-31", "2026-03-01/2026-03-31", "2026-02-01/2026-02-28"),
        pytest.param("month", "2026-01-01", "2026-01-01/2026-01-01", "2025-12-01/2025-12-01"),
        pytest.param("last-month", "2026-03-31", "2026-02-01/2026-02-28", "2026-01-01/2026-01-31"),
        pytest.param("last-month", "2024-03-05", "2024-02-01/2024-02-29", "2024-01-01/2024-01-31"),
        pytest.param("last-month", "2026-01-15", "2025-12-01/2025-12-31", "2025-11-01/2025-11-30"),
        pytest.param("12mo", "2026-11-22", "2025-12-01/2026-11-22", "2024-12-01/2025-11-22"),
        pytest.param("12mo", "2024-02-29", "2023-03-01/2024-02-29", "2022-03-01/2023-02-28"),
    ],
)
def test_a_choice_means_these_days(key: str, today: str, expected: str, before: str) -> None:
    period = choose(key, "", "", day(today))
    assert f"{period.first}/{period.last}" == expected
    assert f"{period.before_first}/{period.before_last}" == before


def test_a_custom_period_is_compared_with_as_many_days_before() -> None:
    period = choose("custom", "2015-05-17", "2015-05-20", day("2026-11-22"))
    assert (period.first, period.last) == (day("2015-05-17"), day("2015-05-20"))
    assert (period.before_first, period.before_last) == (day("2015-05-13"), day("2015-05-16"))
    assert period.query == {"period": "custom", "from": "2015-05-17", "to": "2015-05-20"}


def test_a_custom_period_ends_today_at_the_latest() -> None:
    assert choose("custom", "2026-11-01", "2026-12-31", day("2026-11-22")).last == day("2026-11-22")


@pytest.mark.parametrize(
    ("key", "first", "last", "names"),
    [
        pytest.param("fortnight", "", "", "period", id="no such choice"),
        pytest.param("custom", "", "2026-01-01", "from", id="no beginning"),
        pytest.param("custom", "2026-01-01", "soon", "to", id="no day"),
        pytest.param("custom", "2026-02-30", "2026-03-01", "from", id="a day that never was"),
        pytest.param("custom", "2026-03-02", "2026-03-01", "from", id="backwards"),
        pytest.param("custom", "2027-01-01", "2027-01-02", "from", id="in the future"),
        pytest.param("custom", "2000-01-01", "2026-01-01", "to", id="too long"),
        pytest.param("custom", "0001-01-01", "0001-01-09", "from", id="nothing before it"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(
    key: str, first: str, last: str, names: str
) -> None:
    with pytest.raises(PeriodError, match=f"^{names}:"):
        choose(key, first, last, day("2026-11-22"))


@given(key=st.sampled_from(sorted(CHOICES)), today=st.dates(day("1990-01-01"), day("2100-12-31")))
def test_every_choice_comes_after_what_it_is_compared_with(key: str, today: date) -> None:
    period = choose(key, "", "", today)
    assert period.before_first <= period.before_last < period.first <= period.last <= today
    parts = list(months(period.first, period.last))
    assert [parts[0][0], parts[-1][1]] == [period.first, period.last]
    assert [d for first, last in parts for d in days(first, last)] == list(
        days(period.first, period.last)
    )


@pytest.mark.parametrize(
    ("length", "interval"), [(1, "hour"), (2, "day"), (MOST_DAYS, "day"), (MOST_DAYS + 1, "month")]
)
def test_the_longer_the_period_the_coarser_its_chart(length: int, interval: str) -> None:
    first = day("2026-01-01")
    last = first + timedelta(days=length - 1)
    assert choose("custom", str(first), str(last), last).interval == interval


@pytest.mark.parametrize(
    ("zone", "on", "missing", "number"),
    [
        pytest.param("Europe/Brussels", "2026-03-28", [], 24, id="an ordinary day"),
        pytest.param("Europe/Brussels", "2026-03-29", [2], 23, id="clocks go forward"),
        pytest.param("Europe/Brussels", "2026-10-25", [], 24, id="clocks go back: 02 comes twice"),
        pytest.param("America/Santiago", "2026-09-06", [0], 23, id="midnight does not exist"),
        pytest.param("Australia/Lord_Howe", "2026-10-04", [], 24, id="half an hour forward"),
        pytest.param("Asia/Kathmandu", "2026-05-05", [], 24, id="a zone of quarter hours"),
    ],
)
def test_a_day_has_the_hours_that_its_clocks_show(
    zone: str, on: str, missing: list[int], number: int
) -> None:
    calendar = Calendar.of(zone)
    found = hours(calendar.start(day(on)), calendar.end(day(on)), calendar.zone_on(day(on)))
    assert len(found) == number
    assert found == sorted(set(range(24)) - set(missing))


def test_a_day_that_a_change_of_zone_shortens_has_fewer_hours() -> None:
    first = day("2026-11-23")
    calendar = Calendar(((first, "Asia/Tokyo"), (date.min, "Europe/Brussels")))
    found = hours(calendar.start(first), calendar.end(first), calendar.zone_on(first))
    assert found == list(range(8, 24))
