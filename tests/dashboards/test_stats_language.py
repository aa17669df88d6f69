"""The query language: every body is a question or a refusal, and ranges are whole days."""

import re
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.stats_language import StatsError, compared, days, decode, filters, months_back

TODAY = date(2026, 11, 22)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
FIELDS = ("site_id", "metrics", "date_range", "dimensions", "filters", "order_by", "include",
          "pagination")  # fmt: skip


def question(**fields):
    asked = {"site_id": "example.com", "metrics": ["visitors"], "date_range": "7d"} | fields
    return decode(msgspec.json.encode(asked))


@given(st.binary(max_size=200) | JSON.map(msgspec.json.encode))
def test_any_body_is_a_question_or_refused(body):
    with pytest.raises(StatsError):
        decode(body)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_value_of_any_field_is_taken_or_refused_by_name(fields):
    assert re.match("|".join((*FIELDS, "query", "taken")), outcome(fields))


def outcome(fields):
    try:
        query = question(**fields)
        filters(query)
        days("date_range", query.date_range, TODAY, None)
        compared(query, TODAY, TODAY)
    except StatsError as error:
        return str(error)
    return "taken"


@pytest.mark.parametrize("depth", [9, 900, 30_000])
def test_what_is_nested_too_deeply_is_refused(depth):
    nested = b'["and",[' * depth + b"]]" * depth
    head = b'{"site_id":"a","metrics":["visitors"],"date_range":"day","filters":['
    with pytest.raises(StatsError):
        filters(decode(head + nested + b"]}"))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("day", "2026-11-22", "2026-11-22"),
        ("7d", "2026-11-16", "2026-11-22"),
        ("28d", "2026-10-26", "2026-11-22"),
        ("30d", "2026-10-24", "2026-11-22"),
        ("month", "2026-11-01", "2026-11-22"),
        ("6mo", "2026-06-01", "2026-11-22"),
        ("12mo", "2025-12-01", "2026-11-22"),
        ("year", "2026-01-01", "2026-11-22"),
        ("all", "2024-02-29", "2026-11-22"),
        (["2026-05-01", "2026-05-31"], "2026-05-01", "2026-05-31"),
    ],
    ids=str,
)
def test_ranges(asked, first, last):
    found = days("date_range", asked, TODAY, date(2024, 2, 29))
    assert found == (date.fromisoformat(first), date.fromisoformat(last))


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 120))
def test_months_back_land_in_the_month_meant(day, months):
    found = months_back(day, months)
    assert found.year * 12 + found.month == day.year * 12 + day.month - months
    assert found.day == day.day or (found + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ({"mode": "previous_period"}, ("2026-05-24", "2026-05-30")),
        ({"mode": "year_over_year"}, ("2025-05-31", "2025-06-06")),
        ({"mode": "custom", "date_range": ["2026-01-01", "2026-01-07"]},
         ("2026-01-01", "2026-01-07")),
    ],
    ids=["previous", "year", "custom"],
)  # fmt: skip
def test_comparisons(mode, expected):
    query = question(include={"comparisons": mode})
    found = compared(query, date(2026, 5, 31), date(2026, 6, 6))
    assert found == tuple(map(date.fromisoformat, expected))
