"""The commands beside a running serve, as a user types them."""

import csv
import datetime
import gzip
import io
import json
import os
import pty
import signal
import subprocess
import time

import harness
from test_serve import BROWSER, hit

AGENT = BROWSER["User-Agent"]


def line(page, at="17/May/2015:10:05:00 +0000"):
    return f'192.0.2.1 - - [{at}] "GET {page} HTTP/1.1" 200 512 "-" "{AGENT}"\n'


def run(serve, *arguments, given=None, variables=None):
    """A command's exit code, and what it said."""
    command = [harness.PROGRAM, "--data", serve.data, *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, env={**os.environ, **(variables or {})})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def counts(printed):
    """The table at an import's end."""
    rows = (row.partition("┆") for row in printed.splitlines() if "┆" in row)
    return {name.strip(" │"): count.strip(" │") for name, _, count in rows}


def test_a_question_is_answered_as_json_as_csv_and_on_a_terminal_as_a_table(serve):
    assert run(serve, "import", "-", "--site", 1, given=(line("/a") * 2 + line("/b")).encode())[0] == 0
    asked = ["query", 1, "--metrics", "pageviews", "--by", "page", "--from", "2015-05-17", "--to", "2015-05-17"]
    rows = json.loads(run(serve, *asked)[1])["rows"]
    assert rows == [{"page": "/a", "pageviews": 2}, {"page": "/b", "pageviews": 1}]
    written = run(serve, *asked, "--format", "csv")[1]
    assert list(csv.reader(io.StringIO(written)))[1:] == [["/a", "2"], ["/b", "1"]]

    ours, its = pty.openpty()
    shown = subprocess.run([harness.PROGRAM, "--data", serve.data, *map(str, asked)], stdout=its)
    os.close(its)
    table = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert shown.returncode == 0 and "│ /a " in table and "total" in table
    code, _, said = run(serve, "query", 1, "--metrics", "pageveiws")
    assert (code, "did you mean pageviews?" in said) == (2, True)


def test_status_shows_what_waits_until_it_is_merged(serve):
    assert run(serve, "import", "-", "--site", 1, given=line("/a").encode())[0] == 0
    (waiting,) = [row for row in run(serve, "status")[1].splitlines() if "2015-05-17" in row]
    assert [cell.strip(" │") for cell in waiting.split("┆")][2:4] == ["never", "1"]
    code, merged, _ = run(serve, "merge", "--date", "2015-05-17")
    assert code == 0 and "2015-05-17" in merged
    said = run(serve, "status")[1]
    (waiting,) = [row for row in said.splitlines() if "2015-05-17" in row]
    assert [cell.strip(" │") for cell in waiting.split("┆")][3:] == ["0", "0"], "the merged object stays a day and waits for nothing"
    assert "records on the stream: 0" in said


def test_sites_and_tokens_are_listed_and_stay_removed_after_a_new_start(serve):
    put = json.dumps({"id": 5, "name": "Shop", "timezone": "Europe/Berlin"}).encode()
    assert run(serve, "site", "put", "-", given=put)[0] == 0
    assert run(serve, "site", "list")[1] == "1\tMy site\tUTC\n5\tShop\tEurope/Berlin\n"
    assert run(serve, "site", "remove", 1)[0] == 0
    token = run(serve, "token", "add", "--access", "read", "--sites", "5")[1].strip()
    assert [row.split("\t")[1:3] for row in run(serve, "token", "list")[1].splitlines()] == [["read-write", "all"], ["read", "5"]]
    serve.stop()
    serve.start()
    assert run(serve, "site", "list")[1] == "5\tShop\tEurope/Berlin\n"
    assert run(serve, "token", "revoke", token)[0] == 0
    assert len(run(serve, "token", "list")[1].splitlines()) == 1


def test_a_token_made_before_the_first_start_keeps_nobody_from_the_first_token(tmp_path):
    made = subprocess.run([harness.PROGRAM, "--data", tmp_path, "token", "add", "--access", "read"], capture_output=True)
    assert made.returncode == 0
    serve = harness.Serve(tmp_path)
    try:
        assert serve.metrics("metrics=hits")["totals"] == {"hits": 0}
    finally:
        serve.kill()


def test_logs_are_read_packed_and_from_standard_input(serve):
    for packed in (gzip.compress(line("/a").encode()), subprocess.run(["zstd"], input=line("/b").encode(), capture_output=True).stdout):
        code, said, _ = run(serve, "import", "-", "--site", 1, given=packed)
        assert (code, counts(said)["hits: pageview"]) == (0, "1")


def test_lines_of_a_time_to_come_are_dropped_and_come_in_when_it_is_past(serve):
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)).strftime("%d/%b/%Y:%H:%M:%S +0000")
    code, said, _ = run(serve, "import", "-", "--site", 1, given=(line("/a", later) + line("/b")).encode())
    shown = counts(said)
    assert (code, shown["lines"], shown["dropped: clock"], shown["hits: pageview"]) == (0, "2", "1", "1")


def test_a_command_waits_for_another_and_says_who_keeps_it_waiting(serve):
    serve.stop()
    slow = subprocess.Popen([harness.PROGRAM, "--data", serve.data, "import", "-", "--site", "1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while run(serve, "status")[0] == 0:
        assert time.monotonic() < deadline, "the import never took the folder"
    code, _, said = run(serve, "merge")
    assert code == 3 and f"process {slow.pid}" in said
    waiting = subprocess.Popen([harness.PROGRAM, "--data", serve.data, "merge"], stdout=subprocess.PIPE)
    slow.communicate(line("/a").encode())
    assert slow.returncode == 0
    assert b"2015-05-17" in waiting.communicate()[0] and waiting.returncode == 0


def test_an_interrupted_import_says_how_far_it_came(serve):
    importing = subprocess.Popen([harness.PROGRAM, "--data", serve.data, "import", "-", "--site", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    importing.stdin.write(line("/a").encode() * 600)
    importing.stdin.flush()
    deadline = time.monotonic() + 10
    while serve.metrics("metrics=hits&from=2015-05-17&to=2015-05-17")["totals"]["hits"] < 500:
        assert time.monotonic() < deadline, "the first lines are not there"
        time.sleep(0.1)
    importing.send_signal(signal.SIGINT)
    said = importing.stdout.read().decode()
    assert importing.wait(10) == 130
    assert counts(said)["hits: pageview"] == "500"


def test_a_bucket_without_its_stream_is_refused_and_gets_nothing_of_the_folders(serve):
    bucket = {"HITLAKE_STORE": "s3://nobodys/lake", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    for command in (["merge"], ["status"], ["serve", "--listen", "127.0.0.1:0"]):
        code, _, said = run(serve, *command, variables=bucket)
        assert (code, "--stream kinesis:NAME" in said) == (2, True), said


def test_wrong_settings_are_named(serve):
    for name, value in {"HITLAKE_LOG": "query=loud", "HITLAKE_STORE": "ftp://x", "HITLAKE_STREAM": "sqs:x", "HITLAKE_MERGE_MEMORY_MB": "much"}.items():
        code, _, said = run(serve, "status", variables={name: value})
        assert (code, name in said) == (2, True), said
