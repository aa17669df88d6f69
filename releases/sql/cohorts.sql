-- How many visitors came in exactly which weeks.
SELECT came, count() FROM ({came}) GROUP BY came
