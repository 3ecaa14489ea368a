"""A person is erased through the program and through the API; DuckDB looks into the table."""

import datetime
import json
import time

import duckdb

BROWSER = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"}
HITS = [("aa", None), ("aa", "ann"), ("bb", None), ("bb", None), ("cc", None)]


def send(serve):
    for number, (visitor, user) in enumerate(HITS):
        body = {"v": 1, "site": 1, "kind": "pageview", "url": f"https://shop.example/{number}", "consent": True, "visitor": visitor * 8}
        body |= {"user_id": user} if user else {}
        agent = {"User-Agent": BROWSER["User-Agent"].replace("145", str(100 + int(visitor, 16)))}
        assert serve.request("/hit", json.dumps(body).encode(), agent)[0] == 204
    serve.drained()


def pageviews(serve):
    return serve.metrics("metrics=pageviews")["totals"]["pageviews"]


def in_objects(serve):
    """Clients' ids and users that any Parquet object has."""
    found = set()
    for path in (serve.data / "store").glob("h*/dt=*/*.parquet"):
        for row in duckdb.sql(f"select client_id, visitor_id, user_id from '{path}'").fetchall():
            found |= set(row) - {None}
    return found


def test_a_user_goes_with_the_hits_before_the_login(serve):
    send(serve)
    assert pageviews(serve) == 5 and {"aa" * 8, "ann"} <= in_objects(serve)
    done = serve.command("erase", "--site", "1", "--user-id", "ann")
    assert done.returncode == 0, done.stderr
    assert pageviews(serve) == 3
    assert {"aa" * 8, "ann"}.isdisjoint(in_objects(serve)) and {"bb" * 8, "cc" * 8} <= in_objects(serve)


def test_a_visitor_goes_by_the_api(serve):
    send(serve)
    token = {"Authorization": f"Bearer {serve.token}"}
    status, headers, body = serve.request(f"/v1/sites/1/visitors/{'bb' * 8}", headers=token, method="DELETE")
    assert status == 202 and json.loads(body)["state"] == "running"
    assert pageviews(serve) == 3
    for _ in range(300):
        receipt = json.loads(serve.request(headers["Location"], headers=token)[2])
        if receipt["state"] != "running":
            break
        time.sleep(0.1)
    assert receipt["state"] == "done" and receipt["rows_before"] - receipt["rows_after"] == 2
    assert pageviews(serve) == 3
    assert "bb" * 8 not in in_objects(serve)


def send_at(serve, when, number):
    body = {"v": 1, "site": 1, "kind": "pageview", "url": f"https://shop.example/{number}", "ts": int(when.timestamp() * 1000)}
    assert serve.request("/hit", json.dumps(body).encode(), BROWSER)[0] == 204


def dates(serve):
    """Dates with rows in the table."""
    rows = duckdb.sql(f"select distinct dt::text from read_parquet('{serve.data}/store/hits/dt=*/*.parquet', hive_partitioning = true)")
    return {row[0] for row in rows.fetchall()}


def test_hits_before_a_date_are_in_no_answer_while_the_order_is_open_and_after(serve):
    now = datetime.datetime.now(datetime.timezone.utc)
    old, new = now - datetime.timedelta(days=4), now - datetime.timedelta(days=2)
    for number, when in enumerate([old, old, new]):
        send_at(serve, when, number)
    serve.drained()
    assert serve.command("merge").returncode == 0
    assert pageviews(serve) == 3 and dates(serve) == {str(old.date()), str(new.date())}
    order = serve.data / "store" / "orders" / "1-open.json"
    order.parent.mkdir(exist_ok=True)
    now_ms = int(now.timestamp() * 1000)
    order.write_text(json.dumps({"site": 1, "whom": {"before": str(new.date())}, "before_ms": now_ms, "given_ms": now_ms}))
    assert pageviews(serve) == 1
    assert order.exists() and str(old.date()) in dates(serve), "nothing is carried out yet"
    done = serve.command("erase", "--site", "1", "--before", str(new.date()))
    assert done.returncode == 0, done.stderr
    assert pageviews(serve) == 1 and dates(serve) == {str(new.date())}
    send_at(serve, old, 9)
    send_at(serve, new, 10)
    serve.drained()
    assert pageviews(serve) == 2, "what comes later for an old date stays out"


def test_what_is_wrong_is_said(serve):
    for arguments, said in [
        ((), "--user-id"),
        (("--user-id", "a", "--visitor", "b"), "cannot be used with"),
        (("--before", "2999-01-01"), "lies ahead"),
        (("--user-id", ""), "1 to 200"),
        (("--user-id", "x" * 201), "1 to 200"),
    ]:
        done = serve.command("erase", "--site", "1", *arguments)
        assert done.returncode == 2 and said in done.stderr, (arguments, done.stderr)
    assert serve.command("erase", "--site", "9", "--user-id", "a").returncode == 2
