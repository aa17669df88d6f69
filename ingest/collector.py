"""From decoded events to the spool: the pipeline for each, one append for all of a request.

Used alike by the HTTP endpoints, the log import and the demo, so that there is one way in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from anonymize.agent import Agents
from anonymize.basis import CATEGORIES, Recorded
from anonymize.event import (
    Accepted,
    Dropped,
    Outcome,
    RawEvent,
    Reason,
    Rejected,
    Row,
)
from anonymize.exclusion import Exclusions
from anonymize.geo import Geo
from anonymize.keys import Keys
from anonymize.pipeline import Context, SitePolicy, anonymize
from control.sites import Site
from ingest.wire import Item
from spool.tally import Tally

NO_SITE = 0  # the tallies' site where a request names none that is known


class Sink(Protocol):
    """Where rows go: the spool, or an import that becomes visible as a whole."""

    def append(self, rows: Sequence[Row], tallies: Sequence[Tally] = ()) -> None:
        """Returns once they are kept. Raises `spool.writer.SpoolFull` or `OSError`."""
        ...


class Collector:
    """Takes events in, of which nothing raw remains when `collect` returns.

    `late` is the late window, None for an operator's import. `final_days` gives the local days
    (YYYY-MM-DD) of a site to which nothing may be added any more. `recorded` knows the clients that
    objected or withdrew, where clients say who they are.
    """

    def __init__(
        self,
        sink: Sink,
        keys: Keys,
        geo: Geo,
        agents: Agents,
        late: timedelta | None,
        final_days: Callable[[Site], frozenset[str]],
        recorded: Recorded | None = None,
    ) -> None:
        self._sink = sink
        self._keys = keys
        self._geo = geo
        self._agents = agents
        self._late = late
        self._final_days = final_days
        self._recorded = recorded

    def collect(
        self, site: Site, items: Sequence[Item], now: datetime, counted: datetime | None
    ) -> list[Outcome]:
        """The outcome of each item, in order, once all that was accepted is in the spool.

        `now` starts the rows' life. What left no row is tallied on the local day of `counted`;
        None for a log import, which may be repeated and would be counted twice. Raises what the
        sink raises; then nothing was accepted.
        """
        context = Context(
            site=_policy(site),
            now=now,
            late=self._late,
            keys=self._keys,
            geo=self._geo,
            agents=self._agents,
            final_days=self._final_days(site),
            recorded=self._recorded,
        )
        outcomes = [_outcome(item, context) for item in items]
        rows = [outcome.row for outcome in outcomes if isinstance(outcome, Accepted)]
        tallies: Sequence[Tally] = ()
        if counted and len(rows) < len(outcomes):
            lost = Counter(o.reason for o in outcomes if not isinstance(o, Accepted))
            tallies = _tallies(site, lost, counted)
        if rows or tallies:
            self._sink.append(rows, tallies)
        return outcomes

    def refused(self, site: Site | None, reason: Reason, now: datetime) -> None:
        """Counts a request that was refused as a whole."""
        self._sink.append((), _tallies(site, Counter([reason]), now))


def _outcome(item: Item, context: Context) -> Outcome:
    content = item.content
    if not isinstance(content, RawEvent):
        return content
    outcome = anonymize(content, context)
    if isinstance(outcome, Rejected) and outcome.pointer == "/url":
        return Rejected(outcome.reason, item.url_pointer)
    if item.of_traits and isinstance(outcome, Accepted) and not outcome.row.props:
        return Dropped(Reason.NO_TRAITS)
    return outcome


def _tallies(site: Site | None, reasons: Counter[Reason], now: datetime) -> Sequence[Tally]:
    day = (site.calendar.local_day(now) if site else now.astimezone(UTC).date()).isoformat()
    number = site.id if site else NO_SITE
    return [Tally(number, day, reason, n) for reason, n in reasons.items()]


@lru_cache(maxsize=1024)
def _policy(site: Site) -> SitePolicy:
    return SitePolicy(
        site.id,
        site.domain,
        site.calendar,
        site.policy,
        categories={**CATEGORIES, **dict(site.categories)},
        child_directed=site.child_directed,
        properties=frozenset(site.properties),
        exclusions=Exclusions(
            frozenset(site.excluded_networks), site.excluded_hosts, site.excluded_paths
        ),
        asked=frozenset({"city"} if site.city else ()),
    )
