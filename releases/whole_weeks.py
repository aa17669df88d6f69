"""Makes a week's cells whole, so that readers add up weeks and never look into them.

A week's own cells say what may be said beyond its days. Where nothing more may be said of a value
than its days say, its cell of the week is the sum of these: no new figure, only an addition that
every reader would make. A question over a year then reads 52 weeks instead of 365 days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from control.sites import Site
from store.clickhouse import Store

# Every measure of `cells`; of money the currency that all of the days agree in, else none.
_COUNTS = (
    "visitors", "visits", "pageviews", "events", "linked_pageviews", "bounces", "duration",
    "engagement", "engaged", "scroll", "scrolled", "payments",
)  # fmt: skip


def complete(store: Store, site: Site, monday: date, version: int, days: Sequence[int]) -> None:
    """Adds the cells that the week's `version` lacks, from the `days`' versions that are shown.

    To be called when the week's own cells are written and before it is shown. Repeating it adds
    nothing.
    """
    store.command(
        _SQL,
        {
            "site": site.id, "monday": monday, "sunday": monday + timedelta(days=6),
            "version": version, "days": list(days),
        },
    )  # fmt: skip


_SUMS = ", ".join(f"sum(c.{name})" for name in _COUNTS)
_SQL = f"""
INSERT INTO cells (site, period, day, version, table, by, value, {", ".join(_COUNTS)}, revenue, currency)
SELECT c.site, 'week', {{monday:Date}}, {{version:UInt32}}, c.table, c.by, c.value, {_SUMS},
    if(uniqExactIf(c.currency, c.revenue IS NOT NULL) = 1, sum(c.revenue), NULL),
    if(uniqExactIf(c.currency, c.revenue IS NOT NULL) = 1, anyIf(c.currency, c.revenue IS NOT NULL), '')
FROM cells AS c
WHERE c.site = {{site:UInt32}} AND c.period = 'day' AND c.version IN {{days:Array(UInt32)}}
  AND c.day BETWEEN {{monday:Date}} AND {{sunday:Date}}
  AND (c.table, c.by, c.value) NOT IN
  (
      SELECT table, by, value FROM cells
      WHERE site = {{site:UInt32}} AND period = 'week' AND day = {{monday:Date}}
        AND version = {{version:UInt32}}
  )
GROUP BY c.site, c.table, c.by, c.value
"""  # noqa: E501, S608  names of columns from the list above
