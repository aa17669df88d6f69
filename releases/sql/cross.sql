-- Crosses of pairs of dimensions: every pair of codes, by the columns that a row is not merged over.
-- Only visitors of several visits can be met twice in a cell. One statement for many crosses, as for
-- many dimensions (single_of_visits.sql).
SELECT
    grouping({columns}) AS merged, {columns},
    countIf(linked AND NOT several) + uniqExactIf(person, several) AS visitors,
    countIf(linked) AS visits, sum(c.views) AS pageviews, sum(c.events) AS happenings,
    sumIf(c.events, NOT linked) AS unlinked
FROM {scratch}{source} AS c
WHERE slice BETWEEN {from:UInt16} AND {to:UInt16}
GROUP BY GROUPING SETS ({pairs})
