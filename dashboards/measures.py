"""The figures of a site's page: what each is, how it is computed, and how it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboards import text
from dashboards.words import N_
from releases.reading import Figures


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that a page can show. `key` is the stats API's name for it, `kind` how it reads
    (`dashboards.text.of_kind`), `how` its computation and its basis.
    """

    key: str
    name: str
    kind: str
    of: Callable[[Figures], float | None]
    help: str
    how: str
    more_is_better: bool = True

    def write(self, value: float | None) -> str:
        return text.of_kind(self.kind, value)


_LINKED = N_("Of views that may carry a pseudonym: the bases consent and exempt.")

VISITORS = Metric(
    "visitors", N_("Visitors"), "count", lambda f: f.visitors,
    N_("People, told apart within one day. Somebody who comes on three days counts three times,"
       " because nobody is recognised from one day to the next."),
    _LINKED,
)  # fmt: skip
VISITS = Metric(
    "visits", N_("Visits"), "count", lambda f: f.visits,
    N_("A visit ends after 30 minutes without a sign of life, and with its day."),
    _LINKED,
)  # fmt: skip
PAGEVIEWS = Metric(
    "pageviews", N_("Page views"), "count", lambda f: f.pageviews,
    N_("Pages and app screens that were opened."),
    N_("Of every basis: also of who refused, whose views are counted and never linked."),
)  # fmt: skip
EVENTS = Metric(
    "events", N_("Events"), "count", lambda f: f.events,
    N_("Everything that a page or app reported, views included."),
    N_("Of every basis: also of who refused, whose views are counted and never linked."),
)  # fmt: skip
VIEWS_PER_VISIT = Metric(
    "views_per_visit", N_("Views per visit"), "decimal", lambda f: f.views_per_visit,
    N_("Page views that belong to a visit, divided by visits."),
    _LINKED,
)  # fmt: skip
BOUNCE_RATE = Metric(
    "bounce_rate", N_("Bounce rate"), "share", lambda f: f.bounce_rate,
    N_("Visits with a single event, divided by all visits."),
    _LINKED,
    more_is_better=False,
)  # fmt: skip
VISIT_DURATION = Metric(
    "visit_duration", N_("Visit duration"), "duration", lambda f: f.visit_duration,
    N_("From the first to the last event of a visit, on average."),
    _LINKED,
)  # fmt: skip
TIME_ON_PAGE = Metric(
    "time_on_page", N_("Time on page"), "duration", lambda f: f.engagement_time,
    N_("How long the page was in sight and in use, on average of its visitors."),
    _LINKED,
)  # fmt: skip
SCROLL_DEPTH = Metric(
    "scroll_depth", N_("Scroll depth"), "depth", lambda f: f.scroll_depth,
    N_("How far down a page was seen, on average of its visitors."),
    _LINKED,
)  # fmt: skip

# The headline figures, in their order.
METRICS = (VISITORS, VISITS, PAGEVIEWS, VIEWS_PER_VISIT, BOUNCE_RATE, VISIT_DURATION)
# What a table can show in its columns.
COLUMNS = (VISITORS, VISITS, PAGEVIEWS, EVENTS, VIEWS_PER_VISIT, BOUNCE_RATE, VISIT_DURATION,
           TIME_ON_PAGE, SCROLL_DEPTH)  # fmt: skip
BY_KEY = {metric.key: metric for metric in COLUMNS}
