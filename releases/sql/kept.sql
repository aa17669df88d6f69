-- Clock correction may put a retry on the other side of midnight: the first received wins. Two that
-- came in the same second and differ are told apart by what they hold, never by where they lie.
INSERT INTO {scratch}kept
SELECT *
FROM
(
    SELECT *
    FROM events
    WHERE site = {site:UInt32} AND day BETWEEN {day:Date} - 1 AND {day:Date} + 1 AND restricted = 0
      AND event_id % {parts:UInt32} = {part:UInt32}
      AND event_id GLOBAL IN
          (SELECT event_id FROM {scratch}repeated WHERE event_id % {parts:UInt32} = {part:UInt32})
    ORDER BY received, day, time, visitor, cityHash64(*)
    LIMIT 1 BY event_id
)
WHERE day = {day:Date}
