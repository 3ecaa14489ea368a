"""Made-up hits with something in every column that questions ask for.

Drawn from a seed, over the days around changes of the clocks in both directions. Knows nothing of Hitlake but the
names of `POST /hit`.
"""

import datetime
import random
import urllib.parse
import uuid
import zoneinfo

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
# Holds the change to summer time on 30 March, and those from it on 6 April in the south (by half an hour on Lord Howe).
FIRST = datetime.date(2025, 3, 28)
DAYS = 10
AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
]
PATHS = ["/", "/news", "/news/", "/news/x", "/news/x/y", "/newsletter", "/shop/a", "/shop/b?c=1", "/Über;uns,hier", "/100%25"]
TITLES = ["Home", "Prices, new; old", "Über uns", "0", "100%", "a+b", None]
REFERRERS = [None, None, "https://www.google.com/", "https://t.co/x", "https://www.other.example/page"]
CAMPAIGNS = ["", "", "", "", "utm_campaign=spring&utm_source=mail&utm_medium=email", "utm_campaign=Ads&utm_source=g&utm_medium=cpc"]


def make(hits, seed):
    """About `hits` hits of site 1: the last session is finished."""
    chance = random.Random(seed)
    visitors = [_visitor(number, chance) for number in range(max(4, hits // 20))]
    made = []
    while len(made) < hits:
        made.extend(_session(chance.choice(visitors), chance))
    return made


def make_of_matomo(hits, seed, token):
    """Hits of site 1 as a body of Matomo's bulk: its clients say what their own clocks show."""
    chance = random.Random(seed)
    first = datetime.datetime.combine(FIRST, datetime.time(), ZONE).timestamp()
    requests = []
    for number in range(hits):
        asked = {"idsite": 1, "rec": 1, "url": f"https://shop.example{chance.choice(['/', '/news', '/shop/a'])}", "action_name": "Matomo",
                 "cip": f"10.1.0.{number % 40}", "ua": chance.choice(AGENTS[:3]), "cdt": int(first + chance.uniform(0, DAYS * 86_400)), "rand": number}
        if chance.random() < 0.8:
            asked |= {"h": chance.randrange(24), "m": chance.randrange(60), "s": chance.randrange(60)}
        requests.append("?" + urllib.parse.urlencode(asked))
    return {"requests": requests, "token_auth": token}


def _visitor(number, chance):
    return {
        "ip": f"10.0.{number >> 8}.{number & 255}", "user_agent": chance.choices(AGENTS, [5, 3, 3, 1])[0],
        "country": chance.choice(["GB", "GB", "DE", "FR", None]), "language": chance.choice(["de-DE", "en", None]),
        "screen": chance.choice(["1920x1080", "390x844", None]), "user_id": chance.choice([None, None, None, f"u{number % 9}"]),
    }


def _session(visitor, chance):
    day = datetime.datetime.combine(FIRST + datetime.timedelta(days=chance.randrange(DAYS)), datetime.time(), ZONE)
    at = day.timestamp() + chance.uniform(0, 86_000)
    referrer, campaign = chance.choice(REFERRERS), chance.choice(CAMPAIGNS)
    session = []
    for number in range(min(int(chance.paretovariate(0.9)), 25)):
        at += chance.choice([0, 1, 5, 40, 200, 900]) if number else 0
        session.append(_hit(visitor, at, chance, referrer if number == 0 else None, campaign if number == 0 else ""))
    return session


def _hit(visitor, at, chance, referrer, campaign):
    kind = chance.choices(
        ["pageview", "event", "download", "outlink", "search", "content", "goal", "order", "ping"], [50, 12, 8, 5, 6, 6, 3, 2, 8])[0]
    path = chance.choice(PATHS)
    url = f"https://{chance.choice(['shop.example', 'www.shop.example', 'blog.example'])}{path}"
    url += ("&" if "?" in path else "?") + campaign if campaign else ""
    hit = {"v": 1, "site": 1, "kind": kind, "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)), "ts": int(at * 1000),
           "url": url, "title": chance.choice(TITLES), "referrer": referrer, **visitor}
    if chance.random() < 0.4:
        hit["dimensions"] = {"1": chance.choice(["free", "Pro"]), "2": chance.choice(["x", "y", "z"])}
    if kind in ("pageview", "ping"):
        hit["page_view"] = f"{chance.randrange(40):06x}"
        hit["scroll_percent"] = chance.choice([None, 25, 50, 100])
        hit["engaged_ms"] = chance.choice([None, 500, 12_000])
    if kind == "pageview" and chance.random() < 0.3:
        hit["timings"] = {"network_ms": chance.randrange(50), "server_ms": chance.randrange(500), "on_load_ms": 7}
    hit |= {
        "event": {"event": {"category": chance.choice(["Video", "Form"]), "action": chance.choice(["Play", "Pause", "rating"]),
                            "name": chance.choice([None, "Trailer"]), "value": chance.choice([None, 0, 2.5, 9, 10.25])}},
        "download": {"target": f"https://www.shop.example/files/{chance.randrange(4)}.pdf"},
        "outlink": {"target": f"http://other.example/{chance.randrange(3)}"},
        "search": {"search": {"term": chance.choice(["shoes", "Hats", "a,b"]), "category": chance.choice([None, "all"]), "results": chance.choice([None, 0, 7])}},
        "content": {"content": {"name": "Banner", "piece": chance.choice(["a.png", "b.png"]), "interaction": chance.choice([None, "click"])}},
        "goal": {"goal": {"id": chance.choice([1, 2]), "revenue": chance.choice([None, 10.5])}},
        "order": {"order": {"id": chance.choice([None, f"o-{chance.randrange(30)}"]), "revenue": 99.75}},
    }.get(kind, {})
    return {name: value for name, value in hit.items() if value is not None}
