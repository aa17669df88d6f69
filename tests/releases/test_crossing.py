"""Which values crosses tell apart, and how the next crosses are counted meanwhile."""

import pytest

from releases.crossing import ahead, coded
from releases.disclosure import Cell
from releases.tables import DIMENSIONS, OTHER


def cell(table, value, persons, by=""):
    return Cell(table, value, persons, 0, 0, 0, 0, 0, 0, 0, 0, 0, by=by)


def codes_of(table, *cells):
    return list(coded(DIMENSIONS, cells)[table])


def test_the_hundred_largest_values_are_told_apart_the_largest_first():
    pages = [cell("page", f"/{n}", 1000 + n) for n in range(150)]
    codes = codes_of("page", *pages)
    assert codes[:2] == [("", OTHER), ("", "/149")]
    assert len(codes) == 101


def test_of_equals_the_order_does_not_depend_on_the_stores():
    pages = [cell("page", name, 20) for name in "cab"]
    assert codes_of("page", *pages) == codes_of("page", *reversed(pages))


def test_each_parent_keeps_what_is_hidden_of_its_own_apart():
    cells = [
        cell("browser", "Chrome", 90), cell("browser", "Firefox", 50),
        cell("browser_version", "Chrome 120", 60, "Chrome"),
        cell("browser_version", "Firefox 121", 40, "Firefox"),
    ]  # fmt: skip
    assert codes_of("browser_version", *cells) == [
        ("", OTHER), ("Chrome", OTHER), ("Firefox", OTHER),
        ("Chrome", "Chrome 120"), ("Firefox", "Firefox 121"),
    ]  # fmt: skip


def test_every_code_is_one_byte_however_many_parents_there_are():
    cells = [cell("source", f"s{n}", 1000 - n) for n in range(300)]
    cells += [cell("referrer", f"r{n}", 900 - n, f"s{n % 300}") for n in range(600)]
    assert len(codes_of("referrer", *cells)) <= 256


def test_items_come_in_order_and_one_is_made_ahead():
    made = []

    def items():
        for n in range(4):
            made.append(n)
            yield n

    taken = ahead(items())
    assert next(taken) == 0
    assert list(taken) == [1, 2, 3]
    assert made == [0, 1, 2, 3]


def test_what_fails_ahead_is_raised_where_it_is_wanted():
    def items():
        yield 1
        raise ValueError("no more")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="no more"):
        next(taken)
