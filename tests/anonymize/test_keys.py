"""Keys: one a day however many ask, sealed at rest, and gone for good at their end."""

import os
import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from anonymize import pseudonyms
from anonymize.calendar import midnight
from anonymize.keys import EphemeralKeys, KeyStore, create_statement, passing_keys
from anonymize.keys import keys as lasting_keys

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ZONE = "Europe/Brussels"
END = midnight(ZONE, DAY + timedelta(days=1))
SECRET = b"s" * 32


class Clock:
    def __init__(self, now=NOON):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/keys.db"
    return request.getfixturevalue("postgres").database()


def files(url, tmp_path, request):
    """The folder of all that the database keeps."""
    if url.startswith("sqlite"):
        return tmp_path
    return request.getfixturevalue("postgres").settle()


def holds(folder, needle):
    return any(needle in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def store(url, clock, secret=SECRET):
    return KeyStore(url, secret, clock)


def test_two_processes_share_the_day_key(url, clock):
    assert store(url, clock).day(ZONE, DAY) == store(url, clock).day(ZONE, DAY)


def test_however_many_ask_at_once_one_key_is_made(url, clock):
    stores = [store(url, clock) for _ in range(8)]
    barrier, keys = threading.Barrier(8), []

    def ask(one):
        barrier.wait()
        keys.append(one.day(ZONE, DAY))

    threads = [threading.Thread(target=ask, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_days_and_zones_have_keys_of_their_own(url, clock):
    keys = store(url, clock)
    assert len({keys.day(ZONE, DAY), keys.day("UTC", DAY), keys.day("America/New_York", DAY)}) == 3


def test_a_day_key_is_gone_within_an_hour_after_its_day(url, clock):
    keys = store(url, clock)
    assert keys.day(ZONE, DAY)
    clock.now = END + timedelta(minutes=59)
    assert keys.day(ZONE, DAY) is None
    assert keys.destroy_due() == 1
    assert [exists for *_, exists, _, _ in keys.status()] == [False]


def test_a_clock_that_jumps_back_does_not_bring_a_key_back(url, clock):
    keys = store(url, clock)
    keys.day(ZONE, DAY)
    clock.now = END + timedelta(hours=1)
    keys.destroy_due()
    clock.now = NOON
    assert keys.day(ZONE, DAY) is None
    assert store(url, clock).day(ZONE, DAY) is None


def test_no_key_is_made_for_a_day_to_come(url, clock):
    assert store(url, clock).day(ZONE, DAY + timedelta(days=2)) is None


def test_a_key_is_sealed_at_rest(url, clock, tmp_path, request):
    key = store(url, clock).day(ZONE, DAY)
    assert not holds(files(url, tmp_path, request), key)


def test_a_destroyed_key_leaves_no_byte_sealed_or_not(url, clock, tmp_path, request):
    """On PostgreSQL that includes dead rows, the write-ahead log and everything else it keeps."""
    keys = store(url, clock)
    key = keys.day(ZONE, DAY)
    with keys._engine.connect() as connection:
        sealed = connection.execute(passing_keys.select()).first().sealed
    assert holds(files(url, tmp_path, request), sealed)
    clock.now = END + timedelta(hours=1)
    keys.destroy_due()
    folder = files(url, tmp_path, request)
    for needle in (key, sealed, sealed[12:28]):
        assert not holds(folder, needle)


def test_another_secret_key_cannot_open_it_and_the_error_shows_nothing(url, clock):
    store(url, clock).day(ZONE, DAY)
    with pytest.raises(KeyError, match="sealed by another secret key"):
        store(url, clock, b"x" * 32).day(ZONE, DAY)


def test_an_identity_key_lasts_thirteen_months_and_is_then_replaced(url, clock):
    keys = store(url, clock)
    first = keys.identity(1)
    clock.now = NOON + timedelta(days=394)
    assert keys.identity(1) == first
    clock.now = NOON + timedelta(days=396)
    assert keys.identity(1) != first
    assert keys.identity(2) != keys.identity(1)


def test_a_retry_meets_its_first_try_under_the_same_key(url, clock):
    keys = store(url, clock)
    occurred = NOON - timedelta(days=3)
    first = keys.event(occurred)
    clock.now = NOON + timedelta(days=4)
    assert store(url, clock).event(occurred) == first


def test_an_import_has_day_keys_of_its_own_that_nobody_else_can_ask_for(url, clock):
    lasting = store(url, clock)
    one, two = EphemeralKeys(lasting), EphemeralKeys(lasting)
    past = date(2015, 5, 17)
    assert one.day(ZONE, past) == one.day(ZONE, past) != two.day(ZONE, past)
    assert lasting.day(ZONE, past) is None
    assert one.event(NOON) == lasting.event(NOON)


def test_an_import_keeps_no_living_days_key_past_its_end(url, clock):
    lasting = store(url, clock)
    imported = EphemeralKeys(lasting)
    key = lasting.day(ZONE, DAY)
    assert imported.day(ZONE, DAY) == key
    clock.now = END + timedelta(minutes=31)
    lasting.destroy_due()
    assert imported.day(ZONE, DAY) == imported.day(ZONE, DAY) != key
    assert key not in imported._days.values()


def test_a_fork_holds_no_key_that_it_did_not_ask_for_itself(tmp_path, clock):
    """It has no keeper yet that would destroy one."""
    keys = store(f"sqlite:///{tmp_path}/keys.db", clock)
    key = keys.day(ZONE, DAY)
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            inherited = bool(keys._held)
            same = keys.day(ZONE, DAY) == key
            kept = keys._keeper == os.getpid()
            os.write(writes, bytes([inherited, same, kept]))
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        assert pipe.read() == bytes([False, True, True])
    os.waitpid(child, 0)
    assert keys._held


def test_every_process_that_holds_a_key_destroys_it_by_itself(url, clock, monkeypatch):
    monkeypatch.setattr("anonymize.keys.KEEPER_SECONDS", 0.01)
    keys = store(url, clock)
    keys.day(ZONE, DAY)
    clock.now = END + timedelta(minutes=31)
    deadline = time.monotonic() + 10
    while keys._held or [exists for *_, exists, _, _ in keys.status()] != [False]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_with_every_file_and_secret_left_yesterdays_pseudonym_cannot_be_recomputed(url, clock):
    """The attacker has the key database, the secret key, the true address and user agent."""
    prefix, agent = bytes([203, 0, 113, 0]), "Firefox"
    keys = store(url, clock)
    known = pseudonyms.visitor_of_day(keys.day(ZONE, DAY), 1, prefix, agent, "")
    keys.identity(1)
    keys.event(NOON)
    keys.lasting("threshold", "")

    def recomputed(attacker):
        held = [attacker.identity(1), attacker.event(NOON), attacker.lasting("threshold", "")]
        held += [attacker.day(ZONE, DAY), SECRET, b"\0" * 32]
        return {
            pseudonyms.visitor_of_day(key, 1, prefix, agent, "") for key in held if key is not None
        }

    assert known in recomputed(store(url, clock))  # today it can be: the attack works
    clock.now = END + timedelta(hours=1)
    keys.destroy_due()
    clock.now = NOON  # and a clock set back does not help
    assert known not in recomputed(store(url, clock))


def test_on_postgresql_no_write_ahead_log_keeps_a_day_key_and_a_crash_leaves_the_lasting_ones(
    clock, postgres
):
    url = postgres.database()
    keys = store(url, clock)
    day, kept = keys.day(ZONE, DAY), [keys.identity(1), keys.record(1), keys.exclusion()]
    with keys._engine.connect() as connection:
        sealed = connection.execute(passing_keys.select()).one().sealed
    assert not any(sealed in file.read_bytes() for file in (postgres.data / "pg_wal").glob("0*"))
    postgres.control("-m", "immediate", "restart")
    again = store(url, clock)
    assert [again.identity(1), again.record(1), again.exclusion()] == kept
    assert again.day(ZONE, DAY) != day


def test_only_passing_keys_are_kept_out_of_the_log():
    made = [create_statement(table, postgresql.dialect()) for table in (passing_keys, lasting_keys)]
    assert ["UNLOGGED" in statement for statement in made] == [True, False]
    assert "UNLOGGED" not in create_statement(passing_keys, sqlite.dialect())
