-- Ids that occur more than once in three days, one of them on the day itself. By remainders of the
-- id, so that memory is bounded.
INSERT INTO {scratch}repeated
SELECT event_id
FROM events
WHERE site = {site:UInt32} AND day BETWEEN {day:Date} - 1 AND {day:Date} + 1 AND restricted = 0
  AND event_id % {parts:UInt32} = {part:UInt32}
GROUP BY event_id
HAVING count() > 1 AND countIf(day = {day:Date}) > 0
