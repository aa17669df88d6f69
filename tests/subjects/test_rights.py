"""What a person can ask, told through the public endpoints and the worker that does it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import select

from control.database import subject_requests, subject_tokens
from control.objections import Objections
from control.withheld import SPREAD, Withheld
from spool import reader
from store.clickhouse import Store
from store.loader import Loader
from store.migrate import migrate
from subjects.fulfil import Fulfilment
from subjects.ledger import Ledger
from subjects.requests import (
    ANSWER_LIFE,
    PROOF_LIFE,
    Kind,
    Requests,
    a_month_later,
)
from tests.ingest.world import World, make
from tests.store.conftest import store as store

GRANT = {"analytics": True, "product": True, "account": True}


class Life:
    """A site's endpoints, the store that its worker loads, and a clock for the worker."""

    def __init__(self, world: World, client: FlaskClient, store: Store) -> None:
        self.world, self.client, self.store = world, client, store
        self.world.site = world.sites.set(world.site, properties=["plan", "size"])
        self.ledger = Ledger(world.control, world.keys, Objections(world.control))
        self.requests = Requests(world.control, world.keys, self.ledger)
        held = Withheld(world.control).all
        self.loader = Loader(store, world.home / "spool", withheld=held)
        self.now = datetime.now(UTC)

    def post(self, path: str, **body: Any) -> Any:
        return self.client.post(path, json={"writeKey": self.world.site.write_key} | body)

    def grant(self, who: str) -> str:
        told = self.post("/v1/consent", anonymousId=who, categoryPreferences=GRANT).get_json()
        return told.get("subjectToken", "")

    def event(self, who: str, name: str, **more: Any) -> None:
        consent = {"categoryPreferences": GRANT}
        answer = self.post(
            "/v1/track", anonymousId=who, event=name, messageId=str(uuid4()),
            context={"consent": consent}, **more,
        )  # fmt: skip
        assert answer.get_json()["accepted"] == 1

    def load(self) -> None:
        self.world.spool.close()
        reader.adopt(self.world.home / "spool")
        with self.loader.lock(blocking=True):
            self.loader.load_once()

    def ask(self, kind: str, who: str, **more: Any) -> Any:
        return self.post("/v1/subject/requests", type=kind, anonymousId=who, **more)

    def work(self, later: timedelta = SPREAD + timedelta(seconds=1)) -> list[tuple[Kind, int]]:
        """The worker's turn, as much later, with everything loaded."""
        now = datetime.now(UTC) + later
        fulfilment = Fulfilment(
            self.store, self.requests, self.ledger, self.world.home / "spool",
            self.world.sites.all, lambda: now, lambda: now,
        )  # fmt: skip
        return [(kind, rows) for _, kind, rows in fulfilment.run()]

    def progress(self, receipt: str, token: str = "") -> Any:
        headers = {"X-Subject-Token": token} if token else {}
        return self.client.get(f"/v1/subject/requests/{receipt}", headers=headers).get_json()

    def names(self) -> list[str]:
        rows = self.store.query_rows(
            "SELECT name FROM events WHERE site = {site:UInt32} AND restricted = 0 ORDER BY name",
            {"site": self.world.site.id},
        )
        return [name for (name,) in rows]


@pytest.fixture
def life(tmp_path: Path, store: Store) -> Iterator[Life]:
    migrate(store)
    store.command("TRUNCATE TABLE events")
    world = make(tmp_path, policy="opt-in")
    yield Life(world, world.app().test_client(), store)
    world.spool.close()
    world.control.dispose()


def test_access_shows_what_was_sent_and_nothing_about_anybody_else(life: Life) -> None:
    ada, eve = str(uuid4()), str(uuid4())
    token, _ = life.grant(ada), life.grant(eve)
    life.event(ada, "Ordered", properties={"plan": "pro", "unheard": "x"})
    life.event(eve, "Looked")
    life.load()
    filed = life.ask("access", ada, subjectToken=token)
    assert filed.status_code == 202
    receipt = filed.get_json()["receipt"]
    assert life.progress(receipt, token)["status"] == "received"
    assert life.work() == [(Kind.ACCESS, 1)]
    told = life.progress(receipt, token)
    assert (told["type"], told["status"], told["rows"]) == ("access", "completed", 1)
    [event] = told["result"]["events"]
    assert event["name"] == "Ordered"
    assert event["props"] == {"plan": "pro"}
    assert event["basis"] == "consent"
    assert set(event) <= set(told["result"]["fields"])
    assert [each["event_state"] for each in told["result"]["decisions"]] == ["dpv:ConsentGiven"]
    # Without the token, or with another's, how far it is and no more.
    assert "result" not in life.progress(receipt)
    assert "result" not in life.progress(receipt, "A" * 22)


def test_the_answer_is_readable_with_the_token_alone(life: Life) -> None:
    ada = str(uuid4())
    token = life.grant(ada)
    life.event(ada, "Secretly")
    life.load()
    life.ask("portability", ada, subjectToken=token)
    life.work()
    with life.world.control.connect() as connection:
        row = connection.execute(select(subject_requests)).one()
    assert row.answer
    assert b"Secretly" not in row.answer
    assert (row.visitors, row.users, row.opening) == ([], [], None)


def test_an_erasure_leaves_no_row_and_holds_for_what_still_waited(life: Life) -> None:
    ada, eve = str(uuid4()), str(uuid4())
    token = life.grant(ada)
    life.grant(eve)
    life.event(ada, "Stored")
    life.load()
    life.event(ada, "Waiting")
    life.event(eve, "Hers")
    receipt = life.ask("erasure", ada).get_json()["receipt"]
    life.load()
    assert life.work(timedelta()) == []  # a collector may still accept what it does not know of
    assert life.names() == ["Hers"]
    assert life.progress(receipt)["status"] == "in_progress"
    assert life.work() == [(Kind.ERASURE, 1)]
    assert life.progress(receipt)["status"] == "completed"
    # The token went with the rows, and what is sent from now on is nobody's.
    assert life.ask("access", ada, subjectToken=token).status_code == 401
    with life.world.control.connect() as connection:
        assert len(connection.execute(select(subject_tokens)).all()) == 1


def test_an_erasure_reaches_what_the_store_had_refused(life: Life) -> None:
    ada, eve = str(uuid4()), str(uuid4())
    for who in (ada, eve):
        life.grant(who)
        life.event(who, "Aside")
    life.world.spool.close()
    directory = life.world.home / "spool"
    [segment] = [each for each in reader.sealed(directory) if each.table == "events"]
    reader.set_aside(segment, directory, 27)
    life.ask("erasure", ada)
    assert life.work() == [(Kind.ERASURE, 1)]
    [refused] = reader.refused(directory)
    assert len(refused.segment.path.read_bytes().splitlines()) == 1


def test_a_restriction_takes_rows_out_of_every_count_and_keeps_them(life: Life) -> None:
    ada = str(uuid4())
    token = life.grant(ada)
    life.event(ada, "Before")
    life.load()
    life.ask("restriction", ada)
    assert life.work() == [(Kind.RESTRICTION, 1)]
    life.event(ada, "After")
    life.load()
    life.work()
    assert life.names() == []
    receipt = life.ask("access", ada, subjectToken=token).get_json()["receipt"]
    assert life.work() == [(Kind.ACCESS, 2)]
    events = life.progress(receipt, token)["result"]["events"]
    assert [each["restricted"] for each in events] == [1, 1]


def test_what_is_wrong_is_put_right(life: Life) -> None:
    ada = str(uuid4())
    token = life.grant(ada)
    life.event(ada, "Chose", properties={"plan": "pro"})
    life.event(ada, "Looked", properties={"size": "L"})
    life.load()
    right = {"plan": "call me at ada@example.com"}
    assert life.ask("rectification", ada, subjectToken=token, properties=right).status_code == 202
    assert life.work() == [(Kind.RECTIFICATION, 1)]
    rows = life.store.query_rows("SELECT props FROM events ORDER BY name")
    assert rows == [({"plan": "call me at {email}"},), ({"size": "L"},)]


@pytest.mark.parametrize("kind", ["withdrawal", "objection"])
def test_what_only_ends_something_is_done_at_once(life: Life, kind: str) -> None:
    ada = str(uuid4())
    life.grant(ada)
    filed = life.ask(kind, ada).get_json()
    assert filed["status"] == "completed"
    answer = life.post(
        "/v1/track", anonymousId=ada, event="After", context={"consent": {}}
    ).get_json()
    dropped = [each["reason"] for each in answer["dropped"]]
    assert dropped == (["objected"] if kind == "objection" else [])


def test_a_complaint_waits_for_a_person_and_is_due_in_a_month(life: Life) -> None:
    filed = life.ask("complaint", str(uuid4()), text="You measure me although I refused").get_json()
    assert filed["status"] == "received"
    assert life.work() == []
    with life.world.control.connect() as connection:
        row = connection.execute(select(subject_requests)).one()
    assert b"measure" not in row.detail
    assert datetime.fromisoformat(filed["due_at"]) > datetime.now(UTC) + timedelta(days=27)


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        pytest.param({"type": "erasure", "anonymousId": "ada"}, 400, "/anonymousId", id="weak id"),
        pytest.param({"type": "everything"}, 400, "/type", id="unknown type"),
        pytest.param({"type": "access"}, 400, "/subjectToken", id="no token"),
        pytest.param(
            {"type": "access", "subjectToken": "A" * 22}, 401, "/subjectToken", id="wrong token"
        ),
        pytest.param({"type": "erasure", "properties": {"plan": "x"}}, 400, "/properties",
                     id="properties of an erasure"),
        pytest.param({"type": "rectification", "subjectToken": "A" * 22}, 400, "/properties",
                     id="nothing to put right"),
        pytest.param({"type": "rectification", "subjectToken": "A" * 22, "properties": {"x": "y"}},
                     400, "/properties", id="a property that is not stored"),
        pytest.param({"type": "erasure", "writeKey": "nobody's"}, 401, "/writeKey", id="no site"),
        pytest.param({"type": "complaint", "text": "x" * 4001}, 400, "/text", id="too long"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_field_that_is_wrong(
    life: Life, body: dict[str, Any], status: int, pointer: str
) -> None:
    answer = life.post("/v1/subject/requests", **{"anonymousId": str(uuid4())} | body)
    assert (answer.status_code, answer.get_json()["pointer"]) == (status, pointer)


def test_a_receipt_of_nobody_opens_nothing(life: Life) -> None:
    known = life.ask("complaint", str(uuid4())).get_json()["receipt"]
    number, _, bits = known.partition("-")
    for guess in (number, f"{number}-", f"{number}-{'A' * 22}", f"-{bits}", f"x{known}", "%00"):
        assert life.client.get(f"/v1/subject/requests/{guess}").status_code == 404


def test_a_browser_may_send_the_token_from_another_origin(life: Life) -> None:
    answer = life.client.options("/v1/subject/requests/x")
    assert "X-Subject-Token" in answer.headers["Access-Control-Allow-Headers"]


def test_a_token_of_another_site_opens_nothing(life: Life) -> None:
    ada = str(uuid4())
    other = life.world.sites.add("other.example", "UTC", "opt-in", "BE")
    token = life.grant(ada)
    answer = life.ask("access", ada, subjectToken=token, writeKey=other.write_key)
    assert answer.status_code == 401


def test_answers_go_after_thirty_days_and_proofs_after_three_years(life: Life) -> None:
    ada = str(uuid4())
    token = life.grant(ada)
    receipt = life.ask("access", ada, subjectToken=token).get_json()["receipt"]
    life.work()
    assert life.progress(receipt, token)["result"]["events"] == []
    day = timedelta(days=1)
    assert life.requests.forget(life.now + ANSWER_LIFE + day) == 0
    assert "result" not in life.progress(receipt, token)
    assert life.requests.forget(life.now + PROOF_LIFE + day) == 1


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_month_later_is_the_same_day_or_the_last_one(moment: datetime) -> None:
    assume(moment.year < 9999)
    later = a_month_later(moment)
    assert later > moment
    assert (later.year * 12 + later.month) - (moment.year * 12 + moment.month) == 1
    assert later.day == moment.day or (later + timedelta(days=1)).day == 1
