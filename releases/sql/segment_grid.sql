-- Of a slice, one filter of a segment held fast: of each value of a dimension that is shown beside
-- that filter, what happened in the segment (line 1), in others that differ in the other filter's
-- value alone (2 and more), and in none of them (0).
SELECT
    {dimension} AS dimension,
    indexOf({lines:Array(String)}, {other}) AS line,
    {value} GLOBAL IN ({shown}) AS told,
    if(told, toString({value}), '') AS column,
    uniqExactIf(person, linked), uniqExactIf(visit, linked), countIf(is_view), count(), countIf(NOT linked)
FROM {scratch}segment_{number}
WHERE {pinned} = {by:String} AND slice = {slice:UInt16}
GROUP BY line, told, column
