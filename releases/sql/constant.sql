-- Whether all rows have the values that any row has; first what that row has.
SELECT {columns} FROM {scratch}{source} LIMIT 1
