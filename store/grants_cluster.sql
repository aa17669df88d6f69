-- What a cluster needs besides grants.sql: rights that belong to no table, and to replicas.

-- Statements ON CLUSTER: the loader and the release job wait for replicas, the job and the keeper delete.
GRANT {on_cluster} CLUSTER ON *.* TO discreet_loader, discreet_releaser, discreet_keeper;

-- What was inserted before is on every replica before it is looked for, or counted (Store.settle).
GRANT {on_cluster} SYSTEM SYNC REPLICA ON {database}.events_local TO discreet_loader, discreet_releaser;
GRANT {on_cluster} SYSTEM SYNC REPLICA ON {database}.tallies_local TO discreet_loader, discreet_releaser;

-- A table that spreads over the shards is a source of its own.
GRANT {on_cluster} REMOTE ON *.* TO discreet_keeper;
