"""What must be true of the sample events: they are as the services send them, and as ingest writes records."""

import base64
import json
import re

import check
import pytest
from test_template import GIVEN, ROUTES

EVENTS = sorted(path.stem for path in (check.ROOT / "events").glob("*.json"))


def test_there_is_an_event_for_every_function():
    assert {name.split("-")[0].capitalize() + "Function" for name in EVENTS} == set(GIVEN)


@pytest.mark.parametrize("name", [name for name in EVENTS if name.startswith(("ingest-", "query-"))])
def test_request_is_one_that_the_api_lets_through(name):
    event = check.read_json(f"events/{name}.json")
    context = event["requestContext"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"]
    method, path = context["http"]["method"], context["http"]["path"]
    assert path == event["rawPath"]
    if event["routeKey"] == "$default":
        # A function URL knows no routes.
        assert "pathParameters" not in event and context["domainName"].endswith(".on.aws")
    else:
        assert event["routeKey"] in ROUTES["CollectApi" if name.startswith("ingest-") else "MetricsApi"]
        proxy = event.get("pathParameters", {}).get("proxy", "")
        assert event["routeKey"].replace("{proxy+}", proxy) == f"{method} {path}"
    # Longer ones never reach a function.
    headers = sum(len(key) + len(value) for key, value in event["headers"].items())
    assert headers + len(event["rawPath"]) + len(event["rawQueryString"]) < 10_240


@pytest.mark.parametrize("name", [name for name in EVENTS if name.startswith(("ingest-post-hit", "ingest-function-url"))])
def test_hits_are_of_our_protocol_and_count_as_of_now(name):
    event = check.read_json(f"events/{name}.json")
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    assert event["headers"]["content-length"] == str(len(body))
    hits = json.loads(body)
    for hit in hits if isinstance(hits, list) else [hits]:
        assert (hit["v"], hit["site"]) == (1, 1)
        assert hit["kind"] in kinds()
        # Without `sent` an old sample would be dropped for its clock.
        assert 0 <= hit["sent"] - hit["ts"] < 60_000


@pytest.mark.parametrize("name", [name for name in EVENTS if name.startswith("append-")])
def test_batch_is_as_kinesis_and_ingest_make_it(name):
    records = check.read_json(f"events/{name}.json")["Records"]
    sequences = [record["kinesis"]["sequenceNumber"] for record in records]
    assert all(re.fullmatch(r"\d{56}", sequence) for sequence in sequences)
    assert sequences == sorted(set(sequences))
    required, known = hit_fields()
    readable = []
    for record in records:
        assert record["eventID"] == f"shardId-000000000006:{record['kinesis']['sequenceNumber']}"
        data = base64.b64decode(record["kinesis"]["data"], validate=True)
        if data.startswith(b'{"v":1,'):
            hit = json.loads(data)
            assert required <= set(hit) <= known
            assert hit["kind"] in kinds()
            assert record["kinesis"]["partitionKey"] == hit["id"]
            readable.append(hit)
    poison = {"append-batch": 0, "append-batch-with-poison": 2}[name]
    assert len(records) - len(readable) == poison


def hit_fields():
    """The fields of the record as its struct has them: those that must be there, and all."""
    source = (check.ROOT / "lake/src/hit.rs").read_text()
    body = re.search(r"pub struct Hit \{(.*?)\n\}", source, re.DOTALL)[1]
    fields = re.findall(r"(#\[serde\(default.*?\)\]\s+)?pub (\w+):", body)
    return {name for default, name in fields if not default}, {name for _, name in fields}


def kinds():
    """The kinds of hits, as they are spelt."""
    return set(re.findall(r'Self::\w+ => "(\w+)"', (check.ROOT / "lake/src/hit/kind.rs").read_text()))
