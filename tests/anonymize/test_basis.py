"""The basis of an event: the strongest protection wins, and unset is never consent."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize.basis import Decision, decide, says_one, stated
from anonymize.event import Basis, Dropped, Purpose, RawConsent, RawEvent, RawRequest, Reason

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


UNSTATED = RawConsent()


def event(consent=UNSTATED, *, child=False, gpc="", dnt=""):
    request = RawRequest(NOW, gpc=gpc, dnt=dnt)
    return RawEvent(request, "pageview", consent=consent, child_directed=child)


GRANTED = RawConsent(categories={"analytics": True})
REFUSED = RawConsent(categories={"analytics": False})


@pytest.mark.parametrize(
    ("policy", "raw", "basis"),
    [
        pytest.param("opt-in", event(), Basis.NONE, id="opt-in, nothing stated"),
        pytest.param("exempt", event(), Basis.EXEMPT, id="exempt, nothing stated"),
        pytest.param("opt-in", event(GRANTED), Basis.CONSENT, id="granted"),
        pytest.param("exempt", event(REFUSED), Basis.NONE, id="refused on an exempt site"),
        pytest.param(
            "exempt",
            event(RawConsent(categories={"marketing": True})),
            Basis.NONE,
            id="a choice that leaves analytics out",
        ),
        pytest.param(
            "opt-in",
            event(RawConsent(analytics_storage="granted")),
            Basis.CONSENT,
            id="analytics_storage granted",
        ),
        pytest.param(
            "exempt",
            event(RawConsent(analytics_storage="denied")),
            Basis.NONE,
            id="analytics_storage denied",
        ),
        pytest.param(
            "exempt",
            event(RawConsent(categories={"analytics": True}, analytics_storage="denied")),
            Basis.NONE,
            id="granted in one form, refused in the other",
        ),
        pytest.param(
            "exempt",
            event(RawConsent(categories={"analytics": True, "audience": False})),
            Basis.NONE,
            id="two names of one purpose that disagree",
        ),
        pytest.param("exempt", event(GRANTED, child=True), Basis.NONE, id="a child, even granted"),
        pytest.param(
            "opt-in",
            event(RawConsent(tc_string="CP")),
            Basis.NONE,
            id="a string that nothing was read from",
        ),
    ],
)
def test_the_basis_is(policy, raw, basis):
    decision = decide(raw, policy)
    assert isinstance(decision, Decision)
    assert decision.basis is basis


@pytest.mark.parametrize(
    "raw",
    [
        event(GRANTED, gpc="1"),
        event(GRANTED, gpc="0,1"),
        event(GRANTED, gpc=" 1 "),
        event(GRANTED, dnt="1"),
        event(RawConsent(categories={"analytics": True}, gpc=True)),
        event(child=True, gpc="1"),
    ],
    ids=["gpc", "gpc joined", "gpc spaced", "dnt", "gpc of an app", "gpc of a child"],
)
def test_an_objection_outweighs_everything(raw):
    assert decide(raw, "exempt") == Dropped(Reason.OBJECTED)


@pytest.mark.parametrize("header", ["", "0", "true", "11", "1.0", "yes", "0, 0"])
def test_only_an_exact_one_is_an_objection(header):
    assert not says_one(header)


def test_purposes_are_those_that_were_agreed_to_one_by_one():
    consent = RawConsent(categories={"analytics": True, "product": False, "account": True})
    assert stated(consent) == (Purpose.ACCOUNT, Purpose.AUDIENCE)


@given(
    categories=st.dictionaries(st.text(max_size=12), st.booleans(), max_size=5),
    storage=st.sampled_from([None, "denied"]),
    tc_string=st.none() | st.text(max_size=20),
    policy=st.sampled_from(["opt-in", "exempt"]),
)
def test_no_input_is_consent_unless_a_known_category_says_true(
    categories, storage, tc_string, policy
):
    raw = event(RawConsent(categories, storage, tc_string))
    decision = decide(raw, policy)
    granted = any(categories.get(name) is True for name in ("analytics", "audience"))
    if not granted or storage == "denied":
        assert decision.basis is not Basis.CONSENT
