-- A week's cells as the sums of what its days show. An average's two parts are given only where
-- every one of these days gives both: their days must be the same.
SELECT
    "table", by, value,
    sum(c.visitors) AS visitors, sum(c.visits) AS visits,
    sum(c.pageviews) AS pageviews, sum(c.events) AS events,
    if(count(c.linked_pageviews) = count(), sum(c.linked_pageviews), NULL) AS linked_pageviews,
    if(count(c.bounces) = count(), sum(c.bounces), NULL) AS bounces,
    if(count(c.duration) = count(), sum(c.duration), NULL) AS duration,
    if(count(c.engagement) = count(), sum(c.engagement), NULL) AS engagement,
    if(count(c.engagement) = count(), sum(c.engaged), NULL) AS engaged,
    if(count(c.scroll) = count(), sum(c.scroll), NULL) AS scroll,
    if(count(c.scroll) = count(), sum(c.scrolled), NULL) AS scrolled,
    if(uniqExactIf(c.currency, c.revenue IS NOT NULL) = 1, sum(c.revenue), NULL) AS revenue,
    if(uniqExactIf(c.currency, c.revenue IS NOT NULL) = 1, sum(c.payments), NULL) AS payments,
    if(uniqExactIf(c.currency, c.revenue IS NOT NULL) = 1, anyIf(c.currency, c.revenue IS NOT NULL), '') AS currency
FROM cells AS c
WHERE c.site = {site:UInt32} AND c.period = 'day' AND c.day BETWEEN {monday:Date} AND {monday:Date} + 6
  AND c.version IN {versions:Array(UInt32)} AND {which}
GROUP BY "table", by, value
