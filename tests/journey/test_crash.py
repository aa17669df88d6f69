"""kill -9 at any moment: what was acknowledged is there, once each."""

import itertools
import random
import threading

import pytest
import requests

from tests.service import eventually, running


class Stream:
    """Posts batches without pause until stopped, retrying each until it is acknowledged."""

    def __init__(self, service, key, threads=3):
        self.acknowledged = []
        self._service, self._key = service, key
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        while not self._stop.is_set():
            names = [f"e-{next(self._numbers)}" for _ in range(random.randint(1, 20))]
            batch = [
                {"type": "track", "event": n, "anonymousId": "a", "messageId": n} for n in names
            ]
            while not self._stop.is_set():
                try:
                    answer = self._service.post(
                        "/v1/batch", {"writeKey": self._key, "batch": batch}
                    )
                except requests.RequestException:
                    continue  # as an SDK does: the same messages again
                assert answer.status_code == 200, answer.text
                assert answer.json()["accepted"] == len(names)
                self.acknowledged.extend(names)
                break


def counts(service):
    """Distinct names and events after duplicates are removed."""
    [day] = service.rows("SELECT toString(max(day)) FROM events")
    sql = "SELECT uniqExact(name), count() FROM events_once(site = {site:UInt32}, day = {day:Date})"
    return service.rows(sql, site=1, day=day[0])[0] if day[0] != "1970-01-01" else (0, 0)


def all_there_once(service, names):
    eventually(lambda: counts(service)[0] >= len(names), f"{len(names)} stored")
    stored = {row[0] for row in service.rows("SELECT DISTINCT name FROM events")}
    assert set(names) <= stored
    distinct, events = counts(service)
    assert distinct == events


@pytest.mark.timeout(240)
@pytest.mark.parametrize("victims", [("web",), ("worker",), ("web", "worker")], ids="+".join)
def test_every_acknowledged_event_is_there_once_after_a_kill_of(tmp_path, victims):
    with running(tmp_path / "home", "worker", "web") as service:
        key = service.facts("site", "add", "example.com", "--policy", "exempt")["write_key"]
        with Stream(service, key) as stream:
            for target in (150, 400):
                eventually(lambda t=target: len(stream.acknowledged) >= t, "a stream of posts")
                service.kill(*victims)
                service.start(*reversed(victims))
            more = len(stream.acknowledged) + 100
            eventually(lambda: len(stream.acknowledged) >= more, "posts after the restart")
        all_there_once(service, stream.acknowledged)


def test_with_the_worker_stopped_posts_are_still_acknowledged_and_kept(tmp_path):
    with running(tmp_path / "home", "web") as service:
        key = service.facts("site", "add", "example.com")["write_key"]
        for number in range(20):
            batch = [{"type": "track", "event": f"e-{number}", "messageId": f"m-{number}"}]
            answer = service.post("/v1/batch", {"writeKey": key, "batch": batch})
            assert answer.json()["accepted"] == 1
        ready = service.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["worker"]["ok"] is False
        service.start("worker")
        all_there_once(service, [f"e-{number}" for number in range(20)])
