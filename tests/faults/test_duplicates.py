"""A message that is sent again is counted once: by whichever process, on whichever day."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise, repeat
from zoneinfo import ZoneInfo

import pytest
from segment.analytics.client import Client
from sqlalchemy import Engine

from control.database import open_control
from control.sites import Sites
from tests.faults.machine import Machine, running
from tests.faults.proxy import Proxy, Upstream
from tests.service import ROOT, eventually

EVENTS = 40
CLIENTS = ROOT / "clients"
# Where it is nearest to midnight now: a minute either side can then be reached by a client's clock.
ZONES = [f"Etc/GMT{hours:+d}" for hours in range(-14, 13)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("duplicates") / "home", False) as made:
        yield made


@contextmanager
def control(url: str) -> Iterator[Engine]:
    engine = open_control(url)
    yield engine
    engine.dispose()


def add(machine: Machine, domain: str, zone: str = "UTC") -> tuple[int, str]:
    """The number of a new site, and its write key."""
    command = ("site", "add", domain, "--policy", "exempt", "--timezone", zone)
    key = machine.service.facts(*command)["write_key"]
    with control(machine.service.settings.control_url) as engine:
        [number] = [site.id for site in Sites(engine).all() if site.domain == domain]
    return number, key


def batch(key: str, at: datetime, sent: datetime) -> dict[str, object]:
    events = [
        {
            "type": "track",
            "event": f"e-{chr(97 + number // 26)}{chr(97 + number % 26)}",
            "anonymousId": "a",
            "messageId": f"m-{number}",
            "timestamp": at.isoformat(),
        }
        for number in range(EVENTS)
    ]
    return {"writeKey": key, "sentAt": sent.isoformat(), "batch": events}


def counted(machine: Machine, site: int, rows: int) -> int:
    """Events of a site over all its days as everything reads them, once `rows` are stored."""
    stored = "SELECT count() FROM events WHERE site = {site:UInt32}"
    eventually(
        lambda: machine.store.query_rows(stored, {"site": site}) == [(rows,)], f"{rows} rows"
    )
    days = machine.store.query_rows(
        "SELECT DISTINCT day FROM events WHERE site = {site:UInt32}", {"site": site}
    )
    once = "SELECT count() FROM events_once(site = {site:UInt32}, day = {day:Date})"
    return sum(machine.store.query_rows(once, {"site": site, "day": day})[0][0] for (day,) in days)


def taken_in(machine: Machine) -> int:
    """Events that were stored as rows, as `/metrics` counts them."""
    figures = machine.service.get("/metrics").text
    found = re.search(r"^discreet_events_accepted_total (\d+)$", figures, re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_the_same_messages_three_times_over_processes_and_a_restart_count_once(
    machine: Machine,
) -> None:
    site, key = add(machine, "three.example")
    now = datetime.now(UTC)
    before = taken_in(machine)
    for turn in range(3):
        body = batch(key, now, now + timedelta(seconds=turn))
        for _ in range(4):  # two web processes: one or the other takes each
            assert machine.service.post("/v1/batch", body).json()["accepted"] == EVENTS
        if turn == 1:
            machine.kill("web", "worker")
            machine.start("worker", "web")
    assert counted(machine, site, 12 * EVENTS) == EVENTS
    # The figures of four processes, of which two were killed, by whichever is asked.
    assert {taken_in(machine) - before for _ in range(4)} == {12 * EVENTS}


def test_a_message_sent_again_on_the_other_side_of_midnight_counts_once(machine: Machine) -> None:
    def to_midnight(zone: str) -> timedelta:
        local = datetime.now(ZoneInfo(zone))
        return timedelta(hours=local.hour, minutes=local.minute, seconds=local.second)

    zone = min(ZONES, key=to_midnight)
    site, key = add(machine, "midnight.example", zone)
    after = to_midnight(zone)  # midnight was so long ago
    now = datetime.now(UTC)
    # By the client's clock the event is a minute older than midnight at the first try; at the
    # second the clock has been set back, so that it is a minute younger.
    at = now - after
    for shift in (timedelta(minutes=1), timedelta(minutes=-1)):
        body = batch(key, at, now + shift)
        assert machine.service.post("/v1/batch", body).json()["accepted"] == EVENTS
    assert counted(machine, site, 2 * EVENTS) == EVENTS
    days = "SELECT DISTINCT day FROM events WHERE site = {site:UInt32} ORDER BY day"
    [(first, second)] = pairwise(d for (d,) in machine.store.query_rows(days, {"site": site}))
    assert second - first == timedelta(days=1)


# Answers that the client takes as final, such as 404, are no failures of a service.
FAILURES = ("forgotten", "", "confused", "", "cut", "", "away")


def each_is_there_once(machine: Machine, site: int, proxy: Proxy) -> None:
    assert proxy.count["forgotten"] + proxy.count["confused"] >= 1
    spool = machine.service.home / "spool"
    eventually(lambda: not list(spool.glob("events*")), "everything loaded")
    [(rows, distinct)] = machine.store.query_rows(
        "SELECT count(), uniqExact(event_id) FROM events WHERE site = {s:UInt32}", {"s": site}
    )
    assert distinct == EVENTS
    assert rows > EVENTS  # some were sent again after they had been accepted
    assert counted(machine, site, rows) == EVENTS


def test_segments_python_client_against_a_service_that_fails_counts_each_event_once(
    machine: Machine,
) -> None:
    site, key = add(machine, "client.example")
    failures = chain(FAILURES, repeat(""))
    given_up: list[Exception] = []
    with (
        Proxy(lambda: Upstream("127.0.0.1", machine.service.port)) as proxy,
        proxy.failing(lambda: next(failures)),
    ):
        client = Client(
            key,
            host=f"http://127.0.0.1:{proxy.port}",
            max_retries=30,
            upload_size=10,
            on_error=lambda error, _: given_up.append(error),
        )
        for number in range(EVENTS):
            client.track(anonymous_id="a", event=f"c-{chr(97 + number % 26)}{number // 26}")
        client.flush()
        client.join()
    assert not given_up
    each_is_there_once(machine, site, proxy)


NODE = """
const { Analytics } = require('@segment/analytics-node')
const client = new Analytics({
  writeKey: process.env.KEY, host: process.env.ORIGIN, maxRetries: 30, flushAt: 10
})
const failed = []
client.on('error', (error) => failed.push(error))
for (let n = 0; n < Number(process.env.EVENTS); n++) {
  client.track({ anonymousId: 'a', event: 'n-' + String.fromCharCode(97 + n % 26) })
}
client.closeAndFlush().then(() => { if (failed.length) { console.error(failed); process.exit(1) } })
"""


@pytest.mark.skipif(
    not (CLIENTS / "node_modules" / "@segment").is_dir(), reason="npm's packages are not installed"
)
def test_segments_node_client_against_a_service_that_fails_counts_each_event_once(
    machine: Machine,
) -> None:
    site, key = add(machine, "node.example")
    failures = chain(FAILURES, repeat(""))
    with (
        Proxy(lambda: Upstream("127.0.0.1", machine.service.port)) as proxy,
        proxy.failing(lambda: next(failures)),
    ):
        origin = f"http://127.0.0.1:{proxy.port}"
        sent = subprocess.run(
            [CLIENTS / "npm.sh", "exec", "-c", 'node -e "$SCRIPT"'],
            env=os.environ | {"SCRIPT": NODE, "KEY": key, "ORIGIN": origin, "EVENTS": str(EVENTS)},
            capture_output=True,
            timeout=100,
            check=False,
        )
    assert sent.returncode == 0, sent.stderr.decode()
    each_is_there_once(machine, site, proxy)
