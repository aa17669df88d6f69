"""Without a worker events are still taken in and kept. tests/faults has every other failure."""

from tests.service import eventually, running


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
        names = "SELECT DISTINCT name FROM events"
        eventually(lambda: len(service.rows(names)) == 20, "20 stored")
        assert service.stored() == 20
