-- What machines made, kept apart: counted by kind, held to the same floor, since a person may have
-- been taken for a machine.
SELECT
    pair.1 AS "table",
    pair.2 AS value,
    uniqExactIf(visitor, visitor != 0) AS visitors,
    0 AS visits,
    countIf(name IN ('pageview', 'screen')) AS pageviews,
    count() AS events,
    0 AS linked_pageviews,
    0 AS bounces,
    0 AS duration,
    countIf(visitor = 0) AS unlinked,
    0 AS bounced_visitors,
    0 AS staying_visitors
FROM events_once(site = {site:UInt32}, day = {day:Date})
ARRAY JOIN [{pairs}] AS pair
WHERE bot != '' AND has(purposes, {purpose:String}) AND {restriction}
GROUP BY ALL
