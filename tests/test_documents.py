"""What the documents say is what the code does."""

import pytest

from anonymize import event
from operate.documents import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_rendered_page_says_what_the_code_says(name):
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_reason_is_either_a_drop_or_a_rejection_and_is_explained():
    assert set(event.DROPS) | set(event.REJECTIONS) == set(event.Reason)
    assert not set(event.DROPS) & set(event.REJECTIONS)
