#!/usr/bin/env python3
"""Writes what Athena is told into template.yaml: table, views and saved questions.

    python3 deploy/athena.py

The columns of the table come from the DDL in docs/BI.md, views and questions from the SQL files in
deploy/athena. A view in Glue is a text that Athena understands (`/* Presto View: base64 of JSON */`)
beside a list of columns in Hive's types; both are made here of one source, so that they cannot differ.
tests/template runs the SQL, compares its columns with those named, and fails when template.yaml is not
what this script writes.
"""

import json
import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "template.yaml"
GUIDE = ROOT / "docs" / "BI.md"
VIEWS = sorted((ROOT / "deploy/athena/views").glob("*.sql"))
QUERIES = sorted((ROOT / "deploy/athena/queries").glob("*.sql"))
BEGIN, END = "  # >>> written by deploy/athena.py\n", "  # <<< written by deploy/athena.py\n"
# Hive's names of types where Trino, which Athena is, has others.
TRINO = {"int": "integer", "string": "varchar"}
DDL = re.compile(r"CREATE EXTERNAL TABLE hits \(\n(?P<columns>.*?)\n\)\nPARTITIONED BY \((?P<partition>.*?)\)", re.DOTALL)
WIDTH = 116


def table_columns():
    """Names and Hive types of the table's columns, and of its partition."""
    found = DDL.search(GUIDE.read_text())
    return columns_of(found["columns"]), columns_of(found["partition"])


def columns_of(text):
    return [tuple(column.split()) for column in text.split(",")]


class Sql:
    """A file: what it is for, the columns that it names, and the statement."""

    def __init__(self, path):
        lines = path.read_text().splitlines()
        comments = [line.removeprefix("-- ") for line in lines if line.startswith("--")]
        self.name = path.stem
        self.purpose = comments[0]
        self.statement = " ".join(" ".join(line for line in lines if not line.startswith("--")).split())
        named = " ".join(comments).partition("columns: ")[2]
        self.columns = [*sum(table_columns(), [])] if named == "*" else columns_of(named) if named else []

    def resource(self):
        """Its name in the template: `closed_hits` is ClosedHits."""
        return "".join(word.capitalize() for word in re.split(r"[_-]", self.name))


def section():
    """All of it, as it stands in the template."""
    parts = [table(), *(view(Sql(path)) for path in VIEWS), *(query(Sql(path)) for path in QUERIES)]
    return "\n".join(parts)


def table():
    columns, partition = table_columns()
    return f"""\
  HitsTable:
    Type: AWS::Glue::Table
    Properties:
      CatalogId: !Ref AWS::AccountId
      DatabaseName: !Ref Database
      TableInput:
        Name: hits
        Description: One row a hit, the visit's columns repeated on each. docs/DEFINITIONS.md has the SQL of metrics.
        TableType: EXTERNAL_TABLE
        Parameters:
          EXTERNAL: "TRUE"
          classification: parquet
          # Athena works the dates out: nothing has to be registered, and no crawler runs.
          projection.enabled: "true"
          projection.dt.type: date
          projection.dt.format: yyyy-MM-dd
          projection.dt.range: !Sub ${{FirstDate}},NOW+1DAY
          projection.dt.interval: "1"
          projection.dt.interval.unit: DAYS
          storage.location.template: !Sub s3://${{DataBucket}}/${{StorePrefix}}/hits/dt=${{!dt}}/
        PartitionKeys:
{hive(partition, 10)}
        StorageDescriptor:
          Location: !Sub s3://${{DataBucket}}/${{StorePrefix}}/hits/
          InputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat
          OutputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat
          SerdeInfo: {{SerializationLibrary: org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe}}
          Columns:
{hive(columns, 12)}
"""


def view(sql):
    trino = [{"name": name, "type": TRINO.get(kind, kind)} for name, kind in sql.columns]
    # The schema is put in by CloudFormation.
    meaning = json.dumps({"catalog": "awsdatacatalog", "schema": "${Database}", "columns": trino, "originalSql": sql.statement})
    return f"""\
  {sql.resource()}View:
    Type: AWS::Glue::Table
    # Athena reads the view's table when it reads the view.
    DependsOn: HitsTable
    Properties:
      CatalogId: !Ref AWS::AccountId
      DatabaseName: !Ref Database
      TableInput:
        Name: {sql.name}
        Description: {json.dumps(sql.purpose)}
        TableType: VIRTUAL_VIEW
        Parameters: {{presto_view: "true", comment: Presto View}}
        PartitionKeys: []
        StorageDescriptor:
          SerdeInfo: {{}}
          Columns:
{hive(sql.columns, 12)}
        ViewExpandedText: /* Presto View */
        ViewOriginalText: !Sub
          - "/* Presto View: ${{View}} */"
          - View:
              Fn::Base64: !Sub >-
{folded(meaning, 16)}
"""


def query(sql):
    return f"""\
  {sql.resource()}Question:
    Type: AWS::Athena::NamedQuery
    Properties:
      Name: {sql.name}
      Description: {json.dumps(f"{sql.purpose} Parameters: site, first date, last date (in quotes).")}
      Database: !Ref Database
      WorkGroup: !Ref BiWorkGroup
      QueryString: >-
{folded(sql.statement, 8)}
"""


def hive(columns, indent):
    """One column a line."""
    return "\n".join(f"{' ' * indent}- {{Name: {name}, Type: {kind}}}" for name, kind in columns)


def folded(text, indent):
    """Lines that YAML joins again by single blanks."""
    lines = textwrap.wrap(text, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    assert " ".join(lines) == text, "two blanks in a row would not survive"
    return "\n".join(" " * indent + line for line in lines)


def main():
    before, rest = TEMPLATE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    TEMPLATE.write_text(f"{before}{BEGIN}{section()}{END}{after}")


if __name__ == "__main__":
    main()
