"""What only Athena brings along: ids, waiting, data that change meanwhile, limits. What it answers is compared in test_questions."""

import base64
import contextlib
import csv
import datetime
import io
import json
import time
import urllib.parse

import pyarrow
import pytest

import athena_emulator
from harness import ROOT, Serve

DAY = "2025-03-10"
RANGE = f"from={DAY}&to={DAY}"
PAGES = 1200
LIMIT = 5000
# A serve reads tokens anew after half a second.
TOKENS_S = 0.6


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A serve with a workgroup and some merged hits; its Athena."""
    with running(tmp_path_factory.mktemp("athena"), HITLAKE_ATHENA_SCAN_LIMIT_BYTES=str(LIMIT)) as here:
        send(here, [hit(number) for number in range(PAGES)])
        here.drained()
        yield here


@contextlib.contextmanager
def running(folder, **more):
    fake = athena_emulator.Athena()
    serve = Serve(folder / "data", fake.variables(**more))
    fake.store = serve.data / "store"
    serve.athena = fake
    try:
        yield serve
    finally:
        serve.kill()
        fake.stop()


@pytest.fixture(autouse=True)
def as_it_was(request):
    """Nothing that a test did to Athena is left for the next."""
    yield
    if "here" in request.fixturenames:
        fake = request.getfixturevalue("here").athena
        fake.hold, fake.busy, fake.fail = False, 0, None


def hit(number, day=DAY, **more):
    return {"v": 1, "site": 1, "kind": "pageview", "id": f"{number:032x}", "ts": at_ms(day) + number % 50_000 * 1000,
            "url": f"https://shop.example/{number}", "title": f"Title {number}", "ip": f"10.0.0.{number % 40}", "user_agent": "Mozilla/5.0 Firefox/135.0", **more}


def at_ms(day):
    return int(datetime.datetime.fromisoformat(f"{day}T00:00:00Z").timestamp()) * 1000


def send(serve, hits):
    for at in range(0, len(hits), 500):
        status, headers, _ = serve.request("/hit", json.dumps(hits[at:at + 500]).encode(), {"Authorization": f"Bearer {serve.token}"})
        assert (status, headers["Hitlake-Dropped"]) == (204, None)


def ask(serve, target, token=None, body=None, accept="*/*"):
    """Status, headers and body of a request."""
    headers = {"Authorization": f"Bearer {token or serve.token}", "Accept": accept}
    return serve.request(target, body if body is None else json.dumps(body).encode(), headers)


def metrics(question):
    return f"/v1/sites/1/metrics?{question}"


def begin(serve, question, token=None):
    """Where the answer will be."""
    status, headers, body = ask(serve, metrics(f"{question}&engine=athena"), token)
    assert status == 202, body
    assert headers["Location"] == f"/v1/queries/{json.loads(body)['id']}" and int(headers["Retry-After"]) >= 1
    return headers["Location"]


def end(serve, place, **more):
    """The last answer, whatever comes before it."""
    for _ in range(60):
        status, headers, body = ask(serve, place, **more)
        if status != 202:
            return status, headers, body
        assert headers["Location"].startswith("/v1/queries/"), headers
        place = headers["Location"]
    raise AssertionError("60 times 202")


def whole(serve, question, token=None):
    status, _, body = end(serve, begin(serve, question, token))
    assert status == 200, body
    return json.loads(body)


def scanned(serve, question):
    status, _, body = ask(serve, metrics(f"{question}&engine=scan"))
    assert status == 200, body
    return json.loads(body)


def new_token(serve):
    done = serve.command("token", "add")
    assert done.returncode == 0, done.stderr
    time.sleep(TOKENS_S)
    return done.stdout.strip()


def problem(answer):
    status, headers, body = answer
    said = json.loads(body)
    assert headers["Content-Type"] == "application/problem+json" and said["status"] == status, body
    return status, said


def like(answer, expected):
    """The same but for the moment."""
    assert {**answer, "as_of": None} == {**expected, "as_of": None}


def test_a_question_waits_its_turn(here):
    question = f"metrics=pageviews,visits&by=country&{RANGE}"
    with here.athena.held():
        place = begin(here, question)
        for _ in range(2):
            status, headers, body = ask(here, place)
            assert (status, headers["Location"], json.loads(body)["state"]) == (202, place, "queued")
    states = []
    while (answer := ask(here, place))[0] == 202:
        states.append(json.loads(answer[2])["state"])
    assert states == ["queued", "running"]
    like(json.loads(answer[2]), scanned(here, question))
    assert ask(here, place)[2] == answer[2], "and again"


def test_long_results_come_in_pages(here):
    question = f"metrics=pageviews&by=title&limit=100000&{RANGE}"
    calls = here.athena.calls
    before = calls.count("GetQueryResults")
    answer = whole(here, question)
    assert (len(answer["rows"]), calls.count("GetQueryResults") - before) == (PAGES, 2)
    like(answer, scanned(here, question))


def test_a_page_says_where_the_next_begins(here):
    question = f"metrics=pageviews&by=page&limit=10&{RANGE}"
    first = whole(here, f"{question}&offset=5")
    expected = scanned(here, f"{question}&offset=5")
    like(first, expected)
    assert first["row_count"] == PAGES and first["next_cursor"] == expected["next_cursor"]
    following = f"{question}&cursor={first['next_cursor']}"
    like(whole(here, following), scanned(here, following))
    last = f"{question}&offset={PAGES - 3}"
    like(whole(here, last), scanned(here, last))
    beyond = f"{question}&offset={PAGES + 3}"
    like(whole(here, beyond), scanned(here, beyond))


def test_every_form_comes_of_one_execution(here):
    question = f"metrics=pageviews,bounce_rate&by=page&interval=day&limit=20&{RANGE}"
    place = begin(here, question)
    end(here, place)
    for accept in ("application/json", "text/csv", "application/vnd.apache.arrow.stream"):
        status, headers, body = ask(here, place, accept=accept)
        assert (status, headers["Content-Type"].split(";")[0]) == (200, accept)
        same = ask(here, metrics(question), accept=accept)[2]
        if accept == "application/json":
            like(json.loads(body), json.loads(same))
        else:
            assert body == same
    assert ask(here, f"{place}?format=csv")[2] == ask(here, metrics(f"{question}&format=csv"))[2]
    table = pyarrow.ipc.open_stream(body).read_all()
    assert table.num_rows == len(list(csv.DictReader(io.StringIO(ask(here, f"{place}?format=csv")[2].decode())))) == 20
    assert ask(here, place, accept="text/html")[0] == 406
    assert problem(ask(here, f"{place}?limit=3"))[0] == 400
    # What the question itself says of its form holds, and the link may say another.
    of_csv = begin(here, f"{question}&format=csv")
    assert end(here, of_csv)[1]["Content-Type"].startswith("text/csv")
    assert ask(here, f"{of_csv}?format=json")[1]["Content-Type"].startswith("application/json")
    assert len({it.sql for it in here.athena.executions if "bounce_rate" in it.sql}) == 1


def test_a_question_in_a_body_and_a_named_report(here):
    for body, path in [({"sites": [1], "metrics": ["hits"], "from": DAY, "to": DAY}, "/v1/queries"),
                       ({"sites": "all", "metrics": "hits", "from": DAY, "to": DAY, "engine": "athena"}, "/v1/metrics")]:
        status, headers, _ = ask(here, path, body=body)
        assert status == 202
        answer = json.loads(end(here, headers["Location"])[2])
        assert (answer["sites"], answer["totals"]) == ([1], {"hits": PAGES})
    status, headers, _ = ask(here, f"/v1/sites/1/pages?engine=athena&{RANGE}")
    like(json.loads(end(here, headers["Location"])[2]), json.loads(ask(here, f"/v1/sites/1/pages?{RANGE}")[2]))
    assert problem(ask(here, "/v1/queries", body={"sites": 1, "engine": "scan"}))[1]["parameter"] == "engine"
    assert problem(ask(here, "/v1/queries", body={}))[1]["parameter"] == "sites"
    assert problem(ask(here, "/v1/queries"))[0] == 405
    assert problem(ask(here, metrics("engine=duckdb")))[1]["allowed"] == ["auto", "scan", "athena"]


def test_the_descriptions_examples_of_a_body_are_answered(tmp_path):
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    body = lambda path: paths[path]["post"]["requestBody"]["content"]["application/json"]
    # Said to be that of the other.
    assert body("/v1/queries")["schema"] == body("/v1/metrics")["schema"]
    examples = body("/v1/metrics")["examples"]
    with running(tmp_path) as here:
        for site in (1, 2):
            path = here.data / "site.json"
            path.write_text(json.dumps({"id": site, "segments": [{"name": "uk", "filter": "country==GB"}]}))
            assert here.command("site", "put", path).returncode == 0
        here.kill()
        here.start()  # reads the settings anew
        send(here, [hit(1, "2026-01-10")])
        here.drained()
        for name, example in examples.items():
            status, headers, body = ask(here, "/v1/queries", body=example["value"])
            assert status == 202, (name, body)
            assert end(here, headers["Location"])[0] == 200, name
    assert examples


def test_explain_says_what_athena_read(here):
    said = whole(here, f"metrics=hits,interactions&explain=true&{RANGE}")["explain"]
    assert said["bytes_read"] == 1234 and said["sql"] == here.athena.executions[-1].sql


def test_dates_in_an_id_do_not_move(here):
    place = begin(here, "metrics=hits&period=day&date=today")
    assert json.loads(end(here, place)[2])["from"] == time.strftime("%Y-%m-%d", time.gmtime())
    assert "CAST(dt" not in here.athena.executions[-1].sql and "dt BETWEEN" in here.athena.executions[-1].sql


def test_the_same_question_is_one_execution(here):
    question = f"metrics=hits,visits&{RANGE}"
    other = new_token(here)
    before = len(here.athena.executions)
    places = [begin(here, question), begin(here, question), begin(here, question, other)]
    assert len({*places}) == 3, "ids are nobody's but the token's"
    answers = [end(here, place, token=token)[2] for place, token in zip(places, [None, None, other])]
    assert len({*answers}) == 1 and len(here.athena.executions) == before + 1
    begin(here, f"{question}&bots=include")
    assert len(here.athena.executions) == before + 2


def test_an_id_is_of_one_token(here):
    token = new_token(here)
    place = begin(here, f"metrics=hits&{RANGE}", token)
    assert end(here, place, token=token)[0] == 200
    assert problem(ask(here, place))[0] == 404, "the token of another"
    for changed in (place[:-1] + ("A" if place[-1] != "A" else "B"), place[:-4], place + "AAAA", "/v1/queries/x", "/v1/queries/", "/v1/queries/" + "A" * 7000):
        assert problem(ask(here, changed, token))[0] == 404, changed
    assert here.request(place)[0] == 401
    # The token loses the site, and then everything.
    path = here.data / "store/settings/tokens.json"
    tokens = json.loads(path.read_text())
    path.write_text(json.dumps([it | {"sites": [2]} if it == tokens[-1] else it for it in tokens]))
    time.sleep(TOKENS_S)
    assert problem(ask(here, place, token))[0] == 403
    assert here.command("token", "revoke", token).returncode == 0
    time.sleep(TOKENS_S)
    assert problem(ask(here, place, token))[0] == 401


def test_nothing_of_a_question_can_be_read_in_an_id(here):
    place = begin(here, f"metrics=hits&filter=userId%3D%3Dsecret-person&{RANGE}")
    id = place.rsplit("/", 1)[1]
    assert b"secret" not in base64.urlsafe_b64decode(id + "=" * (-len(id) % 4))


def test_a_question_too_long_for_an_id(here):
    long = urllib.parse.quote(",".join(f"title=={'x' * 90}{number}" for number in range(60)))
    status, said = problem(ask(here, metrics(f"metrics=hits&engine=athena&filter={long}&{RANGE}")))
    assert (status, said["parameter"]) == (400, "engine") and "6144" in said["detail"] and "segment" in said["detail"]


def test_throttling_is_waited_out_up_to_a_bound(here):
    here.athena.busy = 3
    assert whole(here, f"metrics=hits,orders&{RANGE}")["totals"]["hits"] == PAGES
    here.athena.busy = 99
    status, headers, body = ask(here, metrics(f"metrics=hits,revenue&engine=athena&{RANGE}"))
    assert (status, headers["Retry-After"]) == (429, "5") and "ask again" in json.loads(body)["detail"]
    assert here.athena.busy == 99 - 5


def test_a_failure_is_not_remembered(here):
    question = f"metrics=hits,exits&{RANGE}"
    before = len(here.athena.executions)
    here.athena.fail = "FAILED", "GENERIC_INTERNAL_ERROR: s3://bucket/secret"
    status, said = problem(end(here, begin(here, question)))
    assert status == 502 and "ask again" in said["detail"] and "secret" not in json.dumps(said)
    here.athena.fail = None
    assert whole(here, question)["totals"]["hits"] == PAGES
    assert len(here.athena.executions) == before + 2
    whole(here, question)
    assert len(here.athena.executions) == before + 2


def test_what_reads_too_much_is_told_the_limit(here):
    question = f"metrics=hits,entries&{RANGE}"
    before = len(here.athena.executions)
    here.athena.fail = "CANCELLED", athena_emulator.CUT_OFF
    for _ in range(2):
        status, said = problem(end(here, begin(here, question)))
        assert status == 422 and f"{LIMIT} bytes" in said["detail"] and "QueryScanLimitBytes" in said["detail"]
    assert len(here.athena.executions) == before + 1, "it would be cut off again"


def test_a_result_that_is_gone_is_made_again(here):
    question = f"metrics=hits,bounces&{RANGE}"
    place = begin(here, question)
    assert end(here, place)[0] == 200
    old = here.athena.executions[-1]
    old.ended -= 23 * 3600 + 60
    status, headers, _ = ask(here, place)
    assert status == 202 and headers["Location"] != place
    assert end(here, headers["Location"])[0] == 200 and here.athena.executions[-1] is not old
    here.athena.executions.remove(old)
    assert problem(ask(here, place))[0] == 404, "Athena forgets, too"


def test_sql_that_cannot_be_said_is_for_the_scan(here):
    groups = urllib.parse.quote(";".join(["eventAction==a"] * 5))
    status, said = problem(ask(here, metrics(f"metrics=hits&engine=athena&filter={groups}&{RANGE}")))
    assert (status, said["parameter"], said["value"]) == (400, "engine", "athena") and "SQL" in said["detail"] and "engine=scan" in said["detail"]


def test_hits_that_wait_are_not_in_it(here):
    day = "2025-03-11"
    question = f"metrics=hits&from={day}&to={day}"
    send(here, [hit(1, day)])
    here.drained()
    send(here, [hit(2, day)])
    until = time.monotonic() + 20
    while scanned(here, question)["totals"]["hits"] != 2:
        assert time.monotonic() < until
    answer = whole(here, question)
    assert (answer["totals"], answer["complete"]) == ({"hits": 1}, {day: False})
    assert answer["as_of"] < scanned(here, question)["as_of"]
    place = begin(here, question)
    assert end(here, place)[0] == 200
    # After the merge neither an old answer nor an old execution is good enough.
    here.drained()
    before = len(here.athena.executions)
    status, headers, _ = ask(here, place)
    assert status == 202 and headers["Location"] != place
    answer = json.loads(end(here, headers["Location"])[2])
    assert (answer["totals"], answer["complete"]) == ({"hits": 2}, {day: True})
    assert whole(here, question) == answer and len(here.athena.executions) == before + 1


def test_dates_that_never_rest_are_given_up(here):
    day = "2025-03-12"
    question = f"metrics=hits&from={day}&to={day}"
    place = begin(here, question)
    for number in range(5):
        send(here, [hit(number, day)])
        here.drained()
        status, headers, body = ask(here, place)
        place = headers["Location"] or place
    assert status == 503 and "replaced" in json.loads(body)["detail"] and headers["Retry-After"]


@contextlib.contextmanager
def order(serve):
    """An order of erasure that nobody has carried out yet: a serve looks for them once a minute."""
    said = {"site": 1, "whom": {"person": {"ids": ["0123456789abcdef"], "user_ids": []}}, "before_ms": 1, "given_ms": 1}
    path = serve.data / "store/orders/1-000000000001-0123456789abcdef.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(said))
    try:
        yield
    finally:
        path.unlink()


def test_erasure_comes_first(here):
    place = begin(here, f"metrics=hits,users&{RANGE}")
    with order(here):
        for answer in (ask(here, metrics(f"metrics=hits&engine=athena&{RANGE}")), ask(here, place)):
            status, said = problem(answer)
            assert status == 503 and "erased" in said["detail"] and answer[1]["Retry-After"] == "60"
        assert scanned(here, f"metrics=hits&{RANGE}")["totals"]["hits"] == PAGES
    assert end(here, place)[0] == 200


def test_large_questions_go_to_athena_by_themselves(tmp_path):
    question = f"metrics=hits&{RANGE}"
    with running(tmp_path, HITLAKE_ATHENA_OVER_BYTES="200", HITLAKE_ATHENA_FIRST_DATE="2025-03-01") as here:
        send(here, [hit(number) for number in range(500)])
        send(here, [hit(number, "2025-02-01") for number in range(50)])
        here.drained()
        status, headers, _ = ask(here, metrics(f"{question}&by=title"))
        assert status == 202
        assert json.loads(end(here, headers["Location"])[2])["row_count"] == 500
        started = len(here.athena.executions)
        assert started == 1
        # Said not to; nothing to read; few bytes of few columns; what Athena cannot say or does not see.
        groups = urllib.parse.quote(";".join(["eventAction==a"] * 5))
        for other in (f"{question}&by=title&engine=scan", "metrics=hits&from=2020-01-01&to=2020-01-31", "metrics=visits&bots=include&" + RANGE,
                      f"{question}&by=title&filter={groups}", "metrics=hits&by=title&from=2025-02-01&to=2025-03-10"):
            assert ask(here, metrics(other))[0] == 200, other
        with order(here):
            assert ask(here, metrics(f"{question}&by=title"))[0] == 200
        assert len(here.athena.executions) == started
        status, said = problem(ask(here, metrics("metrics=hits&from=2025-02-01&to=2025-03-10&engine=athena")))
        assert (status, said["parameter"]) == (400, "engine") and "2025-03-01" in said["detail"] and "2025-02-01" in said["detail"]


def test_without_a_workgroup_there_is_no_athena(serve):
    for answer in (ask(serve, metrics(f"engine=athena&{RANGE}")), ask(serve, "/v1/queries", body={"sites": 1})):
        status, said = problem(answer)
        assert (status, said["parameter"]) == (400, "engine") and "HITLAKE_ATHENA_WORKGROUP" in said["detail"]
    assert problem(ask(serve, "/v1/queries/" + "A" * 80))[0] == 404
    assert ask(serve, metrics(RANGE))[0] == 200
