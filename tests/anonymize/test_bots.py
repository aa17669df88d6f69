"""How well machines are told from people: on a real log, and on agents written out by hand.

The figures in docs/bots.md are read here and held against what is measured.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anonymize.agent import _BOTS, _LISTS, _OWN, Agents

AGENTS = Agents()
LISTS = Path(__file__).with_name("agents")
PAGE = (Path(__file__).parents[2] / "docs" / "bots.md").read_text(encoding="utf-8")


def lines(name: str) -> list[str]:
    text = (LISTS / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("# ")]


def is_machine(user_agent: str) -> bool:
    return AGENTS.classify(user_agent, sdk=False).bot != ""


PEOPLE = lines("people.txt")
MACHINES = lines("machines.txt")
LOG = [
    (int(count), label, user_agent)
    for count, label, user_agent in (line.split("\t") for line in lines("log.txt"))
]


@pytest.mark.parametrize("user_agent", PEOPLE)
def test_no_browser_or_app_of_a_person_passes_for_a_machine(user_agent: str) -> None:
    assert not is_machine(user_agent)


def test_nobody_in_a_real_log_passes_for_a_machine() -> None:
    assert [agent for _, label, agent in LOG if label == "person" and is_machine(agent)] == []


# It says no more than that an app written with Flutter asks; a person may hold it.
MISSED = {"Dart/3.4 (dart:io)"}


def test_machines_that_say_so_are_found_but_for_one() -> None:
    assert {agent for agent in MACHINES if not is_machine(agent)} == MISSED


def test_of_the_machines_in_a_real_log_more_than_99_of_100_lines_are_found() -> None:
    machines = [(count, agent) for count, label, agent in LOG if label == "machine"]
    found = sum(count for count, agent in machines if is_machine(agent))
    assert found / sum(count for count, _ in machines) > 0.99


def test_the_lists_are_long_enough_and_name_each_agent_once() -> None:
    for name in (PEOPLE, MACHINES, [agent for _, _, agent in LOG]):
        assert len(set(name)) == len(name) > 150


def figures(head: str) -> list[int]:
    """How many there are and how many were called a machine, by the page."""
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {head} |")]
    return [int(cell.replace(",", "")) for cell in line.split("|")[2:4]]


def test_the_page_states_these_figures() -> None:
    for head, label in (("lines of people", "person"), ("lines of machines", "machine")):
        chosen = [(count, agent) for count, which, agent in LOG if which == label]
        total = sum(count for count, _ in chosen)
        called = sum(count for count, agent in chosen if is_machine(agent))
        assert figures(head) == [total, called]
    assert figures("agents of people") == [len(PEOPLE), sum(map(is_machine, PEOPLE))]
    assert figures("agents of machines") == [len(MACHINES), sum(map(is_machine, MACHINES))]


def test_the_page_states_how_long_the_lists_are() -> None:
    spam = (_LISTS / "spam.txt").read_text(encoding="utf-8").splitlines()
    assert f" {len(_BOTS)} patterns " in PAGE
    assert f" {sum(not line.startswith('#') for line in spam)} registrable domains" in PAGE


def test_the_patterns_are_written_in_lower_case_as_the_texts_are_that_they_meet() -> None:
    patterns = [*_BOTS, *_OWN["automation"]]
    assert [each for each in patterns if re.search(r"(?<!\\)[A-Z]", each)] == []


def test_the_page_names_every_kind() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert named == {"prefetch", "automation", "bot", "spam"}
