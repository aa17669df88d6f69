-- An event without a pseudonym has its own attributes; where its visit began, nobody knows.
INSERT INTO {scratch}visits
SELECT
    event_id % {slices:UInt16}, event_id, 0, 0, 0, CAST(name IN ('pageview', 'screen') AS UInt8), 1, 0, 0, 0,
    {visit_names}
FROM
(
    SELECT event_id, name, '' AS entry_page, '' AS exit_page, {visit_expressions}
    FROM {scratch}once
    WHERE bot = '' AND has(purposes, 'audience') AND visitor = 0 AND name != 'engagement'
)
