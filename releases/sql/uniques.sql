-- How many visitors came at all, on more than one day, and in each part of the span.
SELECT
    count(), countIf(bitCount(came) > 1),
    sumForEach(arrayMap(part -> toUInt64(bitAnd(came, part) != 0), {parts:Array(UInt64)}))
FROM ({came})
