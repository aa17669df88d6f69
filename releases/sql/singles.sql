-- Slices added up: the values that stand for enough persons to be shown at all.
SELECT dimension, by, value, {sums}
FROM {source}
GROUP BY dimension, by, value
HAVING sum(visitors) + intDiv(sum(unlinked), 10) >= {least:UInt32}
ORDER BY dimension = {total:UInt16} DESC, sum(visitors) + intDiv(sum(unlinked), 10) DESC, dimension, by, value
LIMIT {most:UInt64}
