-- The pseudonymous zone: one row per event, as anonymize/event.py's Row, gone by `expires`.
-- {engine:…} and {on_cluster} are filled in by store/migrate.py.

CREATE TABLE IF NOT EXISTS events {on_cluster}
(
    site            UInt32 COMMENT 'number of the site in the control database',
    day             Date COMMENT 'local day of the site',
    time            DateTime('UTC') COMMENT 'when it happened; the start of the hour on the basis none',
    received        DateTime('UTC') COMMENT 'when it arrived, as coarse as time; the first of two duplicates wins',
    event_id        UInt64 COMMENT 'keyed MAC of the message id; random where there is none',
    basis           LowCardinality(String) COMMENT 'consent, exempt or none',
    purposes        Array(LowCardinality(String)) COMMENT 'what the row may be used for',
    expires         Date COMMENT 'the day on which the row must be gone',
    bot             LowCardinality(String) COMMENT 'empty, or the kind of machine that made the event',
    restricted      UInt8 DEFAULT 0 COMMENT '1 while processing is restricted (GDPR art. 18): counted nowhere',
    visitor         UInt128 COMMENT 'pseudonym, 0 for none',
    user            UInt128 COMMENT 'pseudonym of the signed-in account, 0 for none',
    visit           UInt64 COMMENT 'pseudonym of the session that the client stated, 0 to derive it',
    name            LowCardinality(String) COMMENT 'pageview, screen or the event''s own name',
    hostname        LowCardinality(String),
    page            String COMMENT 'path, without query and fragment',
    engagement      UInt32 COMMENT 'milliseconds visible and focused',
    scroll          UInt8 COMMENT 'deepest point reached, per cent',
    props           Map(LowCardinality(String), String) COMMENT 'allow-listed properties',
    revenue         Decimal(18, 4),
    currency        LowCardinality(String) COMMENT 'ISO 4217',
    referrer        String COMMENT 'registrable domain',
    source          LowCardinality(String),
    channel         LowCardinality(String),
    utm_source      String,
    utm_medium      String,
    utm_campaign    String,
    utm_content     String,
    utm_term        String,
    country         LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2',
    region          LowCardinality(String) COMMENT 'ISO 3166-2',
    city            LowCardinality(String),
    language        LowCardinality(String) COMMENT 'BCP 47',
    device          LowCardinality(String) COMMENT 'Desktop, Mobile, Tablet, TV or Other',
    browser         LowCardinality(String),
    browser_version LowCardinality(String),
    os              LowCardinality(String),
    os_version      LowCardinality(String),
    screen_size     LowCardinality(String) COMMENT 'bucket of the display''s width',
    model           LowCardinality(String),
    memory          LowCardinality(String) COMMENT 'bucket',
    storage         LowCardinality(String) COMMENT 'bucket; never from iOS',
    battery         LowCardinality(String) COMMENT 'bucket',
    connection      LowCardinality(String),
    app             LowCardinality(String),
    app_version     LowCardinality(String),
    app_build       LowCardinality(String),
    screen          String COMMENT 'name of the app''s screen'
)
ENGINE = {engine:MergeTree}
PARTITION BY toYYYYMM(expires)
ORDER BY (site, day, visitor, time, event_id)
TTL expires DELETE WHERE restricted = 0
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    ttl_only_drop_parts = 0;

-- Events that left no row, by reason: counts only, so that nothing is dropped in silence.
CREATE TABLE IF NOT EXISTS tallies {on_cluster}
(
    site     UInt32 COMMENT '0 where the request named no known site',
    day      Date COMMENT 'local day of the site on which they were received',
    reason   LowCardinality(String) COMMENT 'anonymize/event.py, Reason',
    segment  UInt64 COMMENT 'random number of the spool segment, by which the loader finds its tallies again',
    n        UInt64 COMMENT 'events'
)
ENGINE = {engine:SummingMergeTree(n)}
PARTITION BY toYYYYMM(day)
PRIMARY KEY (site, day, reason)
ORDER BY (site, day, reason, segment)
TTL day + INTERVAL 25 MONTH,
    day + INTERVAL 14 DAY GROUP BY site, day, reason SET n = sum(n)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- What everything that reads rows reads. A client's retry carries the message id of the first try;
-- clock correction may put the two on either side of midnight, so a day is read with its neighbours
-- and the first received wins.
CREATE OR REPLACE VIEW events_once {on_cluster} AS
SELECT *
FROM
(
    SELECT *
    FROM events
    WHERE site = {{site:UInt32}}
      AND day BETWEEN {{day:Date}} - 1 AND {{day:Date}} + 1
      AND restricted = 0
    ORDER BY received, day, time, visitor
    LIMIT 1 BY event_id
)
WHERE day = {{day:Date}};
