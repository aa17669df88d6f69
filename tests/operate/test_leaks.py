"""The search for leaks finds each string that is there, and no other."""

from hypothesis import given
from hypothesis import strategies as st

from operate.leaks import _Needles

texts = st.text("ab\x00", min_size=1, max_size=9).map(str.encode)


@given(st.sets(texts, min_size=1, max_size=20), st.lists(texts, max_size=30).map(b"".join))
def test_many_strings_at_once_are_found_as_each_would_be_alone(needles, haystack):
    listed = sorted(needles)
    alone = {number for number, needle in enumerate(listed) if needle in haystack}
    assert _Needles(listed).among(haystack) == alone
