-- What each day of a week shows of tables of one dimension.
SELECT day, "table", by, value, visitors, visits, pageviews, events
FROM cells
WHERE site = {site:UInt32} AND period = 'day' AND day BETWEEN {monday:Date} AND {monday:Date} + 6
  AND version IN {versions:Array(UInt32)} AND "table" IN {tables:Array(String)}
