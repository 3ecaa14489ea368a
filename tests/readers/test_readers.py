"""The table read by others gives the API's numbers, by the SQL that docs/DEFINITIONS.md gives.

`pytest tests/readers`, with what tests/requirements.txt names and Java 17 or later.
"""

import math

import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
import yaml

import documents
import table as built
from documents import DOCS
from engines import ENGINES, Spark

METRICS = documents.metrics()
HIVE = {"int32": "int", "int64": "bigint", "double": "double", "bool": "boolean", "string": "string", "timestamp[us, tz=UTC]": "timestamp"}
SHARED = DOCS.parents[1] / "shared" / "data"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    yield built.Table(tmp_path_factory.mktemp("readers"), SHARED, METRICS)
    if Spark.session:
        Spark.session.stop()
        Spark.session = None


@pytest.fixture(scope="module")
def engines(table):
    """Each is opened once."""
    opened = {}
    return lambda name: opened.get(name) or opened.setdefault(name, ENGINES[name](table.folder))


@pytest.fixture(params=ENGINES)
def engine(engines, request):
    return engines(request.param)


# ------------------------------------------------------------------------------------------ the numbers


def test_api_and_definitions_know_the_same_metrics(table):
    assert sorted(table.known_to_api) == sorted(METRICS)


def test_no_metric_is_zero_everywhere(table):
    dull = [name for name in METRICS if not any(totals.get(name) for totals in table.totals.values())]
    assert not dull, f"the test's hits say nothing of {dull}: add some to tests/readers/table.py"


@pytest.mark.parametrize("name", built.QUESTIONS)
def test_totals_are_the_apis(table, engine, name):
    assert wrong(ask(engine, built.QUESTIONS[name]), table.totals[name]) == {}


def test_dates_are_the_apis(table, engine):
    expressions = [name for name in METRICS if not whole(METRICS[name])]
    columns = ", ".join(METRICS[name] for name in expressions)
    rows = engine.ask(over(engine, built.MONTH, f"SELECT dt, {columns} FROM hits GROUP BY dt"))
    by_date = {str(dt): dict(zip(expressions, values, strict=True)) for dt, *values in rows}
    assert by_date.keys() == table.by_date.keys() and len(by_date) == built.history.DAYS
    assert {dt: found for dt in by_date if (found := wrong(by_date[dt], table.by_date[dt]))} == {}


def over(engine, question, select):
    return f"WITH hits AS (SELECT * FROM {engine.table} WHERE {question.where()}) {select}"


def whole(sql):
    return sql.upper().startswith("SELECT ")


def ask(engine, question):
    """Every metric by its SQL: expressions in one question, whole SELECTs each in its own."""
    expressions = [name for name in METRICS if not whole(METRICS[name])]
    columns = ", ".join(METRICS[name] for name in expressions)
    answer = dict(zip(expressions, *engine.ask(over(engine, question, f"SELECT {columns} FROM hits")), strict=True))
    for name in METRICS.keys() - answer.keys():
        [[answer[name]]] = engine.ask(over(engine, question, METRICS[name]))
    return answer


def wrong(found, expected):
    """Metrics whose two numbers are not one number."""
    same = lambda left, right: left == right if left is None or right is None else math.isclose(left, right, rel_tol=1e-12)
    return {name: (value, expected.get(name)) for name, value in found.items() if not same(value, expected.get(name))}


# -------------------------------------------------------------------------------------------- the types


def test_columns_are_equal_in_the_table_and_the_guides_ddl(table):
    schema = [(field.name, HIVE[str(field.type)]) for field in pyarrow.parquet.read_schema(table.objects[-1])]
    for path in table.objects[1:]:
        assert [(field.name, HIVE[str(field.type)]) for field in pyarrow.parquet.read_schema(path)] == schema, path
    columns, partition = documents.ddl_columns()
    assert columns == schema, f"the columns in docs/BI.md must be\n{documents.ddl_text(schema)}"
    assert partition == "dt string"


def test_columns_are_equal_in_the_guides_ddl_and_the_template():
    tables = [it["Properties"]["TableInput"] for it in template()["Resources"].values() if it["Type"] == "AWS::Glue::Table"]
    tables = [it for it in tables if it["Name"] == "hits"]
    if not tables:
        pytest.skip("template.yaml has no AWS::Glue::Table named hits: Athena's table is made by the DDL of docs/BI.md")
    columns, partition = documents.ddl_columns()
    assert [(it["Name"], it["Type"]) for it in tables[0]["StorageDescriptor"]["Columns"]] == columns
    assert [f"{it['Name']} {it['Type']}" for it in tables[0]["PartitionKeys"]] == [partition]


def template():
    class Loader(yaml.SafeLoader):
        """Passes over what CloudFormation's tags stand for."""

    Loader.add_multi_constructor("!", lambda *_: None)
    return yaml.load((DOCS.parent / "template.yaml").read_text(), Loader)


def test_every_reader_sees_the_types_that_the_guide_names(engine):
    columns, partition = documents.ddl_columns()
    types = documents.types()[engine.name]
    expected = {name: types[kind] for name, kind in columns} | {"dt": types["dt"]}
    assert engine.types() == expected


def test_times_are_moments_and_text_is_text(table, engine):
    title = "Näme, with “quotes”"
    mine = {hit["id"]: hit for hit in table.hits}.values()
    select = f"SELECT {engine.micros}, count(*) FILTER (WHERE title = '{title}') FROM hits"
    assert engine.ask(over(engine, built.MONTH, select)) == [(1000 * min(hit["ts"] for hit in mine), sum(hit.get("title") == title for hit in mine))]


def test_objects_of_an_older_schema_are_read_with_nulls(table, engine):
    first, last = pyarrow.parquet.read_schema(table.objects[0]).names, pyarrow.parquet.read_schema(table.objects[-1]).names
    added = last[len(first):]
    assert last[:len(first)] == first and len(added) == built.ADDED_SINCE
    counts = ", ".join(f"count({name})" for name in added)
    [(rows, *old)] = engine.ask(f"SELECT count(*), {counts} FROM {engine.table} WHERE dt = '2014-01-01'")
    [new] = engine.ask(f"SELECT {counts} FROM {engine.table} WHERE dt > '2014-01-01'")
    assert (rows, set(old)) == (1, {0}) and any(new)


# ------------------------------------------------------------------------------------------ the examples

IN_SQL = {"duckdb": "DuckDB", "athena": "Spark"}  # Athena is not here; Spark takes its SQL
IN_PYTHON = ["chdb", "pandas", "polars", "pyarrow", "spark"]


def test_every_reader_has_an_example():
    assert documents.examples().keys() == {"ddl", *IN_SQL, *IN_PYTHON}


@pytest.mark.parametrize("name", [*IN_SQL, *IN_PYTHON])
def test_the_guides_example_gives_the_apis_numbers(table, engines, monkeypatch, name):
    monkeypatch.chdir(table.folder)
    code = documents.examples()[name]
    if name in IN_SQL:
        days = engines(IN_SQL[name]).ask(code.rstrip(";"))
    else:
        names = {"spark": engines("Spark").session} if name == "spark" else {}
        exec(compile(code, f"docs/BI.md: {name}", "exec"), names)
        days = tuples(names["days"])
    asked = ("pageviews", "visits", "visitors")
    first, last = "2025-03-10", "2025-03-16"
    expected = [(dt, *(row[metric] for metric in asked)) for dt, row in sorted(table.by_date.items()) if first <= dt <= last]
    assert [(str(dt)[:10], *numbers) for dt, *numbers in days] == expected and len(expected) == 7


def tuples(days):
    """Rows of whatever the example ends with."""
    if isinstance(days, polars.DataFrame):
        return days.rows()
    if isinstance(days, pyarrow.Table):
        return [tuple(row.values()) for row in days.to_pylist()]
    if isinstance(days, pandas.DataFrame):
        return list(days.itertuples(index=False, name=None))
    return [tuple(row) for row in days]
