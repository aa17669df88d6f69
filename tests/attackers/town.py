"""A generated site: people with lasting habits, their rows, and who truly stands in which cell."""

import itertools
import random
from collections import defaultdict
from datetime import datetime, timedelta
from functools import cached_property

PURPOSES = ["audience", "product", "attribution"]
COUNTRIES = ["BE", "FR", "NL", "DE", "GB", "US", "DK", "CH", "ES", "IT", "PL", "SE", "CA", "IE"]
BROWSERS = ["Chrome", "Safari", "Firefox", "Edge", "Samsung Internet", "Opera", "Falkon"]
SYSTEMS = {"Desktop": ["Windows", "Mac", "GNU/Linux"], "Mobile": ["Android", "iOS"]}
CHANNELS = {
    "": "Direct", "Google": "Organic Search", "Bing": "Organic Search",
    "Facebook": "Organic Social",
    "newsletter": "Email", "Reddit": "Organic Social", "DuckDuckGo": "Organic Search",
    "example.org": "Referral", "example.net": "Referral", "Mastodon": "Organic Social",
}  # fmt: skip
LANGUAGES = ["nl", "fr", "en", "de", "da", "es"]
CAMPAIGNS = ["", "", "", "spring", "autumn"]
PAGES = ["/", *(f"/article/{n}" for n in range(1, 60))]
ALONE = ("country", "region", "city", "browser", "browser_version", "os", "device", "source",
         "channel", "language", "campaign", "entry_page")  # fmt: skip
TOGETHER = ("page", "event")
PARENTS = {"region": "country", "city": "region", "browser_version": "browser"}
FILTERS = ("country", "browser", "os", "device", "source", "channel", "campaign", "entry_page",
           "page", "event")  # fmt: skip


def often_the_first(chance, values, slope=1.0):
    weights = list(itertools.accumulate(1 / (n + 1) ** slope for n in range(len(values))))
    return chance.choices(values, cum_weights=weights)[0]


class Town:
    """A site with about `visitors` a day; half of them come back on another day."""

    def __init__(self, visitors, seed=1):
        self.visitors = visitors
        self.seed = seed
        chance = random.Random(seed)
        self.people = [self._person(chance) for _ in range(2 * visitors)]

    @staticmethod
    def _person(chance):
        country = often_the_first(chance, COUNTRIES, 1.5)
        region = f"{country}-{often_the_first(chance, ['A', 'B', 'C', 'D'])}"
        device = chance.choice(["Desktop", "Mobile", "Mobile"])
        browser = often_the_first(chance, BROWSERS, 1.6)
        source = often_the_first(chance, list(CHANNELS), 1.3)
        return {
            "country": country, "region": region,
            "city": f"{region}-{often_the_first(chance, range(8), 1.2)}",
            "device": device, "os": often_the_first(chance, SYSTEMS[device]), "browser": browser,
            "browser_version": str(120 - int(chance.expovariate(0.8))), "source": source,
            "channel": CHANNELS[source], "language": often_the_first(chance, LANGUAGES, 1.5),
            "campaign": chance.choice(CAMPAIGNS),
        }  # fmt: skip

    def day(self, day):
        return Day(self, day)


class Day:
    """Who came on a day and what they did. `rows()` are those of the store's table `events`."""

    def __init__(self, town, day):
        self.day = day
        chance = random.Random(f"{town.seed} {day}")
        self.visits = {}
        for number, person in enumerate(town.people):
            if chance.random() < 0.5:
                pages = [
                    often_the_first(chance, PAGES) for _ in range(1 + int(chance.expovariate(0.6)))
                ]
                does = [("pageview", page) for page in pages]
                if chance.random() < 0.08:
                    does.append((chance.choice(["signup", "Purchase", "404"]), pages[-1]))
                self.visits[number] = person, chance.randrange(70_000), does

    def rows(self, site, people=None):
        """The rows of these visits, by default of all."""
        midnight = int(datetime.fromisoformat(f"{self.day} 00:00+00:00").timestamp())
        visits = self.visits if people is None else people
        for number, (person, start, does) in visits.items():
            for n, (name, page) in enumerate(does):
                moment = midnight + start + 20 * n
                yield row(site, self.day, moment, number, n, person, name, page)

    def cells(self, people=None):
        """For each dimension its values, each with the numbers of the people in it."""
        found = defaultdict(lambda: defaultdict(set))
        for number, (person, _, does) in (self.visits if people is None else people).items():
            for name in ALONE[:-1]:
                found[name][shown_as(name, person)].add(number)
            found["entry_page"][does[0][1]].add(number)
            for name, page in does:
                found["page"][page].add(number)
                found["event"][name].add(number)
        return {name: defaultdict(set, values) for name, values in found.items()}

    @cached_property
    def truth(self):
        return self.cells()


def shown_as(dimension, person):
    if dimension == "browser_version":
        return f"{person['browser']} {person['browser_version']}"
    return person[dimension]


def row(site, day, moment, number, n, person, name, page):
    visitor = (number + 1) << 64 | int(str(day).replace("-", ""))
    return {
        "site": site, "day": str(day), "time": moment, "received": moment, "basis": "exempt",
        "event_id": (number + 1) * 1000 + n + 1, "purposes": PURPOSES, "expires": "2100-01-15",
        "visitor": str(visitor), "user": "0", "visit": 0, "name": name, "hostname": "example.com",
        "page": page, "utm_campaign": person["campaign"],
        **{k: v for k, v in person.items() if k != "campaign"},
    }  # fmt: skip


def week(monday):
    return [monday + timedelta(days=n) for n in range(7)]
