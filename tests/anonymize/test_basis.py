"""The basis of an event: the strongest protection wins, and unset is never consent.

docs/basis.md is the oracle: its tables are read here and held against the code.
"""

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize import tcf
from anonymize.basis import CATEGORIES, Decision, Record, decide, says_one, stated
from anonymize.event import (
    Basis,
    Dropped,
    Purpose,
    RawConsent,
    RawEvent,
    RawRequest,
    Reason,
    Rejected,
)
from tests.anonymize.tc_strings import Core, agreeing, publisher, tc_string

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs" / "basis.md").read_text(encoding="utf-8")
UNSTATED = RawConsent()
GRANTED = RawConsent(categories={"analytics": True})
BAD = Rejected(Reason.BAD_CONSENT_STRING, "/context/consent/tcString")


def event(consent=UNSTATED, *, child=False, gpc="", dnt=""):
    request = RawRequest(NOW, gpc=gpc, dnt=dnt)
    return RawEvent(request, "pageview", consent=consent, child_directed=child)


def table(*heads):
    """The rows of the page's table whose first columns have these heads, without their marks."""
    rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("|")
    ]
    start = next(at for at, row in enumerate(rows) if row[: len(heads)] == list(heads))
    end = next((at for at in range(start + 2, len(rows)) if set(rows[at][0]) == {"-"}), None)
    return rows[start + 2 : end - 1 if end else None]


# What the event and the site can say, each with what it means in the words of the page.
OBJECTIONS = {
    "": "no",
    "Sec-GPC: 1": "yes",
    "DNT: 1": "yes",
    "context.consent.gpc: true": "yes",
    "context.consent.optOut: true": "yes",
    "on record": "yes",
}
SINCE = NOW - timedelta(days=3)
# When consent was withdrawn and when the choice that an event states was made; whether a grant
# stays withdrawn.
WITHDRAWALS = {
    "never": (None, None, "no"),
    "never, undated": (None, SINCE, "no"),
    "against a choice without date": (SINCE, None, "yes"),
    "after the choice": (SINCE, SINCE - timedelta(seconds=1), "yes"),
    "with the choice": (SINCE, SINCE, "yes"),
    "before the choice": (SINCE, SINCE + timedelta(seconds=1), "no"),
    "before a choice in the future": (SINCE, NOW + timedelta(seconds=1), "yes"),
}
CHILDREN = {"no": "no", "event": "yes", "site": "yes"}
TC_STRINGS = {
    "none": (None, None),
    "granting": (agreeing(1, 8), "granted"),
    "refusing": (agreeing(1, 10), "refused"),
    "invalid": (agreeing(1, 8)[:-8], "invalid"),
}
CHOICES = {
    "unset": ({}, None),
    "granted": ({"analytics": True}, "granted"),
    "refused": ({"analytics": False}, "refused"),
    "contradicting": ({"analytics": True, "audience": False}, "refused"),
    "left out": ({"marketing": True}, "left out"),
}
STORAGE = {None: None, "granted": "granted", "denied": "refused"}
POLICIES = ("opt-in", "exempt")

DECISION = table("objected", "TC string")
PURPOSES_WITHOUT_CONSENT = (Purpose.AUDIENCE,)


def by_the_page(*facts):
    """The first line of the page's table that fits."""
    for line in DECISION:
        if all(
            cell in ("–", fact) or fact in cell.split(" or ")
            for cell, fact in zip(line[:-1], facts, strict=True)
        ):
            return line
    raise AssertionError(f"no line of the page fits {facts}")


@pytest.mark.parametrize("withdrawal", WITHDRAWALS)
@pytest.mark.parametrize("objection", OBJECTIONS)
def test_every_combination_is_decided_as_the_page_says(objection, withdrawal):
    for rest in product(CHILDREN, TC_STRINGS, CHOICES, STORAGE, POLICIES):
        assert decided(objection, withdrawal, *rest) == expected(objection, withdrawal, *rest), rest


def expected(objection, withdrawal, child, tc, choice, storage, policy):
    says = {TC_STRINGS[tc][1], CHOICES[choice][1], STORAGE[storage]}
    measurement = next(
        (word for word in ("refused", "granted", "left out") if word in says), "not stated"
    )
    withdrawn, _, stays = WITHDRAWALS[withdrawal]
    *_, outcome = by_the_page(
        OBJECTIONS[objection],
        "invalid" if tc == "invalid" else "none" if tc == "none" else "valid",
        CHILDREN[child],
        "yes" if withdrawn and (measurement != "granted" or stays == "yes") else "no",
        measurement,
        policy,
    )
    if outcome == "no row, objected":
        return Dropped(Reason.OBJECTED)
    return BAD if "bad_consent" in outcome else Decision(Basis(outcome), PURPOSES_WITHOUT_CONSENT)


def decided(objection, withdrawal, child, tc, choice, storage, policy):
    withdrawn, updated_at, _ = WITHDRAWALS[withdrawal]
    return decide(
        event(
            RawConsent(
                CHOICES[choice][0],
                storage,
                TC_STRINGS[tc][0],
                gpc=objection == "context.consent.gpc: true",
                opt_out=objection == "context.consent.optOut: true",
                updated_at=updated_at,
            ),
            child=child == "event",
            gpc="1" if objection == "Sec-GPC: 1" else "",
            dnt="1" if objection == "DNT: 1" else "",
        ),
        policy,
        child_directed=child == "site",
        record=Record(objection == "on record", withdrawn),
    )


def test_every_line_of_the_pages_decision_is_needed():
    reached = {
        tuple(by_the_page(*facts))
        for facts in product(
            ("yes", "no"),
            ("invalid", "valid", "none"),
            ("yes", "no"),
            ("yes", "no"),
            ("refused", "granted", "left out", "not stated"),
            POLICIES,
        )
    }
    assert reached == set(map(tuple, DECISION))


def test_the_page_names_every_objection():
    assert {"", *(signal for signal, _ in table("signal", "where"))} == set(OBJECTIONS)


def test_the_page_names_the_categories_that_are_understood():
    assert {name: Purpose(purpose) for name, purpose in table("category")} == CATEGORIES


def test_the_page_names_the_purposes():
    assert [Purpose(name) for name, _ in table("purpose")] == list(Purpose)


def test_the_page_names_what_a_tc_string_grants():
    stated_there = {
        int(re.match(r"\d+", number)[0]): Purpose(purpose)
        for number, purpose in table("TCF purpose, together with purpose 1")
    }
    assert stated_there == tcf.PURPOSES


AUDIENCE, PRODUCT, ATTRIBUTION, ACCOUNT = Purpose
EVERY_TCF_PURPOSE = agreeing(*range(1, 12))


@pytest.mark.parametrize(
    ("consent", "purposes"),
    [
        pytest.param(RawConsent(), None, id="nothing"),
        pytest.param(RawConsent(categories={}), None, id="no category"),
        pytest.param(RawConsent(categories={"marketing": True}), (), id="another category"),
        pytest.param(
            RawConsent(categories={"analytics": True, "product": False, "account": True}),
            (ACCOUNT, AUDIENCE),
            id="categories, one by one",
        ),
        pytest.param(
            RawConsent(categories={"product": True}), (PRODUCT,), id="product without audience"
        ),
        pytest.param(RawConsent(analytics_storage="granted"), (AUDIENCE,), id="storage granted"),
        pytest.param(RawConsent(analytics_storage="denied"), (), id="storage denied"),
        pytest.param(
            RawConsent(categories={"product": True}, analytics_storage="granted"),
            (AUDIENCE, PRODUCT),
            id="two forms that speak of different purposes",
        ),
        pytest.param(
            RawConsent(categories={"analytics": True, "account": True}, analytics_storage="denied"),
            (ACCOUNT,),
            id="two forms that disagree",
        ),
        pytest.param(
            RawConsent(tc_string=EVERY_TCF_PURPOSE),
            (ATTRIBUTION, AUDIENCE, PRODUCT),
            id="a TC string knows no account",
        ),
        pytest.param(
            RawConsent(categories={"account": True}, tc_string=EVERY_TCF_PURPOSE),
            (ACCOUNT, ATTRIBUTION, AUDIENCE, PRODUCT),
            id="a TC string and a category",
        ),
        pytest.param(
            RawConsent(categories={"product": False}, tc_string=EVERY_TCF_PURPOSE),
            (ATTRIBUTION, AUDIENCE),
            id="a category refuses what the string grants",
        ),
        pytest.param(
            RawConsent(categories=dict.fromkeys(CATEGORIES, True), tc_string=agreeing(1, 8)),
            (ACCOUNT, AUDIENCE),
            id="a string refuses what categories grant",
        ),
        pytest.param(
            RawConsent(
                analytics_storage="granted",
                tc_string=tc_string(Core(purposes=frozenset({1, 8})), publisher()),
            ),
            (),
            id="the string's publisher segment refuses",
        ),
    ],
)
def test_a_purpose_is_granted_where_one_form_grants_it_and_none_refuses(consent, purposes):
    assert stated(consent, CATEGORIES, NOW) == purposes


LIFE = timedelta(days=395)


@pytest.mark.parametrize(
    ("age", "purposes"),
    [(LIFE, (AUDIENCE,)), (LIFE + timedelta(seconds=1), ())],
    ids=["thirteen months", "a second longer"],
)
@pytest.mark.parametrize("form", ["categories", "storage", "TC string"])
def test_a_choice_of_more_than_thirteen_months_ago_agrees_to_nothing(form, age, purposes):
    when = NOW - age
    consent = {
        "categories": RawConsent(categories={"analytics": True}, updated_at=when),
        "storage": RawConsent(analytics_storage="granted", updated_at=when),
        "TC string": RawConsent(tc_string=agreeing(1, 8, created=when, updated=when)),
    }[form]
    assert stated(consent, CATEGORIES, NOW) == purposes
    outcome = decide(event(consent), "exempt")
    assert outcome.basis is (Basis.CONSENT if purposes else Basis.NONE)


@pytest.mark.parametrize(
    ("ahead", "basis"),
    [
        (timedelta(0), Basis.CONSENT),
        (timedelta(hours=-2), Basis.CONSENT),
        (timedelta(minutes=59), Basis.CONSENT),
        (timedelta(hours=1), Basis.NONE),
        (timedelta(days=2), Basis.NONE),
    ],
    ids=["right", "slow", "fast by less", "fast by as much", "fast by days"],
)
def test_a_fast_clock_does_not_lift_a_withdrawal(ahead, basis):
    """The choice is dated an hour after the withdrawal, by the client's clock."""
    choice = RawConsent(categories={"analytics": True}, updated_at=SINCE + timedelta(hours=1))
    raw = RawEvent(RawRequest(NOW), "pageview", consent=choice, sent=NOW + ahead)
    assert decide(raw, "exempt", record=Record(withdrawn=SINCE)).basis is basis


def test_clocks_at_the_ends_of_time_lift_no_withdrawal_and_raise_nothing():
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    for since, sent in product((first, last), repeat=2):
        choice = RawConsent(categories={"analytics": True}, updated_at=since)
        raw = RawEvent(RawRequest(NOW), "pageview", consent=choice, sent=sent)
        assert decide(raw, "exempt", record=Record(withdrawn=SINCE)).basis is Basis.NONE


def test_agreeing_to_other_purposes_alone_leaves_no_consent_to_measure():
    outcome = decide(event(RawConsent(categories={"product": True, "account": True})), "exempt")
    assert outcome == Decision(Basis.NONE, (AUDIENCE,))


def test_a_row_of_a_child_serves_audience_measurement_alone():
    agreed = RawConsent(categories=dict.fromkeys(CATEGORIES, True))
    assert decide(event(agreed, child=True), "exempt") == Decision(Basis.NONE, (AUDIENCE,))


OWN = {**CATEGORIES, "statistics": AUDIENCE, "C0003": PRODUCT, "product": ATTRIBUTION}


@pytest.mark.parametrize(
    ("choice", "purposes"),
    [
        ({"statistics": True}, (AUDIENCE,)),
        ({"statistics": True, "C0003": True}, (AUDIENCE, PRODUCT)),
        ({"statistics": True, "analytics": False}, ()),
        ({"Statistics": True}, ()),
        ({"analytics": True, "product": True}, (ATTRIBUTION, AUDIENCE)),
    ],
    ids=["own name", "two", "own and built-in disagree", "another letter", "a new meaning"],
)
def test_a_sites_own_category_names_mean_what_the_site_says(choice, purposes):
    assert stated(RawConsent(categories=choice), OWN, NOW) == purposes


@pytest.mark.parametrize("header", ["1", "0,1", " 1 ", "1, 0", "0 , 1"])
def test_one_member_that_is_exactly_one_is_an_objection(header):
    assert says_one(header)


@pytest.mark.parametrize("header", ["", "0", "true", "11", "1.0", "yes", "0, 0", "1;1", "¹"])
def test_only_an_exact_one_is_an_objection(header):
    assert not says_one(header)


@given(
    categories=st.dictionaries(st.text(max_size=12), st.booleans(), max_size=5),
    storage=st.sampled_from([None, "denied"]),
    tc=st.none() | st.text(max_size=20) | st.just(agreeing()),
    policy=st.sampled_from(POLICIES),
)
def test_no_input_is_consent_unless_a_known_category_says_true(categories, storage, tc, policy):
    outcome = decide(event(RawConsent(categories, storage, tc)), policy)
    granted = any(categories.get(name) is True for name in ("analytics", "audience"))
    if not granted or storage == "denied" or tc:
        assert outcome == BAD or outcome.basis is not Basis.CONSENT
