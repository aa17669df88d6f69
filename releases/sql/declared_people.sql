-- Of a slice, what happened where a condition holds: the figures that disclosure weighs.
SELECT uniqExactIf(person, linked), countIf(NOT linked), countIf(is_view)
FROM {scratch}touches
WHERE is_event AND slice = {slice:UInt16} AND ({condition})
