-- Visitors on the basis consent within a range of pseudonyms, with the periods in which they came as
-- bits, the first the lowest. Events are counted once: of those that share an id within these days
-- and one day on either side the first received.
SELECT visitor, groupBitOr(bitShiftLeft(toUInt64(1), {period})) AS came
FROM
(
    SELECT visitor, day, basis, bot, name, purposes
    FROM events
    WHERE site = {site:UInt32} AND day BETWEEN {first:Date} - 1 AND {last:Date} + 1
      AND restricted = 0
      AND event_id GLOBAL IN
      (
          SELECT event_id FROM events
          WHERE site = {site:UInt32} AND day BETWEEN {first:Date} AND {last:Date}
            AND visitor BETWEEN {from:UInt128} AND {to:UInt128}
            AND basis = 'consent' AND restricted = 0
      )
    ORDER BY received, day, time, visitor
    LIMIT 1 BY event_id
)
WHERE day BETWEEN {first:Date} AND {last:Date}
  AND basis = 'consent' AND bot = '' AND has(purposes, 'audience') AND name != 'engagement'
  AND visitor BETWEEN {from:UInt128} AND {to:UInt128}
GROUP BY visitor
