"""What the whole-system tests share: the programs, a running serve, how long to go on."""

import json
import os
import pathlib
import random
import signal
import subprocess
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
# The release programs; HITLAKE_PROGRAMS names another folder, such as target/debug.
PROGRAMS = pathlib.Path(os.environ.get("HITLAKE_PROGRAMS", ROOT / "target" / "release")).resolve()
PROGRAM = PROGRAMS / "hitlake"
SHARED = ROOT.parent / "shared" / "data"
# How many times as long as in CI the long proofs go on; `make soak` sets it.
SOAK = int(os.environ.get("HITLAKE_SOAK", "1"))
# What tests/questions draws its questions from: the same in CI each time.
QUESTIONS_SEED = int(os.environ.get("HITLAKE_QUESTIONS", 713775787 if SOAK == 1 else random.SystemRandom().randrange(10**9)))


class Serve:
    """`hitlake serve` on a free port."""

    def __init__(self, data, variables=None):
        self.data = data
        self.environment = {**os.environ, **(variables or {})}
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "--data", self.data, "serve", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, text=True, env=self.environment)
        first = self.process.stdout.readline().strip()
        assert first.startswith("hitlake: http://127.0.0.1:"), first
        self.url = first.removeprefix("hitlake: ")
        self.token = (self.data / "first-token").read_text().strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0

    def command(self, *args):
        return subprocess.run([PROGRAM, "--data", self.data, *map(str, args)], capture_output=True, text=True)

    def request(self, path, body=None, headers=None, method=None):
        request = urllib.request.Request(self.url + path, body, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def metrics(self, query, site=1):
        status, _, body = self.request(f"/v1/sites/{site}/metrics?{query}", headers={"Authorization": f"Bearer {self.token}"})
        assert status == 200, body
        return json.loads(body)

    def drained(self):
        """`merge` first waits until the stream is empty."""
        done = self.command("merge")
        assert done.returncode == 0, done.stderr
