-- All that one version of a definition shows of a day.
SELECT table, value FROM cells
WHERE site = {site:UInt32} AND period = 'day' AND day = {day:Date} AND version = {version:UInt32}
