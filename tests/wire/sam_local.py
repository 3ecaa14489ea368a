#!/usr/bin/env python3
"""Every sample event through its function, and the answers compared: `make sam-local`.

With a container engine by `sam local invoke`, and the two APIs by `sam local start-api`; run `sam build`
before. Without one it says so, and takes the runtime interface emulator, which AWS's own images have
inside: the same programs, the same events, the same answers, but no container and no API.
"""

import argparse
import base64
import contextlib
import gzip
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "wire")]

import emulators as emulation  # noqa: E402
import harness  # noqa: E402
from chain import ARCHITECTURE, Chain, Gate, http_event  # noqa: E402

EVENTS = harness.ROOT / "events"
SAM = pathlib.Path(sys.executable).with_name("sam")
# In the order of a hit's way: what append writes is what merge merges.
ORDER = ["ingest", "append", "merge", "query", "erase"]
# The last ones of their functions: they work on what the others show.
LAST = {"merge-dates", "query-delete-visitor"}
STORE, STREAM = "hitlake-data", "hitlake-hits"
# In the events; whoever runs them puts a token of the store in its place.
EXAMPLE_TOKEN = "0123456789abcdef0123456789abcdef"

# What each event is answered: the values that must be there. A function answers an event of the stream
# or the schedule by itself, and a request by a status and a body. `records` is what ingest put on the
# stream meanwhile: Matomo's answers do not say it.
EXPECTED = {
    "ingest-post-hit": {"statusCode": 204, "headers": {"hitlake-accepted": "3"}, "records": 3},
    "ingest-post-hit-single": {"statusCode": 204, "headers": {"hitlake-accepted": "1"}, "records": 1},
    "ingest-post-hit-base64": {"statusCode": 204, "headers": {"hitlake-accepted": "1"}, "records": 1},
    "ingest-function-url": {"statusCode": 204, "headers": {"hitlake-accepted": "1"}, "records": 1},
    "ingest-hit-gif": {"statusCode": 204, "headers": {"hitlake-accepted": "1"}, "records": 1},
    "ingest-matomo-beacon": {"statusCode": 204, "records": 1},
    "ingest-matomo-bulk": {"statusCode": 204, "records": 3},
    "ingest-options": {"statusCode": 204, "records": 0},
    "ingest-tracker": {"statusCode": 200, "records": 0},
    "append-batch": {"batchItemFailures": []},
    "append-batch-with-poison": {"batchItemFailures": []},
    # Hits that came a moment ago are not due.
    "merge-schedule": {"dates": []},
    "merge-schedule-shared": {"dates": []},
    "merge-dates": {"dates": [{"dt": "2026-03-10", "rows": 5}]},
    "query-health": {"statusCode": 200, "body": {"status": "ok"}},
    "query-openapi": {"statusCode": 200, "body": {"openapi": "3.1.0"}},
    "query-unknown-token": {"statusCode": 401},
    # Of people from two countries: one sees a page and fetches a file, the other comes on both dates.
    "query-metrics": {"statusCode": 200, "body": {"totals": {"pageviews": 2, "visits": 3, "visitors": 2}}},
    "query-post-metrics": {"statusCode": 200, "body": {"totals": {"pageviews": 2, "visits": 3, "bounce_rate": 2 / 3}}},
    # With the robot.
    "query-function-url": {"statusCode": 200, "body": {"totals": {"hits": 6, "visits": 4}}},
    # The hit of the other date is not merged yet.
    "query-ledger": {"statusCode": 200, "body": {"totals": {
        "accepted": 12, "stored": 5, "waiting": 1, "duplicates": 4, "rejected": {"unreadable": 1, "version": 1}, "unexplained": 0}}},
    # There is no Athena here.
    "query-post-queries": {"statusCode": 400, "body": {"parameter": "engine"}},
    "query-delete-visitor": {"statusCode": 202, "body": {"state": "running"}},
    # Two of six rows go. It is done when no append can run any longer that has not seen the order.
    "erase-schedule": {"erasures": [{"receipt": {"state": "running", "rows_before": 6, "rows_after": 4}}]},
}


def events():
    """The names of the events, in the order in which they make sense."""
    names = (path.stem for path in EVENTS.glob("*.json"))
    return sorted(names, key=lambda name: (ORDER.index(name.partition("-")[0]), name in LAST, name))


def event(name, token=EXAMPLE_TOKEN):
    """An event, with this token in it."""
    return json.loads((EVENTS / f"{name}.json").read_text().replace(EXAMPLE_TOKEN, token))


def differs(answer, expected):
    """What of an answer is not as expected; nothing, when it is."""
    if isinstance(expected, dict):
        # A body is JSON, in a text.
        found = json.loads(answer) if isinstance(answer, str) else answer or {}
        return {key: it for key, value in expected.items() if (it := differs(found.get(key), value))}
    if isinstance(expected, list) and isinstance(answer, list) and len(answer) == len(expected):
        return [it for pair in zip(answer, expected, strict=True) if (it := differs(*pair))]
    return None if answer == expected else f"{answer!r} instead of {expected!r}"


def engine():
    """The container engine that runs here, if any."""
    for command in ("docker", "finch", "podman"):
        if shutil.which(command):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if subprocess.run([command, "info"], capture_output=True, timeout=20).returncode == 0:
                    return command
    return None


class ByEmulator:
    """The binaries under the runtime interface emulator."""

    def __init__(self, chain):
        self.chain = chain

    def __call__(self, name):
        return self.chain.function(name.partition("-")[0])(event(name, self.chain.token))


class ByContainer:
    """`sam local invoke`, with the emulators where containers reach them."""

    def __init__(self, chain, folder, command):
        self.chain, self.folder = chain, folder
        self.host = container_host(command)
        reachable = {"AWS_ENDPOINT_URL_S3": chain.s3_gate, "AWS_ENDPOINT_URL_KINESIS": chain.kinesis_gate}
        values = json.loads((harness.ROOT / "env.json").read_text())
        for variables in values.values():
            for variable, gate in reachable.items():
                if variable in variables:
                    variables[variable] = f"http://host.docker.internal:{gate.port}"
            variables["HITLAKE_STORE"] = chain.environment["HITLAKE_STORE"]
        self.variables = folder / "env.json"
        self.variables.write_text(json.dumps(values))
        self.environment = {**emulation.CREDENTIALS, "SAM_CLI_TELEMETRY": "0"}

    def options(self):
        named = ["--add-host", f"host.docker.internal:{self.host}"] if self.host else []
        return ["--env-vars", self.variables, *named, "--parameter-overrides", f"Architecture={ARCHITECTURE}"]

    def __call__(self, name):
        function = f"{name.partition('-')[0].capitalize()}Function"
        given = self.folder / f"{name}.json"
        given.write_text(json.dumps(event(name, self.chain.token)))
        done = sam("local", "invoke", function, "--event", given, *self.options(), more=self.environment)
        assert done.returncode == 0, done.stderr
        # The answer is the last line; before it comes what the program prints.
        return json.loads(done.stdout.strip().splitlines()[-1])

    @contextlib.contextmanager
    def apis(self):
        """Both APIs, on one port; their address."""
        port = emulation.free_port()
        process = subprocess.Popen(
            [SAM, "local", "start-api", "--port", str(port), *map(str, self.options())],
            cwd=harness.ROOT, env=environment(self.environment), stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 120
            while not emulation.answers(f"http://127.0.0.1:{port}/"):
                assert process.poll() is None and time.monotonic() < deadline, "sam local start-api did not start"
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def sam(*arguments, more):
    return subprocess.run([SAM, *map(str, arguments)], cwd=harness.ROOT, env=environment(more), capture_output=True, text=True)


def environment(more):
    return {**os.environ, **more}


def container_host(command):
    """Where containers reach this machine: on Linux the bridge's address, elsewhere the engine knows the name."""
    if platform.system() != "Linux":
        return None
    template = "{{(index .IPAM.Config 0).Gateway}}"
    return subprocess.run([command, "network", "inspect", "bridge", "-f", template], capture_output=True, text=True, check=True).stdout.strip()


def run(chain, invoke):
    """Every event; the names of those that were answered otherwise, with what differs."""
    wrong = {}
    for name in events():
        before = records(chain)
        answer = invoke(name)
        if name.startswith("ingest-"):
            answer["records"] = records(chain) - before
        difference = differs(unpacked(answer), EXPECTED[name]) if name in EXPECTED else "no answer is expected: add one"
        print(f"  {name}: {difference or 'as expected'}")
        if difference:
            wrong[name] = difference
    wrong |= {"the figures": it} if (it := figures(chain)) else {}
    print(f"  the figures: {wrong.get('the figures', 'as expected')}")
    return wrong


def unpacked(answer):
    """An answer whose body is text, where it was compressed."""
    if answer.get("headers", {}).get("content-encoding") == "gzip":
        return {**answer, "body": gzip.decompress(base64.b64decode(answer["body"])).decode()}
    return answer


def records(chain):
    """How many records are on the stream."""
    return sum(len(chain.waiting(shard)) for shard in chain.shards())


def figures(chain):
    """Asks for what append's events hold but the visitor who was erased, and compares it with them."""
    erased = event("query-delete-visitor")["rawPath"].rpartition("/")[2]
    records = [record for name in events() if name.startswith("append-") for record in event(name)["Records"]]
    hits = [json.loads(data) for it in records if (data := base64.b64decode(it["kinesis"]["data"])).startswith(b'{"v":1,')]
    known = {(it["site"], it["id"]): it["kind"] for it in hits if it["site"] == 1 and it.get("client_id") != erased}
    dates = sorted({it["dt"] for it in hits})
    chain.merge(*dates)
    question = f"/v1/sites/1/metrics?metrics=hits,pageviews&from={dates[0]}&to={dates[-1]}&bots=include"
    answer = chain.function("query")(http_event("GET", question, {"authorization": f"Bearer {chain.token}"}))
    expected = {"hits": len(known), "pageviews": sum(kind == "pageview" for kind in known.values())}
    return differs(json.loads(answer["body"]).get("totals"), expected)


def through_apis(address):
    """A request to each API."""
    wrong = {}
    for method, path, body, status in (("GET", "/tracker.js", None, 200), ("POST", "/hit", event("ingest-post-hit")["body"], 204), ("GET", "/v1/health", None, 200)):
        request = urllib.request.Request(address + path, body and body.encode(), {"content-type": "text/plain"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                found = answer.status
        except urllib.error.HTTPError as error:
            found = error.code
        print(f"  {method} {path}: {found}")
        if found != status:
            wrong[f"{method} {path}"] = f"{found} instead of {status}"
    return wrong


@contextlib.contextmanager
def deployment(folder, running):
    """A bucket and a stream as env.json names them, with a site and a token."""
    chain = Chain(STORE, running, folder)
    chain.kinesis.create_stream(StreamName=STREAM, ShardCount=1)
    chain.stream = STREAM
    chain.environment |= {"HITLAKE_STORE": f"s3://{STORE}/hitlake", "HITLAKE_STREAM": f"kinesis:{STREAM}"}
    try:
        chain.hitlake("site", "put", "-", stdin='{"id":1,"name":"Shop"}')
        chain.token = chain.hitlake("token", "add", "--access", "read-write").strip()
        yield chain
    finally:
        chain.stop()


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    command = engine()
    running = emulation.Emulators()
    try:
        with tempfile.TemporaryDirectory() as name, deployment(pathlib.Path(name), running) as chain:
            if command:
                host = container_host(command)
                if host:
                    # The emulators listen on 127.0.0.1; containers see the bridge.
                    chain.s3_gate, chain.kinesis_gate = Gate(running.s3_url, host), Gate(running.kinesis_url, host)
                invoke = ByContainer(chain, pathlib.Path(name), command)
                print(f"by sam local invoke, in containers of {command}:")
                wrong = run(chain, invoke)
                print("by sam local start-api:")
                with invoke.apis() as address:
                    wrong |= through_apis(address)
            else:
                print("No container engine runs here (docker, finch, podman): sam local cannot.")
                print("By the runtime interface emulator instead; the APIs are left out:")
                wrong = run(chain, ByEmulator(chain))
    finally:
        running.stop()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
