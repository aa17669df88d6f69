"""The pipeline: from a raw event to a row, or to the reason why there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonymize import pseudonyms
from anonymize.agent import Agents
from anonymize.basis import CATEGORIES, Record
from anonymize.calendar import Calendar
from anonymize.event import (
    Accepted,
    Basis,
    Dropped,
    RawClient,
    RawConsent,
    RawEvent,
    RawRequest,
    Reason,
    Rejected,
    Row,
)
from anonymize.geo import Location
from anonymize.keys import EphemeralKeys
from anonymize.matrix import MATRIX
from anonymize.pipeline import Context, SitePolicy, anonymize

NOW = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
REQUEST = RawRequest(NOW, "203.0.113.77", FIREFOX)
CONSENT = RawConsent(categories={"analytics": True})


class FixedKeys:
    """One key a day, except for the days that are gone."""

    def __init__(self, gone=()):
        self.gone = gone

    def day(self, timezone, day):
        return None if day in self.gone else f"{timezone}{day}".encode().ljust(32, b".")[:32]

    def identity(self, site):
        return b"i" * 32

    def event(self, occurred):
        return b"e" * 32

    def record(self, site):
        return b"r" * 32


class Belgium:
    def lookup(self, address):
        return Location("BE", "BE-VLG", "Ghent")


def context(policy="exempt", *, keys=None, late=timedelta(days=7), settings=None, **more):
    calendar = Calendar.of("Europe/Brussels")
    site = SitePolicy(1, "example.com", calendar, policy, **settings or {})
    return Context(site, NOW, late, keys or FixedKeys(), Belgium(), Agents(), **more)


def event(**fields):
    stated = {name: fields.pop(name) for name in RawClient.__struct_fields__ if name in fields}
    request, name = fields.pop("request", REQUEST), fields.pop("name", "pageview")
    return RawEvent(request, name, client=RawClient(**stated), **fields)


def row(raw, ctx=None):
    outcome = anonymize(raw, ctx or context())
    assert isinstance(outcome, Accepted), outcome
    return outcome.row


def test_an_exempt_view_keeps_what_the_matrix_says():
    stored = row(event(url="https://example.com/a?utm_source=news&q=secret#top"))
    assert (stored.basis, stored.page, stored.utm_source) == (Basis.EXEMPT, "/a", "news")
    assert (stored.country, stored.region, stored.city) == ("BE", "", "")
    assert (stored.browser, stored.browser_version, stored.os) == ("Firefox", "", "GNU/Linux")
    assert stored.visitor != "0"
    assert stored.time == int(NOW.timestamp())


@pytest.mark.parametrize(
    ("settings", "consent", "city"),
    [
        ({}, CONSENT, ""),
        ({"asked": frozenset({"city"})}, CONSENT, "Ghent"),
        ({"asked": frozenset({"city"})}, RawConsent(), ""),
        ({"asked": frozenset({"city"})}, RawConsent(categories={"analytics": False}), ""),
        ({"asked": frozenset({"city"}), "child_directed": True}, CONSENT, ""),
    ],
    ids=["not asked", "asked", "no choice", "refused", "for children"],
)
def test_a_city_is_stored_of_people_who_consented_where_the_site_asks(settings, consent, city):
    assert row(event(consent=consent), context(settings=settings)).city == city


def test_an_event_whose_name_is_nothing_but_a_query_is_stored_without_one():
    assert row(event(name="?token=hunter2")).name == ""


def test_without_consent_under_opt_in_there_is_no_visitor_and_only_the_hour():
    stored = row(event(anonymous_id="a-1", session_id="s-1"), context("opt-in"))
    assert (stored.basis, stored.visitor, stored.visit) == (Basis.NONE, "0", 0)
    assert stored.time == int(NOW.replace(minute=0, second=0).timestamp())


@pytest.mark.parametrize(
    ("zone", "utc", "local"),
    [
        ("Asia/Kathmandu", "2026-11-21T18:20", "2026-11-22T00:00"),  # +05:45
        ("Asia/Kolkata", "2026-11-21T18:35", "2026-11-22T00:00"),  # +05:30
        ("Pacific/Chatham", "2026-11-21T10:20", "2026-11-22T00:00"),  # +13:45
        ("Australia/Lord_Howe", "2026-10-03T15:35", "2026-10-04T02:30"),  # 02:00 becomes 02:30
        ("Australia/Lord_Howe", "2026-04-04T15:10", "2026-04-05T01:30"),  # 02:00 becomes 01:30
    ],
)
def test_where_only_the_hour_is_kept_it_is_the_local_one_of_the_local_day(zone, utc, local):
    occurred = datetime.fromisoformat(f"{utc}:59+00:00")
    site = SitePolicy(1, "example.com", Calendar.of(zone), "opt-in")
    stored = row(event(occurred=occurred), replace(context(late=None), site=site))
    shown = datetime.fromtimestamp(stored.time, ZoneInfo(zone))
    assert (shown.date().isoformat(), stored.day) == (local[:10], local[:10])
    assert shown.replace(tzinfo=None, fold=0) == datetime.fromisoformat(local)


def test_no_query_reaches_a_row_by_another_way_than_the_pages_address():
    address = "https://u:hunter2@example.com/a?token=hunter2#hunter2"
    site = {"properties": frozenset({"link", "error"})}
    stored = row(
        event(
            name=f"Click {address}", screen_name=address, url="https://example.com/",
            props={"link": "/reset?token=hunter2", "error": f"at {address} it failed"},
            campaign={"source": address}, consent=CONSENT,
        ),
        context(settings=site),
    )  # fmt: skip
    assert "hunter2" not in msgspec.json.encode(stored).decode()
    assert stored.props == {"link": "/reset", "error": "at https://example.com/a it failed"}


def test_nothing_of_a_row_or_of_what_leads_to_it_is_shown():
    """A traceback or a log line would outlive the keys of the pseudonyms in it."""
    outcome = anonymize(event(), context())
    assert repr(outcome) == "Accepted(row=<Row>)"


def test_a_consenting_browser_is_recognised_wherever_it_is():
    here = row(event(consent=CONSENT, anonymous_id="a-1"))
    there = row(
        event(consent=CONSENT, anonymous_id="a-1", request=replace(REQUEST, address="198.51.100.1"))
    )
    assert here.visitor == there.visitor != "0"
    assert here.basis is Basis.CONSENT


def test_a_user_is_linked_only_under_the_purpose_account():
    with_account = RawConsent(categories={"analytics": True, "account": True})
    assert row(event(consent=CONSENT, anonymous_id="a", user_id="u")).user == "0"
    assert row(event(consent=with_account, anonymous_id="a", user_id="u")).user != "0"


def test_neighbours_in_a_network_with_one_browser_are_one_visitor():
    other = event(request=replace(REQUEST, address="203.0.113.200"))
    assert row(event()).visitor == row(other).visitor
    elsewhere = event(request=replace(REQUEST, address="203.0.114.77"))
    assert row(event()).visitor != row(elsewhere).visitor


def test_a_late_event_whose_day_key_is_gone_has_no_visitor():
    yesterday = NOW - timedelta(days=1)
    keys = FixedKeys(gone=(yesterday.date(),))
    stored = row(event(occurred=yesterday), context(keys=keys))
    assert (stored.basis, stored.visitor, stored.day) == (Basis.NONE, "0", "2026-11-21")


@pytest.mark.parametrize("address", [None, "", "1.2.3", "unknown", "0x7f.1"])
def test_an_address_that_cannot_be_parsed_gives_no_place_and_no_visitor(address):
    stored = row(event(request=replace(REQUEST, address=address)))
    assert (stored.visitor, stored.country) == ("0", "")


@pytest.mark.parametrize(
    ("occurred", "sent", "expected"),
    [
        pytest.param(None, None, NOW, id="no time: when it arrived"),
        pytest.param(NOW - timedelta(hours=2), None, NOW - timedelta(hours=2), id="no sent"),
        pytest.param(
            NOW + timedelta(hours=9),
            NOW + timedelta(hours=10),
            NOW - timedelta(hours=1),
            id="a clock ten hours fast",
        ),
        pytest.param(
            NOW - timedelta(days=400, hours=1),
            NOW - timedelta(days=400),
            NOW - timedelta(hours=1),
            id="a clock a year slow",
        ),
        pytest.param(NOW + timedelta(hours=3), None, NOW, id="the future is the present"),
        pytest.param(NOW, NOW - timedelta(hours=3), NOW, id="sent before it happened"),
    ],
)
def test_the_time_is_by_our_clock(occurred, sent, expected):
    assert row(event(occurred=occurred, sent=sent)).time == int(expected.timestamp())


def test_the_day_is_the_sites_own():
    late_evening = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    raw = event(request=replace(REQUEST, received=late_evening))
    assert row(raw).day == "2026-11-23"


@pytest.mark.parametrize(
    ("raw", "ctx", "outcome"),
    [
        pytest.param(
            event(request=replace(REQUEST, gpc="1")), context(), Dropped(Reason.OBJECTED), id="gpc"
        ),
        pytest.param(
            event(occurred=NOW - timedelta(days=8)), context(), Dropped(Reason.TOO_OLD), id="old"
        ),
        pytest.param(
            event(),
            context(final_days=frozenset({"2026-11-22"})),
            Dropped(Reason.DAY_FINAL),
            id="final",
        ),
        pytest.param(
            event(url="http://["), context(), Rejected(Reason.BAD_URL, "/url"), id="bad url"
        ),
        pytest.param(
            event(occurred=datetime(1960, 1, 1, tzinfo=UTC)),
            context(late=None),
            Rejected(Reason.BAD_TIMESTAMP, "/timestamp"),
            id="before time began",
        ),
    ],
)
def test_there_is_no_row_because(raw, ctx, outcome):
    assert anonymize(raw, ctx) == outcome


def test_an_import_may_be_of_any_age_and_its_rows_live_from_the_import():
    past = datetime(2015, 5, 17, 10, 5, tzinfo=UTC)
    raw = event(request=replace(REQUEST, received=past))
    stored = row(raw, context(late=None, keys=EphemeralKeys(FixedKeys())))
    assert (stored.day, stored.expires) == ("2015-05-17", "2026-12-22")


def test_a_retry_has_the_event_id_of_its_first_try_and_other_messages_have_others():
    first = row(event(message_id="m-1"))
    assert row(event(message_id="m-1")).event_id == first.event_id
    assert row(event(message_id="m-2")).event_id != first.event_id
    assert row(event()).event_id != row(event()).event_id


@pytest.mark.parametrize(
    ("request_", "referrer", "kind"),
    [
        pytest.param({}, None, "", id="a person"),
        pytest.param({}, "https://www.google.com/", "", id="a person who came from a search"),
        pytest.param({"user_agent": "curl/8.5.0"}, None, "bot", id="an agent"),
        pytest.param({"purpose": "prefetch"}, None, "prefetch", id="fetched ahead"),
        pytest.param({"brands": '"HeadlessChrome";v="1"'}, None, "automation", id="brands"),
        pytest.param(
            {"purpose": "prefetch", "user_agent": "curl/8.5.0"}, None, "prefetch", id="of two"
        ),
        pytest.param({}, "http://site17.semalt.com/a", "spam", id="a spammer's referrer"),
        pytest.param({"user_agent": "curl/8"}, "https://semalt.com/", "spam", id="and its agent"),
        pytest.param({"user_agent": "okhttp/4.12.0", "sdk": True}, None, "", id="an SDK"),
        pytest.param({"purpose": "prefetch", "sdk": True}, None, "", id="an SDK that prefetches"),
    ],
)
def test_machines_are_kept_apart_by_kind(request_, referrer, kind):
    raw = event(url="https://example.com/", referrer=referrer, request=replace(REQUEST, **request_))
    assert row(raw).bot == row(raw, context("opt-in")).bot == kind


def test_what_identifies_a_person_is_marked_in_every_text():
    mail = "jan.peeters@example.org"
    stored = row(
        event(
            name=f"signed up {mail}",
            url=f"https://example.com/users/{mail}/edit",
            consent=CONSENT,
            anonymous_id="a",
            screen_name=mail,
            app_name=mail,
            app_version=mail,
            device_model=mail,
            campaign={"campaign": mail},
        )
    )
    assert mail not in msgspec.json.encode(stored).decode()
    assert "{email}" in stored.name


def test_a_raw_event_shows_nothing_of_itself():
    raw = event(anonymous_id="a-secret", url="https://example.com/?q=secret", consent=CONSENT)
    for shown in (repr(raw), repr(raw.request), repr(raw.consent), f"{raw}", f"{raw!s}"):
        assert shown in ("<RawEvent>", "<RawRequest>", "<RawConsent>")


@pytest.mark.parametrize(
    ("props", "stored"),
    [
        ({"plan": "pro", "phone": "x"}, {"plan": "pro", "phone": "x"}),
        ({"plan": "pro", "secret": "x"}, {"plan": "pro"}),
        ({"plan": True}, {"plan": "true"}),
        ({"plan": 1.5}, {"plan": "1.5"}),
        ({"plan": {"a": 1}}, {}),
        ({"plan": None}, {}),
        ({"plan": "a=b"}, {"plan": "a=b"}),
        ({"plan": "12345678", "phone": "12345678"}, {"plan": "12345678", "phone": "{phone}"}),
        ({"lat": 50.85034, "plan": 50.85034}, {"lat": "{coordinates}", "plan": "50.85034"}),
        ({"jan@example.org": "x"}, {"{email}": "x"}),
    ],
)
def test_allowed_properties_are_kept_scrubbed_and_read_with_their_key(props, stored):
    allowed = frozenset({"plan", "phone", "lat", "jan@example.org"})
    ctx = replace(context(), site=replace(context().site, properties=allowed))
    raw = event(consent=CONSENT, props=props)
    kept = row(raw, ctx).props
    assert {k: v.replace("{email}=", "") for k, v in kept.items()} == stored


def test_a_page_that_was_opened_by_its_servers_address_does_not_keep_the_address():
    stored = row(event(url="https://203.0.113.77:8443/a", referrer="https://203.0.113.77/b"))
    assert (stored.hostname, stored.channel) == ("{address}", "Direct")


texts = st.text(st.characters(codec="utf-8"), max_size=40)
whole = st.none() | st.integers(min_value=-(2**63), max_value=2**63)


@st.composite
def filled(draw, mark):
    """An event with something in every field. `mark()` is a text that occurs nowhere else."""
    text = st.builds(lambda before, after: before + mark() + after, texts, texts)
    return event(
        request=RawRequest(
            NOW,
            draw(st.ip_addresses().map(str) | text),
            draw(st.just(FIREFOX) | text.map("Mozilla/5.0 {}".format)),
            sdk=draw(st.booleans()),
        ),
        name=draw(st.sampled_from(["pageview", "engagement"]) | texts.filter(bool)),
        message_id=draw(text),
        occurred=NOW - draw(st.timedeltas(timedelta(0), timedelta(days=2))),
        sent=NOW,
        consent=RawConsent(
            draw(st.dictionaries(st.sampled_from(sorted(CATEGORIES)), st.booleans())),
            draw(st.sampled_from([None, "granted", "denied"])),
        ),
        child_directed=draw(st.booleans()),
        anonymous_id=draw(text),
        user_id=draw(text),
        session_id=draw(text),
        url=f"https://{mark()}:{mark()}@example.com:8443/a;{mark()}?q={mark()}&gclid={mark()}"
        f"&utm_source={draw(st.sampled_from(['news', 'google']))}#{mark()}",
        referrer=f"https://{mark()}@www.google.com/{mark()}?q={mark()}#{mark()}",
        campaign={"medium": "email", mark(): mark()},
        engagement=draw(st.integers(0, 2**63)),
        scroll=draw(st.integers(0, 2**63)),
        props={"plan": draw(texts), mark(): draw(text)},
        revenue=draw(st.floats(allow_nan=False, allow_infinity=False)),
        currency=draw(st.sampled_from(["EUR", "dkk"]) | text),
        language=draw(st.sampled_from(["nl-BE", "fr_FR.UTF-8", "da"]) | text),
        screen_name="Home",
        screen_width=draw(st.integers(1, 20_000)),
        screen_height=draw(st.integers(1, 20_000)),
        app_name="Shop",
        app_version="4.2.1",
        app_build="421",
        os_name=draw(st.sampled_from(["Android", "iOS"]) | text),
        os_version=draw(st.just("14.1") | text),
        device_type=draw(st.just("phone") | text),
        device_model="SM-G991B",
        memory_total=draw(st.integers(1, 2**63)),
        storage_total=draw(st.integers(1, 2**63)),
        battery=draw(st.floats(0, 1)),
        connection=draw(st.just("wifi") | text),
    )


MARK = "qzjxkvwy"
GRANTED = {
    basis: {grant.column for grant in MATRIX if getattr(grant, basis.value) is not None}
    for basis in Basis
}
ALWAYS = {"site", "day", "basis", "purposes", "expires", "time", "received", "event_id", "name"}
EMPTY = Row(
    site=0,
    day="",
    basis=Basis.NONE,
    purposes=(),
    expires="",
    time=0,
    received=0,
    event_id=0,
    name="",
)
COLUMNS = [column.name for column in msgspec.structs.fields(Row)]


@pytest.mark.parametrize("day_key", [True, False], ids=["day key", "no day key"])
@pytest.mark.parametrize("policy", ["exempt", "opt-in"])
@given(raw=filled(lambda: MARK))
def test_no_input_lets_a_value_reach_a_row_that_the_matrix_does_not_grant(policy, day_key, raw):
    ctx = context(policy, keys=FixedKeys() if day_key else FixedKeys(Everyday()))
    ctx = replace(ctx, site=replace(ctx.site, properties=frozenset({"plan"})))
    stored = row(raw, ctx)
    for column in COLUMNS:
        if column not in GRANTED[stored.basis] | ALWAYS:
            assert getattr(stored, column) == getattr(EMPTY, column), column
    whole_row = msgspec.json.encode(stored).decode().lower()
    assert MARK not in whole_row
    assert raw.request.address not in whole_row.split('"')
    if stored.basis is Basis.NONE:
        assert stored.time % 3600 == stored.received % 3600 == 0  # Brussels is whole hours away
    if stored.basis is not Basis.CONSENT:
        assert len(stored.language) <= 3
    if raw.child_directed or (policy == "opt-in" and raw.consent == RawConsent()):
        assert stored.basis is Basis.NONE


class Nobody:
    """Asked about every client, and knows none."""

    def __init__(self):
        self.asked = []

    def of(self, site, clients):
        self.asked.append((site, *clients))
        return Record()


def test_what_is_on_record_is_looked_up_by_pseudonyms_and_once_for_a_client():
    nobody = Nobody()
    ctx = context(recorded=nobody)
    for raw in (event(), event(anonymous_id="a"), event(anonymous_id="a", url="https://e.com/"),
                event(anonymous_id="a", user_id="u"), event(user_id="u")):  # fmt: skip
        anonymize(raw, ctx)
    client, account = pseudonyms.on_record(b"r" * 32, 1, "a", "u")
    assert nobody.asked == [(1, client), (1, client, account), (1, account)]


class Everyday:
    def __contains__(self, day):
        return True


@pytest.mark.parametrize("consent", [CONSENT, RawConsent()], ids=["consent", "exempt"])
@given(one=filled(lambda: "a"), other=filled(lambda: "b"))
def test_a_row_does_not_depend_on_what_came_before_it_in_its_request(consent, one, other):
    """What is remembered between the events of a request is never another event's."""
    one = msgspec.structs.replace(one, consent=consent, child_directed=False)
    together = context()
    changes = [{name: getattr(other, name)} for name in RawEvent.__struct_fields__] + [
        {"client": msgspec.structs.replace(one.client, **{name: getattr(other.client, name)})}
        for name in RawClient.__struct_fields__
    ]
    for change in changes:
        for raw in (one, msgspec.structs.replace(one, **change)):
            assert anonymize(raw, together) == anonymize(raw, context()), change.keys()


@given(
    name=texts.filter(bool), url=st.none() | texts, referrer=st.none() | texts,
    address=st.none() | texts, agent=texts, props=st.dictionaries(texts, texts, max_size=3),
    numbers=st.lists(whole, min_size=4, max_size=4), language=st.none() | texts,
    os_name=st.none() | texts, version=st.none() | texts,
    revenue=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    granted=st.booleans(), sdk=st.booleans(), occurred=st.none() | st.datetimes(),
)  # fmt: skip
def test_no_input_makes_the_pipeline_raise(
    name, url, referrer, address, agent, props, numbers, language, os_name, version, revenue,
    granted, sdk, occurred,
):  # fmt: skip
    raw = event(
        request=RawRequest(NOW, address, agent, sdk=sdk), name=name,
        occurred=occurred and occurred.replace(tzinfo=UTC), url=url, referrer=referrer,
        consent=CONSENT if granted else RawConsent(), anonymous_id="a", props=props,
        engagement=numbers[0] and abs(numbers[0]), scroll=numbers[1] and abs(numbers[1]),
        screen_width=numbers[2], memory_total=numbers[3], storage_total=numbers[3],
        language=language, os_name=os_name, os_version=version, revenue=revenue, currency="EUR",
    )  # fmt: skip
    outcome = anonymize(raw, context(late=None))
    if isinstance(outcome, Accepted):
        msgspec.json.encode(outcome.row)
