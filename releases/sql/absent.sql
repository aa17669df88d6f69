-- Of which dimensions the day knows any value at all.
SELECT {columns} FROM {scratch}{source}
