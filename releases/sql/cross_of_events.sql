-- Crosses of two dimensions of events: what happened of each pair of codes in each visit, then in all.
SELECT
    merged, {columns},
    countIf(linked AND NOT several) + uniqExactIf(person, several) AS visitors,
    countIf(linked) AS visits, sum(v.views) AS pageviews, sum(v.events) AS happenings,
    sumIf(v.events, NOT linked) AS unlinked
FROM
(
    SELECT
        grouping({columns}) AS merged, {columns}, 1 AS linked, any(c.several) AS several,
        any(c.person) AS person, sum(c.is_view) AS views, count() AS events
    FROM {scratch}{source} AS c
    WHERE c.linked AND slice BETWEEN {from:UInt16} AND {to:UInt16}
    GROUP BY GROUPING SETS ({pairs_of_visits})
    UNION ALL
    SELECT grouping({columns}) AS merged, {columns}, 0, 0, 0, sum(c.is_view), count()
    FROM {scratch}{source} AS c
    WHERE NOT c.linked AND slice BETWEEN {from:UInt16} AND {to:UInt16}
    GROUP BY GROUPING SETS ({pairs})
) AS v
GROUP BY merged, {columns}
