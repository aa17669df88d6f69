-- Of each event what was paid, in the currency of most payments, and the most that one person paid.
SELECT event, currency, sum(times) AS payments, count() AS payers, sum(amount) AS revenue, max(abs(amount)) AS most
FROM
(
    SELECT event, currency, person, count() AS times, sum(t.revenue) AS amount
    FROM {scratch}touches AS t
    WHERE is_event AND linked AND currency != ''
    GROUP BY event, currency, person
)
GROUP BY event, currency
ORDER BY payments DESC, currency
LIMIT 1 BY event
