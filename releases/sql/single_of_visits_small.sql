-- As single_of_visits.sql, in one pass over a day too small for its short cuts to pay.
SELECT dimension, by, value, {totals}
FROM
(
    SELECT
        cell.1 AS dimension, cell.2 AS by, cell.3 AS value, any(v.linked) AS linked,
        countIf(v.linked AND v.events > 0) AS visits, sum(v.views) AS views,
        sum(v.events) AS events, countIf(v.linked AND v.events = 1) AS bounces,
        sumIf(v.seconds, v.events > 0) AS seconds, sum(v.engagement) AS engagement,
        max(v.scroll) AS scroll
    FROM {scratch}visits AS v
    ARRAY JOIN {cells} AS cell
    WHERE {restriction}
    GROUP BY person, dimension, by, value
    HAVING sum(v.events) > 0
) AS p
GROUP BY dimension, by, value
