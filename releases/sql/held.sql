SELECT *
FROM cells AS c
WHERE c.site = {site:UInt32} AND c.period = 'day' AND c.day = {day:Date} AND c.version = {version:UInt32}
    AND c."table" NOT IN {live:Array(String)}
