-- Crosses of two dimensions of events: what happened of each pair of codes in each visit, then in all.
SELECT
    intDiv(cell, 65536) AS number, intDiv(cell, 256) % 256 AS first, cell % 256 AS second,
    countIf(linked AND NOT several) + uniqExactIf(person, several) AS visitors,
    countIf(linked) AS visits, sum(views) AS pageviews, sum(v.events) AS happenings,
    sumIf(v.events, NOT linked) AS unlinked
FROM
(
    SELECT
        cell, linked, any(c.several) AS several, any(c.person) AS person, sum(c.is_view) AS views,
        count() AS events
    FROM {scratch}coded_events AS c
    ARRAY JOIN {cells} AS cell
    WHERE slice BETWEEN {from:UInt16} AND {to:UInt16}
    GROUP BY cell, visit, linked
) AS v
GROUP BY cell
