SELECT value FROM cells
WHERE site = {site:UInt32} AND period = 'day' AND day = {day:Date} AND version = {version:UInt32}
  AND table = {table:String} AND by = {by:String}
