-- One dimension of visits: what each person did in each of its values, then what all of them did.
-- A visitor of one visit needs no gathering.
SELECT
    {number} AS dimension, {by} AS by, value, {totals}
FROM
(
    SELECT
        {keyed} {value} AS value, linked, toUInt64(linked) AS visits, toUInt64(views) AS views,
        toUInt64(events) AS events, toUInt64(linked AND events = 1) AS bounces,
        toUInt64(seconds) AS seconds, engagement, scroll
    FROM {scratch}visits
    WHERE NOT several AND events > 0 AND {restriction}
    UNION ALL
    SELECT
        {keyed} {value} AS value, 1, countIf(v.events > 0), sum(v.views), sum(v.events),
        countIf(v.events = 1), sumIf(v.seconds, v.events > 0), sum(v.engagement), max(v.scroll)
    FROM {scratch}visits AS v
    WHERE several AND {restriction}
    GROUP BY person, {keys}
    HAVING sum(v.events) > 0
) AS p
GROUP BY {keys}
