"""Athena, as far as the metrics API calls it: three operations over HTTP, run by DuckDB on a store's folder.

It checks what AWS would check of a request: the signature, the workgroup, the database, the token. Tests hold
executions back, let them fail, and make it refuse.
"""

import contextlib
import hashlib
import hmac
import http.server
import json
import pathlib
import threading
import time
import uuid

import duckdb

WORKGROUP, DATABASE = "stack-query", "stack_hits"
CREDENTIALS = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
PAGE = 1000
BUSY, WRONG = "TooManyRequestsException", "InvalidRequestException"
CUT_OFF = "Query cancelled! : Bytes scanned limit was exceeded"


class Execution:
    """One run of a text."""

    def __init__(self, token, sql):
        self.id, self.token, self.sql = str(uuid.uuid4()), token, sql
        self.state, self.reason, self.lines = "QUEUED", None, []
        self.asked, self.ended = time.time(), None


class Athena:
    """The service on a free port of 127.0.0.1; `store` is the folder of the store, once there is one.

    It takes what is signed with these credentials.
    """

    def __init__(self, credentials=None):
        self.credentials = credentials or CREDENTIALS
        self.lock = threading.RLock()
        self.executions, self.calls, self.wrong = [], [], []
        self.store, self.tables = None, {}
        self.hold, self.busy, self.fail = False, 0, None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = outer.answer(self.headers, body)
                sent = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        assert not self.wrong, self.wrong

    def variables(self, **more):
        """What a program needs to call it."""
        return {"AWS_ENDPOINT_URL_ATHENA": f"http://127.0.0.1:{self.server.server_port}", "HITLAKE_ATHENA_WORKGROUP": WORKGROUP,
                "HITLAKE_ATHENA_DATABASE": DATABASE, **self.credentials, **more}

    def answer(self, headers, body):
        with self.lock:
            operation = headers["x-amz-target"].removeprefix("AmazonAthena.")
            self.calls.append(operation)
            try:
                verify(headers, body, *(self.credentials[name] for name in CREDENTIALS))
                if self.busy:
                    self.busy -= 1
                    return 400, {"__type": BUSY, "message": "Rate exceeded", "Reason": "CONCURRENT_QUERY_LIMIT_EXCEEDED"}
                return 200, {"StartQueryExecution": self.start, "GetQueryExecution": self.get, "GetQueryResults": self.results}[operation](**json.loads(body))
            except LookupError as error:
                return 400, {"__type": WRONG, "Message": str(error)}
            except Exception as error:
                # Seen by the test at the end, whatever the program makes of it.
                self.wrong.append(repr(error))
                return 400, {"__type": "ValidationException", "Message": str(error)}

    def start(self, QueryString, ClientRequestToken, QueryExecutionContext, WorkGroup):
        assert 32 <= len(ClientRequestToken) <= 128, ClientRequestToken
        assert len(QueryString) <= 262_144
        assert (WorkGroup, QueryExecutionContext) == (WORKGROUP, {"Catalog": "AwsDataCatalog", "Database": DATABASE})
        found = next((it for it in self.executions if it.token == ClientRequestToken), None)
        if found is None:
            found = Execution(ClientRequestToken, QueryString)
            self.executions.append(found)
        assert found.sql == QueryString, "Idempotent parameters do not match"
        return {"QueryExecutionId": found.id}

    def find(self, id):
        found = [it for it in self.executions if it.id == id]
        if not found:
            raise LookupError(f"QueryExecution {id} was not found")
        return found[0]

    def get(self, QueryExecutionId):
        it = self.find(QueryExecutionId)
        shown = {"State": it.state, "SubmissionDateTime": round(it.asked, 3)}
        if it.ended:
            shown["CompletionDateTime"] = round(it.ended, 3)
        if it.reason:
            shown["StateChangeReason"] = it.reason
        if not self.hold:
            self.go_on(it)
        return {"QueryExecution": {"QueryExecutionId": it.id, "Query": it.sql, "Status": shown, "WorkGroup": WORKGROUP,
                                   "Statistics": {"DataScannedInBytes": 1234, "EngineExecutionTimeInMillis": 5}}}

    def go_on(self, it):
        """To the next state; what it reads it reads between the two."""
        if it.state == "QUEUED":
            it.state = "RUNNING"
        elif it.state == "RUNNING":
            it.ended = time.time()
            if self.fail:
                it.state, it.reason = self.fail
                return
            try:
                it.lines = self.run(it.sql)
                it.state = "SUCCEEDED"
            except duckdb.Error as error:
                it.state, it.reason = "FAILED", str(error)
                self.wrong.append(f"{error}\n{it.sql}")

    def run(self, sql):
        found = self.table().execute(sql)
        names = [it[0] for it in found.description]
        return [names, *found.fetchall()]

    def table(self):
        """The table as it is now, under its name."""
        files = sorted(pathlib.Path(self.store).glob("hits/dt=*/*.parquet"))
        version = tuple((str(it), it.stat().st_mtime_ns) for it in files)
        if version not in self.tables:
            connection = duckdb.connect()
            connection.execute("set timezone = 'UTC'; set threads = 1")
            connection.execute(f"""create table hits as select * from
                read_parquet('{self.store}/hits/dt=*/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true)""")
            self.tables = {version: connection}
        return self.tables[version]

    def results(self, QueryExecutionId, MaxResults, NextToken="0"):
        it = self.find(QueryExecutionId)
        assert it.state == "SUCCEEDED" and MaxResults <= PAGE
        begin = int(NextToken)
        page = it.lines[begin:begin + MaxResults]
        rows = [{"Data": [{} if value is None else {"VarCharValue": text(value)} for value in line]} for line in page]
        more = {"NextToken": str(begin + MaxResults)} if begin + MaxResults < len(it.lines) else {}
        return {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": []}}, "UpdateCount": 0, **more}

    @contextlib.contextmanager
    def held(self):
        """Executions stay as they are."""
        self.hold = True
        try:
            yield
        finally:
            self.hold = False


def text(value):
    """As Athena writes it: doubles as Java does."""
    if isinstance(value, float):
        written = repr(value)
        mantissa, _, exponent = written.partition("e")
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}" if exponent else written
    return str(value)


def verify(headers, body, expected_region, expected_key, secret):
    """AWS's signature, version 4, of the headers that it says are signed."""
    scheme, _, rest = headers["authorization"].partition(" ")
    assert scheme == "AWS4-HMAC-SHA256", scheme
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    key, *scope = parts["Credential"].split("/")
    date, region, service, end = scope
    assert (key, region, service, end) == (expected_key, expected_region, "athena", "aws4_request"), parts
    names = parts["SignedHeaders"].split(";")
    assert {"host", "x-amz-date", "x-amz-target"} <= set(names), names
    canonical = "\n".join(["POST", "/", "", *(f"{name}:{headers[name].strip()}" for name in names), "", ";".join(names), hashlib.sha256(body).hexdigest()])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
    mac = lambda key, message: hmac.new(key, message.encode(), hashlib.sha256).digest()
    signing = ("AWS4" + secret).encode()
    for step in (date, region, service, end):
        signing = mac(signing, step)
    assert hmac.compare_digest(mac(signing, to_sign).hex(), parts["Signature"]), "the signature does not match"
    assert headers["content-type"] == "application/x-amz-json-1.1"
