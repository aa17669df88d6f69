INSERT INTO cells
    (site, period, day, version, "table", by, value, visitors, visits, pageviews, events, linked_pageviews,
     bounces, duration, engagement, engaged, scroll, scrolled, revenue, payments, currency)
SELECT {site:UInt32}, 'week', {monday:Date}, {version:UInt32}, * FROM ({sums})
