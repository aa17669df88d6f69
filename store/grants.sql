-- Who may do what in a ClickHouse server: three roles for the three zones, and one for the keeper of
-- the schema. store/grants.py fills in what stands in braces; on a cluster it repeats each right to a table
-- for the local table behind it, and adds grants_cluster.sql. Users are the operator's: docs/clickhouse.md.

CREATE ROLE IF NOT EXISTS discreet_loader {on_cluster};
CREATE ROLE IF NOT EXISTS discreet_releaser {on_cluster};
CREATE ROLE IF NOT EXISTS discreet_dashboards {on_cluster};
CREATE ROLE IF NOT EXISTS discreet_keeper {on_cluster};

-- Whatever was granted before.
REVOKE {on_cluster} ALL ON {database}.* FROM discreet_loader, discreet_releaser, discreet_dashboards, discreet_keeper;

-- The loader writes rows. Of what is there it reads the keys alone, by which it finds out whether an insert
-- that nobody answered was stored: whoever has its password learns no page, no person and no time of day.
GRANT {on_cluster} INSERT, SELECT(site, day, event_id) ON {database}.events TO discreet_loader;
GRANT {on_cluster} INSERT, SELECT(site, day, reason, segment) ON {database}.tallies TO discreet_loader;

-- The release job reads rows and writes releases; a day's scratch tables are its own.
GRANT {on_cluster} SELECT ON {database}.events TO discreet_releaser;
GRANT {on_cluster} SELECT ON {database}.events_once TO discreet_releaser;
GRANT {on_cluster} SELECT ON {database}.tallies TO discreet_releaser;
GRANT {on_cluster} SELECT, INSERT, ALTER DELETE ON {database}.cells TO discreet_releaser;
GRANT {on_cluster} SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE ON {database}.scratch_* TO discreet_releaser;

-- Dashboards, the stats API and exports read releases and nothing else.
GRANT {on_cluster} SELECT ON {database}.cells TO discreet_dashboards;

-- The keeper migrates the schema and deletes: rows on their day and where people erase theirs, and whatever
-- there is of a site that is removed.
GRANT {on_cluster} SELECT, INSERT, CREATE TABLE, CREATE VIEW, DROP VIEW ON {database}.* TO discreet_keeper;
GRANT {on_cluster} ALTER DELETE ON {database}.events TO discreet_keeper;
GRANT {on_cluster} ALTER DELETE ON {database}.tallies TO discreet_keeper;
GRANT {on_cluster} ALTER DELETE ON {database}.cells TO discreet_keeper;
