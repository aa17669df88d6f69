"""Whatever a client sends, no row of it makes the store refuse a segment full of others'."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anonymize.agent import Agents
from anonymize.event import Accepted, RawRequest
from anonymize.geo import open_geo
from anonymize.keys import EphemeralKeys, KeyStore
from config.settings import load
from control.sites import Site
from ingest import segment
from ingest.collector import Collector
from ingest.wire import Malformed
from spool import reader
from spool.writer import Spool
from store.clickhouse import hosting
from store.loader import Loader
from store.migrate import migrate

NOW = datetime(2100, 11, 22, 12, tzinfo=UTC)  # the store deletes by the real clock
SITE = Site(1, "example.com", "k" * 32, "Pacific/Kiritimati", "exempt", "BE", 10)

texts = st.text(max_size=30) | st.sampled_from(
    ["", "\x00", "\\", '"', "\t\n", "\ud83d", "💥", "NULL", "\\N", "1e999", "-1", "{email}"]
)
numbers = (
    st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, -1, 2**63, 2**64 - 1, 1e308, -1e308, 5e-324])
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
times = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda moment: moment.isoformat() + "Z"
)


def maybe(**fields):
    return st.fixed_dictionaries({}, optional=fields)


contexts = maybe(
    app=maybe(name=texts, version=texts, build=texts),
    os=maybe(name=texts | st.sampled_from(["iOS", "Android"]), version=texts),
    device=maybe(
        model=texts, type=texts, memory=maybe(total=numbers), storage=maybe(total=numbers),
        battery=maybe(level=numbers),
    ),
    screen=maybe(width=numbers, height=numbers), network=maybe(wifi=st.booleans()),
    locale=texts, timezone=texts, campaign=maybe(name=texts, source=texts, medium=texts),
    consent=st.just({"categoryPreferences": {"analytics": True, "account": True}}),
    page=maybe(url=texts, referrer=texts), sessionId=texts | numbers,
)  # fmt: skip
events = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "page", "screen"])},
    optional={
        "event": texts, "name": texts, "messageId": texts, "anonymousId": texts, "userId": texts,
        "timestamp": times, "sentAt": times, "context": contexts,
        "properties": st.dictionaries(texts, anything, max_size=3) | maybe(
            url=texts.map(lambda text: f"https://example.com/{text}"), referrer=texts,
            revenue=numbers, currency=texts | st.just("EUR"), name=texts,
        ),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    home = load({"DISCREET_HOME": str(tmp_path_factory.mktemp("home"))})
    with hosting(home) as store:
        migrate(store)
        yield home, store, KeyStore(home.keys_url, home.secret_key(), lambda: NOW)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(events, min_size=1, max_size=8), live=st.booleans(), agent=texts)
def test_every_accepted_event_is_stored(house, batch, live, agent):
    home, store, keys = house
    spool = Spool(home.spool, "never")
    collector = Collector(
        spool, keys if live else EphemeralKeys(keys), open_geo(Path("none")), Agents(),
        timedelta(days=7) if live else None, lambda _: frozenset(),
    )  # fmt: skip
    request = RawRequest(NOW, "203.0.113.9", agent, sdk=True)
    try:
        items = segment.open_batch(json.dumps({"batch": batch}).encode()).items(request)
    except Malformed:
        return
    outcomes = collector.collect(SITE, items, NOW, counted=NOW)
    spool.close()
    before = store.query_rows("SELECT count() FROM events")[0][0]
    Loader(store, home.spool).load_once()
    accepted = sum(isinstance(outcome, Accepted) for outcome in outcomes)
    assert reader.refused(home.spool) == []
    assert store.query_rows("SELECT count() FROM events")[0][0] == before + accepted
