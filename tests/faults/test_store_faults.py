"""Whatever happens between loader and store: every line is stored once, and none is set aside.

The store is the embedded engine behind its front, reached as a server's URL through a proxy that
fails; or the server that DISCREET_TEST_CLICKHOUSE_URL names.
"""

from __future__ import annotations

import contextlib
import random
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spool import reader
from spool.writer import Spool
from store.clickhouse import Store, StoreUnavailable
from store.endpoint import read
from store.loader import Loader
from store.migrate import migrate
from tests.faults.proxy import FAULTS, Proxy, Upstream
from tests.spool.rows import day, row, tally
from tests.store.conftest import Where, store  # noqa: F401  a fixture

ROWS = 20


def upstream_of(where: Where) -> Upstream | None:
    """The server, or the front of the embedded engine at this home."""
    if where.clickhouse_url == "embedded":
        found = read(where.home)
        return found and Upstream("127.0.0.1", found.port, found.user, found.password)
    url = urlsplit(where.clickhouse_url)
    return Upstream(
        url.hostname or "", url.port or 8123, url.username or "default", url.password or ""
    )


@pytest.fixture(scope="module")
def migrated(store: Store) -> Store:  # noqa: F811
    migrate(store)
    return store


@pytest.fixture
def proxy(migrated: Store) -> Iterator[Proxy]:
    with Proxy(lambda: upstream_of(migrated._settings)) as made:  # type: ignore[arg-type]
        yield made
    for table in ("events", "tallies"):
        migrated.command(f"TRUNCATE TABLE {table}")


@pytest.fixture
def through(migrated: Store, proxy: Proxy, tmp_path: Path) -> Store:
    known = migrated._settings.clickhouse_url
    path = "/default" if known == "embedded" else urlsplit(known).path
    return Store(Where(tmp_path, f"http://somebody:else@127.0.0.1:{proxy.port}{path}"))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    spool = Spool(tmp_path / "spool", "never", seal_bytes=2000, seal_seconds=60)
    for number in range(ROWS):
        spool.append([row(number, expires=day(20 + number))], [tally(1)])
    spool.close()
    return tmp_path / "spool"


def load(loader: Loader) -> None:
    with loader.lock(blocking=False) as mine:
        assert mine
        loader.load_once()


def all_there_once(store: Store, spool: Path) -> None:  # noqa: F811
    assert reader.waiting(spool) == []
    assert reader.refused(spool) == []
    ids = store.query_rows("SELECT event_id FROM events ORDER BY 1")
    assert ids == [(number,) for number in range(ROWS)]
    assert store.query_rows("SELECT sum(n) FROM tallies") == [(ROWS,)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_during_a_load_loses_doubles_and_sets_aside_nothing(
    migrated: Store, proxy: Proxy, through: Store, spool: Path, fault: str
) -> None:
    through.ping()  # the connection was good when it was made
    loader = Loader(through, spool)
    with proxy.failing(fault):
        if fault == "slow":
            load(loader)
        else:
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    load(loader)
    assert proxy.count[fault] >= 1
    load(loader)
    all_there_once(migrated, spool)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_query_says_that_the_store_cannot_be_used_and_quotes_nothing(
    proxy: Proxy, through: Store, fault: str
) -> None:
    assert through.query_rows("SELECT 1") == [(1,)]
    if fault == "slow":
        return
    with proxy.failing(fault), pytest.raises(StoreUnavailable) as failed:
        through.query_rows("SELECT {secret:String}", {"secret": "ann@example.com"})
    assert "ann@" not in repr(failed.value)
    assert failed.value.__context__ is None


@pytest.mark.parametrize("seed", range(2))
def test_faults_in_any_order_lose_and_double_nothing(
    migrated: Store, proxy: Proxy, through: Store, spool: Path, seed: int
) -> None:
    chance = random.Random(seed)
    loader = Loader(through, spool)
    faults = [*FAULTS, "", "", "", ""]
    with proxy.failing(lambda: chance.choice(faults)):
        for _ in range(100):
            with contextlib.suppress(StoreUnavailable):
                load(loader)
                break
    load(loader)
    all_there_once(migrated, spool)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of its own authority for the loopback, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.crt", folder / f"{name}.key"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@pytest.fixture
def tls(migrated: Store, tmp_path: Path) -> Iterator[tuple[Proxy, Path]]:
    public, private = certificate(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    with Proxy(lambda: upstream_of(migrated._settings), context) as made:  # type: ignore[arg-type]
        yield made, public
    for table in ("events", "tallies"):
        migrated.command(f"TRUNCATE TABLE {table}")


def test_a_server_is_loaded_over_tls_with_its_own_authority_and_a_password_from_a_file(
    migrated: Store,
    tls: tuple[Proxy, Path],
    spool: Path,
    tmp_path: Path,
) -> None:
    proxy, authority = tls
    secret = tmp_path / "password"
    secret.write_text("else\n")
    url = f"https://somebody@localhost:{proxy.port}/default?ca_cert={authority}"
    load(Loader(Store(Where(tmp_path, url, str(secret))), spool))
    assert proxy.count[""] >= 2
    all_there_once(migrated, spool)


@pytest.mark.parametrize("trusted", ["another", "nobody"])
def test_a_server_that_cannot_prove_itself_is_told_nothing(
    tls: tuple[Proxy, Path], tmp_path: Path, trusted: str
) -> None:
    proxy, _ = tls
    url = f"https://somebody:else@localhost:{proxy.port}/default"
    if trusted == "another":
        url += f"?ca_cert={certificate(tmp_path, 'another')[0]}"
    with pytest.raises(StoreUnavailable):
        Store(Where(tmp_path, url)).query_rows("SELECT 1")
    assert proxy.count == {}
