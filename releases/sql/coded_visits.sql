-- Visits with a byte instead of each value that is crossed.
CREATE TABLE {scratch}coded_visits ENGINE = MergeTree ORDER BY slice AS
WITH {lists}
SELECT
    slice, visit, person, linked, several, toUInt32(views) AS views, toUInt32(events) AS events, {codes}
FROM {scratch}visits AS t
WHERE t.events > 0
