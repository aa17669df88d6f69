-- The released zone: what dashboards, the stats API and exports read. No pseudonym, no sketch.
-- A day or a week is computed whole, written under a new version, and shown once the control
-- database's pointer (released_days, released_weeks) names that version; older versions are then
-- deleted. A measure is null where it is withheld or has no meaning in that table.

CREATE TABLE IF NOT EXISTS cells {on_cluster}
(
    site      UInt32,
    period    LowCardinality(String) DEFAULT 'day' COMMENT 'day or week',
    day       Date COMMENT 'local day of the site; of a week its Monday',
    version   UInt32 COMMENT 'shown when the control database points to it',
    table     LowCardinality(String) COMMENT 'total, a dimension of releases/tables.py, or D|F: D among the views and visits with a value of F',
    by        String DEFAULT '' COMMENT 'the value of F in a table D|F',
    value     String COMMENT 'the value of D; "(other)" for what was merged',
    visitors  Nullable(UInt32) COMMENT 'distinct visitors of the day; of a week, summed over its days',
    visits    Nullable(UInt32),
    pageviews Nullable(UInt32) COMMENT 'page and screen views',
    events    Nullable(UInt32) COMMENT 'events of any kind, in tables that show no views',
    linked_pageviews Nullable(UInt32) COMMENT 'views that belong to a visit: the numerator of views per visit',
    bounces   Nullable(UInt32) COMMENT 'visits with a single event',
    duration  Nullable(UInt64) COMMENT 'seconds, summed over visits, of a final day',
    engagement Nullable(UInt64) COMMENT 'seconds visible and focused, summed, of a final day',
    engaged   Nullable(UInt32) COMMENT 'visitors with such seconds: the denominator of their average',
    scroll    Nullable(UInt64) COMMENT 'deepest point that each visitor reached of a page, per cent, summed',
    scrolled  Nullable(UInt32) COMMENT 'visitors behind it: the denominator of its average',
    revenue   Nullable(Decimal(18, 2)) COMMENT 'in the currency of most payments, of an event',
    payments  Nullable(UInt32) COMMENT 'events with revenue in that currency',
    currency  LowCardinality(String) DEFAULT '' COMMENT 'ISO 4217'
)
ENGINE = {engine:MergeTree}
PARTITION BY toYear(day)
-- By month, so that a short range reads few of a value's days, and by value within it, so that a year of
-- one value reads few others. Small granules: an answer is a few hundred cells.
ORDER BY (site, table, period, by, toStartOfMonth(day), value, day, version)
SETTINGS index_granularity = 2048, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
