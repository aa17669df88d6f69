-- As single_of_touches.sql, in one pass over a day too small for its short cuts to pay.
SELECT dimension, '' AS by, value, {totals}
FROM
(
    SELECT
        dimension, value, any(v.linked) AS linked, countIf(v.linked AND v.events > 0) AS visits,
        sum(v.views) AS views, sum(v.events) AS events,
        countIf(v.linked AND v.bounced AND v.events > 0) AS bounces,
        sumIf(v.seconds, v.events > 0) AS seconds, sum(v.engagement) AS engagement,
        max(v.scroll) AS scroll
    FROM
    (
        SELECT
            cell.1 AS dimension, cell.2 AS value, any(t.person) AS person, any(t.linked) AS linked,
            sum(t.is_view) AS views, sum(t.is_event) AS events, any(t.events) = 1 AS bounced,
            any(t.seconds) AS seconds, sum(t.engagement) AS engagement, max(t.scroll) AS scroll
        FROM {scratch}touches AS t
        ARRAY JOIN {cells} AS cell
        WHERE {restriction}
        GROUP BY dimension, value, visit
    ) AS v
    GROUP BY person, dimension, value
    HAVING sum(v.events) > 0
) AS p
GROUP BY dimension, value
