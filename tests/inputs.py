"""Real input, and what an independent reading of it says must come out."""

import datetime
import functools
import json
import re
import urllib.parse
from collections import Counter, defaultdict

LOG_DATES = ("2015-05-17", "2015-05-20")
LINE = re.compile(
    r'(?P<ip>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<target>\S+) HTTP/[\d.]+" (?P<status>\d{3}) (?:\d+|-)'
    r' "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"')
# docs/IMPORT.md, "What becomes of a line".
STATIC = set("bmp class css eot gif ico jpeg jpg js otf png svg svgz swf ttf webp woff woff2 xml".split())
DOWNLOAD = set(
    "7z aac apk arc arj asf asx avi azw3 bin bz2 csv deb dmg doc docx epub exe flac flv gz gzip hqx ibooks jar"
    " json md5 mobi mov movie mp2 mp3 mp4 mpeg mpg msi msp odb odf odg odp ods odt ogg ogv pdf phps ppt pptx qt qtm ra ram rar"
    " rpm rtf sea sig sit tar tbz tgz torrent txt wav webm wma wmv wpd xls xlsx xsd z zip".split())
HALF_AN_HOUR_S = 30 * 60
# The defaults of Matomo and of a site's settings.
SITE_SEARCH = set("q query s search searchword k keyword".split())


class LogFacts:
    """What an access log in the combined format holds, read by the documented rules."""

    def __init__(self, path):
        self.lines = self.unreadable = 0
        self.kinds, self.dropped, self.pageviews_by_date = Counter(), Counter(), Counter()
        by_visitor = defaultdict(list)
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for text in lines:
                self.lines += 1
                line = LINE.match(text)
                if not line:
                    self.dropped["unreadable"] += 1
                    continue
                kind = kind_of(line)
                if kind not in ("pageview", "download"):
                    self.dropped[kind] += 1
                    continue
                time = datetime.datetime.strptime(line["time"], "%d/%b/%Y:%H:%M:%S %z")
                date = str(time.astimezone(datetime.timezone.utc).date())
                self.kinds[kind] += 1
                if kind == "pageview":
                    self.pageviews_by_date[date] += 1
                by_visitor[date, line["ip"], line["agent"]].append((int(time.timestamp()), line["target"]))
        self.visitors = len(by_visitor)
        # A campaign may cut a visit; what depends on channels is left to the table's own columns.
        plain = [sorted(hits) for hits in by_visitor.values() if not any("utm_" in target for _, target in hits)]
        self.without_campaigns = visits(plain)

    @property
    def unreadable_lines(self):
        return self.dropped["unreadable"]


def kind_of(line):
    status, path = int(line["status"]), line["target"].split("?")[0]
    extension = path.rsplit(".", 1)[-1].lower()
    if status >= 400:
        return "error_status"
    if 300 <= status < 400 and status != 304:
        return "redirect"
    if line["method"] != "GET":
        return "method"
    if extension in STATIC or path.rsplit("/", 1)[-1] == "robots.txt":
        return "static"
    return "download" if extension in DOWNLOAD else "pageview"


def visits(visitors):
    """Visitors, visits, bounces and seconds: gaps under half an hour hold a visit together."""
    count = bounces = seconds = 0
    for hits in visitors:
        first = last = None
        actions = 0
        for time, _ in [*hits, (float("inf"), None)]:
            if last is None or time - last >= HALF_AN_HOUR_S:
                if last is not None:
                    count += 1
                    bounces += actions == 1
                    seconds += last - first + 1 if actions > 1 else 0
                first, actions = time, 0
            last = time
            actions += 1
    return {"visitors": len(visitors), "visits": count, "bounces": bounces, "visit_duration": seconds}


@functools.cache
def apache_log(shared):
    return LogFacts(shared / "access-logs" / "apache_logs")


def matomo_requests(shared):
    """What Matomo's script sends: method, target, headers, body."""
    log = json.loads((shared / "client-requests" / "matomo-js.json").read_text())["log"]
    return [(it["method"], it["url"], it["headers"], it["body"]) for it in log if "method" in it]


def matomo_kinds(requests):
    """How many hits of each kind these requests are, by Matomo's documentation of its parameters."""
    kinds = Counter()
    for _, target, _, body in requests:
        if '"requests"' in body:
            queries = [it.split("?", 1)[-1] for it in json.loads(body)["requests"]]
        else:
            queries = ["&".join(filter(None, [target.partition("?")[2], body]))]
        for query in queries:
            kinds[kind_of_matomo(dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))] += 1
    return kinds


def kind_of_matomo(parameters):
    for name, kind in [("ping", "ping"), ("c_n", "content"), ("e_c", "event"), ("search", "search"),
                       ("download", "download"), ("link", "outlink")]:
        if name in parameters:
            return kind
    goal = parameters.get("idgoal")
    if goal is not None:
        return "order" if goal == "0" else "goal"
    # Where the site's search is on, a page whose URL has one of its parameters is a search.
    page = urllib.parse.urlsplit(parameters.get("url", "")).query
    return "search" if SITE_SEARCH & set(urllib.parse.parse_qs(page)) else "pageview"
