"""The consent ledger: each decision on record for good, with a receipt, and in force at once."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.exc import DatabaseError

from anonymize import pseudonyms
from anonymize.event import Purpose
from anonymize.keys import IDENTITY_KEY_LIFE, KeyStore
from control.database import consent_records, objections, open_control, subject_tokens, withheld
from control.objections import Objections
from control.sites import Sites
from control.withheld import Withheld
from subjects.ledger import GRANT_LIFE, REFUSAL_LIFE, SCHEMA, Decision, Ledger, Status
from tests.subjects.conftest import START

ADA = "0b7c8c50-3df4-4c5f-9d22-94b5a0f9a8a1"
EVE = "3d1f0f5e-63a6-4a2e-8d67-0a2a50d1c777"
ALL = frozenset(Purpose)
NONE: frozenset[Purpose] = frozenset()


def decision(granted=ALL, who=ADA, **values):
    return Decision(granted=granted, decided=START, anonymous_id=who, **values)


def kept(engine, table):
    with engine.connect() as connection:
        return connection.execute(select(table)).all()


@pytest.mark.parametrize(
    ("granted", "who", "objection", "status", "life"),
    [
        pytest.param(ALL, ADA, False, Status.GIVEN, GRANT_LIFE, id="a grant"),
        pytest.param({Purpose.AUDIENCE}, ADA, False, Status.GIVEN, GRANT_LIFE, id="of one purpose"),
        pytest.param(NONE, "", False, Status.REFUSED, REFUSAL_LIFE, id="a refusal of nobody known"),
        pytest.param(NONE, ADA, False, Status.WITHDRAWN, REFUSAL_LIFE, id="a withdrawal"),
        pytest.param(NONE, ADA, True, Status.OBJECTED, REFUSAL_LIFE, id="an objection"),
    ],
)
def test_each_decision_has_its_status_its_life_and_a_receipt_that_tells_of_it(
    ledger, site, granted, who, objection, status, life
):
    made = ledger.record(
        site.id,
        decision(
            frozenset(granted), who, objection=objection, notice_version="7", notice_hash="ab" * 32,
            language="nl", method="banner",
        ),
        START,
    )  # fmt: skip
    assert (made.status, made.expires_at) == (status, START + life)
    assert made.purposes == {str(p): p in granted for p in Purpose}
    entry = msgspec.to_builtins(ledger.entry(made.text, START))
    assert entry == {
        "schema_version": SCHEMA,
        "record_id": made.text.partition("-")[0],
        "privacy_notice": {"version": "7", "sha256": "ab" * 32},
        "language": "nl",
        "purposes": made.purposes,
        "collection_method": "banner",
        "event_type": "dpv:ExplicitlyExpressedConsent",
        "event_state": {
            "given": "dpv:ConsentGiven",
            "refused": "dpv:ConsentRefused",
            "withdrawn": "dpv:ConsentWithdrawn",
            "objected": "eu-gdpr:A21",
        }[status],
        "event_time": "2026-11-23T09:30:00Z",
        "validity_duration": f"P{life.days}D",
        "received_at": "2026-11-23T09:30:00Z",
    }


def test_a_grant_ends_by_itself_after_twelve_months(ledger, site):
    made = ledger.record(site.id, decision(), START)
    before, after = START + GRANT_LIFE - timedelta(seconds=1), START + GRANT_LIFE
    assert ledger.entry(made.text, before).event_state == "dpv:ConsentGiven"
    assert ledger.entry(made.text, after).event_state == "dpv:ConsentExpired"


def test_every_decision_stays_on_record(ledger, site, engine):
    for granted in (ALL, NONE, ALL, {Purpose.AUDIENCE}):
        ledger.record(site.id, decision(frozenset(granted)), START)
    states = [row.status for row in kept(engine, consent_records)]
    assert states == ["given", "withdrawn", "given", "given"]


def test_a_record_cannot_be_changed(ledger, site, engine):
    ledger.record(site.id, decision(), START)
    with pytest.raises(DatabaseError, match="never changed"), engine.begin() as connection:
        connection.execute(update(consent_records).values(status="refused"))
    assert [row.status for row in kept(engine, consent_records)] == ["given"]


def test_a_site_takes_its_records_with_it(ledger, site, engine):
    ledger.record(site.id, decision(), START)
    Sites(engine).remove(site)
    assert all(kept(engine, t) == [] for t in (consent_records, subject_tokens, withheld))


def test_neither_identifier_nor_what_opens_anything_is_kept(ledger, site, engine):
    made = ledger.record(site.id, decision(message_id="m-1"), START)
    tables = (consent_records, subject_tokens, withheld, objections)
    everything = str([kept(engine, table) for table in tables])
    bits = made.text.partition("-")[2]
    assert made.token
    for secret in (ADA, ADA.replace("-", ""), made.token, bits, "m-1"):
        assert secret not in everything
        assert secret not in repr(made)


def test_the_subject_token_is_given_once_and_opens_its_own_client_alone(ledger, site, engine):
    first = ledger.record(site.id, decision(), START)
    second = ledger.record(site.id, decision(), START)
    of_eve = ledger.record(site.id, decision(who=EVE), START)
    assert first.token
    assert second.token == ""
    assert ledger.opens(site.id, ADA, first.token)
    other = Sites(engine).add("other.example", "Europe/Brussels", "opt-in", "BE")
    for site_id, who, token in (
        (site.id, ADA, of_eve.token), (site.id, EVE, first.token), (other.id, ADA, first.token),
        (site.id, ADA, ""), (site.id, "", first.token), (site.id, ADA, first.token + "x"),
    ):  # fmt: skip
        assert not ledger.opens(site_id, who, token)


def test_a_refusal_gets_no_token_and_leaves_nothing_of_the_person(ledger, site, engine):
    assert ledger.record(site.id, decision(NONE, who=""), START).token == ""
    assert [row.client for row in kept(engine, consent_records)] == [""]
    assert kept(engine, subject_tokens) == kept(engine, withheld) == kept(engine, objections) == []


def test_a_repeated_message_gets_the_same_receipt_and_is_on_record_once(ledger, site, engine):
    first = ledger.record(site.id, decision(message_id="m-1"), START)
    again = ledger.record(site.id, decision(message_id="m-1"), START + timedelta(hours=1))
    assert (again.text, again.status, again.expires_at) == (
        first.text, first.status, first.expires_at,
    )  # fmt: skip
    assert again.token == ""
    assert ledger.record(site.id, decision(message_id="m-2"), START).text != first.text
    assert len(kept(engine, consent_records)) == 2


def test_a_message_id_that_was_used_already_swallows_no_other_decision(ledger, site, engine):
    grant = ledger.record(site.id, decision(message_id="m-1"), START)
    of_eve = ledger.record(site.id, decision(who=EVE, message_id="m-1"), START)
    taken_back = ledger.record(site.id, decision(NONE, message_id="m-1"), START)
    assert len({grant.text, of_eve.text, taken_back.text}) == 3
    assert taken_back.status == Status.WITHDRAWN
    assert [row.kind for row in kept(engine, objections)] == ["withdrawn"]


def test_agreeing_to_other_purposes_than_measuring_takes_measuring_back(ledger, site, engine):
    ledger.record(site.id, decision(frozenset({Purpose.PRODUCT})), START)
    assert [row.kind for row in kept(engine, objections)] == ["withdrawn"]


@pytest.mark.parametrize("guess", ["", "-", "x", "abcdef-", "abcdef-AAAAAAAAAAAAAAAAAAAAAA"])
def test_nothing_but_the_whole_receipt_opens_it(ledger, site, guess):
    made = ledger.record(site.id, decision(), START)
    number, _, bits = made.text.partition("-")
    for text in (guess, bits, number, f"-{bits}", f"{number}x-{bits}", f"{number}-{bits}x"):
        assert ledger.entry(text, START) is None


def test_a_withdrawal_and_an_objection_hold_for_events_from_then_on(ledger, site, engine, keys):
    ledger.record(site.id, decision(), START)
    objected = Objections(engine, ttl=0)

    def record(who):
        return objected.of(site.id, pseudonyms.on_record(keys.record(site.id), site.id, who, None))

    assert record(ADA).withdrawn is None
    ledger.record(site.id, decision(NONE), START + timedelta(minutes=1))
    assert record(ADA).withdrawn == START + timedelta(minutes=1)
    ledger.record(site.id, decision(NONE, objection=True), START + timedelta(minutes=2))
    assert record(ADA).objected
    assert record(EVE) == (False, None)


def test_what_waits_in_the_spool_is_held_back_under_every_key_it_may_have(
    ledger, site, engine, keys, clock
):
    old = keys.identity(site.id)
    clock.time += IDENTITY_KEY_LIFE
    new = keys.identity(site.id)
    assert old != new
    ledger.record(site.id, decision(NONE), clock.time)
    visitors = {pseudonyms.visitor_of_client(key, site.id, ADA) for key in (old, new)}
    assert Withheld(engine).all().keys() == {str(visitor).encode() for visitor in visitors}


def test_taking_back_one_purpose_holds_back_that_purpose_alone(ledger, site, engine, keys):
    keys.identity(site.id)
    ledger.record(site.id, decision(frozenset({Purpose.AUDIENCE})), START)
    [[held]] = Withheld(engine).all().values()
    assert held.purposes == ALL - {Purpose.AUDIENCE}
    ledger.record(site.id, decision(frozenset({Purpose.PRODUCT})), START)
    assert any(not held.purposes for held in next(iter(Withheld(engine).all().values())))


def test_what_nothing_can_wait_for_any_more_is_forgotten(ledger, site, engine, keys):
    keys.identity(site.id)
    ledger.record(site.id, decision(NONE), START)
    list_ = Withheld(engine)
    week, later = START + timedelta(days=7), START + timedelta(days=9)
    assert list_.forget(oldest=week, now=week) == 0, "another node may be behind"
    assert list_.forget(oldest=START - timedelta(minutes=1), now=later) == 0, "something waits"
    assert list_.forget(oldest=later, now=later) == 1
    assert list_.all() == {}


@pytest.fixture(scope="module")
def kept_ledger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    engine = open_control(f"sqlite:///{folder / 'control.db'}")
    site = Sites(engine).add("example.com", "Europe/Brussels", "opt-in", "BE")
    keys = KeyStore(f"sqlite:///{folder / 'keys.db'}", b"k" * 32, lambda: START)
    yield site, Ledger(engine, keys, Objections(engine))
    engine.dispose()


@given(who=st.uuids().map(str), granted=st.frozensets(st.sampled_from(list(Purpose))))
def test_whatever_is_decided_the_receipt_opens_and_says_it(kept_ledger, who, granted):
    site, ledger = kept_ledger
    made = ledger.record(site.id, decision(granted, who), START)
    assert ledger.entry(made.text, START).purposes == {str(p): p in granted for p in Purpose}
