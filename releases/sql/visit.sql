-- Visits, derived: rows of one visitor with at most 30 minutes between them; a visit ends with its
-- day. A row without a pseudonym belongs to no visit and stands for itself.
WITH
    counted AS
    (
        SELECT *, name IN ('pageview', 'screen') AS is_view, name != 'engagement' AS is_event
        FROM events_once(site = {site:UInt32}, day = {day:Date})
        WHERE bot = '' AND has(purposes, {purpose:String})
    ),
    gaps AS
    (
        SELECT *, visit = 0 AND time - lagInFrame(time, 1, time) OVER
            (PARTITION BY visitor, visit ORDER BY time, event_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) > 1800 AS opens
        FROM counted
        WHERE visitor != 0
    ),
    numbered AS
    (
        SELECT *, sum(opens) OVER
            (PARTITION BY visitor, visit ORDER BY time, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number
        FROM gaps
    ),
    things AS
    (
        SELECT
            visitor, 1 AS linked,
            countIf(is_view) AS views,
            countIf(is_event) AS happenings,
            happenings = 1 AS bounced,
            toUInt64(max(time) - min(time)) AS seconds,
            argMinIf(if(page != '', page, screen), (time, event_id), is_view) AS entry_page,
            argMin(source, (time, event_id)) AS source,
            argMin(channel, (time, event_id)) AS channel,
            argMin(country, (time, event_id)) AS country,
            argMin(device, (time, event_id)) AS device,
            argMin(browser, (time, event_id)) AS browser,
            argMin(os, (time, event_id)) AS os,
            argMin(app_version, (time, event_id)) AS app_version,
            argMin(basis, (time, event_id)) AS basis
        FROM numbered
        GROUP BY visitor, visit, number
        UNION ALL
        SELECT
            visitor, 0, toUInt64(is_view), toUInt64(is_event), 0, 0, '',
            source, channel, country, device, browser, os, app_version, basis
        FROM counted
        WHERE visitor = 0
    )
SELECT
    pair.1 AS "table",
    pair.2 AS value,
    uniqExactIf(visitor, linked) AS visitors,
    sum(linked) AS visits,
    sum(views) AS pageviews,
    sum(happenings) AS events,
    sumIf(views, linked) AS linked_pageviews,
    sum(bounced) AS bounces,
    sum(seconds) AS duration,
    sumIf(greatest(views, happenings), NOT linked) AS unlinked,
    uniqExactIf(visitor, linked AND bounced) AS bounced_visitors,
    uniqExactIf(visitor, linked AND NOT bounced) AS staying_visitors
FROM things
ARRAY JOIN [{pairs}] AS pair
WHERE NOT (pair.1 = 'entry_page' AND NOT linked) AND {restriction}
GROUP BY ALL
