-- A slice's events that have one filter of a segment or both, with what is known of their visits.
SELECT
    t.slice AS slice, t.person AS person, t.linked AS linked, t.visit AS visit, t.is_view AS is_view,
    {columns}
FROM {scratch}touches AS t
INNER JOIN
(
    SELECT visit, {visit_columns} FROM {scratch}visits WHERE slice = {slice:UInt16}
) AS v USING visit
WHERE t.is_event AND t.slice = {slice:UInt16}
  AND ({first} = {first_value:String} OR {second} = {second_value:String})
