"""The four Lambda binaries over real wire protocols: beacon, ingest, Kinesis, append, S3, merge,
query. The answers are compared with DuckDB over the Parquet that was written, and with what an
independent reading of the input says.
"""

import datetime
import json
import random
import urllib.request
from collections import Counter

import pytest

import athena_emulator
import emulators as emulation
import harness
import inputs
import oracle
from chain import Chain, Failed, batches, http_event

METRICS = list(oracle.METRICS)
LOG = "from={}&to={}".format(*inputs.LOG_DATES)
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"
MATOMO, APACHE = 1, 2


@pytest.fixture
def chain(request, emulators, tmp_path):
    name = request.node.name.replace("_", "-").removeprefix("test-")[:50].strip("-")
    running = Chain(name, emulators, tmp_path)
    running.hitlake("site", "put", "-", stdin=json.dumps({
        "id": MATOMO, "name": "Matomo", "ecommerce": True,
        "goals": [{"id": 1, "name": "One", "match": "manual"}, {"id": 2, "name": "Two", "match": "manual"}]}))
    running.hitlake("site", "put", "-", stdin=json.dumps({"id": APACHE, "name": "Apache"}))
    running.token = running.hitlake("token", "add").strip()
    yield running
    running.stop()


def ask(chain, site, query):
    event = http_event("GET", f"/v1/sites/{site}/metrics?{query}", {"authorization": f"Bearer {chain.token}"})
    answer = chain.function("query")(event)
    assert answer["statusCode"] == 200, answer
    return json.loads(answer["body"])


def totals(chain, site, dates, bots="include"):
    return ask(chain, site, f"{dates}&bots={bots}&metrics={','.join(METRICS)}")["totals"]


def rows(chain, site, query, dimension):
    return {it[dimension]: it for it in ask(chain, site, query)["rows"] if it[dimension] is not None}


def around_today():
    """Three dates, so that midnight may come while the test runs."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    day = datetime.timedelta(days=1)
    return f"from={today - day}&to={today + day}"


def hit(number, **fields):
    return {"v": 1, "site": MATOMO, "kind": "pageview", "url": f"https://shop.example/{number}", **fields}


def post_hit(chain, body):
    return chain.function("ingest")(http_event("POST", "/hit", {"user-agent": CHROME}, json.dumps(body)))


def accepted(answer):
    assert answer["statusCode"] == 204, answer
    return int(answer["headers"]["hitlake-accepted"])


@pytest.fixture
def beyond():
    """An Athena that believes the chain's credentials."""
    running = athena_emulator.Athena(emulation.CREDENTIALS)
    yield running
    running.stop()


def test_whole_chain(chain, shared, tmp_path, beyond):
    chain.environment |= beyond.variables()
    requests = inputs.matomo_requests(shared)
    for method, target, headers, body in requests:
        answer = chain.function("ingest")(http_event(method, target, headers, body))
        assert answer["statusCode"] in (200, 204), (target, answer)
    # As an import may wait until answers show its hits, the mapping polls meanwhile.
    chain.hitlake_while_polling("import", shared / "access-logs" / "apache_logs", "--site", APACHE)
    assert chain.poll() == 0
    facts, today = inputs.apache_log(shared), around_today()
    assert (facts.lines, facts.unreadable_lines) == (10_000, 1)

    def answers():
        return [totals(chain, site, dates, bots)
                for site, dates in [(MATOMO, today), (APACHE, LOG)] for bots in oracle.BOTS]

    # Unmerged: hot objects only.
    unmerged = answers()
    log = totals(chain, APACHE, LOG)
    assert (log["pageviews"], log["downloads"], log["visitors"]) == (facts.kinds["pageview"], facts.kinds["download"], facts.visitors)
    hot = chain.download("hot", tmp_path / "hot")
    merged = chain.merge(*{path.parent.name.removeprefix("dt=") for path in hot})
    assert sum(it["rows"] for it in merged["dates"]) == sum(facts.kinds.values()) + sum(inputs.matomo_kinds(requests).values())
    assert answers() == unmerged, "the merge changes no answer"

    chain.download("hits", tmp_path / "table")
    matomo, apache = (oracle.Table(tmp_path / "table", site) for site in (MATOMO, APACHE))
    by_duckdb = [table.totals(METRICS, bots) for table in (matomo, apache) for bots in oracle.BOTS]
    assert unmerged == by_duckdb
    assert matomo.kinds() == inputs.matomo_kinds(requests)
    assert apache.kinds() == facts.kinds
    assert apache.of_visitors_without_campaign() == facts.without_campaigns
    by_path = Counter()
    for page, it in rows(chain, APACHE, f"{LOG}&bots=include&metrics=pageviews&by=page&limit=100000", "page").items():
        by_path[page.split("?")[0]] += it["pageviews"]
    assert +by_path == apache.by("path", "pageviews")
    by_file = rows(chain, APACHE, f"{LOG}&bots=include&metrics=downloads&by=download&limit=100000", "download")
    assert {file: it["downloads"] for file, it in by_file.items()} == apache.by("target", "downloads")
    by_day = rows(chain, APACHE, f"{LOG}&bots=include&metrics=pageviews&interval=day", "time")
    assert {day: it["pageviews"] for day, it in by_day.items()} == facts.pageviews_by_date

    large_answers_come_by_a_link(chain)
    beyond.store = tmp_path / "table"
    athena_answers_the_same(chain)

    # Every batch once more as it was, then cut anew and in another order; and merged again.
    for shard, batch in chain.handed_over:
        assert chain.deliver(shard, batch) == len(batch)
    again = [(shard, batch) for shard in chain.shards()
             for batch in batches([it for name, records in chain.handed_over if name == shard for it in records], 700)]
    random.Random(7).shuffle(again)
    for shard, batch in again:
        assert chain.deliver(shard, batch) == len(batch)
    assert answers() == unmerged, "what comes again changes no answer"
    chain.merge(*{path.parent.name.removeprefix("dt=") for path in hot})
    assert answers() == unmerged, "nor does its merge"


def large_answers_come_by_a_link(chain):
    """A row for each page and hour is more than a Lambda may answer."""
    asked = f"/v1/sites/{APACHE}/metrics?{LOG}&bots=include&metrics=pageviews,visits,visitors&by=page&limit=100000"
    headers = {"authorization": f"Bearer {chain.token}"}
    whole = json.loads(chain.function("query")(http_event("GET", asked, headers))["body"])
    answer = chain.function("query")(http_event("GET", f"{asked}&interval=hour", headers))
    assert answer["statusCode"] == 303, answer["statusCode"]
    with urllib.request.urlopen(answer["headers"]["location"], timeout=60) as linked:
        assert linked.headers["Content-Type"] == "application/json"
        body = linked.read()
    assert len(body) > 6_000_000 and json.loads(body)["totals"] == whole["totals"]
    answer = chain.function("query")(http_event("GET", f"{asked}&interval=hour&redirect=false", headers))
    assert answer["statusCode"] == 200, answer["statusCode"]
    with urllib.request.urlopen(json.loads(answer["body"])["link"], timeout=60) as linked:
        assert json.loads(linked.read())["totals"] == whole["totals"]


def athena_answers_the_same(chain):
    """As the function asks it on AWS: with the variables of its role, over the table as it lies in the bucket."""
    asked = {"sites": [APACHE], "metrics": ["pageviews", "visits"], "by": ["page"], "from": inputs.LOG_DATES[0], "to": inputs.LOG_DATES[1], "limit": 100_000}
    headers = {"authorization": f"Bearer {chain.token}"}
    query = chain.function("query")
    answer = query(http_event("POST", "/v1/queries", headers, json.dumps(asked)))
    while answer["statusCode"] == 202:
        answer = query(http_event("GET", answer["headers"]["location"], headers))
    assert answer["statusCode"] == 200, answer
    of_athena, of_scan = json.loads(answer["body"]), json.loads(query(http_event("POST", "/v1/metrics", headers, json.dumps(asked)))["body"])
    assert of_athena.pop("as_of") < of_scan.pop("as_of")
    assert of_athena == of_scan and len(of_athena["rows"]) > 200


# What is a metric, and what stands in the line beside it.
METRICS_OF = {
    "ingest": {"HitsAccepted", "HitsDropped"},
    "append": {"HitsStored", "RecordsRejected"},
    "merge": {"RowsWritten"},
    "query": {"QuestionsAnswered"},
}
DETAILS_OF = {
    "ingest": {"HitsReceived", "HitsRefused", "BytesPut", "status"},
    "append": {"RecordsReceived", "HitsErased", "BatchesFailed", "BytesWritten"},
    "merge": {"DatesMerged", "RowsReceived", "DuplicatesDropped", "MergesFailed", "BytesWritten"},
    "query": {"QuestionsRefused", "QuestionsFailed", "BytesAnswered", "status"},
}


def emitted(chain, function):
    log = (chain.folder / f"{function}.log").read_text()
    return [json.loads(line) for line in log.splitlines() if line.startswith('{"_aws"')]


def metrics_lines(chain, function):
    """The lines of CloudWatch's embedded metric format that a function wrote, checked for their form."""
    lines = [line for line in emitted(chain, function) if "BatchDuration" in line]
    for line in lines:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("Hitlake/wire", [["service"]])
        assert abs(line["_aws"]["Timestamp"] / 1000 - datetime.datetime.now().timestamp()) < 600
        names = {it["Name"] for it in directive["Metrics"]}
        assert names == METRICS_OF[function] and line["service"] == function
        assert all(isinstance(line[name], int) for name in names | DETAILS_OF[function] | {"BatchDuration", "ColdStarts"})
    assert [line["ColdStarts"] for line in lines] == [1] + [0] * (len(lines) - 1)
    return lines


def test_every_function_ends_a_batch_with_one_line_of_metrics(chain):
    assert accepted(post_hit(chain, [hit(1), hit(2), hit(3, site=99)])) == 2
    post_hit(chain, hit(4))
    assert chain.poll() == 0
    chain.merge(str(datetime.datetime.now(datetime.timezone.utc).date()))
    totals(chain, MATOMO, around_today())
    ingest, append, merge, query = (metrics_lines(chain, function) for function in METRICS_OF)
    assert [(it["HitsReceived"], it["HitsAccepted"], it["dropped_by"]) for it in ingest] == [
        (3, 2, {"unknown_site": 1}), (1, 1, {})]
    assert sum(it["HitsStored"] for it in append) == 3
    assert [it["RowsWritten"] for it in merge] == [3] and [it["QuestionsAnswered"] for it in query] == [1]
    for function in METRICS_OF:
        log = (chain.folder / f"{function}.log").read_text()
        assert "203.0.113.9" not in log and CHROME not in log and "shop.example" not in log
    ledger = json.loads(chain.hitlake("ledger", MATOMO))["totals"]
    assert (ledger["accepted"], ledger["stored"], ledger["dropped"], ledger["unexplained"]) == (3, 3, {"unknown_site": 1}, 0)


def test_a_scheduled_merge_says_how_late_it_is_and_whether_hits_are_missing(chain):
    assert accepted(post_hit(chain, hit(1))) == 1
    assert chain.poll() == 0
    chain.function("merge")({})
    hot = chain.s3.list_objects_v2(Bucket=chain.name, Prefix="lake/hot/")["Contents"]
    chain.s3.delete_object(Bucket=chain.name, Key=hot[0]["Key"])
    chain.restart("merge")
    chain.function("merge")({})
    found = emitted(chain, "merge")
    assert [(it["MergeLateSeconds"], it["Unexplained"]) for it in found] == [(0, 0), (0, 1)], "one line a run"
    assert {it["Name"]: it["Unit"] for it in found[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == {
        "MergeLateSeconds": "Seconds", "Unexplained": "Count", "RowsWritten": "Count"}


def test_unreadable_records_go_to_rejected(chain, tmp_path):
    assert accepted(post_hit(chain, hit(1))) == 1
    chain.kinesis.put_record(StreamName=chain.name, PartitionKey="x", Data=b"no hit")
    chain.kinesis.put_record(StreamName=chain.name, PartitionKey="y", Data=b'{"v":999}')
    assert chain.poll() == 0
    kept = [json.loads(path.read_text()) for path in chain.download("rejected", tmp_path)]
    assert len(kept) == 2
    assert all(set(it) == {"reason", "bytes_base64", "received_at"} for it in kept)
    assert totals(chain, MATOMO, around_today())["pageviews"] == 1


def test_without_kinesis_ingest_acknowledges_nothing(chain, shared):
    assert accepted(post_hit(chain, hit(1))) == 1
    chain.kinesis_gate.close()
    requests = inputs.matomo_requests(shared)
    for answer in [post_hit(chain, hit(2)), post_hit(chain, [hit(3), hit(4)])] + [
            chain.function("ingest")(http_event(*request)) for request in (requests[0], requests[-1])]:
        assert answer["statusCode"] == 503, answer
        assert int(answer["headers"]["retry-after"]) > 0
    chain.kinesis_gate.open()
    assert accepted(post_hit(chain, hit(2))) == 1
    assert chain.poll() == 0
    assert totals(chain, MATOMO, around_today())["hits"] == 2


def test_without_s3_nothing_is_lost(chain):
    chain.function("append")
    for number in range(5):
        assert accepted(post_hit(chain, hit(number))) == 1
    chain.s3_gate.close()
    assert chain.poll() > 0, "append must fail the batch"
    assert not chain.handed_over
    with pytest.raises(Failed):
        chain.merge(str(datetime.datetime.now(datetime.timezone.utc).date()))
    event = http_event("GET", f"/v1/sites/{MATOMO}/metrics?metrics=hits", {"authorization": f"Bearer {chain.token}"})
    assert chain.function("query")(event)["statusCode"] == 503
    # A cold ingest cannot know the site: it must not say that it has the hit.
    chain.restart("ingest")
    answer = post_hit(chain, hit(9))
    assert answer["statusCode"] == 503 and int(answer["headers"]["retry-after"]) > 0
    chain.s3_gate.open()
    assert chain.poll() == 0
    assert totals(chain, MATOMO, around_today())["hits"] == 5
