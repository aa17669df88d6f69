-- Crosses: of each pair of dimensions every pair of codes. Only visitors of several visits can be met
-- twice in a cell. One statement for many crosses, as for many dimensions (single_of_visits.sql).
SELECT
    intDiv(cell, 65536) AS number, intDiv(cell, 256) % 256 AS first, cell % 256 AS second,
    countIf(linked AND NOT several) + uniqExactIf(person, several) AS visitors,
    countIf(linked) AS visits, sum(views) AS pageviews, sum(c.events) AS happenings,
    sumIf(c.events, NOT linked) AS unlinked
FROM {scratch}{source} AS c
ARRAY JOIN {cells} AS cell
WHERE slice BETWEEN {from:UInt16} AND {to:UInt16}
GROUP BY cell
