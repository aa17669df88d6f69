-- Dimensions of events: what happened of each of their values in each visit, then of each person.
-- A visitor of one visit needs no second gathering; events without a pseudonym are nobody's and are
-- simply counted.
INSERT INTO {scratch}singles
SELECT dimension, '' AS by, value, {totals}
FROM
(
    SELECT
        cell.1 AS dimension, cell.2 AS value, 0 AS linked, toUInt64(0) AS visits,
        sum(t.is_view) AS views, count() AS events, toUInt64(0) AS bounces, toUInt64(0) AS seconds,
        toUInt64(0) AS engagement, toUInt8(0) AS scroll
    FROM {scratch}touches AS t
    ARRAY JOIN {cells} AS cell
    WHERE NOT t.linked AND slice BETWEEN {from:UInt16} AND {to:UInt16} AND {restriction}
    GROUP BY dimension, value
    UNION ALL
    SELECT
        cell.1 AS dimension, cell.2 AS value, 1, 1, sum(t.is_view), sum(t.is_event),
        any(t.events) = 1, any(t.seconds), sum(t.engagement), max(t.scroll)
    FROM {scratch}touches AS t
    ARRAY JOIN {cells} AS cell
    WHERE linked AND NOT several AND slice BETWEEN {from:UInt16} AND {to:UInt16} AND {restriction}
    GROUP BY dimension, value, visit
    HAVING sum(t.is_event) > 0
    UNION ALL
    SELECT
        dimension, value, 1, countIf(v.events > 0), sum(v.views), sum(v.events),
        countIf(v.bounced AND v.events > 0), sumIf(v.seconds, v.events > 0), sum(v.engagement),
        max(v.scroll)
    FROM
    (
        SELECT
            cell.1 AS dimension, cell.2 AS value, any(t.person) AS person,
            sum(t.is_view) AS views, sum(t.is_event) AS events, any(t.events) = 1 AS bounced,
            any(t.seconds) AS seconds, sum(t.engagement) AS engagement, max(t.scroll) AS scroll
        FROM {scratch}touches AS t
        ARRAY JOIN {cells} AS cell
        WHERE linked AND several AND slice BETWEEN {from:UInt16} AND {to:UInt16} AND {restriction}
        GROUP BY dimension, value, visit
    ) AS v
    GROUP BY person, dimension, value
    HAVING sum(v.events) > 0
) AS p
GROUP BY dimension, value
