"""Figures of several processes add up, survive them, hold no label of a request, and are kept."""

import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from anonymize.event import Reason
from config.settings import load
from operate import metrics
from operate.application import assemble
from operate.metrics import Metrics
from operate.services import build
from store.loader import Attempt
from tests.spool.rows import row, tally

ROOT = Path(__file__).resolve().parents[2]
ACCEPTED = "discreet_events_accepted_total"
TOO_OLD = 'discreet_events_not_stored_total{outcome="dropped",reason="too_old"}'


def test_threads_and_processes_add_up_also_those_that_were_killed(tmp_path):
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from operate.metrics import Metrics
metrics = Metrics(Path({str(tmp_path)!r}))
metrics.appended(1, ())
if os.fork() == 0:
    metrics.appended(10, ())
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
metrics.appended(100, ())
os.kill(os.getpid(), signal.SIGKILL)
"""
    mine = Metrics(tmp_path)

    def count():
        for _ in range(500):
            mine.appended(2, [tally(1)])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(2):
        done = subprocess.run([sys.executable, "-c", script], check=False)
        assert done.returncode == -signal.SIGKILL
        assert mine.totals()[ACCEPTED] >= 111 * (turn + 1)
    for thread in threads:
        thread.join()
    for _ in range(2):
        assert mine.totals()[ACCEPTED] == 222 + 4000
        assert mine.totals()[TOO_OLD] == 2000
    assert len(list((tmp_path / "metrics").glob("*.counts"))) == 1


def test_a_reader_killed_between_its_sum_and_the_removal_counts_nothing_twice(
    tmp_path, monkeypatch
):
    other = Metrics(tmp_path)
    other.appended(5, ())
    other._memory.close()  # as its process's end would
    reading = Metrics(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            reading.totals()
    assert [reading.totals()[ACCEPTED] for _ in range(3)] == [5, 5, 5]


def test_another_versions_file_is_left_out(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "1-1.counts").write_bytes(b"older" * 100)
    assert Metrics(tmp_path).totals()[ACCEPTED] == 0


def test_where_nothing_can_be_written_nothing_is_counted_and_nothing_fails(tmp_path):
    (tmp_path / "metrics").write_text("in the way")
    Metrics(tmp_path).appended(1, ())


def test_every_reason_has_a_series():
    assert set(metrics._LOST_AT) == set(Reason)


@pytest.fixture
def serve(tmp_path):
    made = []

    def serving(**settings):
        named = {f"DISCREET_{name.upper()}": value for name, value in settings.items()}
        services = build(load({"DISCREET_HOME": str(tmp_path / "home")} | named))
        made.append(services)
        return services, assemble(services).test_client()

    yield serving
    for services in made:
        services.spool.close()
        services.control.dispose()
        services.keys._engine.dispose()


def test_the_page_shows_what_happened_in_prometheus_text_format(serve):
    services, client = serve()
    services.spool.append([row(1), row(2)], [tally(3)])
    services.metrics.inserted(Attempt(0.03, stored=True))
    services.metrics.inserted(Attempt(70.0, stored=True))
    services.metrics.inserted(Attempt(1.0, stored=False))
    client.get("/healthz")
    client.post("/v1/batch", data=b"{", content_type="application/json")
    answer = client.get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    found = dict(
        line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")
    )
    expected = {
        ACCEPTED: "2",
        TOO_OLD: "3",
        'discreet_events_not_stored_total{outcome="refused",reason="not_json"}': "1",
        'discreet_requests_total{part="operate",status="2xx"}': "1",
        'discreet_requests_total{part="collect",status="4xx"}': "1",
        'discreet_request_seconds_count{part="collect"}': "1",
        'discreet_insert_seconds_bucket{le="0.025"}': "0",
        'discreet_insert_seconds_bucket{le="0.05"}': "1",
        'discreet_insert_seconds_bucket{le="60.0"}': "1",
        'discreet_insert_seconds_bucket{le="+Inf"}': "2",
        "discreet_insert_seconds_count": "2",
        "discreet_inserts_failed_total": "1",
        "discreet_spool_segments": "2",
        "discreet_spool_refused_segments": "0",
        "discreet_worker_beat_seconds": "inf",
    }
    assert {name: found[name] for name in expected} == expected
    grammar = re.compile(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [-+.0-9einf]+\Z')
    assert all(grammar.match(f"{name} {value}") for name, value in found.items())


def test_no_label_holds_anything_of_a_request(serve):
    services, client = serve()
    services.sites.add("secret.example", "UTC", "exempt", "BE")
    before = set(re.findall(r"^[^# ]+", client.get("/metrics").text, re.MULTILINE))
    client.get("/secret-path?q=secret", headers={"User-Agent": "secret"})
    client.post("/api/event", json={"d": "secret.example", "n": "secret", "u": "https://secret"})
    after = client.get("/metrics").text
    assert set(re.findall(r"^[^# ]+", after, re.MULTILINE)) == before
    assert "secret" not in after


LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("settings", "environ", "status"),
    [
        ({}, {}, 200),
        ({}, {"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8000"}, 200),
        ({}, {"REMOTE_ADDR": "192.0.2.1"}, 403),
        ({}, {"REMOTE_ADDR": ""}, 403),
        ({}, {"HTTP_X_FORWARDED_FOR": "192.0.2.1"}, 403),
        ({}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        ({}, {"HTTP_FORWARDED": "for=192.0.2.1"}, 403),
        ({}, {"HTTP_VIA": "1.1 proxy"}, 403),
        ({}, {"HTTP_HOST": "stats.example.com"}, 403),
        ({}, {"HTTP_AUTHORIZATION": "Bearer "}, 200),
        ({"public_url": "https://stats.example.com"}, {}, 403),
        ({"trusted_proxies": "1"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        ({"metrics_token_file": "T"}, {}, 403),
        ({"metrics_token_file": "T"}, {"HTTP_AUTHORIZATION": "Bearer wrong"}, 403),
        ({"metrics_token_file": "T"}, {"HTTP_AUTHORIZATION": "Bearer "}, 403),
        ({"metrics_token_file": "T"}, {"HTTP_AUTHORIZATION": "Bearer t-1"}, 200),
        (
            {"metrics_token_file": "T"},
            {"HTTP_AUTHORIZATION": "Bearer t-1", "REMOTE_ADDR": "192.0.2.1"},
            200,
        ),
        ({"metrics_token_file": "E"}, {"HTTP_AUTHORIZATION": "Bearer "}, 403),
        ({"metrics_token_file": "none"}, {"HTTP_AUTHORIZATION": "Bearer t-1"}, 403),
    ],
)
def test_only_the_token_or_this_machine_itself_may_read_them(
    serve, tmp_path, settings, environ, status
):
    (tmp_path / "T").write_text("t-1\n")
    (tmp_path / "E").write_text("\n")
    named = {
        name: str(tmp_path / value) if name == "metrics_token_file" else value
        for name, value in settings.items()
    }
    _, client = serve(**named)
    assert client.get("/metrics", environ_overrides=LOCAL | environ).status_code == status
