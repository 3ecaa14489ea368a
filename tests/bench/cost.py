#!/usr/bin/env python3
"""Reckons what a month costs and writes the tables of docs/COST.md.

    python3 tests/bench/cost.py

Counts and bytes come from tests/bench/counted.json, which counted.py measures on the programs as they
ship. What cannot be measured without AWS stands in ASSUMED, what AWS asks in PRICES, each with its source
and the month in which it was read. us-east-1, US dollars, list prices, without any free tier.
"""

import json
import math
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/COST.md"
COUNTED = json.loads((ROOT / "tests/bench/counted.json").read_text())
BEGIN, END = "<!-- written by tests/bench/cost.py: {} -->\n", "<!-- end -->\n"
GIB, HOURS, M = 2**30, 730, 1_000_000
# As template.yaml has them; tests/template compares. One processor is 1769 MB.
ALARMS, INGEST_MB, APPEND_MB, PROCESSOR_MB = 18, 256, 1024, 1769

# name: (price, unit, source, month read, what to check)
PRICES = {
    "api": (1.00, "a million requests, to 300 million", "infracost's price tests; AWS whitepaper on private APIs", "2026-11", "region; 512 KB steps"),
    "api_above": (0.90, "a million requests, above", "the same", "2026-11", "the same"),
    "lambda_call": (0.20, "a million calls", "infracost's price tests", "2026-11", ""),
    "lambda_gb_s": (0.0000133334, "GB-second, arm64, to 7.5 billion", "infracost's price tests", "2026-11", "x86_64 is a quarter dearer"),
    "shard": (0.015, "shard and hour", "infracost's price tests; trek10.com 2023", "2026-11", "region"),
    "shard_retention": (0.02, "shard and hour, for more than 24 hours", "the same", "2026-11", "the second day costs more than the shard"),
    "put_unit": (0.014, "a million units of 25 KB", "the same", "2026-11", ""),
    "on_demand_hour": (0.04, "stream and hour", "infracost's price tests", "2026-11", ""),
    "on_demand_in": (0.08, "GB in, records in steps of 1 KB", "the same", "2026-11", ""),
    "on_demand_out": (0.04, "GB out", "the same", "2026-11", ""),
    "on_demand_kept": (0.10, "GB and month beyond 24 hours", "the same", "2026-11", ""),
    "s3_gb": (0.023, "GB and month", "infracost's price tests", "2026-11", "cheaper classes for old dates"),
    "s3_put": (5.00, "a million PUT or LIST", "the same", "2026-11", ""),
    "s3_get": (0.40, "a million GET", "the same", "2026-11", ""),
    "athena": (5.00, "TB scanned, 10 MB a question at least", "athena.guide", "2026-11", "workgroup limits"),
    "logs": (0.50, "GB of logs", "not verified", "2026-11", "retention is $0.03 a GB and month"),
    "alarm": (0.10, "alarm", "not verified", "2026-11", "ten are free"),
    "metric": (0.30, "metric of our own", "not verified", "2026-11", "ten are free"),
    "firehose": (0.029, "GB in steps of 5 KB", "not verified; infracost has 0.035 in another region", "2026-11", ""),
    "firehose_parquet": (0.018, "GB made Parquet", "not verified", "2026-11", ""),
}

# name: (value, what it is and what to look at)
ASSUMED = {
    "hits_a_request": (1, "our tracker sends what happens together in one body; Matomo's sends each by itself"),
    "peak": (5, "the busiest minute against the mean; shards are bought for it"),
    "put_wait_ms": (8, "what ingest waits for Kinesis, while Lambda bills; look at Duration of ingest"),
    "append_overhead_ms": (150, "of a batch besides its hits: waiting for S3"),
    "dates_a_batch": (1.2, "hot objects of a batch; sites in several time zones, and late hits"),
    "access_log_bytes": (260, "a line of the API's access log, with what CloudWatch adds"),
    "months_kept": (13, "months of the table"),
    "own_metrics": (9, "metrics of our own; one is paid for in the hours in which it is sent"),
}
# Merges of a date, measured by simulation (docs/decisions/merge.md), and the hits at which it changes.
MERGES, MERGES_LARGE, LARGE_DATE = 36.5, 12.8, 5_000_000 * 2 // 3
# Of the hourly look for missing hits: two dates that got hits, and an hour's share of the months kept.
CHECK_LISTS, CHECK_GETS = 3, 75
# Of a look for orders of erasure, where there are none: the sites once, the orders three times.
ERASE_LISTS = 4
# How often merge and erase are called, and how long a look takes that finds nothing.
TICKS, LOOK_S = HOURS * 12, 0.2
# GETs of a merge besides one for each hot object.
MERGE_GETS = COUNTED["merge_s3_a_date"]["GET"] - COUNTED["hot_objects_a_date"]

VOLUMES = {
    # questions of the API with their seconds, questions in Athena with their megabytes: assumed
    "1 million": (M, dict(questions=1_000, seconds=0.3, athena=1_000, athena_mb=10)),
    "100 million": (100 * M, dict(questions=10_000, seconds=1.5, athena=3_000, athena_mb=300)),
    "10 billion": (10_000 * M, dict(questions=10_000, seconds=15, athena=10_000, athena_mb=5_000)),
}


def price(name):
    return PRICES[name][0]


def assumed(name):
    return ASSUMED[name][0]


def shards(requests, hits):
    """By requests' records and by bytes, at the peak."""
    peak = hits / HOURS / 3600 * assumed("peak")
    return max(1, math.ceil(peak / 1_000), math.ceil(peak * COUNTED["record_bytes"] / 1e6))


def lambda_cost(calls, seconds, memory_mb):
    return calls / M * price("lambda_call") + calls * seconds * memory_mb / 1024 * price("lambda_gb_s")


def front(requests):
    return min(requests, 300 * M) / M * price("api") + max(0, requests - 300 * M) / M * price("api_above")


def ingest(requests):
    # Processor time is given by memory. A body of several hits takes longer
    # by less than its share, which is left out.
    ms = COUNTED["ingest_processor_ms"] * PROCESSOR_MB / INGEST_MB + assumed("put_wait_ms")
    return lambda_cost(requests, ms / 1000, INGEST_MB)


def provisioned(requests, hits):
    hour = price("shard") + price("shard_retention")
    return shards(requests, hits) * HOURS * hour + hits * COUNTED["puts_a_beacon"] / M * price("put_unit")


def on_demand(hits):
    gb_in = hits * max(1, math.ceil(COUNTED["record_bytes"] / 1024)) * 1024 / GIB
    gb = hits * COUNTED["record_bytes"] / GIB
    return HOURS * price("on_demand_hour") + gb_in * price("on_demand_in") + gb * price("on_demand_out") + gb / 30 * price("on_demand_kept")


def batches(requests, hits):
    """One a shard and window, more where 6 MB fill earlier, and no more than hits."""
    by_window = shards(requests, hits) * HOURS * 60
    by_size = hits * (COUNTED["record_bytes"] * 4 / 3 + 520) / 6e6
    return min(hits, max(by_window, by_size))


def append(requests, hits):
    count = batches(requests, hits)
    ms = assumed("append_overhead_ms") + hits / count / 1000 * COUNTED["append_processor_ms_a_thousand_hits"] * PROCESSOR_MB / APPEND_MB
    # A hot object, the account of what became of its records, and now and then a look for orders of erasure.
    s3 = sum(COUNTED["append_s3_a_hot_object"].values())
    return lambda_cost(count, ms / 1000, APPEND_MB) + count * assumed("dates_a_batch") * s3 / M * price("s3_put")


def merge(requests, hits):
    by_date = hits / 30
    merges = 30 * (MERGES_LARGE if by_date > LARGE_DATE else MERGES)
    # A date is half full on average when it is merged. Old rows are cheaper than new ones; taken alike.
    seconds = by_date / 2 / 1000 * COUNTED["merge_processor_ms_a_thousand_hits"] / 1000
    hot = batches(requests, hits) * assumed("dates_a_batch")
    requests_cost = (
        merges * (COUNTED["merge_s3_a_date"]["LIST"] + COUNTED["merge_s3_a_date"]["PUT"]) / M * price("s3_put")
        + (merges * MERGE_GETS + hot) / M * price("s3_get")
        + TICKS * 2 / M * price("s3_put")
        + HOURS * (CHECK_LISTS / M * price("s3_put") + CHECK_GETS / M * price("s3_get")))
    return lambda_cost(TICKS, LOOK_S, PROCESSOR_MB) + lambda_cost(merges, seconds, PROCESSOR_MB) + requests_cost


def erase():
    """Looking for orders; to carry one out costs what merges of its dates cost."""
    return lambda_cost(TICKS, LOOK_S, PROCESSOR_MB) + TICKS * ERASE_LISTS / M * price("s3_put")


def storage(hits):
    return hits * COUNTED["table_bytes_a_hit"] * assumed("months_kept") / GIB * price("s3_gb")


def query(questions, seconds):
    s3 = COUNTED["questions"]["month_by_day_warm"]
    each = s3["GET"] / M * price("s3_get") + s3["LIST"] / M * price("s3_put")
    return lambda_cost(questions, seconds, PROCESSOR_MB) + questions * each


def model(hits, use, hits_a_request=None):
    """Cost by component."""
    requests = hits / (hits_a_request or assumed("hits_a_request"))
    return {
        "beacon API": front(requests),
        "ingest": ingest(requests),
        "Kinesis, provisioned, 48 hours": provisioned(requests, hits),
        "append, with its PUTs": append(requests, hits),
        "merge, with its requests": merge(requests, hits),
        "erase, with its LISTs": erase(),
        "S3, 13 months": storage(hits),
        "metrics API and query": front(use["questions"]) + query(use["questions"], use["seconds"]),
        "Athena": use["athena"] * max(10, use["athena_mb"]) / 1e6 * price("athena"),
        "access logs": requests * assumed("access_log_bytes") / GIB * price("logs"),
        "ingest's log": requests * COUNTED["ingest_log_bytes"] / GIB * price("logs"),
        "alarms and metrics": ALARMS * price("alarm") + assumed("own_metrics") * price("metric"),
    }


def firehose(hits):
    """Direct PUT, made Parquet: in place of Kinesis and append."""
    gb = hits * math.ceil(COUNTED["record_bytes"] / 5120) * 5120 / GIB
    return gb * price("firehose") + hits * COUNTED["record_bytes"] / GIB * price("firehose_parquet")


def break_even():
    """Hits a month at which Firehose costs as much as Kinesis and append."""
    low, high = 1.0, 1e10
    while high - low > 1e5:
        middle = (low + high) / 2
        cheaper = firehose(middle) < provisioned(middle, middle) + append(middle, middle)
        low, high = (middle, high) if cheaper else (low, middle)
    return low


# ------------------------------------------------------------------------------------------ the tables


def table(heading, rows):
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def dollars(value):
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def months():
    models = {name: model(hits, use) for name, (hits, use) in VOLUMES.items()}
    parts = list(next(iter(models.values())))
    rows = [[part, *(dollars(it[part]) for it in models.values())] for part in parts]
    rows.append(["**total**", *(f"**{dollars(sum(it.values()))}**" for it in models.values())])
    ten = [sum(model(hits, use, hits_a_request=10).values()) for hits, use in VOLUMES.values()]
    rows.append(["total with 10 hits a request", *map(dollars, ten)])
    rows.append(["a million hits", *(dollars(sum(it.values()) / hits * M) for it, (hits, _) in zip(models.values(), VOLUMES.values(), strict=True))])
    rows.append(["shards", *(str(shards(hits, hits)) for hits, _ in VOLUMES.values())])
    return table(["US dollars a month", *VOLUMES], rows)


def instead():
    hits = [it for it, _ in VOLUMES.values()]
    rows = [
        ["Kinesis and append, as deployed", *(dollars(provisioned(it, it) + append(it, it)) for it in hits)],
        ["the same, on demand", *(dollars(on_demand(it) + append(it, it)) for it in hits)],
        ["Firehose with Parquet", *(dollars(firehose(it)) for it in hits)],
    ]
    return table(["US dollars a month", *VOLUMES], rows) + f"\nFirehose costs less below {break_even() / M:.0f} million hits a month.\n"


def inputs():
    flat = [(name, value) for name, value in COUNTED.items() if name != "questions"]
    flat += [(f"questions: {name}", value) for name, value in COUNTED["questions"].items()]
    shown = lambda value: ", ".join(f"{key} {it:,}" for key, it in value.items()) if isinstance(value, dict) else f"{value:,}"
    counted = [[name.replace("_", " "), shown(value)] for name, value in flat]
    guessed = [[name.replace("_", " "), f"{value:,}", why] for name, (value, why) in ASSUMED.items()]
    return table(["counted", "value"], counted) + "\n" + table(["assumed", "value", "what to look at"], guessed)


def prices():
    rows = [[f"{value:.10f}".rstrip("0").rstrip("."), unit, source, month, check] for value, unit, source, month, check in PRICES.values()]
    return table(["US dollars", "for", "source", "read", "to check"], rows)


SECTIONS = {"months": months, "instead": instead, "inputs": inputs, "prices": prices}


def written(page):
    """The page with its tables made anew."""
    for name, make in SECTIONS.items():
        before, rest = page.split(BEGIN.format(name))
        page = f"{before}{BEGIN.format(name)}{make()}{END}{rest.partition(END)[2]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
