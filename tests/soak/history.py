"""A made-up history of visits whose numbers are known beforehand.

Visitors, sessions and hits are drawn from a seed. Sessions of a visitor lie more than half an hour
apart and gaps within one are shorter, so what a visit is follows from how it was made, not from any
rule applied afterwards. Knows nothing of Hitlake but the names of `POST /hit`.
"""

import collections
import dataclasses
import datetime
import random
import uuid
import zoneinfo

DAYS = 30
ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
FIRST = datetime.date(2025, 3, 10)  # holds the change to summer time on 30 March
GAP_S = 30 * 60
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
]
ACTIONS = {"pageview", "download", "event", "search"}


@dataclasses.dataclass
class Visitor:
    number: int
    ip: str
    agent: str
    own_id: str | None


@dataclasses.dataclass
class Day:
    """What is true of one local date."""

    hits: int = 0
    pageviews: int = 0
    downloads: int = 0
    events: int = 0
    visits: int = 0
    bounces: int = 0
    duration_s: int = 0
    entries: int = 0
    visitors: set = dataclasses.field(default_factory=set)

    def numbers(self):
        return (self.hits, self.pageviews, self.downloads, self.events, self.visits, self.bounces,
                self.duration_s, self.entries, len(self.visitors))


@dataclasses.dataclass
class History:
    deliveries: list  # hits in the order in which they are sent, repeated ones included
    days: dict  # date -> Day
    hits: int


def make(hits, seed, repeated=0.05, late=0.05):
    """`hits` hits (about: the last session is finished) over 30 days."""
    chance = random.Random(seed)
    visitors = [_visitor(number, chance) for number in range(max(10, hits // 25))]
    days = collections.defaultdict(Day)
    busy_until = collections.defaultdict(float)
    sent, count = [], 0
    while count < hits:
        # Squaring makes few visitors come often.
        visitor = visitors[int(len(visitors) * chance.random() ** 2)]
        date = FIRST + datetime.timedelta(days=chance.randrange(DAYS))
        start = _instant(date, chance.uniform(0, 23 * 3600))
        key = (visitor.number, date)
        if key in busy_until:
            start = busy_until[key] + GAP_S + chance.uniform(1, 3600)
        session = _session(visitor, start, chance)
        if _date(session[0]["ts"] / 1000) != date or _date(session[-1]["ts"] / 1000) != date:
            continue  # would be cut by midnight: another test's business
        busy_until[key] = session[-1]["ts"] / 1000
        _count(days[date], visitor, session)
        count += len(session)
        sent.extend(session)
    return History(_deliveries(sent, chance, repeated, late), dict(days), count)


def _visitor(number, chance):
    ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    own_id = f"{chance.getrandbits(64):016x}" if chance.random() < 0.3 else None
    return Visitor(number, ip, chance.choice(AGENTS), own_id)


def _session(visitor, start, chance):
    length = min(int(chance.paretovariate(1.1)), 60)
    at, last_action, session = start, start, []
    for number in range(length):
        if number:
            # Mostly seconds, sometimes just below the half hour.
            at += chance.uniform(GAP_S - 60, GAP_S - 1) if chance.random() < 0.02 else chance.expovariate(1 / 40) + 0.01
            # A ping does not hold a visit open for what comes after it.
            at = min(at, last_action + GAP_S - 1)
        hit = _hit(visitor, int(at * 1000), chance)
        session.append(hit)
        last_action = last_action if hit["kind"] == "ping" else at
    return session


def _hit(visitor, ts, chance):
    kind = chance.choices(["pageview", "event", "download", "search", "ping"], [70, 12, 5, 5, 8])[0]
    hit = {
        "v": 1, "site": 1, "kind": kind, "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)), "ts": ts,
        "url": f"https://shop.example/{int(chance.paretovariate(0.8)) % 5000}", "title": "Näme, with “quotes”",
        "ip": visitor.ip, "user_agent": visitor.agent,
    }
    if kind == "event":
        hit["event"] = {"category": "Video", "action": chance.choice(["Play", "Pause"])}
    if kind == "download":
        hit["target"] = f"https://shop.example/files/{chance.randrange(50)}.pdf"
    if kind == "search":
        hit["search"] = {"term": chance.choice(["shoes", "hats"])}
    if visitor.own_id:
        hit |= {"visitor": visitor.own_id, "consent": True}
    return hit


def _count(day, visitor, session):
    day.hits += len(session)
    kinds = collections.Counter(hit["kind"] for hit in session)
    day.pageviews += kinds["pageview"]
    day.downloads += kinds["download"]
    day.events += kinds["event"]
    # A ping extends a visit and never starts one.
    started = next((number for number, hit in enumerate(session) if hit["kind"] != "ping"), None)
    if started is None:
        return
    visit = session[started:]
    day.visits += 1
    day.visitors.add(visitor.number)
    actions = sum(kinds[kind] for kind in ACTIONS)
    day.bounces += actions <= 1
    if len(visit) > 1:
        day.duration_s += visit[-1]["ts"] // 1000 - visit[0]["ts"] // 1000 + 1
    day.entries += any(hit["kind"] in ("pageview", "search") for hit in visit)


def _deliveries(hits, chance, repeated, late):
    arrivals = []
    for hit in hits:
        arrival = hit["ts"] + (chance.uniform(0, 3 * 86_400_000) if chance.random() < late else chance.uniform(0, 2_000))
        arrivals.append((arrival, hit))
        if chance.random() < repeated:
            arrivals.append((arrival + chance.expovariate(1 / 3_600_000), hit))
    arrivals.sort(key=lambda pair: pair[0])
    return [hit for _, hit in arrivals]


def _instant(date, seconds):
    return datetime.datetime(date.year, date.month, date.day, tzinfo=ZONE).timestamp() + seconds


def _date(instant):
    return datetime.datetime.fromtimestamp(instant, ZONE).date()
