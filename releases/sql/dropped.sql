-- Events that left no row, by reason: counts of nobody that anybody could tell apart.
SELECT reason, 0 AS visitors, 0 AS pageviews, sum(n) AS events, sum(n) AS unlinked
FROM tallies
WHERE site = {site:UInt32} AND day = {day:Date}
GROUP BY reason
