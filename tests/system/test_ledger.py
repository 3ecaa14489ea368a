"""The account of every hit, through the whole program: an import twice, and what goes missing."""

import json
import shutil

import inputs


def ledger(serve):
    status, _, body = serve.request(
        "/v1/sites/1/ledger?period=day&date=last3", headers={"Authorization": f"Bearer {serve.token}"})
    assert status == 200, body
    return json.loads(body)


def summed(rows, name):
    sums = {}
    for row in rows:
        for reason, count in row[name].items():
            sums[reason] = sums.get(reason, 0) + count
    return sums


def holds(row):
    explained = ["stored", "duplicates", "parked", "waiting", "erased", "unexplained"]
    return row["accepted"] == sum(row[name] for name in explained) + sum(row["rejected"].values())


def test_an_import_twice_is_accounted_for_by_hour_of_receipt(serve, shared):
    log = shared / "access-logs" / "apache_logs"
    facts = inputs.apache_log(shared)
    hits = sum(facts.kinds.values())
    for times in (1, 2):
        assert serve.command("import", log, "--site", 1).returncode == 0
        found = ledger(serve)
        totals = found["totals"]
        # The log is of 2015; its lines were received now.
        assert 1 <= len(found["rows"]) <= 2
        assert all(holds(row) for row in found["rows"]) and totals["unexplained"] == 0
        assert totals["accepted"] == hits * times
        # A line that became no hit has no id, so it counts each time.
        assert totals["dropped"] == {reason: count * times for reason, count in facts.dropped.items()}
        assert totals["dropped"] == summed(found["rows"], "dropped")
        serve.drained()
        totals = ledger(serve)["totals"]
        assert (totals["stored"], totals["duplicates"], totals["waiting"]) == (hits, hits * (times - 1), 0)
        assert totals["unexplained"] == 0
    said = serve.command("ledger", 1)
    assert said.returncode == 0 and json.loads(said.stdout)["totals"] == totals
    assert serve.command("ledger", 1, "--from", "yesteryear").returncode == 2
    assert serve.command("ledger", 9).returncode == 2

    store = serve.data / "store"
    shutil.rmtree(store / "hot")
    assert ledger(serve)["totals"] == totals, "the table holds them"
    shutil.rmtree(store / "hits" / f"dt={inputs.LOG_DATES[0]}")
    totals = ledger(serve)["totals"]
    assert totals["unexplained"] > 0 and holds(totals)
