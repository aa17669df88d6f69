-- Rows without a pseudonym: nobody knows which belong together.
INSERT INTO {scratch}touches
SELECT
    event_id % {slices:UInt16}, event_id, 0, 0, 0, time, event_id, 1, 0, 0,
    CAST(name IN ('pageview', 'screen') AS UInt8) AS view, 1, 0, 0, 0, '', view, 1, 0, 0, 0,
    {touch_expressions}
FROM {scratch}once
WHERE bot = '' AND has(purposes, 'audience') AND visitor = 0 AND name != 'engagement'
