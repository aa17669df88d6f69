"""Kills and failures at random moments, and after each: acknowledged = stored, once each."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from spool import reader
from spool.segment import OPEN
from tests.faults.machine import Engine, Machine, clock_library, end
from tests.faults.proxy import FAULTS
from tests.faults.stream import Found, Stream, settled
from tests.service import eventually

Fault = Callable[[Machine, random.Random], None]


def _a_web_process(machine: Machine, chance: random.Random) -> None:
    """gunicorn starts another one."""
    victim = chance.choice(eventually(machine.children, "web processes"))
    end(victim)
    eventually(lambda: victim not in machine.children() and machine.children(), "another one")


def _the_master(machine: Machine, chance: random.Random) -> None:
    machine.kill_master()
    machine.start("web")


def _killed(*names: str) -> Fault:
    def fault(machine: Machine, chance: random.Random) -> None:
        machine.kill(*names)
        time.sleep(chance.uniform(0, 0.5))
        machine.start(*reversed(names))

    return fault


def _the_engine(machine: Machine, chance: random.Random) -> None:
    assert isinstance(machine.engine, Engine)
    machine.engine.kill()
    time.sleep(chance.uniform(0, 0.5))
    machine.engine.start()


def _the_store(how: str) -> Fault:
    def fault(machine: Machine, chance: random.Random) -> None:
        assert machine.proxy is not None
        with machine.proxy.failing(how):
            time.sleep(chance.uniform(0.3, 1.5))

    return fault


def _a_full_disk(machine: Machine, chance: random.Random) -> None:
    with machine.full_disk():
        time.sleep(chance.uniform(0.2, 1.0))


def _a_clock_that_jumps(machine: Machine, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 3)):
        machine.jump(chance.choice((-7200, -61, -1, 1, 61, 3600, 7200)))
        time.sleep(chance.uniform(0.1, 0.6))
    machine.jump(0)


def _a_torn_segment(machine: Machine, chance: random.Random) -> None:
    """Half a line at the end of what was open, as a loss of power leaves it."""
    machine.kill("worker", "web")
    for path in (machine.service.home / "spool").glob(f"*{OPEN}"):
        with path.open("ab") as file:
            file.write(b'{"site":1,"day":"2026-0'[: chance.randint(1, 23)])
    machine.start("web", "worker")


def _a_corrupt_segment(machine: Machine, chance: random.Random) -> None:
    """One that nobody was told is kept: its lines are set aside, and nothing waits for it."""
    spool = machine.service.home / "spool"
    content = chance.choice((bytes(4096), os.urandom(500), b'{"site":"x"}\n' * 3, b"{}}\n{\n"))
    name = f"events-{int(time.time() * 1000)}-0-{secrets.token_hex(4)}"
    (spool / f".{name}").write_bytes(content)
    (spool / f".{name}").rename(spool / f"{name}.ndjson")
    eventually(
        lambda: any(r.segment.name.startswith(name) for r in reader.refused(spool)),
        "the damaged lines set aside",
    )


EVERYWHERE: dict[str, Fault] = {
    "a web process killed": _a_web_process,
    "gunicorn's master killed": _the_master,
    "all web processes killed": _killed("web"),
    "the worker killed": _killed("worker"),
    "everything killed": _killed("web", "worker"),
    "the disk full": _a_full_disk,
    "the clock jumping": _a_clock_that_jumps,
    "torn segments": _a_torn_segment,
    "a corrupt segment": _a_corrupt_segment,
}
BEHIND_A_PROXY: dict[str, Fault] = {
    "the store killed": _the_engine,
    **{f"the store: {fault}": _the_store(fault) for fault in FAULTS},
}


def kinds(machine: Machine) -> dict[str, Fault]:
    """What this machine can suffer."""
    found = dict(EVERYWHERE)
    if machine.proxy is not None:
        found |= BEHIND_A_PROXY
        if not isinstance(machine.engine, Engine):
            del found["the store killed"]
    if not clock_library():
        del found["the clock jumping"]
    return found


@dataclass
class Totals:
    """What came of it."""

    moments: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    retried: int = 0
    lost: int = 0
    doubled: int = 0
    tallies_lost: int = 0
    where: list[str] = field(default_factory=list)

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.moments + other.moments,
            *(
                getattr(self, name) + getattr(other, name)
                for name in (
                    "acknowledged", "retried", "lost", "doubled", "tallies_lost", "where",
                )
            ),
        )  # fmt: skip

    def look(self, now: Found, after: str) -> None:
        """Notes what the store holds after a fault, of everything acknowledged so far."""
        self.lost, self.doubled, self.tallies_lost = now.lost, now.doubled, now.tallies_lost
        if now.lost or now.doubled or now.tallies_lost:
            self.where.append(f"after {after}: {now}")

    def lines(self) -> list[str]:
        return [
            *(f"{count:>5}  {name}" for name, count in sorted(self.moments.items())),
            f"faults                {sum(self.moments.values())}",
            f"events acknowledged   {self.acknowledged}",
            f"requests sent again   {self.retried}",
            f"lost                  {self.lost}",
            f"doubled               {self.doubled}",
            f"tallies lost          {self.tallies_lost}",
            *self.where,
        ]


def suffer(
    machine: Machine,
    faults: Iterable[str],
    chance: random.Random,
    say: Callable[[str], None] = lambda _: None,
    *,
    settle: bool = True,
) -> Totals:
    """Lets the faults happen one after another under a stream of events.

    Looks what came of each, with `settle`, and at the end what came of all. Interrupted, it says
    what came of those before.
    """
    totals = Totals()
    known = kinds(machine)
    added = machine.service.facts("site", "add", "example.com", "--policy", "exempt")
    with Stream(machine.service.origin, added["write_key"], seed=chance.getrandbits(32)) as stream:
        stream.goes_on()
        with contextlib.suppress(KeyboardInterrupt):
            for name in faults:
                time.sleep(chance.uniform(0, 0.4))
                known[name](machine, chance)
                stream.goes_on()
                totals.moments[name] += 1
                if settle:
                    totals.look(settled(machine.store, stream), name)
                lost = f"lost {totals.lost}, doubled {totals.doubled}"
                many = len(stream.acknowledged())
                say(f"{sum(totals.moments.values()):>4}  {name:<28} {many:>8}  {lost}")
    last = settled(machine.store, stream)
    totals.look(last, "all")
    totals.acknowledged = len(stream.acknowledged())
    totals.retried = stream.told.broken + sum(stream.told.refusals.values())
    assert last.tallied <= stream.told.tried
    return totals
