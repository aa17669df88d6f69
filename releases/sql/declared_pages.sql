-- Of a slice, the visitors of each page below a path that the day's release shows.
SELECT page, uniqExact(person)
FROM {scratch}touches
WHERE is_event AND linked AND slice = {slice:UInt16} AND {condition} AND page GLOBAL IN ({shown})
GROUP BY page
