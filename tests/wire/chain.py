"""The Lambdas as AWS would run them: each binary under the runtime interface emulator, Kinesis and
S3 over the wire, and between them a poller with the rules of an event source mapping.
"""

import base64
import json
import os
import pathlib
import platform
import socket
import subprocess
import threading
import time
import urllib.request

import boto3
import samcli
from botocore.config import Config

import emulators as emulation
import harness

# This machine, as Lambda and SAM call it.
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
RIE = pathlib.Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{ARCHITECTURE}"
INVOCATIONS = "/2015-03-31/functions/function/invocations"
# Lambda's limits of a batch.
BATCH_RECORDS = 10_000
BATCH_BYTES = 6 * 1024 * 1024


class Failed(Exception):
    """The function ended with an error: the batch comes again."""


class Lambda:
    """One binary under the runtime interface emulator."""

    def __init__(self, binary, environment, log):
        assert binary.is_file(), f"{binary} is not built; run make programs"
        self.log = open(log, "a")
        self.address = f"127.0.0.1:{emulation.free_port()}"
        RIE.chmod(0o755)
        self.process = subprocess.Popen(
            [RIE, "--runtime-interface-emulator-address", self.address,
             "--runtime-api-address", f"127.0.0.1:{emulation.free_port()}", binary],
            env={"PATH": os.environ["PATH"], **environment}, stdout=self.log, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 60
        while not listens(self.address):
            assert self.process.poll() is None and time.monotonic() < deadline, "the emulator did not start"
            time.sleep(0.05)

    def __call__(self, event):
        request = urllib.request.Request(f"http://{self.address}{INVOCATIONS}", json.dumps(event).encode())
        with urllib.request.urlopen(request, timeout=300) as answer:
            said = json.loads(answer.read() or b"null")
        if isinstance(said, dict) and "errorType" in said:
            raise Failed(said)
        return said

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Gate:
    """A TCP proxy in front of an emulator that can be closed: then nothing gets through."""

    def __init__(self, url, host="127.0.0.1"):
        self.target = address(url.removeprefix("http://"))
        self.host, self.port = host, emulation.free_port()
        self.url = f"http://{host}:{self.port}"
        self.connections = set()
        self.listener = None
        self.open()

    def open(self):
        self.listener = socket.create_server((self.host, self.port))
        threading.Thread(target=self._accept, args=[self.listener], daemon=True).start()

    def close(self):
        """Refuses connections, and cuts those that are open."""
        # Closing alone would not wake the thread that accepts.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.connections):
            cut(connection)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            for pair in ((client, server), (server, client)):
                self.connections.add(pair[0])
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        cut(source)
        cut(target)
        self.connections.discard(source)


class Chain:
    """Everything that a deployment has, with a bucket and a stream of its own."""

    def __init__(self, name, emulators, folder, shards=2):
        self.folder = folder
        self.name = self.stream = name
        self.kinesis_gate, self.s3_gate = Gate(emulators.kinesis_url), Gate(emulators.s3_url)
        self.kinesis = client("kinesis", emulators.kinesis_url)
        self.s3 = client("s3", emulators.s3_url)
        self.s3.create_bucket(Bucket=name)
        self.kinesis.create_stream(StreamName=name, ShardCount=shards)
        self.environment = {
            **emulation.CREDENTIALS,
            "HITLAKE_STACK": "wire",
            "HITLAKE_STORE": f"s3://{name}/lake",
            "HITLAKE_STREAM": f"kinesis:{name}",
            "AWS_ENDPOINT_URL_S3": self.s3_gate.url,
            "AWS_ENDPOINT_URL_KINESIS": self.kinesis_gate.url,
        }
        self.functions = {}
        self.handed_over = []
        self.checkpoints = {}
        deadline = time.monotonic() + 30
        while self.kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamStatus"] != "ACTIVE":
            assert time.monotonic() < deadline, "the stream does not become active"
            time.sleep(0.05)

    def function(self, name):
        """The function of this name, started when it is first asked for."""
        if name not in self.functions:
            self.functions[name] = Lambda(harness.PROGRAMS / name, self.environment, self.folder / f"{name}.log")
        return self.functions[name]

    def restart(self, name):
        """A cold start at the next call."""
        if name in self.functions:
            self.functions.pop(name).stop()

    def hitlake(self, *arguments, stdin=None):
        """The program, on this store and stream; what it printed."""
        done = subprocess.run(
            [harness.PROGRAM, "--data", self.folder / "unused", *map(str, arguments)],
            env={"PATH": os.environ["PATH"], **self.environment}, input=stdin, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def hitlake_while_polling(self, *arguments):
        """The same, while the mapping hands over what arrives; its output goes to a file."""
        with open(self.folder / "hitlake.log", "w") as log:
            process = subprocess.Popen(
                [harness.PROGRAM, "--data", self.folder / "unused", *map(str, arguments)],
                env={"PATH": os.environ["PATH"], **self.environment}, stdout=log, stderr=subprocess.STDOUT)
            while process.poll() is None:
                self.poll()
                time.sleep(0.2)
        assert process.returncode == 0, pathlib.Path(log.name).read_text()

    def waiting(self, shard):
        """The records of a shard that are not checkpointed yet."""
        after = self.checkpoints.get(shard)
        start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after} if after else {
            "ShardIteratorType": "TRIM_HORIZON"}
        iterator = self.kinesis.get_shard_iterator(StreamName=self.stream, ShardId=shard, **start)["ShardIterator"]
        records = []
        while iterator:
            read = self.kinesis.get_records(ShardIterator=iterator, Limit=BATCH_RECORDS)
            records += read["Records"]
            iterator = read["NextShardIterator"] if read["Records"] else None
        return records

    def poll(self, batch_records=BATCH_RECORDS):
        """Hands over what waits, in order by shard; stops at a shard's first failed batch.

        Returns how many batches failed, as a whole or in part.
        """
        failed = 0
        for shard in self.shards():
            for batch in batches(self.waiting(shard), batch_records):
                done = self.deliver(shard, batch)
                if done:
                    self.checkpoints[shard] = batch[done - 1]["SequenceNumber"]
                    self.handed_over.append((shard, batch[:done]))
                if done < len(batch):
                    failed += 1
                    break
        return failed

    def deliver(self, shard, batch):
        """Hands one batch over; how many of its records are done with."""
        try:
            answer = self.function("append")({"Records": [event_record(shard, record) for record in batch]})
        except Failed:
            return 0
        failures = {it["itemIdentifier"] for it in answer["batchItemFailures"]}
        assert failures <= {record["SequenceNumber"] for record in batch}, "a failure that is no record of the batch"
        done = 0
        while done < len(batch) and batch[done]["SequenceNumber"] not in failures:
            done += 1
        return done

    def shards(self):
        return [it["ShardId"] for it in self.kinesis.list_shards(StreamName=self.stream)["Shards"]]

    def merge(self, *dates):
        return self.function("merge")({"dates": sorted(dates)} if dates else {})

    def download(self, zone, folder):
        """The objects of a zone of the store, below `folder`; their paths there."""
        found = []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"lake/{zone}/"):
            for it in page.get("Contents", []):
                target = folder / it["Key"].removeprefix("lake/")
                target.parent.mkdir(parents=True, exist_ok=True)
                self.s3.download_file(self.name, it["Key"], str(target))
                found.append(target)
        return found

    def stop(self):
        for function in self.functions.values():
            function.stop()


def batches(records, most):
    """Runs of records within Lambda's limits."""
    batch, size = [], 0
    for record in records:
        size += len(record["Data"]) * 4 // 3 + 520
        if batch and (len(batch) == most or size > BATCH_BYTES):
            yield batch
            batch, size = [], len(record["Data"]) * 4 // 3 + 520
        batch.append(record)
    if batch:
        yield batch


def event_record(shard, record):
    """A record as Lambda hands it over."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/append",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/hits",
    }


def http_event(method, target, headers=None, body="", source_ip="203.0.113.9"):
    """A request as API Gateway's HTTP API hands it over."""
    path, _, query = target.partition("?")
    event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {
            "accountId": "123456789012", "apiId": "collect", "stage": "$default",
            "domainName": "collect.example", "domainPrefix": "collect", "requestId": "id", "routeKey": f"{method} {path}",
            "time": "10/Mar/2026:05:16:23 +0000", "timeEpoch": 1773119783636,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": source_ip,
                     "userAgent": (headers or {}).get("user-agent", "")},
        },
        "isBase64Encoded": False,
    }
    if body:
        event["body"] = body
    return event


def client(service, url):
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client(service, endpoint_url=url, config=Config(s3={"addressing_style": "path"}), **credentials)


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def listens(text):
    try:
        socket.create_connection(address(text), 1).close()
    except OSError:
        return False
    return True


def cut(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
