"""TC strings: read exactly, refused when anything is amiss, and never repeated."""

import contextlib
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anonymize import tcf
from anonymize.event import Purpose
from anonymize.tcf import PublisherTc, Restriction, RestrictionType, TcfError, TcString, Vendors
from tests.anonymize.tc_strings import (
    CREATED,
    UPDATED,
    Core,
    agreeing,
    disclosed,
    number,
    publisher,
    restrictions,
    segment,
    tc_string,
    vendor_field,
    vendor_ranges,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

# Written by IAB Tech Lab's own encoder (@iabtechlabtcf/core 1.5), as consent platforms do.
REFUSED = "CQgcD4AQgl8sAAfAHCENB4EgAAAAAAAAAAIgAAAAAAAA.IAAA.YAAAAAAAAAAA"
EVERYTHING = "CQgcD4AQgl8sAAfAHCENB4FsAP_gAEPgAAIgH0QAYAAgfQB9EAGAAIH0AAAA.IAAA.YAAAAAAAAAAA"
MIXED = (
    "CQgcD4AQgl8sAAfAHCENB4FkAIFAAAKAAAIgFeQAoABAAIArwABQQAQgAKABIAFAAMAA"
    ".IFeQAoABAAKArwAA.cGAAABAAAaIA"
)
TREATMENT = "CQgcD4AQgl8sAAfAHCENB4EgAAGAAAAAAIIgATqgAAAACAAAAAAA.IAAA.YAAAAAAAAAAA"


def problem(text):
    with pytest.raises(TcfError) as caught:
        tcf.decode(text, NOW)
    return caught.value.problem


def vendors(highest, *ids):
    return Vendors(highest, sum(1 << vendor for vendor in ids))


def test_a_string_of_the_reference_encoder_is_read_field_by_field():
    assert tcf.decode(MIXED, NOW) == TcString(
        created=CREATED,
        last_updated=UPDATED,
        cmp_id=31,
        cmp_version=7,
        consent_screen=2,
        consent_language="EN",
        vendor_list_version=120,
        policy_version=5,
        non_standard_texts=False,
        special_feature_opt_ins=frozenset({2}),
        purposes_consent=frozenset({1, 8, 10}),
        purposes_li_transparency=frozenset({7, 9}),
        purpose_one_treatment=False,
        publisher_cc="BE",
        vendors_consent=vendors(700, 2, 3, 4, 700),
        vendors_li=vendors(5, 5),
        restrictions=(Restriction(2, RestrictionType.NOT_ALLOWED, (range(9, 11), range(12, 13))),),
        disclosed_vendors=vendors(700, 2, 3, 4, 5, 700),
        publisher=PublisherTc(frozenset({1, 7, 8}), frozenset({9}), frozenset({2}), frozenset({3})),
    )


def test_bit_fields_and_ranges_of_the_reference_encoder_name_the_same_vendors():
    everything, treatment = tcf.decode(EVERYTHING, NOW), tcf.decode(TREATMENT, NOW)
    assert all(vendor in everything.vendors_consent for vendor in range(1, 1001))
    assert 0 not in everything.vendors_consent
    assert 1001 not in everything.vendors_consent
    assert treatment.vendors_consent == vendors(39, 1, 3, 5, 39)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("BOQ7WlgOQ7WlgABACDENABwAAABJOACgACAAQABA", "version", id="TCF 1"),
        pytest.param("COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA", "policy", id="TCF 2.0"),
        pytest.param("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA", "policy", id="TCF 2.1"),
    ],
)
def test_published_strings_of_earlier_frameworks_are_no_longer_valid(text, word):
    assert problem(text) == word


CORE = Core(purposes=frozenset({1, 8}))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("", "encoding", id="empty"),
        pytest.param("A" * (tcf.MAX_LENGTH + 1), "too_long", id="longer than any"),
        pytest.param(tc_string(CORE).replace("A", "+", 1), "encoding", id="plain base64"),
        pytest.param(tc_string(CORE) + "=", "encoding", id="base64 padding"),
        pytest.param(tc_string(CORE) + "\n", "encoding", id="line feed"),
        pytest.param(tc_string(CORE) + "Å", "encoding", id="not ASCII"),
        pytest.param(tc_string(CORE) + ".", "encoding", id="empty segment"),
        pytest.param("C", "truncated", id="the version alone"),
        pytest.param(tc_string(replace(CORE, version=1)), "version", id="version 1"),
        pytest.param(tc_string(replace(CORE, version=3)), "version", id="version 3"),
        pytest.param(tc_string(replace(CORE, policy=3)), "policy", id="TCF 2.1"),
        pytest.param(tc_string(replace(CORE, service_specific=False)), "scope", id="global"),
        pytest.param(
            tc_string(replace(CORE, updated=CREATED - timedelta(days=1))),
            "dates",
            id="updated before it was created",
        ),
        pytest.param(
            tc_string(replace(CORE, created=datetime(1970, 1, 1, tzinfo=UTC))),
            "dates",
            id="created before the framework",
        ),
        pytest.param(
            tc_string(replace(CORE, updated=NOW + timedelta(hours=25))), "dates", id="to come"
        ),
        pytest.param(
            tc_string(replace(CORE, updated=datetime(2187, 1, 1, tzinfo=UTC))),
            "dates",
            id="the year 2187",
        ),
        pytest.param(tc_string(replace(CORE, language="E[")), "letters", id="language"),
        pytest.param(tc_string(replace(CORE, country="aa")), "letters", id="country"),
        pytest.param(
            tc_string(replace(CORE, vendors=vendor_ranges([(5, 6), (2, 3)], 9))),
            "vendors",
            id="ranges out of order",
        ),
        pytest.param(
            tc_string(replace(CORE, vendors=vendor_ranges([(2, 5), (5, 6)], 9))),
            "vendors",
            id="ranges that overlap",
        ),
        pytest.param(
            tc_string(replace(CORE, vendors=vendor_ranges([(5, 2)], 9))),
            "vendors",
            id="a range that runs backwards",
        ),
        pytest.param(
            tc_string(replace(CORE, vendors_li=vendor_ranges([(2, 10)], 9))),
            "vendors",
            id="a range beyond the highest vendor",
        ),
        pytest.param(
            tc_string(replace(CORE, vendors_li=vendor_ranges([(0, 0)], 9))),
            "vendors",
            id="vendor 0",
        ),
        pytest.param(
            tc_string(replace(CORE, restrictions=restrictions((0, 0, [(1, 1)])))),
            "restrictions",
            id="restriction of purpose 0",
        ),
        pytest.param(
            tc_string(replace(CORE, restrictions=restrictions((25, 0, [(1, 1)])))),
            "restrictions",
            id="restriction of purpose 25",
        ),
        pytest.param(
            tc_string(replace(CORE, restrictions=restrictions((2, 3, [(1, 1)])))),
            "restrictions",
            id="restriction of type 3",
        ),
        pytest.param(
            tc_string(replace(CORE, restrictions=restrictions((2, 0, [(3, 3), (1, 1)])))),
            "vendors",
            id="restriction with ranges out of order",
        ),
        pytest.param(
            tc_string(replace(CORE, restrictions=number(4095, 12))),
            "truncated",
            id="restrictions announced and missing",
        ),
        pytest.param(
            tc_string(replace(CORE, vendors=number(65535, 16) + "0")),
            "truncated",
            id="a bit field announced and missing",
        ),
        pytest.param(segment(CORE.bits + "1"), "trailing", id="a bit after the end"),
        pytest.param(segment(CORE.bits) + "AAAA", "trailing", id="more zeros than padding"),
        pytest.param(
            tc_string(CORE, disclosed() + "1"), "trailing", id="a bit after the vendors disclosed"
        ),
        pytest.param(
            tc_string(CORE, publisher() + "1"), "trailing", id="a bit after the publisher's"
        ),
        pytest.param(
            tc_string(CORE, publisher()[:-6] + number(63, 6)),
            "truncated",
            id="custom purposes announced and missing",
        ),
        pytest.param(tc_string(CORE, number(0, 3) + "0" * 21), "segments", id="a second core"),
        pytest.param(
            tc_string(CORE, number(2, 3) + "0" * 17), "segments", id="vendors allowed, as of 2.1"
        ),
        *(
            pytest.param(tc_string(CORE, number(kind, 3) + "0" * 21), "segments", id=f"type {kind}")
            for kind in range(4, 8)
        ),
        pytest.param(
            tc_string(CORE, publisher([1, 8]), publisher()), "segments", id="two publisher segments"
        ),
        pytest.param(tc_string(CORE, disclosed(), disclosed()), "segments", id="disclosed twice"),
    ],
)
def test_a_string_is_refused_with_a_word_that_says_why(text, word):
    assert problem(text) == word
    assert word in get_args(tcf.Problem)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(segment(CORE.bits, 6), id="to whole letters"),
        pytest.param(segment(CORE.bits, 8 * 3), id="to whole bytes and letters"),
        pytest.param(
            tc_string(replace(CORE, updated=NOW + timedelta(hours=23))), id="a clock that is fast"
        ),
        pytest.param(tc_string(CORE, publisher([1, 8]), disclosed()), id="segments in any order"),
    ],
)
def test_what_well_made_platforms_do_differently_is_accepted(text):
    assert tcf.granted(tcf.decode(text, NOW)) == {Purpose.AUDIENCE}


@pytest.mark.parametrize("text", [REFUSED, EVERYTHING, MIXED, TREATMENT])
def test_a_string_that_was_cut_short_is_refused_unless_it_still_says_the_same(text):
    whole = tcf.decode(text, NOW)
    without = {
        text.split(".")[0]: replace(whole, disclosed_vendors=None, publisher=None),
        ".".join(text.split(".")[:2]): replace(whole, publisher=None),
    }
    for length in range(len(text)):
        cut = text[:length]
        try:
            read = tcf.decode(cut, NOW)
        except TcfError:
            continue
        padded = [full for full in (*without, text) if full.startswith(cut)]
        assert read == without.get(padded[0], whole), length


_purposes = st.frozensets(st.integers(1, 24))


@st.composite
def _vendor_sections(draw):
    """A vendor section as bits, in either encoding, and the set that it stands for."""
    ranged = draw(st.booleans())
    highest = draw(st.integers(0, 400) | st.just(65535)) if ranged else draw(st.integers(0, 400))
    ids = draw(st.frozensets(st.integers(1, highest), max_size=30)) if highest else frozenset()
    meant = vendors(highest, *ids)
    if not ranged:
        return vendor_field(ids, highest), meant
    entries = []
    for vendor in sorted(ids):
        if entries and entries[-1][1] == vendor - 1:
            entries[-1] = (entries[-1][0], vendor)
        else:
            entries.append((vendor, vendor))
    return vendor_ranges(entries, highest), meant


@st.composite
def _written(draw):
    """A TC string and what it says."""
    consent, consent_meant = draw(_vendor_sections())
    legitimate, legitimate_meant = draw(_vendor_sections())
    shown, shown_meant = draw(st.just(("", None)) | _vendor_sections())
    limit = st.tuples(st.integers(1, 24), st.integers(0, 2), st.integers(1, 60000))
    limits = draw(st.lists(limit, max_size=4))
    created = CREATED + timedelta(milliseconds=100 * draw(st.integers(0, 10**8)))
    custom = draw(st.integers(0, 63))
    chosen = st.frozensets(st.integers(1, custom)) if custom else st.just(frozenset())
    own = PublisherTc(draw(_purposes), draw(_purposes), draw(chosen), draw(chosen))
    has_publisher = draw(st.booleans())
    pair = st.text(string.ascii_uppercase, min_size=2, max_size=2)
    meant = TcString(
        created=created,
        last_updated=created + timedelta(milliseconds=100 * draw(st.integers(0, 10**7))),
        cmp_id=draw(st.integers(0, 4095)),
        cmp_version=draw(st.integers(0, 4095)),
        consent_screen=draw(st.integers(0, 63)),
        consent_language=draw(pair),
        vendor_list_version=draw(st.integers(0, 4095)),
        policy_version=draw(st.integers(4, 63)),
        non_standard_texts=draw(st.booleans()),
        special_feature_opt_ins=draw(st.frozensets(st.integers(1, 12))),
        purposes_consent=draw(_purposes),
        purposes_li_transparency=draw(_purposes),
        purpose_one_treatment=draw(st.booleans()),
        publisher_cc=draw(pair),
        vendors_consent=consent_meant,
        vendors_li=legitimate_meant,
        restrictions=tuple(
            Restriction(purpose, RestrictionType(kind), (range(first, first + 3),))
            for purpose, kind, first in limits
        ),
        disclosed_vendors=shown_meant,
        publisher=own if has_publisher else None,
    )
    core = Core(
        created=meant.created,
        updated=meant.last_updated,
        cmp_id=meant.cmp_id,
        cmp_version=meant.cmp_version,
        screen=meant.consent_screen,
        language=meant.consent_language,
        list_version=meant.vendor_list_version,
        policy=meant.policy_version,
        non_standard_texts=meant.non_standard_texts,
        special_features=meant.special_feature_opt_ins,
        purposes=meant.purposes_consent,
        legitimate_interests=meant.purposes_li_transparency,
        purpose_one_treatment=meant.purpose_one_treatment,
        country=meant.publisher_cc,
        vendors=consent,
        vendors_li=legitimate,
        restrictions=restrictions(
            *((purpose, kind, [(first, first + 2)]) for purpose, kind, first in limits)
        ),
    )
    others = [disclosed(shown)] if shown else []
    if has_publisher:
        others.append(
            publisher(
                own.purposes_consent,
                own.purposes_li_transparency,
                custom,
                own.custom_purposes_consent,
                own.custom_purposes_li_transparency,
            )
        )
    return tc_string(core, *others), meant


@given(written=_written())
def test_what_was_written_is_what_is_read(written):
    text, meant = written
    assert tcf.decode(text, NOW) == meant


_letters = st.text(string.ascii_letters + string.digits + "-_.", max_size=400)


@given(text=st.text() | _letters | _letters.map(lambda rest: MIXED[:60] + rest))
@example(text="C" * tcf.MAX_LENGTH)
@example(text="\ud800")
@example(text="C.\x00")
def test_no_text_does_anything_but_be_read_or_refused(text):
    with contextlib.suppress(TcfError):
        tcf.decode(text, NOW)


@given(at=st.integers(0, len(MIXED) - 1), letter=st.characters())
def test_a_string_with_one_letter_changed_is_read_or_refused(at, letter):
    with contextlib.suppress(TcfError):
        tcf.decode(MIXED[:at] + letter + MIXED[at + 1 :], NOW)


def test_a_refusal_does_not_carry_the_string():
    secret = tc_string(CORE) + ".secret"
    with pytest.raises(TcfError) as caught:
        tcf.decode(secret, NOW)
    assert secret not in f"{caught.value!r} {caught.value} {caught.value.args}"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


AUDIENCE, PRODUCT, ATTRIBUTION = Purpose.AUDIENCE, Purpose.PRODUCT, Purpose.ATTRIBUTION


@pytest.mark.parametrize(
    ("text", "granted"),
    [
        pytest.param(agreeing(), set(), id="nothing"),
        pytest.param(agreeing(1), set(), id="1 alone"),
        pytest.param(agreeing(1, 8), {AUDIENCE}, id="1 and 8"),
        pytest.param(agreeing(1, 9), {AUDIENCE}, id="1 and 9"),
        pytest.param(agreeing(1, 10), {PRODUCT}, id="1 and 10"),
        pytest.param(agreeing(1, 7), {ATTRIBUTION}, id="1 and 7"),
        pytest.param(agreeing(*range(1, 25)), {AUDIENCE, PRODUCT, ATTRIBUTION}, id="all"),
        pytest.param(agreeing(*range(2, 25)), set(), id="all but 1"),
        pytest.param(agreeing(1, 2, 3, 4, 5, 6, 11), set(), id="advertising, but not measuring"),
        pytest.param(
            agreeing(8, 9, 10, purpose_one_treatment=True), set(), id="1 was not put to the person"
        ),
        pytest.param(
            agreeing(1, 8, purpose_one_treatment=True), set(), id="1 agreed to and not put"
        ),
        pytest.param(
            agreeing(1, legitimate_interests=frozenset(range(1, 25))),
            set(),
            id="legitimate interest",
        ),
        pytest.param(
            tc_string(CORE, publisher([1, 8, 10])), {AUDIENCE}, id="the publisher may more"
        ),
        pytest.param(
            tc_string(replace(CORE, purposes=frozenset({1, 8, 10})), publisher([1, 10])),
            {PRODUCT},
            id="the publisher may less",
        ),
        pytest.param(tc_string(CORE, publisher([8])), set(), id="the publisher may not store"),
        pytest.param(tc_string(CORE, publisher()), set(), id="the publisher may nothing"),
        pytest.param(
            tc_string(Core(), publisher(range(1, 25))), set(), id="the publisher alone may"
        ),
        pytest.param(
            tc_string(CORE, publisher([1], range(1, 25))),
            set(),
            id="the publisher's legitimate interest",
        ),
        pytest.param(tc_string(CORE, disclosed()), {AUDIENCE}, id="disclosed vendors"),
        pytest.param(REFUSED, set(), id="reference: refused"),
        pytest.param(EVERYTHING, set(), id="reference: all vendors, the publisher not asked"),
        pytest.param(MIXED, {AUDIENCE}, id="reference: mixed"),
        pytest.param(TREATMENT, set(), id="reference: purpose one treatment"),
    ],
)
def test_a_string_grants(text, granted):
    assert tcf.granted(tcf.decode(text, NOW)) == granted
