"""The stats API inside the whole application."""

from accounts.tokens import Tokens
from operate.application import assemble
from tests.operate.world import services


def test_the_routes_need_a_token_and_no_form_and_say_when_the_store_is_away(tmp_path):
    with services(tmp_path / "home") as built:
        site = built.sites.add("example.com", "Europe/Brussels", "exempt", "BE")
        token = Tokens(built.control).add(site, "stats:read").text
        client = assemble(built).test_client()
        query = {"site_id": "example.com", "metrics": ["visitors"], "date_range": "7d"}
        headers = {"Authorization": f"Bearer {token}"}
        assert client.post("/api/v2/query", json=query).status_code == 401
        answer = client.post("/api/v2/query", json=query, headers=headers)
        assert answer.status_code == 200  # nothing was released: the store is not even asked
        assert answer.get_json()["results"] == [{"dimensions": [], "metrics": [None]}]
        assert answer.get_json()["meta"]["freshness"]["days"]["missing"] == 7
        now = client.get("/api/v1/stats/realtime/visitors?site_id=example.com", headers=headers)
        assert now.status_code == 503
        assert "error" in now.get_json()
