"""Plants people through the public endpoints, keeps every version, and has its own erased again.

Undefended, and said so in docs/disclosure.md with what bounds it.
"""

from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from control.database import released_days
from releases.job import ReleaseJob
from releases.reading import Ask, Reading
from tests.attackers import active
from tests.store.conftest import store as store
from tests.subjects.test_rights import GRANT
from tests.subjects.test_rights import life as life

PAGE = "/alone"


class Attacker:
    """Posts, asks for erasure and looks; `life` is the service."""

    def __init__(self, life):
        self.life = life
        self.site = life.world.site
        self.start = datetime.now(ZoneInfo(self.site.timezone))
        self.copies = []

    def come(self, number, page=PAGE):
        people = [str(uuid4()) for _ in range(number)]
        for who in people:
            self.life.grant(who)
            answer = self.life.post(
                "/v1/page", anonymousId=who, messageId=str(uuid4()),
                properties={"url": f"https://example.com{page}"},
                context={"consent": {"categoryPreferences": GRANT}},
            )  # fmt: skip
            assert answer.get_json()["accepted"] == 1
        self.life.load()
        return people

    def erase(self, people):
        """Over HTTP; then the worker does it."""
        asked = {self.life.ask("erasure", who).status_code for who in people}
        done = self.life.work()
        return asked, sum(rows for _, rows in done)

    def look(self, later=timedelta(), *, hold=False):
        """What the page shows, and the day's state."""
        control, store = self.life.world.control, self.life.store
        now = self.start + later
        job = ReleaseJob(
            store, control, self.life.world.sites, b"t" * 32, lambda: now, timedelta(days=7)
        )
        list(job.run(hold=hold))
        today = self.start.date()
        ask = Ask("page", today, today, ("value",), measures=("visitors",))
        rows = Reading(store, control).find(self.site, ask).rows
        with control.connect() as connection:
            state = connection.execute(select(released_days.c.state)).scalar_one()
        self.copies.append({row.key[0]: row.figures.visitors for row in rows})
        return state, self.copies[-1].get(PAGE)


@pytest.fixture
def attacker(life):
    life.store.command("TRUNCATE TABLE cells")
    return Attacker(life)


def test_an_attacker_learns_of_one_person_by_the_hour_and_erases_its_own_without_a_trace(attacker):
    planted = attacker.come(active.by_the_rounding(attacker.site.k, "open"))
    assert attacker.look(hold=True) == ("open", 20)
    attacker.come(1)
    assert attacker.look(hold=True) == ("open", 20)  # the tables wait for the hour
    assert attacker.look() == ("open", 30)  # and then tell: of one, for sure
    assert attacker.erase(planted) == ({202}, len(planted))
    # The day after, the attacker's own are gone; who is left is hidden, now and for good.
    assert attacker.look(timedelta(days=1)) == ("provisional", None)
    assert attacker.look(timedelta(days=9)) == ("final", None)
    final = attacker.copies[-1]
    assert attacker.look(timedelta(days=10)) == ("final", None)
    assert attacker.copies[-1] == final
