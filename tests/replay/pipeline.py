"""Sends a recording to a running `hitlake serve`, merges, asks for its reports, and reads the table."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import duckdb
import reports
from harness import PROGRAM

# No header but the recorded ones: a user agent of our own would be a bot's.
OPENER = urllib.request.build_opener()
OPENER.addheaders = []


def replayed(recording, folder):
    """Rows of the table after the recording's requests, and its reports beside ours (`reports.compare`)."""
    run = lambda *args, **more: subprocess.run([PROGRAM, "--data", folder, *args], check=True, capture_output=True, text=True, **more)
    serve = subprocess.Popen([PROGRAM, "--data", folder, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        url = serve.stdout.readline().strip().removeprefix("hitlake: ")
        for site in recording.sites:
            run("site", "put", "-", input=json.dumps(site))
        # Settings are read before the first hit of a site, so nothing waits for them to be in force.
        token = (folder / "first-token").read_text().strip()
        for request in recording.requests:
            send(url, request, token)
        run("merge")
        compared = list(reports.compare(recording, lambda site, parameters: metrics(url, token, site, parameters)))
    finally:
        serve.terminate()
        serve.wait(30)
    return rows(folder), compared


def send(url, request, token):
    token = token if request.get("authenticated") else None
    if request["kind"] == "bulk":
        body = {"requests": ["?" + encoded(params) for params in request["requests"]]}
        if token:
            body["token_auth"] = token
        target, data = url + "/matomo.php", json.dumps(body).encode()
    else:
        params = request["params"] + ([["token_auth", token]] if token else [])
        target, data = url + "/matomo.php?" + encoded(params), None
    asked = urllib.request.Request(target, data, request.get("headers") or {})
    # Hits of one moment go by the millisecond of receipt, as Matomo's go one after the other.
    time.sleep(0.002)
    try:
        with OPENER.open(asked, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def metrics(url, token, site, parameters):
    asked = urllib.request.Request(f"{url}/v1/sites/{site}/metrics?{urllib.parse.urlencode(parameters)}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)


def encoded(params):
    return urllib.parse.urlencode([(name, value) for name, value in params])


def rows(folder):
    """Every row of the table, visits together, their hits in the order of the table."""
    objects = sorted(str(path) for path in (folder / "store" / "hits").rglob("*.parquet"))
    if not objects:
        return []
    session = duckdb.connect()
    session.execute("set TimeZone = 'UTC'")
    found = session.execute(
        "select * replace (ts::timestamp as ts, received_at::timestamp as received_at, visit_start::timestamp as visit_start)"
        " from read_parquet(?, hive_partitioning = true, file_row_number = true)"
        " where bot_reason is null order by dt, file_row_number", [objects])
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]
