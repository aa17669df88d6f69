-- Dimensions of visits: what each person did in each of their values, then what all of them did.
-- A visitor of one visit needs no gathering, and events without a pseudonym are nobody's. One statement for all dimensions: to plan one for each
-- would take longer than a small day itself.
INSERT INTO {scratch}singles
SELECT dimension, by, value, {totals}
FROM
(
    SELECT
        cell.1 AS dimension, cell.2 AS by, cell.3 AS value, linked, toUInt64(1) AS visits,
        toUInt64(views) AS views, toUInt64(events) AS events,
        toUInt64(events = 1) AS bounces, toUInt64(seconds) AS seconds, engagement, scroll
    FROM {scratch}visits
    ARRAY JOIN {cells} AS cell
    WHERE linked AND NOT several AND events > 0 AND slice BETWEEN {from:UInt16} AND {to:UInt16} AND {restriction}
    UNION ALL
    SELECT
        cell.1 AS dimension, cell.2 AS by, cell.3 AS value, 0, 0, sum(v.views), sum(v.events), 0, 0, 0, 0
    FROM {scratch}visits AS v
    ARRAY JOIN {cells} AS cell
    WHERE NOT v.linked AND slice BETWEEN {from:UInt16} AND {to:UInt16} AND {restriction}
    GROUP BY dimension, by, value
    UNION ALL
    SELECT
        cell.1 AS dimension, cell.2 AS by, cell.3 AS value, 1, countIf(v.events > 0), sum(v.views),
        sum(v.events), countIf(v.events = 1), sumIf(v.seconds, v.events > 0), sum(v.engagement),
        max(v.scroll)
    FROM {scratch}visits AS v
    ARRAY JOIN {cells} AS cell
    WHERE several AND slice BETWEEN {from:UInt16} AND {to:UInt16} AND {restriction}
    GROUP BY person, dimension, by, value
    HAVING sum(v.events) > 0
) AS p
GROUP BY dimension, by, value
