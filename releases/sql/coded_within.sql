-- What happened of each value of one dimension of events in each visit, with the visit's own codes.
SELECT
    slice, visit, person, linked, several, e.views AS views, e.events AS events, e.code AS {code}, {codes}
FROM
(
    SELECT visit, {code} AS code, toUInt32(sum(is_view)) AS views, toUInt32(count()) AS events
    FROM {scratch}coded_events
    WHERE linked AND slice = {slice:UInt16}
    GROUP BY visit, code
    UNION ALL
    SELECT visit, {code}, is_view, 1
    FROM {scratch}coded_events
    WHERE NOT linked AND slice = {slice:UInt16}
) AS e
INNER JOIN
(
    SELECT slice, visit, person, linked, several, {codes} FROM {scratch}coded_visits WHERE slice = {slice:UInt16}
) AS v USING visit
