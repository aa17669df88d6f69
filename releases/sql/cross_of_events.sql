-- What happened of each pair of codes in each visit.
(
    SELECT
        {first}, {second}, linked, any(c.several) AS several, any(c.person) AS person,
        sum(c.is_view) AS views, count() AS events
    FROM {scratch}coded_events AS c
    WHERE linked AND {restriction}
    GROUP BY visit, linked, {first}, {second}
    UNION ALL
    SELECT {first}, {second}, linked, several, person, is_view, 1
    FROM {scratch}coded_events
    WHERE NOT linked AND {restriction}
)
