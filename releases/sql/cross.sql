-- One cross: every pair of codes. Only visitors of several visits can be met twice in one.
SELECT
    {number} AS pair, {first} AS a, {second} AS b,
    countIf(linked AND NOT several) + uniqExactIf(person, several) AS visitors,
    countIf(linked) AS visits, sum(views) AS pageviews, sum(events) AS happenings,
    sumIf(events, NOT linked) AS unlinked
FROM {source}
GROUP BY a, b
