-- What machines made, kept apart: counted by kind, held to the same floor, since a person may have
-- been taken for a machine.
SELECT
    bot,
    uniqExactIf(visitor, visitor != 0) AS visitors,
    countIf(name IN ('pageview', 'screen')) AS pageviews,
    count() AS events,
    countIf(visitor = 0) AS unlinked
FROM {scratch}once
WHERE bot != '' AND has(purposes, 'audience')
GROUP BY bot
