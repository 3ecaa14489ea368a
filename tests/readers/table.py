"""The table that is read: a real log, a month that was made up, one date by an older schema.

Builds it with `hitlake serve`, and keeps what the API answers.
"""

import datetime
import json
import typing
import uuid

import history
import pyarrow.parquet
from harness import Serve

HITS = 3_000
SEED = 23
BODY = 500
OLD = datetime.datetime(2014, 1, 1, 12, tzinfo=datetime.timezone.utc)
ADDED_SINCE = 5


class Question(typing.NamedTuple):
    """What part of the table is counted."""

    site: int
    first: str
    last: str
    bots: bool = False

    def where(self):
        people = "" if self.bots else " AND bot_reason IS NULL"
        return f"site = {self.site} AND dt BETWEEN '{self.first}' AND '{self.last}'{people}"

    def query(self):
        return f"from={self.first}&to={self.last}&bots={'include' if self.bots else 'exclude'}"


MONTH = Question(1, str(history.FIRST), str(history.FIRST + datetime.timedelta(days=history.DAYS - 1)))
QUESTIONS = {"month": MONTH, "log": Question(2, "2015-05-17", "2015-05-20"), "log with bots": Question(2, "2015-05-17", "2015-05-20", bots=True)}


class Table:
    """The folder of the table, and the API's numbers: of each question in all, of the month by date."""

    def __init__(self, folder, shared, metrics):
        self.folder = folder
        self.hits = history.make(HITS, SEED).deliveries + [*rare()]
        serve = Serve(folder / "data")
        try:
            self.fill(serve, shared)
            self.known_to_api = known_to_api(serve)
            asked = "metrics=" + ",".join(name for name in metrics if name in self.known_to_api)
            self.totals = {name: serve.metrics(f"{asked}&{it.query()}", it.site)["totals"] for name, it in QUESTIONS.items()}
            by_date = serve.metrics(f"{asked}&{MONTH.query()}&interval=day&limit=1000", MONTH.site)["rows"]
            self.by_date = {row["time"]: row for row in by_date}
        finally:
            serve.kill()
        self.objects = sorted((folder / "data" / "store" / "hits").glob("dt=*/*.parquet"))
        make_old(self.objects[0])

    def fill(self, serve, shared):
        for site, zone in ((1, str(history.ZONE)), (2, "UTC")):
            settings = serve.data / "site.json"
            settings.write_text(json.dumps({"id": site, "name": "Shop", "timezone": zone}))
            ran(serve.command("site", "put", settings))
        serve.kill()
        serve.start()  # reads the settings anew
        hits = [hit("pageview", OLD, site=2), *self.hits]
        for at in range(0, len(hits), BODY):
            body = json.dumps(hits[at:at + BODY]).encode()
            status, headers, _ = serve.request("/hit", body, {"Authorization": f"Bearer {serve.token}"})
            assert (status, headers["Hitlake-Dropped"]) == (204, None)
        ran(serve.command("import", shared / "access-logs" / "apache_logs", "--site", 2))
        serve.drained()


def known_to_api(serve):
    """The names that a refusal allows."""
    _, _, problem = serve.request("/v1/sites/1/metrics?metrics=unknown", headers={"Authorization": f"Bearer {serve.token}"})
    return json.loads(problem)["allowed"]


def ran(done):
    assert done.returncode == 0, done.stderr


def make_old(path):
    """Writes an object as before the last columns were added."""
    table = pyarrow.parquet.read_table(path, partitioning=None)
    pyarrow.parquet.write_table(table.drop_columns(table.column_names[-ADDED_SINCE:]), path)


def hit(kind, at, site=1, **fields):
    seed = f"{kind} {at} {fields}"
    return {"v": 1, "site": site, "kind": kind, "id": str(uuid.uuid5(uuid.NAMESPACE_URL, seed)), "ts": int(at.timestamp() * 1000),
            "url": "https://shop.example/rare?a=1", "ip": "192.0.2.7", "user_agent": history.AGENTS[0], **fields}


def rare():
    """What the made-up history has none of: without it a metric would be zero everywhere."""
    start = datetime.datetime.combine(history.FIRST, datetime.time(10), history.ZONE)
    kinds = [
        ("pageview", {"page_view": "abcdef", "timings": {"network_ms": 10, "server_ms": 120, "on_load_ms": 7}}),
        ("ping", {"page_view": "abcdef", "engaged_ms": 4_500, "scroll_percent": 70}),
        ("outlink", {"target": "https://other.example/"}),
        ("event", {"event": {"category": "Video", "action": "Play", "value": 2.5}}),
        ("content", {"content": {"name": "Banner", "piece": "a.png"}}),
        ("content", {"content": {"name": "Banner", "piece": "a.png", "interaction": "click"}}),
        ("goal", {"goal": {"id": 1, "revenue": 10.5}}),
        ("order", {"order": {"id": "o-1", "revenue": 99.95}}),
    ]
    for day in (0, 3):
        for number, (kind, fields) in enumerate(kinds):
            at = start + datetime.timedelta(days=day, seconds=20 * number)
            if "order" in fields:
                fields = {"order": fields["order"] | {"id": f"o-{day}"}}
            yield hit(kind, at, user_id="ada", **fields)
