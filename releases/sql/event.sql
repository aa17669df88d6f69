-- Events, each under its own attributes. Bounces and durations belong to visits, not to events.
WITH
    counted AS
    (
        SELECT *, name IN ('pageview', 'screen') AS is_view, visitor != 0 AS linked
        FROM events_once(site = {site:UInt32}, day = {day:Date})
        WHERE bot = '' AND has(purposes, {purpose:String}) AND name != 'engagement'
    ),
    gaps AS
    (
        SELECT *, visit = 0 AND time - lagInFrame(time, 1, time) OVER
            (PARTITION BY visitor, visit ORDER BY time, event_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) > 1800 AS opens
        FROM counted
    ),
    numbered AS
    (
        SELECT *, sum(opens) OVER
            (PARTITION BY visitor, visit ORDER BY time, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number
        FROM gaps
    )
SELECT
    pair.1 AS "table",
    pair.2 AS value,
    uniqExactIf(visitor, linked) AS visitors,
    uniqExactIf((visitor, visit, number), linked) AS visits,
    countIf(is_view) AS pageviews,
    count() AS events,
    countIf(is_view AND linked) AS linked_pageviews,
    0 AS bounces,
    0 AS duration,
    countIf(NOT linked) AS unlinked,
    0 AS bounced_visitors,
    0 AS staying_visitors
FROM numbered
ARRAY JOIN [{pairs}] AS pair
WHERE NOT (pair.1 = 'page' AND name != 'pageview') AND NOT (pair.1 = 'screen' AND name != 'screen')
  AND {restriction}
GROUP BY ALL
