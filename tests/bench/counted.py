"""Counts what a deployment would be billed for: runs the four functions over Kinesis and S3 emulators with
counters in between, and keeps the figures in tests/bench/counted.json, from which cost.py reckons.

    HITLAKE_PROGRAMS=target/release python tests/bench/counted.py

Counts and bytes do not depend on the machine; the processor's milliseconds do.
"""

import collections
import datetime
import http.client
import http.server
import json
import os
import pathlib
import sys
import tempfile
import threading
import urllib.parse

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "wire"), str(TESTS / "soak")]

import emulators as emulation  # noqa: E402
import harness  # noqa: E402
import history  # noqa: E402
from chain import Chain, http_event  # noqa: E402

RESULT = pathlib.Path(__file__).with_name("counted.json")
HITS, SINGLE, BODY, BATCH = 20_000, 400, 500, 3_000
FIRST, LAST = history.FIRST, history.FIRST + datetime.timedelta(days=history.DAYS - 1)


class Counter:
    """A proxy in front of an emulator that counts requests by kind, and bytes of answers."""

    def __init__(self, url):
        self.target = urllib.parse.urlsplit(url).netloc
        self.counts, self.bytes = collections.Counter(), 0
        counter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                counter.counts[kind(self.command, self.path, self.headers)] += 1
                connection = http.client.HTTPConnection(counter.target, timeout=60)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                content = answer.read()
                counter.bytes += len(content)
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                if answer.getheader("content-length") is None:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                connection.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def taken(self):
        """What was counted since the last time."""
        counts, size = dict(self.counts), self.bytes
        self.counts.clear()
        self.bytes = 0
        return counts, size


def kind(method, path, headers):
    """The operation as S3 or Kinesis bills it."""
    if "x-amz-target" in headers:
        return headers["x-amz-target"].rpartition(".")[2]
    if "list-type" in path:
        return "LIST"
    return "GET" if method == "HEAD" else method


def processor_ms(function):
    """Processor time of a function's program so far, milliseconds."""
    ticks = os.sysconf("SC_CLK_TCK")
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[1]) == function.process.pid:
            return 1000 * (int(fields[11]) + int(fields[12])) / ticks
    raise AssertionError("the emulator has no child")


def measure(folder, emulators):
    chain = Chain("counted", emulators, folder, shards=1)
    s3, kinesis = Counter(emulators.s3_url), Counter(emulators.kinesis_url)
    chain.environment |= {"AWS_ENDPOINT_URL_S3": s3.url, "AWS_ENDPOINT_URL_KINESIS": kinesis.url}
    chain.hitlake("site", "put", "-", stdin=json.dumps({"id": 1, "name": "Shop", "timezone": str(history.ZONE)}))
    token = chain.hitlake("token", "add", "--access", "read-write").strip()
    authorized = {"authorization": f"Bearer {token}"}
    try:
        return figures(chain, s3, kinesis, authorized)
    finally:
        chain.stop()


def figures(chain, s3, kinesis, authorized):
    hits = [as_of_a_browser(it) for it in history.make(HITS, 5, repeated=0, late=0).deliveries]
    found = {"hits": len(hits)}
    beacon = lambda body: chain.function("ingest")(http_event("POST", "/hit", authorized, json.dumps(body)))
    s3.taken()
    assert beacon(hits[0])["statusCode"] == 204
    found["ingest_cold_s3"] = s3.taken()[0]
    kinesis.taken()
    before = processor_ms(chain.function("ingest"))
    for it in hits[1:SINGLE]:
        assert beacon(it)["statusCode"] == 204
    found["ingest_processor_ms"] = round((processor_ms(chain.function("ingest")) - before) / (SINGLE - 1), 2)
    found["puts_a_beacon"] = round(sum(kinesis.taken()[0].values()) / (SINGLE - 1), 3)
    for at in range(SINGLE, len(hits), BODY):
        assert beacon(hits[at:at + BODY])["statusCode"] == 204
    found["ingest_log_bytes"] = line_bytes(chain)
    return found | table(chain, s3, len(hits)) | questions(chain, s3, authorized)


def line_bytes(chain):
    """What CloudWatch bills of the line with which ingest ends a request: 26 bytes are its own."""
    lines = [line for line in (chain.folder / "ingest.log").read_text().splitlines() if line.startswith('{"_aws"')]
    return round(sum(map(len, lines)) / len(lines)) + 26


def table(chain, s3, hits):
    """What append and merge do with all of it."""
    chain.function("append")({"Records": []})
    records = [it for shard in chain.shards() for it in chain.waiting(shard)]
    s3.taken()
    before = processor_ms(chain.function("append"))
    assert chain.poll(BATCH) == 0, (chain.folder / "append.log").read_text()[-2000:]
    appended = processor_ms(chain.function("append")) - before
    puts = s3.taken()[0]
    hot, objects = size(chain, "hot"), len(keys(chain, "hot"))
    merged = chain.merge(*(str(FIRST + datetime.timedelta(days=day)) for day in range(history.DAYS)))
    merge_requests, read = s3.taken()
    assert sum(it["rows"] for it in merged["dates"]) == hits
    return {
        "record_bytes": round(sum(len(it["Data"]) for it in records) / len(records)),
        "append_s3_a_hot_object": {name: round(count / objects, 2) for name, count in puts.items()},
        "hot_objects_a_date": round(objects / history.DAYS, 2),
        "append_processor_ms_a_thousand_hits": round(1000 * appended / hits, 1),
        "hot_bytes_a_hit": round(hot / hits, 1),
        "table_bytes_a_hit": round(size(chain, "hits") / hits, 1),
        "merge_s3_a_date": {name: round(count / history.DAYS, 1) for name, count in sorted(merge_requests.items())},
        "merge_read_bytes_a_hit": round(read / hits, 1),
        "merge_processor_ms_a_thousand_hits": round(1000 * processor_ms(chain.function("merge")) / hits, 1),
    }


def questions(chain, s3, authorized):
    """Of a function that has just started, and of one that has read the footers."""
    asked = {
        "month_by_day": f"from={FIRST}&to={LAST}&metrics=pageviews,visits,visitors&interval=day",
        "month_by_page": f"from={FIRST}&to={LAST}&metrics=pageviews,visitors&by=page",
        "one_day": f"from={LAST}&to={LAST}&metrics=pageviews,visits,visitors",
    }
    found = {}
    for name, query in asked.items():
        chain.restart("query")
        for state in ("cold", "warm"):
            s3.taken()
            answer = chain.function("query")(http_event("GET", f"/v1/sites/1/metrics?{query}", authorized))
            assert answer["statusCode"] == 200, answer
            counts, read = s3.taken()
            found[f"{name}_{state}"] = {**dict(sorted(counts.items())), "bytes": read}
    return {"questions": found}


def as_of_a_browser(hit):
    """With what the tracker sends besides."""
    return {**hit, "title": "Kettles and other things that whistle - Shop", "referrer": "https://www.google.com/",
            "screen": "1920x1080", "language": "de-DE", "timezone": "Europe/Berlin", "page_view": hit["id"][-6:]}


def keys(chain, zone):
    pages = chain.s3.get_paginator("list_objects_v2").paginate(Bucket=chain.name, Prefix=f"lake/{zone}/")
    return {it["Key"]: it["Size"] for page in pages for it in page.get("Contents", [])}


def size(chain, zone):
    return sum(keys(chain, zone).values())


def main():
    running = emulation.Emulators()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(pathlib.Path(folder), running)
    finally:
        running.stop()
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
