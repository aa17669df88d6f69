"""How figures and days read, and how a line is drawn around gaps."""

from __future__ import annotations

from datetime import date

import pytest

from dashboards import spark, text


@pytest.mark.parametrize(
    ("n", "reads"), [(None, "–"), (0, "0"), (12345, "12,345"), (1_234_567, "1.23M")]
)
def test_counts(n: int | None, reads: str) -> None:
    assert text.count(n) == reads


@pytest.mark.parametrize(
    ("seconds", "reads"),
    [(None, "–"), (0, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (185, "3m 05s"), (3720, "1h 02m")],
)
def test_durations(seconds: float | None, reads: str) -> None:
    assert text.duration(seconds) == reads


def test_shares_and_averages() -> None:
    assert text.share(0.416) == "42%"
    assert text.decimal(2.649) == "2.6"
    assert text.share(None) == text.decimal(None) == "–"


@pytest.mark.parametrize(
    ("first", "last", "reads"),
    [
        ("2026-11-03", "2026-11-03", "3 Nov 2026"),
        ("2026-11-03", "2026-11-09", "3 – 9 Nov 2026"),
        ("2026-10-28", "2026-11-09", "28 Oct – 9 Nov 2026"),
        ("2025-12-28", "2026-01-09", "28 Dec 2025 – 9 Jan 2026"),
    ],
)
def test_spans_of_days(first: str, last: str, reads: str) -> None:
    assert text.span(date.fromisoformat(first), date.fromisoformat(last)) == reads


def test_a_gap_breaks_the_line() -> None:
    first, second = spark.lines([1, 2, None, 4, 4])
    assert first.stroke == "0.0,43.5 75.0,30.0"
    assert second.stroke == "225.0,3.0 300.0,3.0"
    assert second.shape == second.stroke + " 300.0,60.0 225.0,60.0"


@pytest.mark.parametrize("values", [[], [None, None]], ids=["no points", "only gaps"])
def test_nothing_to_draw_draws_nothing(values: list[None]) -> None:
    assert spark.lines(values) == []


@pytest.mark.parametrize("values", [[5], [None, 5, None], [0]], ids=["alone", "in a gap", "zero"])
def test_a_single_point_is_still_seen(values: list[int | None]) -> None:
    (line,) = spark.lines(values)
    start, end = (float(point.split(",")[0]) for point in line.stroke.split())
    assert 0 <= start < end <= spark.WIDTH
