"""Pseudonyms: the same for the same person, site and key; unrelated otherwise."""

from hypothesis import given
from hypothesis import strategies as st

from anonymize import pseudonyms

KEY = b"k" * 32
OTHER = b"o" * 32
words = st.text(max_size=30)


@given(words, words)
def test_the_same_visitor_has_the_same_pseudonym_all_day(agent, model):
    prefix = bytes([203, 0, 113])
    once = pseudonyms.visitor_of_day(KEY, 1, prefix, agent, model)
    assert once == pseudonyms.visitor_of_day(KEY, 1, prefix, agent, model)
    assert 0 < once < 2**128


@given(words)
def test_another_site_or_another_day_has_another_pseudonym(client):
    assert (
        len(
            {
                pseudonyms.visitor_of_client(KEY, 1, client),
                pseudonyms.visitor_of_client(KEY, 2, client),
                pseudonyms.visitor_of_client(OTHER, 1, client),
                pseudonyms.user(KEY, 1, client),
            }
        )
        == 4
    )


@given(words.filter(bool))
def test_a_record_shares_no_pseudonym_with_any_row(text):
    client, account = pseudonyms.on_record(KEY, 1, text, text)
    rows = {pseudonyms.visitor_of_client(KEY, 1, text), pseudonyms.user(KEY, 1, text)}
    assert len(rows | {client, account}) == 4
    assert pseudonyms.on_record(KEY, 1, text, None) == (client,)
    assert pseudonyms.on_record(KEY, 1, None, text) == (account,)
    assert pseudonyms.on_record(KEY, 2, text, text) != (client, account)


def test_parts_cannot_be_shifted_into_each_other():
    one = pseudonyms.visitor_of_day(KEY, 1, b"\x01\x02", "ab", "c")
    assert one != pseudonyms.visitor_of_day(KEY, 1, b"\x01\x02", "a", "bc")
    assert one != pseudonyms.visitor_of_day(KEY, 1, b"\x01", "\x02ab", "c")


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_text_has_a_pseudonym(text):
    assert 0 < pseudonyms.event_id(KEY, 1, text) < 2**64
