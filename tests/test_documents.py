"""What the documents say is what the code does."""

import re

import pytest

from anonymize import event
from operate.documents import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_rendered_page_says_what_the_code_says(name):
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_reason_is_of_one_kind_and_explained():
    kinds = (event.DROPS, event.REJECTIONS, event.REFUSALS)
    assert sorted(reason for kind in kinds for reason in kind) == sorted(event.Reason)
    assert all(meaning for kind in kinds for meaning in kind.values())


def test_every_page_is_found_from_the_readme_and_every_link_leads_to_one():
    readme = (DOCS.parent / "README.md").resolve()
    found = {readme}
    todo = [readme]
    while todo:
        page = todo.pop()
        for link in re.findall(r"\]\(([^)#:\s]+\.md)[)#]", page.read_text(encoding="utf-8")):
            to = (page.parent / link).resolve()
            assert to.exists(), f"{page.name} links to {link}"
            if to not in found:
                found.add(to)
                todo.append(to)
    assert {page.resolve() for page in DOCS.rglob("*.md")} <= found
