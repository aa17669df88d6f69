"""What somebody looks at: period, comparison, figure, filters. All of it lives in the address.

A filter is a parameter named after its table, such as `country=BE`; the empty value is what is not
known. Names and values come from strangers: nothing of them is repeated in a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from werkzeug.datastructures import MultiDict

from control.definitions import Definitions, Segment
from control.sites import Site
from dashboards import period as periods
from dashboards import stats_plan
from dashboards.measures import METRICS
from dashboards.period import Period, PeriodError
from dashboards.stats_language import LONGEST_CLAUSE, Query, StatsError
from dashboards.stats_plan import Plan
from releases.tables import OTHER, Dimension

MOST_FILTERS = 2  # the most that is published together (docs/disclosure.md)
Filters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Look:
    """`metric` is the chart's, '' for the first; `interval` what its points stand for. `against`
    are the days compared with. `filters` are tables and values. `tabs` say what each card shows.
    """

    site: Site
    period: Period
    today: date
    compare: str = "previous"
    against: tuple[date, date] | None = None
    interval: str = "day"
    metric: str = ""
    filters: Filters = ()
    segment: Segment | None = None
    tabs: Mapping[str, str] = field(default_factory=dict)

    @property
    def filtered(self) -> bool:
        return bool(self.filters or self.segment)

    def query(self, **changes: str) -> dict[str, str]:
        """The parameters that lead back here, with these changed; '' takes one away."""
        found = dict(self.period.query)
        if self.compare != "previous":
            found["compare"] = self.compare
        if self.compare == "custom" and self.against:
            found |= {"since": str(self.against[0]), "until": str(self.against[1])}
        if self.interval != self.period.interval:
            found["by"] = self.interval
        if self.metric:
            found["metric"] = self.metric
        if self.segment:
            found["segment"] = self.segment.number
        found |= dict(self.filters)
        found |= self.tabs
        # An empty value is a filter too, so what is taken away is named.
        return {k: v for k, v in (found | changes).items() if v or k not in changes}

    @property
    def rest(self) -> dict[str, str]:
        """The parameters beside the period's."""
        return {k: v for k, v in self.query().items() if k not in self.period.query}

    @property
    def comparing(self) -> dict[str, str]:
        """The parameters beside the comparison's."""
        return {k: v for k, v in self.query().items() if k not in ("compare", "since", "until")}

    def filtering(self, table: str, value: str) -> dict[str, str]:
        """The same with this filter: beside others, or instead of the one of its table."""
        filters = tuple((t, v) for t, v in self.filters if t != table)
        if len(filters) >= MOST_FILTERS:
            filters = filters[1:]
        return replace(self, filters=(*filters, (table, value))).query()

    def showing(self, card: str, tab: str) -> dict[str, str]:
        """The same with another table in a card."""
        return replace(self, tabs={**self.tabs, card: tab}).query()

    def within(self, segment: Segment) -> dict[str, str]:
        """The same in a segment: it and filters do not go together."""
        return replace(self, segment=segment, filters=()).query()

    def without(self, table: str) -> dict[str, str]:
        return replace(self, filters=tuple((t, v) for t, v in self.filters if t != table)).query()

    def without_segment(self) -> dict[str, str]:
        return replace(self, segment=None).query()


def look(
    site: Site,
    asked: MultiDict[str, str],
    today: date,
    definitions: Definitions,
    tabs: Mapping[str, Sequence[str]],
) -> Look:
    """What an address asks for. Raises `PeriodError`, which says what is wrong with it."""
    key = asked.get("period", periods.DEFAULT)
    period = periods.choose(key, asked.get("from", ""), asked.get("to", ""), today)
    compare = asked.get("compare", "previous")
    against = periods.compared(period, compare, asked.get("since", ""), asked.get("until", ""))
    interval = asked.get("by", period.interval)
    metric = asked.get("metric", "")
    return Look(
        site=site,
        period=period,
        today=today,
        compare=compare,
        against=against,
        interval=interval if interval in period.intervals else period.interval,
        metric=metric if metric in {m.key for m in METRICS[1:]} else "",
        filters=_filters(site, asked),
        segment=_segment(site, asked.get("segment", ""), definitions),
        tabs={card: tab for card, known in tabs.items() if (tab := asked.get(card, "")) in known},
    )


def _filters(site: Site, asked: MultiDict[str, str]) -> Filters:
    known = by_table(site)
    found = tuple(
        (table, value)
        for table, value in asked.items()
        if table in known and table != "hour" and value != OTHER
    )
    if len(found) > MOST_FILTERS:
        raise PeriodError(f"filters: at most {MOST_FILTERS}, a segment declares what goes beyond")
    if any(len(value) > LONGEST_CLAUSE or not value.isprintable() for _, value in found):
        raise PeriodError("filters: a value is too long, or no text")
    return found


def _segment(site: Site, number: str, definitions: Definitions) -> Segment | None:
    """A segment that is gone filters nothing: the link to it leads to the page without it."""
    if not number:
        return None
    return next((s for s in definitions.segments(site) if s.number == number), None)


def by_table(site: Site) -> dict[str, Dimension]:
    """What may be asked of a site, by the names of tables."""
    return {d.name: d for d in stats_plan.dimensions(site).values()}


class Asking:
    """Turns what is looked at into questions to releases, by the rules of the stats API."""

    def __init__(self, look: Look, definitions: Definitions) -> None:
        self._look = look
        self._definitions = definitions
        self._tables = by_table(look.site)

    def plan(
        self,
        *dimensions: str,
        first: date | None = None,
        last: date | None = None,
        metrics: tuple[str, ...] = ("visitors",),
        only: Filters = (),
    ) -> Plan:
        """A question by these dimensions (tables, or `time:…`, or the contract's own names), over
        the period or other days, with what is looked at and `only` as its filters.

        Raises `StatsError` for what is not published.
        """
        look = self._look
        # What a table is narrowed to anyway is no second filter.
        filters = {**dict(look.filters), **dict(only)}
        if any(dict(look.filters).get(table, value) != value for table, value in only):
            raise StatsError("filters", "two values of one dimension exclude each other")
        conditions: list[list[object]] = [
            ["is", self._contract(table), [value or self._empty(table)]]
            for table, value in filters.items()
        ]
        if look.segment:
            conditions.append(["is", "segment", [look.segment.number]])
        days = [str(first or look.period.first), str(last or look.period.last)]
        query = Query(
            site_id=look.site.domain,
            metrics=list(metrics),
            date_range=days,
            dimensions=[self._contract(name) for name in dimensions],
            filters=conditions,
        )
        return stats_plan.plan(query, look.site, look.today, None, self._definitions)

    def published(self, metric: str, *dimensions: str, only: Filters = ()) -> bool:
        """Whether a figure may be asked for here at all."""
        try:
            self.plan(*dimensions, metrics=(metric,), only=only)
        except StatsError:
            return False
        return True

    def _contract(self, name: str) -> str:
        return self._tables[name].contract if name in self._tables else name

    def _empty(self, table: str) -> str:
        contract = self._contract(table)
        return stats_plan.EMPTY.get(contract, stats_plan.NOT_SET)
