"""Nothing in the dashboards can name the rows' table, and nothing in them needs it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from releases import reading
from releases.reading import Ask, Reading, Values
from store.migrate import FOLDER
from tests.dashboards.test_pages import EVERY_PAGE
from tests.dashboards.world import World, fill, world

FIRST, LAST = date(2026, 10, 1), date(2026, 11, 22)
ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "dashboards").rglob("*.py"))
READING = Path(reading.__file__)
# What dashboards may know of the rest of the project. Of releases: how to read them, and which
# tables are declared.
ALLOWED = re.compile(
    r"(accounts|config|dashboards)(\.|\Z)"
    r"|control\.(sites|definitions|first_events|annotations|stored)\Z"
    r"|releases\.(reading|tables|wording)\Z"
)
PROJECT = re.compile(
    r"(accounts|anonymize|config|control|dashboards|ingest|operate|releases|spool|store)(\.|\Z)"
)
SQL = re.compile(r"\b(SELECT|FROM|JOIN|INSERT|ALTER|DESCRIBE|SHOW)\s+\S", re.ASCII)


def tables() -> set[str]:
    """Every table and view of the schema."""
    schema = "".join(path.read_text() for path in FOLDER.glob("*.sql"))
    return set(re.findall(r"(?:TABLE IF NOT EXISTS|REPLACE VIEW) (\w+)", schema))


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            packages = (ROOT / node.module.replace(".", "/")).is_dir()
            yield from (f"{node.module}.{a.name}" if packages else node.module for a in node.names)


def texts(module: Path) -> Iterator[str]:
    """Every string of a module that is no docstring; of an f-string its constant parts."""
    tree = ast.parse(module.read_text())
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        known = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if known and id(node) not in documents:
            yield str(node.value)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_of_the_dashboards_imports_nothing_that_reaches_rows(module: Path) -> None:
    ours = [name for name in imported(module) if PROJECT.match(name)]
    assert [name for name in ours if not ALLOWED.match(name)] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_of_the_dashboards_holds_no_statement_and_no_handle_on_the_store(
    module: Path,
) -> None:
    assert [text for text in texts(module) if SQL.search(text)] == []
    private = [
        node.attr
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("_store", "_control", "query_rows")
    ]
    assert private == []
    assert "importlib" not in imported(module)


def test_the_reading_module_names_no_table_but_the_released_one() -> None:
    """Its statements are built of these strings alone; values are bound by the driver."""
    named = {
        table
        for text in texts(READING)
        for table in re.findall(r"\b(?:FROM|JOIN|INTO|TABLE|UPDATE)\s+\(?\s*[\"`]?(\w+)", text)
    }
    assert named == {"cells"}
    forbidden = tables() - {"cells", "events"}  # `events` is a measure of cells too
    assert not any(re.search(rf"\b{name}\b", text) for text in texts(READING) for name in forbidden)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("home")) as full:
        fill(full)
        yield full


def test_the_engine_itself_finds_one_table_in_every_form_of_a_question(made: World) -> None:
    site = made.sites.all()[0]
    some = (Values(("a", "b")), Values(("c",), contains=True, negated=True, cased=False))
    asks = [
        Ask("total", FIRST, LAST, keys, some, some, measures=tuple(reading._SUMS),
            order=tuple((name, True) for name in reading._AVERAGES), limit=5)
        for keys in ((), ("day",), ("week", "value"), ("month", "by", "value"))
    ]  # fmt: skip
    for ask in asks:
        parameters = {
            "site": site.id, "tables": [ask.table], "first": ask.first, "last": ask.last,
            "days": [1], "weeks": [2], "other": "(other)",
        }  # fmt: skip
        statement = reading._statement(ask, parameters)
        tree = made.store.query_rows(f"EXPLAIN QUERY TREE {statement}", parameters)
        found = re.findall(r"table_name: \S+\.(\w+)", "\n".join(str(line[0]) for line in tree))
        assert set(found) == {"cells"}


def test_everything_answers_the_same_without_the_tables_of_rows(made: World) -> None:
    """They are taken away, and neither a page nor a question misses them."""
    client = made.client()
    site = made.sites.by_domain("shop.example.com")
    assert site is not None
    asks = [
        Ask(table, FIRST, LAST, ("value",), measures=reading._OF_PAGES)
        for table in ("total", "page", "country", "event", "bot", "dropped", "page|country")
    ]

    def seen() -> list[object]:
        pages: list[object] = [client.get(path).status_code for path in EVERY_PAGE]
        sizes: list[object] = [len(client.get(path).get_data()) for path in EVERY_PAGE[:10]]
        with_all = Reading(made.store, made.control)
        return pages + sizes + [with_all.find(site, ask) for ask in asks]

    before = seen()
    made.store.command("DROP VIEW events_once")
    for table in tables() - {"cells", "events_once"}:
        made.store.command(f"DROP TABLE {table} SYNC")
    assert seen() == before
