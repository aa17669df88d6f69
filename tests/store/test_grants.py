"""The roles of a server: what each may do, parsed here and tried where there is a server.

Here ClickHouse's own parser reads the file (EXPLAIN AST): it knows every privilege by name, but
checks syntax alone, since the embedded engine has no users.
"""

import re
import secrets
from urllib.parse import urlsplit

import pytest

from store import grants, loader
from store.clickhouse import Store, StoreUnavailable
from store.migrate import FOLDER, migrate
from tests.store.conftest import SERVER, Where

GRANT = re.compile(
    r"^GRANT\s+(?:ON CLUSTER '\w+'\s+)?(.+) ON (?:`d`\.)?(\S+) TO ([\w, ]+)\Z", re.MULTILINE
)

# As the keys of the tables name them.
ORDER = ("site", "day", "event_id", "reason", "segment")


def granted(role, cluster=""):
    """(privilege, table) of a role."""
    found = (GRANT.search(statement) for statement in grants.statements("d", cluster))
    return {
        (privilege, match[2])
        for match in found
        if match and role in match[3].split(", ")
        for privilege in re.split(r", (?![^(]*\))", match[1])
    }


def tables():
    """Every table and view of the schema."""
    schema = "".join(path.read_text() for path in FOLDER.glob("*.sql"))
    return set(re.findall(r"(?:TABLE IF NOT EXISTS|REPLACE VIEW) (\w+)", schema))


@pytest.mark.parametrize(
    ("cluster", "number"),
    [(name, n) for name in ("", "main") for n in range(len(grants.statements("d", name)))],
)
def test_clickhouse_parses_every_grant(store, number, cluster):
    statement = grants.statements("d", cluster)[number]
    assert store.query_rows(f"EXPLAIN AST {statement}")
    assert ("ON CLUSTER 'main'" in statement) == bool(cluster)


@pytest.mark.parametrize("role", ["loader", "releaser", "dashboards", "keeper"])
def test_on_a_cluster_a_right_to_a_table_is_one_to_where_its_rows_lie(role):
    one, cluster = granted(f"discreet_{role}"), granted(f"discreet_{role}", "main")
    spread = {(privilege, f"{t}_local") for privilege, t in one if t in grants.SPREAD}
    assert one | spread <= cluster
    more = {privilege for privilege, _ in cluster - one - spread}
    assert more <= {"SYSTEM SYNC REPLICA", "CLUSTER", "REMOTE"}


def test_a_cluster_spreads_the_tables_that_the_grants_say():
    created = {
        name
        for path in FOLDER.glob("*.sql")
        for name in re.findall(r"TABLE IF NOT EXISTS (\w+)", path.read_text())
    }
    assert created == set(grants.SPREAD)


@pytest.mark.parametrize(
    ("ask", "roles"),
    [
        pytest.param(lambda s: s.settle("events"), ("loader", "releaser"), id="waits for events"),
        pytest.param(lambda s: s.settle("tallies"), ("loader", "releaser"), id="for tallies"),
        pytest.param(lambda s: s.delete("events", "1"), ("keeper",), id="deletes rows"),
        pytest.param(lambda s: s.delete("cells", "1"), ("releaser", "keeper"), id="releases"),
        pytest.param(lambda s: s.delete("tallies", "1"), ("keeper",), id="tallies"),
    ],
)
def test_on_a_cluster_the_roles_may_run_what_the_store_runs(tmp_path, ask, roles):
    """What the store sends is taken from itself: the table, and the privilege that it needs."""
    where = Where(tmp_path, "http://nobody@127.0.0.1:9/discreet", clickhouse_cluster="main")
    sent = []
    store = Store(where)
    store.command = lambda sql, *_: sent.append(sql)
    ask(store)
    [statement] = sent
    verb = re.match(r"SYSTEM SYNC REPLICA|ALTER TABLE .+ (?=DELETE)", statement)[0]
    privilege = "ALTER DELETE" if verb.startswith("ALTER") else verb
    table = re.search(r"\w+_local", statement)[0]
    for role in roles:
        assert {(privilege, table), ("CLUSTER", "*.*")} <= granted(f"discreet_{role}", "main")


def test_dashboards_may_read_releases_and_nothing_else():
    assert granted("discreet_dashboards") == {("SELECT", "cells")}


def test_the_loader_may_write_rows_and_read_what_tells_nobody():
    assert granted("discreet_loader") == {
        ("INSERT", "events"),
        ("SELECT(site, day, event_id)", "events"),
        ("INSERT", "tallies"),
        ("SELECT(site, day, reason, segment)", "tallies"),
    }


def test_the_loader_may_look_for_what_it_inserted():
    """Every column that its look names is one that it may read."""
    for table, look in loader._LOOK.items():
        named = set(re.findall(r"(\w+) = ", look))
        assert (f"SELECT({', '.join(sorted(named, key=ORDER.index))})", table) in granted(
            "discreet_loader"
        )


def test_the_release_job_reads_rows_and_writes_nothing_but_releases_and_its_own_scratch():
    rights = granted("discreet_releaser")
    writes = {table for privilege, table in rights if privilege != "SELECT"}
    assert writes == {"cells", "scratch_*"}
    assert {t for p, t in rights if p == "SELECT"} == tables() | {"scratch_*"}


def test_every_grant_names_a_table_that_exists():
    named = {
        table
        for role in ("loader", "releaser", "dashboards", "keeper")
        for _, table in granted(f"discreet_{role}")
    }
    assert named - {"*", "scratch_*"} == tables()


def test_a_name_of_a_database_is_quoted():
    assert any(r"ON `a\`b`.cells TO discreet_dashboards" in s for s in grants.statements("a`b"))


@pytest.mark.skipif(not SERVER, reason="DISCREET_TEST_CLICKHOUSE_URL names no server")
@pytest.mark.parametrize(
    ("role", "allowed", "denied"),
    [
        pytest.param(
            "discreet_dashboards",
            ["SELECT count() FROM cells"],
            ["SELECT count() FROM events", "SELECT count() FROM tallies",
             "SELECT count() FROM events_once(site = 1, day = today())",
             "INSERT INTO cells (site) SELECT 1", "ALTER TABLE cells DELETE WHERE 1"],
            id="dashboards",
        ),
        pytest.param(
            "discreet_loader",
            ["INSERT INTO events (site) SELECT 1 WHERE 0",
             "SELECT 1 FROM events WHERE site = 1 AND day = today() AND event_id = 1"],
            ["SELECT visitor FROM events", "SELECT page FROM events",
             "SELECT count() FROM cells"],
            id="loader",
        ),
        pytest.param(
            "discreet_releaser",
            ["SELECT count() FROM events_once(site = 1, day = today())",
             "INSERT INTO cells (site) SELECT 1 WHERE 0", "SELECT count() FROM cells",
             "CREATE TABLE scratch_x (a Int8) ENGINE = Memory", "TRUNCATE TABLE scratch_x",
             "DROP TABLE scratch_x SYNC"],
            ["INSERT INTO events (site) SELECT 1", "ALTER TABLE events DELETE WHERE 1",
             "CREATE TABLE other (a Int8) ENGINE = Memory"],
            id="release job",
        ),
    ],
)  # fmt: skip
def test_a_server_keeps_each_role_to_its_zone(store, tmp_path, role, allowed, denied):
    migrate(store)
    grants.apply(store)
    user, password = f"discreet_test_{secrets.token_hex(4)}", secrets.token_hex(16)
    store.command(f"CREATE USER {user} IDENTIFIED BY '{password}' DEFAULT ROLE {role}")
    [(database,)] = store.query_rows("SELECT currentDatabase()")
    server = urlsplit(SERVER)
    place = f"{user}:{password}@{server.hostname}:{server.port}"
    url = server._replace(netloc=place, path=f"/{database}").geturl()
    theirs = Store(Where(tmp_path, url))
    try:
        for statement in allowed:
            theirs.command(statement)
        for statement in denied:
            with pytest.raises(StoreUnavailable, match="ACCESS_DENIED"):
                theirs.command(statement)
    finally:
        store.command(f"DROP USER {user}")
