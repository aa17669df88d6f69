"""Plants visitors through the collector itself, with the public write key, as `active` assumes."""

from flask.testing import FlaskClient


def agents(n: int) -> list[str]:
    """So many browsers that nobody takes for programs: versions of one."""
    return [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{100 + number}.0.0.0 Safari/537.36"
        for number in range(n)
    ]


def post(client: FlaskClient, write_key: str, page: str, senders: list[tuple[str, str]]) -> int:
    """Posts one view of a page for each address and agent; how many were taken."""
    view = {"type": "page", "properties": {"url": f"https://example.com{page}"}}
    answers = [
        client.post(
            "/v1/batch",
            json={"writeKey": write_key, "batch": [view]},
            environ_base={"REMOTE_ADDR": address, "HTTP_USER_AGENT": agent},
        )
        for address, agent in senders
    ]
    return sum(answer.status_code == 200 for answer in answers)


def people(rows: list[dict[str, object]], page: str) -> int:
    """The visitors whom a release would count on a page: no bots, distinct pseudonyms."""
    return len({
        row["visitor"] for row in rows if row.get("page") == page and not row.get("bot")
    } - {None, "0"})  # fmt: skip
