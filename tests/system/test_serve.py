"""The whole chain in one process: beacon, stream, append, merge, table, metrics API."""

import gzip
import json
import time

import duckdb
import polars
import pyarrow.dataset

import inputs
import oracle

BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"}
LOG = "from={}&to={}&bots=include".format(*inputs.LOG_DATES)


def hit(**fields):
    return json.dumps({"v": 1, "site": 1, "kind": "pageview", "url": "https://shop.example/a", **fields}).encode()


def test_a_hit_shows_in_the_answer_within_five_seconds(serve):
    status, headers, _ = serve.request("/hit", hit(), BROWSER)
    assert (status, headers["Hitlake-Accepted"]) == (204, "1")
    deadline = time.monotonic() + 5
    while serve.metrics("metrics=pageviews")["totals"]["pageviews"] != 1:
        assert time.monotonic() < deadline, "not within 5 seconds"
        time.sleep(0.1)


def test_a_hit_is_live_within_two_seconds(serve):
    def seen():
        status, _, body = serve.request("/v1/sites/1/live", headers={"Authorization": f"Bearer {serve.token}"})
        assert status == 200, body
        return json.loads(body)["last_5"]["pageviews"]

    # Before the first is appended, the lists of devices and the like are read.
    for pageviews, limit_s in ((1, 10), (2, 2), (3, 2)):
        sent = time.monotonic()
        assert serve.request("/hit", hit(), BROWSER)[0] == 204
        while seen() != pageviews:
            assert time.monotonic() < sent + limit_s, f"hit {pageviews} is not live within {limit_s} seconds"
            time.sleep(0.05)


def test_bad_requests_are_refused_with_the_reason(serve):
    assert serve.request("/hit", b"{", BROWSER)[0] == 400
    assert serve.request("/hit", b" " * (4 * 1024 * 1024 + 1), BROWSER)[0] == 413
    status, headers, _ = serve.request("/hit", hit(site=99), BROWSER)
    assert (status, headers["Hitlake-Dropped"]) == (204, "unknown_site=1")
    status, headers, _ = serve.request("/hit", hit(), {**BROWSER, "Sec-GPC": "1"})
    assert headers["Hitlake-Dropped"] == "do_not_track=1"
    assert serve.request("/v1/sites/1/metrics")[0] == 401
    problem = json.loads(serve.request("/v1/sites/1/metrics?metrics=pageveiws", headers={"Authorization": f"Bearer {serve.token}"})[2])
    assert (problem["parameter"], problem["suggestion"]) == ("metrics", "pageviews")


def test_a_second_serve_is_refused(serve):
    second = serve.command("serve", "--listen", "127.0.0.1:0")
    assert second.returncode == 3
    assert "in use" in second.stderr


def test_the_log_is_accounted_for_and_importing_it_twice_adds_nothing(serve, shared):
    def run():
        done = serve.command("import", shared / "access-logs" / "apache_logs", "--site", 1)
        assert done.returncode == 0, done.stderr
        cells = [line.split("┆") for line in done.stdout.splitlines() if "┆" in line]
        return {name.strip(" │"): int(count.strip(" │")) for name, count in cells if count.strip(" │").isdigit()}

    counts = run()
    assert counts["lines"] == 10_000 and counts["dropped: unreadable"] == 1
    assert sum(count for name, count in counts.items() if name != "lines") == 10_000
    query = f"{LOG}&metrics={','.join(oracle.METRICS)}"
    before = serve.metrics(query)["totals"]
    assert before["pageviews"] == counts["hits: pageview"] and before["downloads"] == counts["hits: download"]
    serve.drained()
    assert serve.metrics(query)["totals"] == before
    assert run() == counts
    assert serve.metrics(query)["totals"] == before
    serve.drained()
    assert serve.metrics(query)["totals"] == before
    assert before == oracle.Table(serve.data / "store", 1).totals(before)


def test_an_import_counts_the_search_pages_of_a_log_as_searches(serve):
    log = serve.data / "search.log"
    line = '192.0.2.1 - - [17/May/2015:10:05:0{} +0000] "GET {} HTTP/1.1" 200 512 "-" "{}"\n'
    log.write_text("".join(line.format(at, page, BROWSER["User-Agent"]) for at, page in enumerate(["/", "/find?q=shoes", "/a"])))
    done = serve.command("import", log, "--site", 1)
    counts = {name.strip(" │"): count.strip(" │") for name, _, count in (row.partition("┆") for row in done.stdout.splitlines())}
    assert (counts["hits: pageview"], counts["hits: search"]) == ("2", "1"), done.stdout
    assert serve.metrics("metrics=pageviews,searches&from=2015-05-17&to=2015-05-17")["totals"] == {"pageviews": 2, "searches": 1}


def test_every_reader_reads_the_table(serve, shared):
    serve.command("import", shared / "access-logs" / "apache_logs", "--site", 1)
    serve.drained()
    folder = serve.data / "store" / "hits"
    types = dict(duckdb.sql(f"select column_name, column_type from (describe from read_parquet('{folder}/dt=*/*.parquet', hive_partitioning=true))").fetchall())
    assert (types["site"], types["ts"], types["path"], types["is_entry"], types["dt"]) == ("INTEGER", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "BOOLEAN", "DATE")
    rows, = duckdb.sql(f"select count(*) from read_parquet('{folder}/dt=*/*.parquet')").fetchall()[0]
    by_polars = polars.scan_parquet(folder, hive_partitioning=True).select("site", "ts", "path", "dt").collect()
    assert by_polars.height == rows and by_polars.schema["path"] == polars.String and str(by_polars.schema["ts"].time_zone) == "UTC"
    by_arrow = pyarrow.dataset.dataset(folder, partitioning="hive").to_table(columns=["site", "ts", "path", "dt"])
    assert by_arrow.num_rows == rows and str(by_arrow.schema.field("path").type) == "string"


def test_matomos_script_is_taken_whole(serve, shared):
    site = serve.data / "site.json"
    site.write_text(json.dumps({
        "id": 1, "name": "Matomo", "ecommerce": True,
        "goals": [{"id": number, "name": f"Goal {number}", "match": "manual"} for number in (1, 2)]}))
    assert serve.command("site", "put", site).returncode == 0
    time.sleep(1)
    requests = inputs.matomo_requests(shared)
    for method, target, headers, body in requests:
        status, _, _ = serve.request(target, body.encode() if method == "POST" else None, headers)
        assert status in (200, 204), target
    serve.drained()
    table = oracle.Table(serve.data / "store", 1)
    assert table.kinds() == inputs.matomo_kinds(requests)
    totals = serve.metrics(f"metrics={','.join(oracle.METRICS)}&bots=include")["totals"]
    assert totals == table.totals(oracle.METRICS)


def test_matomos_log_importer_is_taken_whole(serve, shared):
    tracked = 0
    with gzip.open(shared / "matomo-import" / "import_logs-bulk-requests.ndjson.gz", "rt") as lines:
        for record in map(json.loads, lines):
            if '"requests"' not in record["body"]:
                continue
            body = json.loads(record["body"])
            body["token_auth"] = serve.token
            for position, request in enumerate(body["requests"]):
                assert isinstance(request, (str, dict)), position
            status, _, answer = serve.request("/matomo.php", json.dumps(body).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
            answer = json.loads(answer)
            assert status == 200 and answer["invalid"] == 0, answer
            tracked += answer["tracked"]
    assert tracked == 13_455
    serve.drained()
    assert serve.metrics("metrics=hits&from=2015-01-01&to=2015-12-31&bots=include")["totals"]["hits"] == 13_455


def test_sites_and_tokens(serve):
    put = serve.command("site", "put", "-")
    assert put.returncode == 2
    settings = serve.data / "site.json"
    settings.write_text('{"id":2,"time_zone":"UTC"}')
    refused = serve.command("site", "put", settings)
    assert refused.returncode == 2 and "did you mean timezone" in refused.stderr
    settings.write_text('{"id":2,"name":"Shop","timezone":"Europe/Berlin"}')
    assert serve.command("site", "put", settings).returncode == 0
    assert json.loads(serve.command("site", "show", 2).stdout)["timezone"] == "Europe/Berlin"
    settings.write_text('{"id":2,"name":"Shop","timezone":"Europe/Berlin","sections":[{"name":"n","include":["/n"]}],"goals":[{"id":1,"name":"g"}]}')
    said = serve.command("site", "put", settings).stdout.splitlines()
    assert [line.split(":")[0] for line in said] == ["sections", "goals"]
    assert "at once, for all history" in said[0] and "hitlake reapply goals --site 2" in said[1]
    assert serve.command("reapply", "goals", "--site", 2).stdout == "history is up to date\n"
    assert serve.command("reapply", "goals", "--site", 3).returncode == 2
    settings.write_text('{"id":2,"name":"Shop","timezone":"Europe/Berlin","bot_user_agents":["Uptime/2.1"]}')
    refused = serve.command("site", "put", settings)
    assert refused.returncode == 2 and 'write "Uptime/2"' in refused.stderr
    settings.write_text('{"id":2,"name":"Shop","timezone":"Europe/Berlin","bot_user_agents":["Uptime/2"],"bot_ips":["192.0.2.7"]}')
    said = dict(line.split(": ", 1) for line in serve.command("site", "put", settings).stdout.splitlines())
    assert said["bot_user_agents"].endswith("hitlake reapply bots --site 2") and "stay as they are" in said["bot_ips"]
    assert serve.command("reapply", "bots", "--site", 2).stdout == "history is up to date\n"
    assert serve.command("reapply", "bots", "--site", 3).returncode == 2
    assert "reapply bots --site ID" in serve.command("reapply", "bots").stdout
    token = serve.command("token", "add", "--sites", "2").stdout.strip()
    assert len(token) == 32
    assert serve.request("/v1/sites/1/metrics", headers={"Authorization": f"Bearer {token}"})[0] == 403
    serve.command("token", "revoke", token)
    time.sleep(1)
    assert serve.request("/v1/sites/2/metrics", headers={"Authorization": f"Bearer {token}"})[0] == 401
