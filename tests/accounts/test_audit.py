"""The audit log: everything that acts is on record, and no later change goes unseen."""

import json
from datetime import UTC, datetime, timedelta

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from accounts.audit import EXPIRED, LIFE, Audit
from control.database import audit_log, open_control
from operate import audited
from operate.application import assemble
from tests.operate.world import services

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KEY = bytes(range(32))


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def engine(either):
    return either


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def audit(engine, tmp_path, clock):
    return Audit(engine, KEY, tmp_path / "audit.head", clock)


def write(audit, count=5):
    for number in range(count):
        audit.record("ada@example.com", "site set", f"site {number}.example", k=number)


def tampered(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def test_what_was_done_is_told_in_the_order_in_which_it_was_done(audit):
    audit.record("ada@example.com", "site set", "site example.com", k=5, city=True)
    audit.record("command line", "release run")
    first, second = audit.entries()
    assert (first.number, first.at, first.actor) == (1, NOW, "ada@example.com")
    assert (first.action, first.subject) == ("site set", "site example.com")
    assert first.detail == {"k": 5, "city": True}
    assert (second.number, second.actor, second.subject) == (2, "command line", "")
    assert [entry.number for entry in audit.newest(1)] == [2]
    assert audit.verify().problems == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "eve@example.com"),
        ("action", "site show"),
        ("subject", "site other.example"),
        ("detail", {"k": 3}),
        ("at", NOW - timedelta(days=1)),
        ("code", "00" * 32),
    ],
)
def test_a_changed_entry_is_found(audit, engine, column, value):
    write(audit)
    tampered(engine, update(audit_log).where(audit_log.c.number == 3).values({column: value}))
    problems = audit.verify().problems
    assert "entry 3 is not what was written after 2" in problems


def test_a_removed_entry_is_found(audit, engine):
    write(audit)
    tampered(engine, delete(audit_log).where(audit_log.c.number == 3))
    assert audit.verify().problems == ("entries 3 to 3 are missing",)


def test_removing_the_first_entries_is_found(audit, engine):
    write(audit)
    tampered(engine, delete(audit_log).where(audit_log.c.number <= 2))
    assert audit.verify().problems == ("entries 1 to 2 are missing",)


def test_removing_the_last_entries_is_found_by_the_node_that_wrote_them(audit, engine):
    write(audit)
    tampered(engine, delete(audit_log).where(audit_log.c.number >= 4))
    assert audit.verify().problems == ("entries 4 to 5, which this node wrote, are missing",)


def test_writing_other_entries_after_removing_the_last_ones_is_found(audit, engine, tmp_path):
    write(audit)
    tampered(engine, delete(audit_log).where(audit_log.c.number >= 4))
    write(Audit(engine, KEY, tmp_path / "another-node", audit._now))
    assert audit.verify().problems == ("entry 5 is not the one that this node wrote",)


def test_entries_that_changed_places_are_found(audit, engine):
    write(audit)
    here = audit_log.c.number
    tampered(
        engine,
        update(audit_log).where(here == 2).values(number=99),
        update(audit_log).where(here == 3).values(number=2),
        update(audit_log).where(here == 99).values(number=3),
    )
    assert audit.verify().problems == (
        "entry 2 is not what was written after 1",
        "entry 3 is not what was written after 2",
        "entry 4 is not what was written after 3",
    )


def test_who_holds_the_database_alone_cannot_make_an_entry_that_fits(engine, audit, tmp_path):
    write(audit, 2)
    Audit(engine, bytes(32), tmp_path / "none", audit._now).record("eve@example.com", "site set")
    assert audit.verify().problems == ("entry 3 is not what was written after 2",)


def test_entries_of_two_processes_make_one_chain(audit, engine, tmp_path, clock):
    other = Audit(engine, KEY, tmp_path / "audit.head", clock)
    for _ in range(3):
        audit.record("ada@example.com", "sign-in")
        other.record("bob@example.com", "sign-in")
    assert audit.verify() == other.verify()
    assert (audit.verify().entries, audit.verify().problems) == (6, ())


def test_entries_expire_and_what_is_left_still_shows_every_change(audit, engine, clock):
    write(audit, 3)
    clock.now += LIFE
    write(audit, 2)
    assert audit.expire() == 0
    clock.now += timedelta(seconds=1)
    assert audit.expire() == 3
    assert audit.expire() == 0
    assert [entry.number for entry in audit.entries()] == [4, 5, 6]
    assert audit.verify().problems == ()
    clock.now += timedelta(days=1)
    assert audit.newest(1)[0].action == EXPIRED
    tampered(engine, delete(audit_log).where(audit_log.c.number == 4))
    assert audit.verify().problems == ("entries 4 to 4 are missing",)


def test_an_expiry_that_somebody_made_up_is_found(audit, engine):
    write(audit)
    with engine.begin() as connection:
        code = connection.execute(
            select(audit_log.c.code).where(audit_log.c.number == 3)
        ).scalar_one()
    forged = {"through": 3, "code": code}
    tampered(
        engine,
        delete(audit_log).where(audit_log.c.number <= 3),
        insert(audit_log).values(
            number=6, at=NOW, actor="worker", action=EXPIRED, subject="", detail=forged, code=code
        ),
    )
    assert audit.verify().problems == ("entry 6 is not what was written after 5",)


PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    engine = open_control(f"sqlite:///{folder / 'control.db'}")
    yield Audit(engine, KEY, folder / "audit.head", Clock())
    engine.dispose()


@settings(max_examples=40)
@given(
    told=st.lists(st.tuples(st.text(max_size=20), st.dictionaries(st.text(), PLAIN)), max_size=6)
)
def test_whatever_is_told_fits_its_chain(chain, told):
    audit = chain
    for subject, detail in told:
        named = {f"_{name}": value for name, value in detail.items()}
        audit.record("ada@example.com", "site set", subject, **named)
    assert audit.verify().problems == ()


@pytest.fixture
def app(tmp_path):
    with services(tmp_path) as built:
        app = assemble(built)
        with app.app_context():
            yield app


def test_every_command_says_whether_it_is_put_on_record(app):
    named = set()

    def walk(command, before=""):
        name = f"{before} {command.name}".strip()
        if isinstance(command, click.Group):
            for part in command.commands.values():
                walk(part, name)
        else:
            named.add(name)

    for command in app.cli.commands.values():
        if command.name not in {"run", "shell", "routes"}:  # Flask's own
            walk(command)
    assert named == set(audited.RULES)


def test_a_command_that_acts_is_on_record_and_one_that_only_reads_is_not(app):
    runner = app.test_cli_runner()
    added = runner.invoke(args=["site", "add", "example.com", "-k", "5", "--policy", "exempt"])
    assert added.exit_code == 0, added.output
    assert runner.invoke(args=["site", "list"]).exit_code == 0
    listed = runner.invoke(args=["audit", "list", "--json"])
    (entry,) = json.loads(listed.output)
    assert (entry["actor"], entry["action"]) == ("command line", "site add")
    assert entry["subject"] == "site example.com"
    assert entry["detail"] == {"k": 5, "policy": "exempt"}


def test_values_that_may_tell_of_a_visitor_are_not_on_record(app):
    runner = app.test_cli_runner()
    runner.invoke(args=["site", "add", "example.com"])
    runner.invoke(args=["site", "set", "example.com", "--exclude-address", "203.0.113.77"])
    exported = runner.invoke(args=["audit", "export"]).output
    assert "203.0.113" not in exported
    assert json.loads(exported.splitlines()[1])["detail"] == {"options": ["exclude_address"]}


def test_the_command_that_checks_the_chain_fails_where_it_is_broken(app):
    runner = app.test_cli_runner()
    runner.invoke(args=["site", "add", "example.com"])
    runner.invoke(args=["site", "add", "example.org"])
    sound = runner.invoke(args=["audit", "verify"])
    assert (sound.exit_code, sound.output) == (0, "2 entries read: the chain is whole\n")
    control = app.extensions["discreet"].control
    tampered(control, delete(audit_log).where(audit_log.c.number == 1))
    broken = runner.invoke(args=["audit", "verify"])
    assert broken.exit_code == 1
    assert broken.output.startswith("entries 1 to 1 are missing\n")


def test_signing_in_and_out_is_on_record(app):
    people_link = app.test_cli_runner().invoke(
        args=["user", "invite", "ada@example.com", "--role", "viewer", "--purpose", "x", "--json"]
    )
    path = json.loads(people_link.output)["link"].split("/sign-in/")[1]
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    assert client.post(f"/sign-in/{path}").status_code == 303
    assert client.post("/sign-out").status_code == 303
    told = [(e.actor, e.action) for e in app.extensions["discreet"].audit.entries()]
    assert told == [
        ("command line", "user invite"),
        ("ada@example.com", "sign-in"),
        ("ada@example.com", "sign-out"),
    ]
