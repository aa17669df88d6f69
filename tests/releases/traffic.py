"""Generated rows: days of a site with every kind of visitor, at every edge, in every dimension.

Rows are what the spool would hold: dictionaries with the columns of the table `events`. Everything
follows from the seed.
"""

import random
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from anonymize.event import Row

# What a row holds that says nothing of a column.
DEFAULTS = {
    column.name: column.default
    for column in msgspec.structs.fields(Row)
    if column.default is not msgspec.NODEFAULT
}
# In each list the first values are the likelier ones. '' is unknown.
PLACES = [("BE", "BE-VLG", "Gent"), ("BE", "BE-BRU", "Brussel"), ("BE", "BE-VLG", "Brugge"),
          ("DK", "DK-84", "Aarhus"), ("FR", "", ""), ("", "", "")]  # fmt: skip
BROWSERS = [("Chrome", "120"), ("Firefox", "121"), ("Chrome", "119"), ("Safari", "17"), ("", "")]
SYSTEMS = [("Android", "14"), ("Mac", ""), ("iOS", "17"), ("Android", "13"), ("", "")]
ORIGINS = [("", "", "Direct"), ("google.com", "Google", "Organic Search"),
           ("google.be", "Google", "Organic Search"), ("bing.com", "Bing", "Organic Search"),
           ("t.co", "Twitter", "Organic Social")]  # fmt: skip
CAMPAIGNS = [("", "", "", "", ""), ("", "", "", "", ""), ("mail", "email", "spring", "top", ""),
             ("mail", "email", "autumn", "", ""),
             ("ads", "cpc", "spring", "", "shoes")]  # fmt: skip
APPS = [("", "", ""), ("", "", ""), ("Shop", "2.1", "210"), ("Shop", "2.0", "200")]
DEVICES = [("Desktop", ""), ("Mobile", "Pixel 8"), ("Mobile", "iPhone 15"), ("Tablet", "")]
PAGES = ["/", "/about", "/blog/", "/blog/one", "/shop", "/shop/shoes", "/a b", "/é"]
NAMES = ["pageview"] * 8 + ["engagement"] * 3 + ["screen"] * 2 + [
    "signup", "Purchase", "404", "File Download", "Outbound Link: Click", "Form: Submission",
    "Load: good", "Load: poor",
]  # fmt: skip
PURPOSES = [["audience", "product", "attribution"]] * 6 + [
    ["audience"], ["audience", "account"], ["product"], ["attribution", "audience"], [],
]  # fmt: skip
# Seconds between two events of a person: within a visit, at its very limit, and beyond.
PAUSES = [0, 3, 40, 600, 1800, 1801, 1801, 5000]
# What a day can do without that is to be computed soon: most of its dimensions.
SPARED = [
    "region", "city", "language", "browser_version", "os", "os_version", "device", "model",
    "referrer", "channel", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term",
    "app", "app_version", "app_build", "screen_size", "memory", "storage", "battery", "connection",
    "hostname",
]  # fmt: skip
BASES = ["exempt", "exempt", "consent", "none"]


def bounds(day, timezone):
    """First second of the local day and of the next one, in Unix seconds."""
    zone = ZoneInfo(timezone)
    return [
        int(datetime.combine(d, time(), zone).timestamp()) for d in (day, day + timedelta(days=1))
    ]


def local_day(moment, timezone):
    return datetime.fromtimestamp(moment, ZoneInfo(timezone)).date().isoformat()


def changes(day, timezone):
    """The moments of the day at which its clock is put forward or back."""
    zone = ZoneInfo(timezone)
    first, end = bounds(day, timezone)
    offsets = [(m, datetime.fromtimestamp(m, zone).utcoffset()) for m in range(first, end, 900)]
    return [moment for (_, before), (moment, after) in pairwise(offsets) if before != after]


class Traffic:
    """A day's rows and what happens to them on the way. `people` come with 1 to 12 events each."""

    def __init__(self, site: int, day: date, timezone: str, seed: int, people: int = 60):
        self.chance = random.Random(f"{seed} {day} {timezone}")
        self.site, self.day, self.timezone = site, day, timezone
        self.first, self.end = bounds(day, timezone)
        # A day that its zone skipped, as Samoa did the 30th of December 2011, has nobody.
        numbers = range(people if self.first < self.end else 0)
        self.rows = [row for number in numbers for row in self._person(number)]

    def _choose(self, values):
        return values[min(int(self.chance.expovariate(1.2)), len(values) - 1)]

    def _start(self):
        """Mostly at any time; sometimes at an edge of the day or where its clock changes."""
        if self.chance.random() < 0.7:
            return self.chance.randrange(self.first, self.end)
        moment = self.chance.choice([self.first, self.end, *changes(self.day, self.timezone) * 3])
        moment += self.chance.choice([-1800, -900, -1, 0, 0, 900])
        return min(max(moment, self.first), self.end - 1)

    def _sender(self):
        country, region, city = self._choose(PLACES)
        browser, browser_version = self._choose(BROWSERS)
        os, os_version = self._choose(SYSTEMS)
        referrer, source, channel = self._choose(ORIGINS)
        utm = dict(zip(("source", "medium", "campaign", "content", "term"),
                       self._choose(CAMPAIGNS), strict=True))  # fmt: skip
        app, app_version, app_build = self._choose(APPS)
        device, model = self._choose(DEVICES)
        return {
            "country": country, "region": region, "city": city,
            "language": self._choose(["nl", "nl-BE", "fr", ""]),
            "browser": browser, "browser_version": browser_version,
            "os": os, "os_version": os_version, "device": device, "model": model,
            "referrer": referrer, "source": source, "channel": channel,
            **{f"utm_{key}": value for key, value in utm.items()},
            "app": app, "app_version": app_version, "app_build": app_build,
            "screen_size": self._choose(["M", "L", ""]), "memory": self._choose(["", "8"]),
            "storage": self._choose(["", "128"]), "battery": self._choose(["", "50-75"]),
            "connection": self._choose(["", "wifi", "cellular"]),
        }  # fmt: skip

    def _person(self, number):
        chance = self.chance
        basis = chance.choice(BASES)
        purposes = chance.choice(PURPOSES)
        sender = self._sender()
        bot = "bot" if chance.random() < 0.05 else "spam" if chance.random() < 0.03 else ""
        session = chance.getrandbits(60) if basis == "consent" and chance.random() < 0.4 else 0
        restricted = int(chance.random() < 0.04)
        moment = self._start()
        for _ in range(self._choose([1, 2, 3, 4, 7, 12])):
            if chance.random() < 0.04:
                sender = self._sender()  # another network, another window: still the same visitor
            if session and chance.random() < 0.1:
                session = chance.getrandbits(60)
            day = local_day(moment, self.timezone)
            # A day key makes another pseudonym each day; a client's own stays.
            visitor = 0 if basis == "none" else (number + 1) << 66
            if basis == "exempt":
                visitor += int(day.replace("-", ""))
            stored = moment - moment % 3600 if basis == "none" else moment
            yield {
                "site": self.site, "day": day, "time": stored, "received": stored,
                "event_id": chance.getrandbits(64) or 1, "basis": basis, "purposes": purposes,
                "expires": "2100-01-15", "bot": bot, "restricted": restricted,
                "visitor": str(visitor), "user": "0", "visit": session,
                **sender, **self._happening(basis),
            }  # fmt: skip
            moment += chance.choice(PAUSES)

    def _happening(self, basis):
        chance = self.chance
        name = chance.choice(NAMES)
        app = name == "screen" or chance.random() < 0.05
        what = {
            "name": name,
            "hostname": self._choose(["example.com", "shop.example.com", ""]),
            "page": "" if app else self._choose(PAGES),
            "screen": self._choose(["Home", "Cart"]) if app else "",
        }
        if basis != "none":
            what["engagement"] = chance.randrange(90_000) if name == "engagement" else 0
            what["scroll"] = chance.randrange(101) if name == "engagement" else 0
        if basis == "consent":
            if name == "Purchase":
                what |= {"revenue": f"{chance.randrange(1, 9000) / 100:.4f}",
                         "currency": chance.choice(["EUR", "EUR", "DKK"])}  # fmt: skip
            what["props"] = (
                {"plan": chance.choice(["free", "pro"])} if chance.random() < 0.5 else {}
            )
        return what

    def retries(self, share=0.15):
        """Sent again, some minutes or a night later, by a client whose clock went wrong meanwhile:
        the same event id, at another second, perhaps on the other side of a midnight.
        """
        chance = self.chance
        near = [r for r in self.rows if not self.first + 1500 <= r["time"] < self.end - 1500]
        again = []
        for row in near + chance.sample(self.rows, int(len(self.rows) * share)):
            shifts = [-1500, 1500] if row in near else [0, 0, -2, 5]
            shift = 0 if row["basis"] == "none" else chance.choice(shifts)
            moment = row["time"] + shift
            # At once and unchanged: the same segment read again.
            delay = chance.choice([3600, 7200, 36_000] + [0] * (shift == 0))
            day = local_day(moment, self.timezone)
            other_key = row["basis"] == "exempt" and day != row["day"]
            again.append(
                row
                | {"time": moment, "day": day, "received": row["received"] + delay}
                | ({"visitor": str(int(row["visitor"]) + 1)} if other_key else {})
            )
        return again


def days_around(site, day, timezone, seed, people=60):
    """A day and both its neighbours, with retries, in any order of arrival."""
    everything = []
    for offset, share in ((-1, 0.3), (0, 1), (1, 0.3)):
        traffic = Traffic(
            site, day + timedelta(days=offset), timezone, seed + offset, int(people * share)
        )
        everything += traffic.rows + traffic.retries()
    random.Random(seed).shuffle(everything)
    return everything


def segments(rows, seed, number):
    """The rows dealt out to several web processes, each with an order of its own."""
    chance = random.Random(seed)
    dealt = [[] for _ in range(number)]
    for row in chance.sample(rows, len(rows)):
        chance.choice(dealt).append(row)
    return [rows for rows in dealt if rows]


def few_dimensions(rows):
    return [row | dict.fromkeys(SPARED, "") for row in rows]
