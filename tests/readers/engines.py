"""Other people's readers of the table, each opened as docs/BI.md opens it.

An engine answers SQL over `table` with rows, and names the types that it sees. `micros` is SQL for
the first time as microseconds since 1970. Knows nothing of metrics.
"""

import json
import os
import re
import shutil

import duckdb
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest

import documents

NO_JAVA = """Spark needs Java 17 or later, and there is none on the PATH or in JAVA_HOME.
Debian, Ubuntu: apt-get install default-jre-headless. macOS: brew install openjdk@17. Elsewhere: https://adoptium.net"""


def newest_of(folder):
    """The object that has every column: they are added at the end, and the first date may lack some."""
    return max(folder.glob("data/store/hits/dt=*/*.parquet"))


class DuckDb:
    name, micros = "DuckDB", "epoch_us(min(ts))"

    def __init__(self, folder):
        self.table = f"read_parquet('{folder}/data/store/hits/dt=*/*.parquet', hive_partitioning = true, union_by_name = true)"
        self.connection = duckdb.connect()

    def ask(self, sql):
        return self.connection.execute(sql).fetchall()

    def types(self):
        return {row[0]: row[1] for row in self.ask(f"DESCRIBE SELECT * FROM {self.table}")}


class Polars:
    name, table, micros = "Polars", "everything", "CAST(min(ts) AS bigint)"

    def __init__(self, folder):
        newest = polars.read_parquet_schema(newest_of(folder))
        self.frame = polars.scan_parquet(folder / "data/store/hits", hive_partitioning=True, schema=newest, missing_columns="insert")

    def ask(self, sql):
        return polars.SQLContext(everything=self.frame).execute(sql, eager=True).rows()

    def types(self):
        return {name: str(kind) for name, kind in self.frame.collect_schema().items()}


class Arrow:
    """pyarrow reads; it has no SQL, so DuckDB counts the rows that it hands over."""

    name, table, micros = "pyarrow", "everything", "epoch_us(min(ts))"

    def __init__(self, folder):
        newest = pyarrow.parquet.read_schema(newest_of(folder))
        schema = newest.append(pyarrow.field("dt", pyarrow.string()))
        self.rows = pyarrow.dataset.dataset(folder / "data/store/hits", partitioning="hive", schema=schema).to_table()
        self.connection = duckdb.connect()
        self.connection.register("everything", self.rows)

    def ask(self, sql):
        return self.connection.execute(sql).fetchall()

    def types(self):
        return {field.name: str(field.type) for field in self.rows.schema}


class ClickHouse:
    """In the process, as chDB."""

    name, micros = "ClickHouse", "toUnixTimestamp64Micro(min(ts))"

    def __init__(self, folder):
        import chdb

        self.query = chdb.query
        self.table = f"file('{folder}/data/store/hits/dt=*/*.parquet', Parquet)"

    def ask(self, sql):
        answer = self.query(f"{sql} SETTINGS schema_inference_mode = 'union'", "JSONCompact")
        return [tuple(row) for row in json.loads(str(answer))["data"]]

    def types(self):
        plain = re.compile(r"Nullable\((.*)\)")
        columns = self.ask(f"DESCRIBE TABLE {self.table}")
        return {row[0]: plain.sub(r"\1", row[1]) for row in columns}


class Spark:
    """Over a table of a Hive catalogue, made by the guide's DDL; one session for all."""

    name, table, micros = "Spark", "default.hits", "unix_micros(min(ts))"
    session = None

    def __init__(self, folder):
        self.session = spark(folder)
        self.ask(re.sub(r"LOCATION '.*?'", f"LOCATION '{(folder / 'data/store/hits').as_uri()}'", documents.examples()["ddl"]))
        self.ask("MSCK REPAIR TABLE hits")

    def ask(self, sql):
        return [tuple(row) for row in self.session.sql(sql).collect()]

    def types(self):
        return dict(self.session.table("hits").dtypes)


def spark(folder):
    """The one session of all tests; the first that asks starts it, with its files in a folder of its own."""
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.fail(NO_JAVA)
    Spark.session = Spark.session or start(folder)
    return Spark.session


def start(folder):
    from pyspark.sql import SparkSession

    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    # One short run: less compiling, one thread of garbage collection, a catalogue in memory.
    java = f"-Dderby.system.home={folder} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    settings = {
        "spark.driver.memory": "768m",
        "spark.driver.extraJavaOptions": java,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.hive.gatherFastStats": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:catalogue;create=true",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.enableHiveSupport().getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


ENGINES = {engine.name: engine for engine in (DuckDb, Polars, Arrow, ClickHouse, Spark)}
