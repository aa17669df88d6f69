-- A slice's visits: what the visit is made of from its touches, its attributes from its first event.
INSERT INTO {scratch}visits
SELECT
    slice, visit, person, linked, several, views, events, seconds, engaged, scrolled,
    {visit_names}
FROM
(
    SELECT event_id AS visit, {visit_expressions}
    FROM {scratch}once
    WHERE bot = '' AND has(purposes, 'audience')
      AND visitor BETWEEN {first:UInt128} AND {last:UInt128}
      AND event_id GLOBAL IN
          (SELECT event_id FROM {scratch}touches WHERE slice = {slice:UInt16} AND opens AND linked)
) AS attributes
INNER JOIN
(
    SELECT
        visit, any(slice) AS slice, any(person) AS person, any(linked) AS linked,
        any(several) AS several, any(views) AS views, any(events) AS events,
        any(seconds) AS seconds, any(engaged) AS engaged, any(scrolled) AS scrolled,
        anyIf(if(page != '', page, screen), enters) AS entry_page,
        anyIf(if(page != '', page, screen), leaves) AS exit_page
    FROM {scratch}touches AS t
    WHERE t.slice = {slice:UInt16} AND t.linked AND (t.opens OR t.enters OR t.leaves)
    GROUP BY visit
) AS own USING visit
