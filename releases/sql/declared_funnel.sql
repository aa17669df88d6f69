-- Of a slice, how many visitors got to which step of a funnel at the most. An event is one step at
-- most: the first that has not been taken.
SELECT best, count()
FROM
(
    SELECT person, max(reached) AS best
    FROM
    (
        SELECT
            any(person) AS person,
            arrayFold(
                (taken, step) -> if(bitTest(step.3, taken), toUInt8(taken + 1), taken),
                arraySort(groupArray((time, event_id, steps))), toUInt8(0)
            ) AS reached
        FROM
        (
            SELECT person, visit, time, event_id, {steps} AS steps
            FROM {scratch}touches
            WHERE is_event AND linked AND slice = {slice:UInt16}
        )
        WHERE steps != 0
        GROUP BY visit
    )
    GROUP BY person
)
GROUP BY best
