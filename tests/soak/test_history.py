"""Killed again and again while a month of hits comes in, and the table agrees with what is known.

`make soak` sends 50 times as many hits as CI; HITLAKE_SEED chooses another history.
"""

import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
import urllib.error

import duckdb
import history
from harness import PROGRAM, SOAK, Serve

HITS = 20_000 if SOAK == 1 else 1_000_000
SEED = int(os.environ.get("HITLAKE_SEED", 11))
BODY = 500


def test_a_month_of_hits_with_repeats_lateness_and_kills_is_counted_exactly(tmp_path):
    print(f"seed {SEED}, {HITS} hits")
    known = history.make(HITS, SEED)
    serve = Serve(tmp_path / "data")
    try:
        put_site(serve)
        bodies = [known.deliveries[at:at + BODY] for at in range(0, len(known.deliveries), BODY)]
        chaos = Chaos(serve)
        for number, body in enumerate(bodies):
            chaos.deliver(json.dumps(body).encode())
            if sys.stderr.isatty() and number % 20 == 0:
                print(f"\r{number}/{len(bodies)} bodies, {chaos.kills} kills", end="", file=sys.stderr)
        chaos.end()
        serve.drained()
        assert chaos.kills > 0, "nothing was killed"
        compare(serve, known)
    finally:
        serve.kill()


def put_site(serve):
    settings = serve.data / "site.json"
    settings.write_text(json.dumps({"id": 1, "name": "Shop", "timezone": str(history.ZONE)}))
    done = serve.command("site", "put", settings)
    assert done.returncode == 0, done.stderr
    serve.kill()
    serve.start()  # reads the settings anew


class Chaos:
    """Kills and restarts `serve`, and a merge, while bodies are delivered: after every few of them, however
    fast they go in, and at a random moment of the next ones."""

    def __init__(self, serve):
        self.serve, self.kills = serve, 0
        self.chance = random.Random(SEED + 1)
        self.until_kill = self.few()
        self.up, self.due = threading.Lock(), queue.Queue()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def few(self):
        return self.chance.randint(4, 20)

    def run(self):
        while self.due.get():
            merge = subprocess.Popen([PROGRAM, "--data", self.serve.data, "merge"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.chance.uniform(0, 0.5))
            merge.kill()
            merge.wait()
            self.serve.kill()
            with self.up:
                self.serve.start()
            self.kills += 1

    def deliver(self, body):
        """Sends until it is acknowledged, as a client does."""
        self.until_kill -= 1
        if self.until_kill <= 0 and self.due.empty():
            self.until_kill = self.few()
            self.due.put(True)
        while True:
            with self.up:
                token = self.serve.token
            try:
                status, headers, _ = self.serve.request("/hit", body, {"Authorization": f"Bearer {token}"})
            except (urllib.error.URLError, ConnectionError, OSError):
                time.sleep(0.05)
                continue
            if status == 204:
                assert "Hitlake-Dropped" not in headers, headers["Hitlake-Dropped"]
                return
            assert status == 503, status

    def end(self):
        self.due.put(False)
        self.thread.join()


def compare(serve, known):
    rows = duckdb.sql(f"""
        select dt, count(*), count(*) filter (kind = 'pageview'), count(*) filter (kind = 'download'),
            count(*) filter (kind = 'event'), count(distinct visit_id), count(*) filter (is_entry and is_bounce),
            coalesce(sum(visit_duration_s) filter (is_entry), 0), count(*) filter (is_entry and entry_path is not null),
            count(distinct visitor_id)
        from read_parquet('{serve.data}/store/hits/dt=*/*.parquet', hive_partitioning=true) where site = 1 group by dt
    """).fetchall()
    table = {row[0]: tuple(row[1:]) for row in rows}
    expected = {date: day.numbers() for date, day in known.days.items()}
    wrong = {date: (table.get(date), expected.get(date)) for date in table.keys() | expected.keys() if table.get(date) != expected.get(date)}
    assert not wrong, "\n".join(f"{date}: table {found}, known {known}" for date, (found, known) in sorted(wrong.items()))
    answer = serve.metrics(f"metrics=hits,pageviews,downloads,events,visits,bounces,visit_duration,entries&from={min(expected)}&to={max(expected)}&interval=day&limit=1000")
    by_api = {row["time"]: tuple(value for name, value in row.items() if name != "time") for row in answer["rows"]}
    assert by_api == {str(date): numbers[:-1] for date, numbers in expected.items()}
