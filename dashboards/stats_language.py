"""The query language of Plausible's Stats API v2, as bytes in and one checked `Query` out.

Pure. Only the form is checked here: which fields there are, of what types. What a field may name is
`dashboards.stats_plan`'s business. Reference: https://plausible.io/docs/stats-api.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec

MOST_ROWS = 10_000
MOST_FILTERS = 8
MOST_CLAUSES = 200
_DEEPEST = 8
# What a filter may compare with is no longer than anything that a release holds.
LONGEST_CLAUSE = 2048
OPERATORS = ("is", "is_not", "contains", "contains_not")
COMPARISONS = ("previous_period", "year_over_year", "custom")
RANGES = ("day", "month", "year", "all", "7d", "28d", "30d", "91d", "6mo", "12mo")
_LONGEST_DAYS = 3653
_LONGEST_MONTHS = 120


class StatsError(ValueError):
    """A question that cannot be answered: the message names the field and says what is possible."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")


class Comparisons(msgspec.Struct, forbid_unknown_fields=True):
    """What to set the results against: the days before, a year before, or days of one's own."""

    mode: str
    date_range: list[str] | None = None


class Include(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    imports: bool = False
    time_labels: bool = False
    total_rows: bool = False
    comparisons: Comparisons | None = None


class Pagination(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = MOST_ROWS
    offset: int = 0


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """A question as it was posted. `filters` are lists of `[operator, dimension, clauses]`."""

    site_id: str
    metrics: list[str]
    date_range: str | list[str]
    dimensions: list[str] = []
    filters: list[Any] = []
    order_by: list[tuple[str, str]] | None = None
    include: Include = msgspec.field(default_factory=Include)
    pagination: Pagination = msgspec.field(default_factory=Pagination)


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on one dimension: it holds where any of the clauses does."""

    operator: str
    dimension: str
    clauses: tuple[str, ...]
    cased: bool = True

    @property
    def contains(self) -> bool:
        return self.operator.startswith("contains")

    @property
    def negated(self) -> bool:
        return self.operator.endswith("not")


_DECODER = msgspec.json.Decoder(Query)
_FIELDS = ", ".join(Query.__struct_fields__)


def decode(body: bytes) -> Query:
    """Raises `StatsError`."""
    try:
        query = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        field = path.strip(".`") or "query"
        if "missing required field" in reason or "unknown field" in reason:
            reason += f"; fields are {_FIELDS}" if field == "query" else ""
        raise StatsError(field, reason[:1].lower() + reason[1:]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise StatsError("query", "not JSON, or nested too deeply") from None
    for field in ("metrics", "dimensions"):
        names = getattr(query, field)
        if len(set(names)) < len(names):
            raise StatsError(field, "names something twice")
    if not query.metrics:
        raise StatsError("metrics", "name at least one")
    if not 1 <= query.pagination.limit <= MOST_ROWS:
        raise StatsError("pagination.limit", f"must be from 1 to {MOST_ROWS}")
    if not 0 <= query.pagination.offset < 2**31:
        raise StatsError("pagination.offset", "must be 0 or more")
    return query


def filters(query: Query) -> tuple[Filter, ...]:
    """The conditions, all of which must hold; `and` is flattened. Raises `StatsError`."""
    found = tuple(f for entry in query.filters for f in _flat(entry, _DEEPEST))
    if len(found) > MOST_FILTERS:
        raise StatsError("filters", f"more than {MOST_FILTERS}")
    return found


def _flat(entry: Any, deeper: int) -> list[Filter]:
    match entry:
        case ["and", [*entries]] if deeper:
            return [found for inner in entries for found in _flat(inner, deeper - 1)]
        case [str(operator), str(dimension), [*clauses]] if operator in OPERATORS:
            return [_filter(operator, dimension, clauses, {})]
        case [str(operator), str(dimension), [*clauses], {**modifiers}] if operator in OPERATORS:
            return [_filter(operator, dimension, clauses, modifiers)]
        case [str(operator), *_]:
            raise StatsError(
                "filters",
                f"{operator!r} with these arguments is not possible: what is published can be"
                ' filtered by ["is" or "contains" (or their _not), dimension, [clauses]], joined by'
                " and",
            )
    raise StatsError("filters", 'not of the form ["is", dimension, [clauses]]')


def _filter(operator: str, dimension: str, clauses: list[Any], modifiers: dict[Any, Any]) -> Filter:
    cased = modifiers.get("case_sensitive", True)
    if set(modifiers) - {"case_sensitive"} or not isinstance(cased, bool):
        raise StatsError("filters", 'modifiers may be {"case_sensitive": true or false} alone')
    if not 0 < len(clauses) <= MOST_CLAUSES:
        raise StatsError("filters", f"{dimension}: from 1 to {MOST_CLAUSES} clauses")
    texts = tuple(str(c) if type(c) is int else c for c in clauses)
    if not all(isinstance(text, str) and len(text) <= LONGEST_CLAUSE for text in texts):
        raise StatsError("filters", f"{dimension}: clauses must be texts")
    return Filter(operator, dimension, texts, cased)


def days(field: str, asked: str | list[str], today: date, oldest: date | None) -> tuple[date, date]:
    """The first and last local day of a range; `all` begins with `oldest`. Raises `StatsError`.

    Like on the pages, today belongs to every range that reaches it, although it is still open.
    """
    if isinstance(asked, list):
        return _between(field, asked)
    if asked == "day":
        return today, today
    if asked == "month":
        return today.replace(day=1), today
    if asked == "year":
        return today.replace(month=1, day=1), today
    if asked == "all":
        return min(oldest or today, today), today
    number, unit = asked.rstrip("dmo"), asked.lstrip("0123456789")
    if number.isdigit() and number.isascii() and len(number) < 6 and int(number) > 0:
        if unit == "d" and int(number) <= _LONGEST_DAYS:
            return today - timedelta(days=int(number) - 1), today
        if unit == "mo" and int(number) <= _LONGEST_MONTHS:
            return months_back(today.replace(day=1), int(number) - 1), today
    raise StatsError(
        field,
        f"{asked!r} is none of {', '.join(RANGES)}, nor two days such as"
        ' ["2026-05-01", "2026-05-31"]',
    )


def months_back(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    while True:
        try:
            return day.replace(year=year, month=month + 1)
        except ValueError:  # 31 June, 29 February
            day -= timedelta(days=1)


def _between(field: str, asked: list[str]) -> tuple[date, date]:
    try:
        first, last = (date.fromisoformat(text) for text in asked)
    except ValueError:
        raise StatsError(
            field,
            "only whole days are published: two days such as 2026-05-31, without a time of day",
        ) from None
    if first > last:
        raise StatsError(field, "the first day is after the last")
    if not 1970 < first.year <= last.year < 2100 or (last - first).days > _LONGEST_DAYS:
        raise StatsError(field, "at most ten years, from 1971 to 2099")
    return first, last


def compared(query: Query, first: date, last: date) -> tuple[date, date] | None:
    """The days to compare with; None where nothing is compared. Raises `StatsError`."""
    asked = query.include.comparisons
    if asked is None:
        return None
    field = "include.comparisons"
    if asked.mode not in COMPARISONS:
        raise StatsError(f"{field}.mode", f"{asked.mode!r} is none of {', '.join(COMPARISONS)}")
    if asked.mode == "custom":
        return _between(f"{field}.date_range", asked.date_range or [])
    if asked.date_range is not None:
        raise StatsError(f"{field}.date_range", "goes with the mode custom alone")
    if asked.mode == "year_over_year":
        return months_back(first, 12), months_back(last, 12)
    length = last - first + timedelta(days=1)
    return first - length, last - length
