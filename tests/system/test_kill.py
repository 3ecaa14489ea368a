"""SIGKILL at random moments, of serve, of an import and of a merge: what was acknowledged is there,
once. The seed is printed; HITLAKE_SEED=N repeats a run.
"""

import collections
import http.client
import json
import os
import random
import subprocess
import threading
import time

import harness
import inputs
import oracle

KILLS = 10 * harness.SOAK
SEED = int(os.environ.get("HITLAKE_SEED", "0")) or random.SystemRandom().getrandbits(32)
BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"}
BEACONS, LOG = 1, 2


class Beacons:
    """A client that sends hits with ids, some of them twice, and remembers what was acknowledged."""

    def __init__(self, serve, chance):
        self.serve, self.chance = serve, chance
        self.sent, self.acknowledged = set(), set()

    def send(self):
        hit_id = uuid_v7(int(time.time() * 1000), self.chance.getrandbits(74))
        body = json.dumps({"v": 1, "site": BEACONS, "kind": "pageview", "id": hit_id, "url": "https://shop.example/a"}).encode()
        self.sent.add(hit_id)
        for _ in range(self.chance.choice([1, 1, 2])):
            try:
                status, _, _ = self.serve.request("/hit", body, BROWSER)
            except (OSError, http.client.HTTPException):
                continue
            if status == 204:
                self.acknowledged.add(hit_id)


    def send_until(self, stopped):
        while not stopped.is_set():
            self.send()


def uuid_v7(now_ms, number):
    bits = now_ms << 80 | 7 << 76 | (number >> 62) << 64 | 2 << 62 | number & (1 << 62) - 1
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def run_killed(serve, *arguments):
    """A command beside serve that may be killed, whatever it says then."""
    return subprocess.Popen(
        [harness.PROGRAM, "--data", serve.data, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_killed_at_any_moment_every_acknowledged_hit_is_there_once(serve, shared, capsys):
    with capsys.disabled():
        print(f"\n{KILLS} kills, HITLAKE_SEED={SEED}")
    chance = random.Random(SEED)
    site = serve.data / "site.json"
    site.write_text(json.dumps({"id": LOG, "name": "Log"}))
    assert serve.command("site", "put", site).returncode == 0
    log = shared / "access-logs" / "apache_logs"
    beacons = Beacons(serve, random.Random(chance.random()))
    began = time.monotonic()
    assert serve.command("import", log, "--site", LOG).returncode == 0
    import_takes = time.monotonic() - began
    struck = collections.Counter()
    for _ in range(KILLS):
        running = {"import": run_killed(serve, "import", log, "--site", LOG), "merge": run_killed(serve, "merge"), "serve": serve.process}
        stopped = threading.Event()
        sending = threading.Thread(target=beacons.send_until, args=[stopped])
        sending.start()
        time.sleep(chance.uniform(0.05, 1) * import_takes)
        # Whichever is killed first, the others find it gone.
        for name in chance.sample(sorted(running), len(running)):
            struck[name] += running[name].poll() is None
            running[name].kill()
            running[name].wait()
        stopped.set()
        sending.join()
        serve.start()
    assert min(struck[name] for name in ("import", "merge", "serve")) >= KILLS // 3, struck

    assert serve.command("import", log, "--site", LOG).returncode == 0
    serve.drained()
    stored = oracle.Table(serve.data / "store", BEACONS).ids()
    assert len(stored) == len(set(stored)), "a hit is there twice"
    assert beacons.acknowledged <= set(stored), "an acknowledged hit is not there"
    assert set(stored) <= beacons.sent
    facts = inputs.apache_log(shared)
    assert oracle.Table(serve.data / "store", LOG).kinds() == facts.kinds
    answer = serve.metrics("metrics=pageviews&bots=include", BEACONS)
    assert answer["totals"]["pageviews"] == len(stored)
    query = "metrics=pageviews,downloads&bots=include&from={}&to={}".format(*inputs.LOG_DATES)
    assert serve.metrics(query, LOG)["totals"] == {"pageviews": facts.kinds["pageview"], "downloads": facts.kinds["download"]}
    serve.stop()
