-- Events with a byte instead of each value that is crossed.
CREATE TABLE {scratch}coded_events ENGINE = MergeTree ORDER BY slice AS
WITH {lists}
SELECT slice, visit, person, linked, several, is_view, {codes}
FROM {scratch}touches
WHERE is_event
