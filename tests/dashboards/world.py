"""A small world of sites in every state, released into a real store: what the pages are read from.

Its clock stands at Sunday 22 November 2026, 15:20 in Brussels.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

from flask import Flask, abort
from flask.testing import FlaskClient
from flask_babel import Babel
from sqlalchemy import Engine, insert

from accounts import access, account, signin
from accounts.audit import Audit
from accounts.people import People
from anonymize.keys import KeyStore
from config.settings import Settings, load
from control.annotations import Annotations
from control.database import open_control, released_days
from control.definitions import Definitions
from control.first_events import FirstEvents
from control.sites import Site, Sites
from dashboards import pages, sections, view
from releases.reading import Reading
from store.clickhouse import Store, hosting
from store.migrate import migrate
from subjects import languages

NOW = datetime(2026, 11, 22, 14, 20, tzinfo=UTC)
TODAY = date(2026, 11, 22)

Cell = dict[str, int | str | None]
Cells = dict[str, dict[str, Cell]]

PAGES = ("/", "/pricing", "/docs", "/docs/install", "/blog/why-we-forget", "/changelog", "/about",
         "/docs/consent", "/contact", "/blog", "/docs/api", "/jobs")  # fmt: skip
SHARES = {
    "page": PAGES,
    "entry_page": PAGES[:7],
    "source": ("", "Google", "DuckDuckGo", "Hacker News", "Mastodon", "newsletter", "GitHub"),
    "channel": ("Direct", "Organic Search", "Referral", "Organic Social", "Email", "AI Assistants"),
    "country": ("BE", "FR", "DE", "NL", "GB", "US", "DK", "ES", "CA"),
    "device": ("Desktop", "Mobile", "Tablet"),
    "browser": ("Chrome", "Safari", "Firefox", "Edge", "Samsung Internet"),
    "os": ("Windows", "iOS", "Android", "macOS", "Linux"),
    "screen": ("Home", "Basket", "Order"),
    "app_version": ("", "3.2.0", "3.1.4"),
    "event": ("pageview", "Sign up", "File Download", "Search"),
    "exit_page": PAGES[2:9],
    "referrer": ("", "news.example/item", "duckduckgo.com", "lemmy.example/c/privacy"),
    "campaign": ("", "spring", "newsletter-40"),
    "region": ("BE-VLG", "BE-WAL", "BE-BRU", "FR", "DE-NW"),
    "language": ("nl", "fr", "en", "de"),
    "screen_size": ("Desktop", "Laptop", "Mobile"),
}
# Crosses, each within one value: what a filter by it shows.
CROSSED = {"page|country": "BE", "source|country": "BE", "hour|country": "BE", "page|event": "404"}


@dataclass
class World:
    """The app over a real store, and the sites in it."""

    settings: Settings
    control: Engine
    store: Store
    sites: Sites
    people: People
    app: Flask

    def client(self, *, signed_in: bool = True) -> FlaskClient:
        client = self.app.test_client()
        if signed_in:
            link = self.people.invite("ada@example.com", "viewer", "reads the figures")
            client.post(f"/sign-in/{link.token}")
        return client

    def release(self, site: Site, day: date, state: str, cells: Cells) -> None:
        """Shows these cells as the release of a day."""
        version = next(_VERSIONS)
        lines = [
            json.dumps(
                {"site": site.id, "day": str(day), "version": version, "table": t, "value": v} | c
            ).encode()
            + b"\n"
            for t, values in cells.items()
            for v, c in values.items()
        ]
        if lines:
            self.store.insert_lines("cells", lines, f"test-{version}")
        with self.control.begin() as connection:
            connection.execute(
                insert(released_days).values(
                    site=site.id,
                    day=day,
                    version=version,
                    state=state,
                    digest=len(lines),
                    computed_at=datetime(2026, 11, 22, 14, 15),  # noqa: DTZ001  stored as UTC
                )
            )


_VERSIONS = count(1)


@contextmanager
def world(home: Path) -> Iterator[World]:
    """An empty world."""
    settings = load({"DISCREET_HOME": str(home)})
    control = open_control(settings.control_url)
    with hosting(settings) as store:
        migrate(store)
        sites = Sites(control, ttl=0)
        people = People(control, now=lambda: NOW)
        yield World(settings, control, store, sites, people, build(settings, control, people))
    control.dispose()


def build(settings: Settings, control: Engine, people: People) -> Flask:
    """The app of the pages alone, with two routes that fail in ways a page may."""
    app = Flask("world", static_folder=None)
    # The test client's forms carry no token; tests of the token switch the check on.
    app.config["WTF_CSRF_ENABLED"] = False
    audit = Audit(control, bytes(32), settings.home / "audit.head", now=lambda: NOW)
    door = signin.Door.of(control, audit, bytes(32), now=lambda: NOW)
    signin.init(app, door, settings, {"forbidden": access.OPEN, "_broken": access.OPEN})
    app.register_blueprint(account.blueprint(door))
    Babel(app, locale_selector=languages.wanted)
    reading = Reading(Store(settings), control)
    first = FirstEvents(control, lambda: NOW)
    definitions = Definitions(control, lambda: NOW)
    shown = view.Parts(reading, definitions, Annotations(control, lambda: NOW))
    parts = pages.Parts(shown, Sites(control, ttl=0), first, audit, settings, lambda: NOW)
    pages.init(app, parts)
    keys = KeyStore(settings.keys_url, bytes(32), lambda: NOW)
    sections.init(
        app,
        sections.Parts(
            reading,
            Sites(control, ttl=0),
            definitions,
            audit,
            keys.status,
            lambda: {"spool": {"ok": True, "reason": "has room"}},
            late_days=7,
            now=lambda: NOW,
        ),
    )
    app.add_url_rule("/forbidden", view_func=lambda: abort(403), endpoint="forbidden")
    app.add_url_rule("/broken", view_func=_broken)
    return app


def _broken() -> str:
    raise RuntimeError("secret text of an exception")


def fill(made: World) -> None:
    """Sites in every state that a page can take."""
    add = made.sites.add
    shop = add("shop.example.com", "Europe/Brussels", "exempt", "BE")
    blog = add("blog.example.org", "Europe/Paris", "opt-in", "FR")
    kids = add("kids.example.org", "Europe/Brussels", "exempt", "BE")
    made.sites.set(kids, child_directed=True)
    tiny = add("tiny.example.net", "Europe/Copenhagen", "exempt", "DK")
    old = add("archive.example.com", "Europe/Brussels", "exempt", "BE")
    add("new.example.com", "Europe/Brussels", "opt-in", "BE")
    chance = random.Random(7)
    for back in range(75):
        day = TODAY - timedelta(days=back)
        made.release(shop, day, _state(back), _busy_day(chance, day, 0.6 if not back else 1.0))
    for back in range(20):
        day = TODAY - timedelta(days=back)
        made.release(blog, day, _state(back), _unconsented_day(chance))
        made.release(kids, day, _state(back), _unconsented_day(random.Random(back)))
    for back in range(3):
        made.release(tiny, TODAY - timedelta(days=back), _state(back), {})
    for number in range(17, 21):
        day = date(2015, 5, number)
        made.release(old, day, "final", _busy_day(chance, day, 0.3))


def _state(back: int) -> str:
    return "open" if back == 0 else "provisional" if back <= 7 else "final"


def _busy_day(chance: random.Random, day: date, part: float) -> Cells:
    weekday = (1.0, 1.06, 1.04, 1.0, 0.9, 0.55, 0.6)[day.weekday()]
    visitors = int(900 * weekday * part * chance.uniform(0.88, 1.12))
    cells: Cells = {"total": {"": _cell(visitors)}}
    for table, values in SHARES.items():
        weights = [1 / (rank + 1) ** 0.9 for rank in range(len(values) + 1)]
        cells[table] = {
            value: _cell(int(visitors * weight / sum(weights)))
            for value, weight in zip((*values, "(other)"), weights, strict=True)
        }
    rhythm = [0.2 + max(0.0, math.sin((hour - 6) / 17 * math.pi)) for hour in range(24)]
    cells["hour"] = {
        f"{hour:02}": _cell(int(visitors * weight / sum(rhythm)))
        for hour, weight in enumerate(rhythm)
        if hour > 3 and (part == 1.0 or hour <= 15)
    }
    for cross, by in CROSSED.items():
        cells[cross] = {
            value: _cell(cell["visitors"] or 0, 3) | {"by": by}
            for value, cell in cells[cross.partition("|")[0]].items()
        }
    cells["basis"] = {
        "consent": _cell(int(visitors * 0.46)),
        "exempt": _cell(int(visitors * 0.5)),
        "none": _cell(int(visitors * 0.04)),
    }
    cells["bot"] = {"bot": _only(120)}
    cells["dropped"] = {"objected": _only(45), "asset": _only(10)}
    return cells


def _cell(visitors: int, part: int = 1) -> Cell:
    visitors //= part
    visits = visitors * 12 // 10
    figures = {
        "visitors": visitors,
        "visits": visits,
        "pageviews": visits * 27 // 10,
        "events": visits * 30 // 10,
        "linked_pageviews": visits * 26 // 10,
        "bounces": visits * 42 // 100,
    }
    rounded: Cell = {name: n // 5 * 5 for name, n in figures.items()}
    return rounded | {"duration": visits * 132}


def _unconsented_day(chance: random.Random) -> Cells:
    views = chance.randrange(300, 420, 5)
    return {
        "total": {"": _views(views)},
        "page": {"/": _views(views // 2), "/posts/quiet-web": _views(views // 4)},
        "channel": {"Direct": _views(views // 2), "Referral": _views(views // 4)},
        "country": {"FR": _views(views // 2)},
        "basis": {"none": _views(views)},
    }


def _views(n: int) -> Cell:
    return {"pageviews": n, "events": n}


def _only(n: int) -> Cell:
    return {"events": n}
