-- A slice's rows with a pseudonym, numbered: visits are rows of one visitor with at most 30 minutes
-- between them, or with the session that the client stated. Text joins in at the end: to carry it
-- through the sorting costs several times more.
INSERT INTO {scratch}touches
WITH
    counted AS
    (
        SELECT
            visitor, visit AS session, time, event_id, engagement, scroll,
            CAST(name IN ('pageview', 'screen') AS UInt8) AS is_view,
            CAST(name != 'engagement' AS UInt8) AS is_event
        FROM {scratch}once
        WHERE bot = '' AND has(purposes, 'audience')
          AND visitor BETWEEN {first:UInt128} AND {last:UInt128}
    ),
    gaps AS
    (
        SELECT *, session = 0 AND time - lagInFrame(time, 1, time) OVER
            (PARTITION BY visitor, session ORDER BY time, event_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) > 1800 AS parts
        FROM counted
    ),
    numbered AS
    (
        SELECT *, sum(parts) OVER
            (PARTITION BY visitor, session ORDER BY time, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number
        FROM gaps
    ),
    visited AS
    (
        SELECT
            visitor, time, event_id, is_view, is_event, engagement, scroll,
            anyIf(event_id, is_event) OVER whole AS first_event,
            if(first_event != 0, first_event, any(event_id) OVER whole) AS visit_id,
            anyIf(event_id, is_view) OVER whole AS first_view,
            anyLastIf(event_id, is_view) OVER whole AS last_view,
            sum(is_view) OVER whole AS views,
            sum(is_event) OVER whole AS events,
            max(time) OVER whole - min(time) OVER whole AS seconds,
            sum(engagement) OVER whole AS engaged,
            max(scroll) OVER whole AS scrolled
        FROM numbered
        WINDOW whole AS (PARTITION BY visitor, session, number ORDER BY time, event_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    ),
    walked AS
    (
        SELECT
            *,
            dense_rank() OVER (ORDER BY visitor) AS person,
            min(visit_id) OVER own != max(visit_id) OVER own AS several
        FROM visited
        WINDOW own AS (PARTITION BY visitor)
    )
SELECT
    {slice:UInt16}, visit_id, {persons:UInt32} + person, 1, several, time, event_id,
    event_id = visit_id, event_id = first_view, event_id = last_view,
    is_view, is_event, engagement, scroll, revenue, currency,
    views, events, seconds, engaged, scrolled,
    {touch_names}
FROM
(
    SELECT event_id, revenue, currency, {touch_expressions}
    FROM {scratch}once
    WHERE bot = '' AND has(purposes, 'audience')
      AND visitor BETWEEN {first:UInt128} AND {last:UInt128}
) AS texts
INNER JOIN walked USING event_id
