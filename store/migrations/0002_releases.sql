-- The released zone: what dashboards, the stats API and exports read. No pseudonym, no sketch.
-- A day is computed whole, written under a new version, and shown once the control database's
-- pointer (released_days) names that version; older versions are then deleted.

CREATE TABLE IF NOT EXISTS cells {on_cluster}
(
    site      UInt32,
    day       Date COMMENT 'local day of the site',
    version   UInt32 COMMENT 'shown when released_days points to it',
    table     LowCardinality(String) COMMENT 'a declared table, releases/tables.py',
    value     String COMMENT 'the dimension''s value; "(other)" for what was merged',
    visitors  Nullable(UInt32) COMMENT 'distinct visitors of the day',
    visits    Nullable(UInt32),
    pageviews Nullable(UInt32) COMMENT 'page and screen views',
    events    Nullable(UInt32) COMMENT 'events of any kind, in tables that show no views',
    linked_pageviews Nullable(UInt32) COMMENT 'views that belong to a visit: the numerator of views per visit',
    bounces   Nullable(UInt32) COMMENT 'visits with a single event, of the whole day',
    duration  Nullable(UInt64) COMMENT 'seconds, summed over visits, of a whole final day'
)
ENGINE = {engine:MergeTree}
PARTITION BY toYYYYMM(day)
ORDER BY (site, table, day, version, value)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1;
