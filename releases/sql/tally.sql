-- Events that left no row, by reason.
SELECT
    pair.1 AS "table",
    pair.2 AS value,
    0 AS visitors,
    0 AS visits,
    0 AS pageviews,
    sum(n) AS events,
    0 AS linked_pageviews,
    0 AS bounces,
    0 AS duration,
    sum(n) AS unlinked,
    0 AS bounced_visitors,
    0 AS staying_visitors
FROM tallies
ARRAY JOIN [{pairs}] AS pair
WHERE site = {site:UInt32} AND day = {day:Date} AND {purpose:String} != '' AND {restriction}
GROUP BY ALL
