"""The tables of a site's page: which there are, in which cards, and their rows with bars.

A card shows one of its tables at a time; each has a page of its own with every row and figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from control.definitions import Definitions
from dashboards import stats_plan, text
from dashboards.countries import country, language
from dashboards.look import Asking, Filters, Look
from dashboards.measures import BY_KEY, COLUMNS, EVENTS, PAGEVIEWS, VISITORS, Metric
from dashboards.stats_language import StatsError
from dashboards.words import N_
from releases.reading import Figures, Reading, Row, Values
from releases.tables import OTHER

SHOWN = 9  # rows of a card
PAGE = 50  # rows of a table's own page
MOST_ROWS = 10_000  # of a download
URL = "url"  # the property that holds where a link leads


@dataclass(frozen=True, slots=True)
class Tab:
    """One table. `dimension` is the released table's name, `only` what it is narrowed to; `counts`
    the figures that its bars may show, the first that has any. `empty` stands for an empty value,
    `silent` for a value that alone tells a reader nothing. `kind` is rows, map or goals.
    """

    key: str
    name: str
    help: str = ""
    dimension: str = ""
    only: Filters = ()
    counts: tuple[Metric, ...] = (VISITORS, PAGEVIEWS)
    empty: str = N_("Unknown")
    silent: str = ""
    kind: str = "rows"
    label: Callable[[str], str] = str
    needs: str = ""  # a property that the site must allow

    @property
    def table(self) -> str:
        return self.dimension or self.key


@dataclass(frozen=True, slots=True)
class Card:
    """Tables that belong together. `key` is the parameter that says which is shown."""

    key: str
    name: str
    tabs: tuple[Tab, ...]


_OF_EVENTS = (EVENTS,)
_UTM = N_("From the address of the first page, where the visitor allows attribution.")

CARDS = (
    Card(
        "content", N_("Pages"),
        (
            Tab("page", N_("Pages"), N_("Addresses without what follows a question mark."),
                empty=N_("No page")),
            Tab("entry_page", N_("Entry"), N_("The first page or screen of a visit."),
                empty=N_("No page")),
            Tab("exit_page", N_("Exit"), N_("The last page or screen of a visit."),
                empty=N_("No page")),
            Tab("screen", N_("Screens"), N_("Screens of apps."), empty=N_("Not an app")),
            Tab("app_version", N_("App versions"), N_("Of the apps that report here."),
                empty=N_("Not an app")),
            Tab("hostname", N_("Hosts"), N_("The names under which the site was reached."),
                empty=N_("No page")),
        ),
    ),
    Card(
        "sources", N_("Sources"),
        (
            Tab("channel", N_("Channels"),
                N_("How visits found the site, by their source and campaign."), silent="Direct"),
            Tab("source", N_("Sources"), N_("The site or campaign that a visit came from."),
                empty=N_("Direct or unknown")),
            Tab("referrer", N_("Referrers"), N_("The page that a visit came from."),
                empty=N_("Direct or unknown")),
        ),
    ),
    Card(
        "campaigns", N_("Campaigns"),
        (
            Tab("campaign", N_("Campaigns"), _UTM, empty=N_("No campaign")),
            Tab("utm_source", N_("Source"), _UTM, empty=N_("No campaign")),
            Tab("utm_medium", N_("Medium"), _UTM, empty=N_("No campaign")),
            Tab("utm_content", N_("Content"), _UTM, empty=N_("No campaign")),
            Tab("utm_term", N_("Term"), _UTM, empty=N_("No campaign")),
        ),
    ),
    Card(
        "places", N_("Places"),
        (
            Tab("country", N_("Countries"),
                N_("From the network that a visit came from; its address is not kept."),
                label=country),
            Tab("map", N_("Map"), N_("The countries, deeper in colour the more came from there."),
                "country", kind="map", label=country),
            Tab("region", N_("Regions"),
                N_("ISO 3166-2, or the country alone where no more is known.")),
            Tab("language", N_("Languages"), N_("What the browser or device prefers."),
                label=language),
        ),
    ),
    Card(
        "devices", N_("Devices"),
        (
            Tab("device", N_("Devices"), N_("By what the browser or app says of itself.")),
            Tab("browser", N_("Browsers"), N_("By what the browser says of itself.")),
            Tab("browser_version", N_("Browser versions"), N_("Browsers with their main version.")),
            Tab("os", N_("Systems"), N_("By what the browser or app says of itself.")),
            Tab("os_version", N_("System versions"), N_("Systems with their main version.")),
            Tab("screen_size", N_("Screen sizes"), N_("Widths, in steps: none is kept exactly.")),
        ),
    ),
    Card(
        "happened", N_("Events"),
        (
            Tab("event", N_("Events"), N_("What pages and apps reported, by its name."),
                counts=_OF_EVENTS),
            Tab("goal", N_("Goals"), N_("What analysts declared as wanted."), kind="goals",
                counts=(VISITORS,)),
            Tab("downloads", N_("Downloads"), N_("Files that links led to."),
                f"props:{URL}", (("event", "File Download"),), _OF_EVENTS, needs=URL),
            Tab("outbound", N_("Outbound links"), N_("Links that led to another site."),
                f"props:{URL}", (("event", "Outbound Link: Click"),), _OF_EVENTS, needs=URL),
            Tab("missing", N_("404s"), N_("Addresses at which there was no page."),
                "page", (("event", "404"),), _OF_EVENTS),
        ),
    ),
)  # fmt: skip
TABS = {tab.key: tab for card in CARDS for tab in card.tabs}
# What each card may be asked to show.
CHOICES = {card.key: [tab.key for tab in card.tabs] for card in CARDS}
_OF_APPS = ("screen", "app_version")
# Of a page's views, and of visits: what the columns of a table's own page are, where published.
_MEASURES = tuple(dict.fromkeys(m for c in COLUMNS for m in stats_plan.METRICS[c.key].measures))


@dataclass(frozen=True, slots=True)
class Line:
    """A row. `width` is the length of its bar, from 0 to 100; `share` of all that there is;
    `filters` whether the page can be filtered by its value. `columns` are further figures, written;
    `raw` are all, for programs.
    """

    value: str
    label: str
    figure: float | None
    share: float | None
    width: str
    other: bool
    filters: bool
    columns: tuple[str, ...] = ()
    raw: tuple[float | None, ...] = ()

    @property
    def depth(self) -> int:
        """How deep its colour on a map is, from 1 to 5; by the root, or one country hides all."""
        return max(1, math.ceil(5 * math.sqrt(float(self.width) / 100)))


@dataclass(frozen=True, slots=True)
class Panel:
    """`state`: rows, empty, refused (`why`), goals (none declared) or property (one is missing).
    `says`: some value is neither empty nor "(other)". `total` counts the rows without a limit.
    """

    tab: Tab
    state: str
    unit: Metric = VISITORS
    columns: tuple[Metric, ...] = ()
    lines: tuple[Line, ...] = ()
    total: int = 0
    says: bool = False
    why: str = ""

    @property
    def shares(self) -> bool:
        """Whether there is a whole that its figures are a part of."""
        return any(line.share is not None for line in self.lines)


@dataclass(frozen=True, slots=True)
class Shown:
    """A card with the table that it shows, and those that it offers."""

    card: Card
    tabs: tuple[Tab, ...]
    panel: Panel


@dataclass(frozen=True, slots=True)
class Order:
    """How the rows of a table's own page are put: searched for, sorted by, from which one on."""

    search: str = ""
    sort: str = ""  # a figure, or "name"
    ascending: bool = False
    start: int = 0
    limit: int = PAGE


class Tables:
    """Reads the tables of what is looked at. Its methods raise `ReleasesUnavailable`."""

    def __init__(
        self, reading: Reading, look: Look, definitions: Definitions, whole: Figures
    ) -> None:
        self._reading, self._look, self._definitions = reading, look, definitions
        self._asking = Asking(look, definitions)
        self._whole = whole  # what shares are of

    def shown(self, *, apps: bool) -> list[Shown]:
        """Every card; `apps`: with the tables of apps too."""
        found = []
        for card in CARDS:
            tabs = tuple(tab for tab in card.tabs if apps or tab.key not in _OF_APPS)
            chosen = self._look.tabs.get(card.key, tabs[0].key)
            tab = next((tab for tab in tabs if tab.key == chosen), tabs[0])
            found.append(Shown(card, tabs, self.panel(tab)))
        return found

    def panel(self, tab: Tab, order: Order | None = None) -> Panel:
        """A table as a card shows it, or, in an order, as its own page does."""
        if tab.needs and tab.needs not in self._look.site.properties:
            return Panel(tab, "property", why=tab.needs)
        if tab.kind == "goals" and not self._definitions.goals(self._look.site):
            return Panel(tab, "goals")
        try:
            return self._panel(tab, order)
        except StatsError as error:
            return Panel(tab, "refused", why=str(error).partition(": ")[2])

    def _panel(self, tab: Tab, order: Order | None) -> Panel:
        dimension = stats_plan.GOAL if tab.kind == "goals" else tab.table
        plan = self._asking.plan(dimension, only=tab.only)
        goals = plan.columns[0].goals
        rows, total = self._rows(tab, plan, order)
        unit = _unit(tab, [row.figures for row in rows])
        columns = self._columns(tab, dimension, unit) if order else _beside(tab, unit)
        limit = SHOWN if order is None and tab.kind != "map" else len(rows)
        named = [row for row in rows if row.key[0] != OTHER]
        others = [row for row in rows if row.key[0] == OTHER]
        longest = max((unit.of(row.figures) or 0 for row in rows), default=0) or 1
        whole = unit.of(self._whole) if not tab.only else None
        lines = tuple(
            self._line(tab, str(row.key[0]), row.figures, unit, longest, whole, columns, goals)
            for row in (*named[:limit], *others)
        )
        says = any(row.key[0] not in ("", tab.silent) for row in named)
        return Panel(tab, "rows" if lines else "empty", unit, columns, lines, total, says)

    def _rows(self, tab: Tab, plan: stats_plan.Plan, order: Order | None) -> tuple[list[Row], int]:
        """The wanted rows, and how many there are."""
        key = plan.ask.keys[0]
        largest = ("events",) if tab.counts == _OF_EVENTS else ("visitors", "pageviews", "events")
        usual = (*((name, True) for name in largest), (str(key), False))
        ask = replace(
            plan.ask, measures=_MEASURES, order=usual,
            limit=SHOWN + 2 if tab.kind != "map" else 300, other_first=True,
        )  # fmt: skip
        if order is not None:
            found_by = self._found(tab, order.search)
            ask = replace(
                ask, limit=order.limit, offset=order.start, other_first=False,
                by=(*ask.by, *found_by) if key == "by" else ask.by,
                value=(*ask.value, *found_by) if key == "value" else ask.value,
                order=_sorted_by(order, usual, str(key)),
            )  # fmt: skip
        found = self._reading.find(self._look.site, ask)
        rows = list(found.rows)
        if plan.also is not None:
            also = replace(plan.also, measures=_MEASURES, order=(), limit=0, offset=0)
            rows += self._reading.find(self._look.site, also).rows
            rows.sort(key=lambda row: -(row.figures.visitors or 0))
            return rows, len(rows)
        return rows, found.total

    def _found(self, tab: Tab, search: str) -> tuple[Values, ...]:
        """Values that contain a text; those with names of their own are searched by these."""
        if not search:
            return ()
        if tab.label is country:
            wanted = search.casefold()
            names = text.locale().territories
            codes = [c for c, n in names.items() if len(c) == 2 and wanted in n.casefold()]
            return (Values(tuple(codes)),)
        return (Values((search,), contains=True, cased=False),)

    def _columns(self, tab: Tab, dimension: str, unit: Metric) -> tuple[Metric, ...]:
        """The further figures that are published of a table."""
        return tuple(
            metric
            for metric in COLUMNS
            if metric is not unit and self._asking.published(metric.key, dimension, only=tab.only)
        )

    def _line(
        self, tab: Tab, value: str, figures: Figures, unit: Metric, longest: float,
        whole: float | None, columns: Sequence[Metric], goals: object,
    ) -> Line:  # fmt: skip
        figure = unit.of(figures)
        other = value == OTHER
        named = goals.get(value, value) if isinstance(goals, dict) else value
        return Line(
            value=value,
            label=named if other else tab.label(named) if named else "",
            figure=figure,
            share=min(figure / whole, 1.0) if figure is not None and whole else None,
            width=f"{100 * (figure or 0) / longest:.2f}",
            other=other,
            filters=not other and tab.kind != "goals" and not tab.needs,
            columns=tuple(metric.write(metric.of(figures)) for metric in columns),
            raw=tuple(_raw(metric.of(figures)) for metric in (unit, *columns)),
        )


def _raw(value: float | None) -> float | None:
    return round(value, 4) if isinstance(value, float) else value


def _unit(tab: Tab, figures: Sequence[Figures]) -> Metric:
    """What a table counts: visitors, or views where nobody can be told apart."""
    for metric in tab.counts:
        if any(metric.of(f) for f in figures):
            return metric
    return EVENTS if any(f.events for f in figures) else tab.counts[-1]


def _beside(tab: Tab, unit: Metric) -> tuple[Metric, ...]:
    """What a card shows beside its figure."""
    return (PAGEVIEWS,) if tab.key in ("page", "screen") and unit is VISITORS else ()


def _sorted_by(
    order: Order, usual: tuple[tuple[str, bool], ...], key: str
) -> tuple[tuple[str, bool], ...]:
    if order.sort == "name":
        return ((key, not order.ascending),)
    if order.sort in BY_KEY:
        name = "engagement_time" if order.sort == "time_on_page" else order.sort
        return ((name, not order.ascending), *usual)
    return usual
