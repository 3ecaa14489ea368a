"""The SQL that `explain` shows, run on DuckDB and Spark over the table's Parquet, in the shape of an answer.

What of it is Trino's is checked by sqlglot's reading of Trino, which also writes it anew for Spark. Knows of
questions what an answer says of itself, and nothing of how SQL is made.
"""

import math
import re

import duckdb
import sqlglot


class Table:
    """The table in a folder under its name, as Athena has it: times are UTC and `dt` is text."""

    def __init__(self, folder):
        self.folder = folder
        self.connection = duckdb.connect()
        self.connection.execute("set timezone = 'UTC'; set threads = 1")
        self.connection.execute(f"""create table hits as select * from
            read_parquet('{folder}/hits/dt=*/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true)""")
        kinds = {name: kind for name, kind, *_ in self.connection.execute("describe hits").fetchall()}
        assert kinds["dt"] == "VARCHAR", kinds["dt"]

    def ask(self, sql):
        """The answer's lines, each a dict by column."""
        found = self.connection.execute(sql)
        names = [it[0] for it in found.description]
        return [dict(zip(names, line, strict=True)) for line in found.fetchall()]


class Spark:
    """The same table on Spark, in a session that others made."""

    KEPT = "spark.sql.sources.partitionColumnTypeInference.enabled"

    def __init__(self, session, folder):
        self.session = session
        self.inference = session.conf.get(self.KEPT)
        session.conf.set(self.KEPT, "false")
        session.read.option("mergeSchema", "true").parquet(f"{folder}/hits").createOrReplaceTempView("hits")

    def close(self):
        self.session.catalog.dropTempView("hits")
        self.session.conf.set(self.KEPT, self.inference)

    def ask(self, sql):
        return [line.asDict() for line in self.session.sql(of_spark(sql)).collect()]


def of_spark(sql):
    """The text in Spark's dialect, by sqlglot alone: Trino's `date_diff` quotes its unit, which Spark refuses, and Spark's
    `regexp_extract` takes the first group where nothing says that the whole is meant."""
    [text] = sqlglot.transpile(sql, read="trino", write="spark")
    return text


def of_each_construct(texts, count):
    """Indexes of so many texts: of each keyword and function that any has, one that has it; and the first others."""
    words = [set(re.findall(r"[A-Z_]+\b|[A-Za-z_]+[(]", " ".join(text.split("'")[::2]))) for text in texts]
    left, chosen = set().union(*words), []
    while left:
        best = max(range(len(texts)), key=lambda at: (len(words[at] & left), -len(texts[at])))
        chosen.append(best)
        left -= words[best]
    others = [at for at in range(len(texts)) if at not in chosen]
    return chosen + others[:max(0, count - len(chosen))]


def parse(sql):
    """Reads the text as Trino would; raises where it does not."""
    statements = sqlglot.parse(sql, dialect="trino", error_level=sqlglot.ErrorLevel.RAISE)
    assert len(statements) == 1 and isinstance(statements[0], sqlglot.exp.Select), statements
    return statements[0]


def differences(answer, lines, metrics):
    """What of an answer the lines do not say the same of; `row_count` where the lines have one."""
    timed = ["time"] if answer["interval"] != "none" else []
    key_of = lambda row: tuple(row[name] for name in [*timed, *answer["by"]])
    values = lambda row: [row[name] for name in metrics]
    of = {}
    for line in lines:
        of.setdefault((line["dates"], line["cell"]), {})[() if line["cell"] == "total" else key_of(line)] = values(line)
    empty = lambda found: all(not value for value in found)
    different = {}

    def check(what, found, expected):
        if expected is None and empty(found) or expected is not None and same(found, expected):
            return
        different[what] = found, expected

    asked = of.get(("asked", "row"), {})
    check("total", values(answer["totals"]), of.get(("asked", "total"), {}).get(()))
    shown = set()
    for row in answer["rows"]:
        shown.add(key_of(row))
        if timed or answer["by"]:
            check(key_of(row), values(row), asked.get(key_of(row)))
    for key in asked.keys() - shown:
        different[key] = "not answered", asked[key]
    if "compare" in answer:
        check("compared total", values(answer["totals"]["previous"]), of.get(("compared", "total"), {}).get(()))
        if not timed and answer["by"]:
            for row in answer["rows"]:
                check(("compared", *key_of(row)), values(row["previous"]), of.get(("compared", "row"), {}).get(key_of(row)))
    if lines and "row_count" in lines[0] and lines[0]["row_count"] != answer["row_count"]:
        different["row_count"] = answer["row_count"], lines[0]["row_count"]
    return different


def same(left, right):
    return all(a == b if a is None or b is None else math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(left, right, strict=True))
