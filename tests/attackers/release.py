"""What an attacker sees of a day: the cells that the real computation writes into a store.

Figures are handed over exactly, as if rounding had been undone, and rounded, as they are published.
`disclose=False` is for these attackers alone: nothing in the product can ask for it.
"""

import contextlib
import dataclasses
from unittest.mock import patch

import msgspec

from releases.compute import compute_day, write
from releases.definitions import cells
from releases.disclosure import ROUNDING, thresholds
from releases.scratch import scratch

KEY = b"t" * 32
MEASURES = ("visitors", "pageviews", "events")


class View(dict):
    """(table, by, value) to its figures. `step` is what they were rounded to, 1 for not at all."""

    step = 1
    state = "final"

    def rounded(self):
        step = ROUNDING[self.state]
        view = View(
            (key, {name: (n + step // 2) // step * step for name, n in figures.items()})
            for key, figures in self.items()
        )
        view.step, view.state = step, self.state
        return view


class Publisher:
    """Puts rows into an empty store, releases a day of them, and reads what was written."""

    def __init__(self, store, site):
        self.store = store
        self.site = site
        self._version = self._put = 0

    def put(self, rows):
        """Stores these rows instead of all others."""
        self._put += 1
        self.store.command("TRUNCATE TABLE events")
        lines = msgspec.json.Encoder().encode_lines(list(rows))
        self.store.insert_lines("events", [lines], f"{self.site.id} {self._put}")

    def release(self, day, rows, state="final", disclose=True):
        self._version += 1
        self.put(rows)
        site = self.site if disclose else dataclasses.replace(self.site, k=1)
        drawn = thresholds(KEY, site.id, day.isoformat(), site.k)
        with patch.dict(ROUNDING, dict.fromkeys(ROUNDING, 1)):
            compute_day(
                self.store, site, day, state, drawn if disclose else (lambda *_: 1), self._version
            )
        return self._read(state)

    def declare(self, day, rows, weeks, disclose=True):
        """A final day with what analysts declare week after week, computed back over it: all that
        was ever shown.
        """
        day_of_release = self.release(day, rows, disclose=disclose)
        site = self.site if disclose else dataclasses.replace(self.site, k=1)
        drawn = thresholds(KEY, site.id, day.isoformat(), site.k) if disclose else (lambda *_: 1)
        version, released = self._version, []
        for wanted in weeks:
            with (
                patch.dict(ROUNDING, dict.fromkeys(ROUNDING, 1)),
                scratch(self.store, site, day) as tables,
            ):
                found = list(cells(tables, version, "final", drawn, wanted, released))
            for definition, shown in found:
                self._version += 1
                write(self.store, site, "day", day, self._version, shown)
                released.append((definition, self._version))
                day_of_release |= self._read("final")
        return day_of_release

    def _read(self, state):
        view = View()
        view.state = state
        for table, by, value, *figures in self.store.query_rows(
            f"SELECT table, by, value, {', '.join(MEASURES)} FROM cells"
            " WHERE site = {site:UInt32} AND version = {version:UInt32}",
            {"site": self.site.id, "version": self._version},
        ):
            named = zip(MEASURES, figures, strict=True)
            view[table, by, value] = {name: int(n) for name, n in named if n is not None}
        return view


@contextlib.contextmanager
def publisher(home, k):
    """A store, a control database and one site of its own."""
    from config.settings import load
    from control.database import open_control
    from control.sites import Sites
    from store.clickhouse import hosting
    from store.migrate import migrate

    with hosting(load({"DISCREET_HOME": str(home)})) as store:
        migrate(store)
        sites = Sites(open_control(f"sqlite:///{home}/attacked-{k}.db"))
        yield Publisher(store, sites.add("example.com", "UTC", "exempt", "BE", k))
