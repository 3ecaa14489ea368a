"""Reads what docs/ promises: metrics with their SQL, and the examples, types and DDL of the guide.

Knows Markdown as far as these two files use it, and nothing of any reader.
"""

import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
DEFINITIONS = DOCS / "DEFINITIONS.md"
GUIDE = DOCS / "BI.md"
MARKED = re.compile(r"<!-- run: (?P<name>\w+) -->\n+```\w*\n(?P<code>.*?)\n```", re.DOTALL)
DDL = re.compile(r"CREATE EXTERNAL TABLE hits \(\n(?P<columns>.*?)\n\)\nPARTITIONED BY \((?P<partition>.*?)\)", re.DOTALL)
LINE = 110


def rows(path, first):
    """Cells of every row of the tables whose header begins with `first`."""
    inside, found = False, []
    for line in path.read_text().splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        inside = bool(cells) and (inside or cells[0] == first)
        if inside and not set("".join(cells)) <= set("-: "):
            found.append(cells)
    return found


def metrics():
    """Metric -> its SQL: an expression over `hits`, or a whole SELECT."""
    known = {}
    for names, _, sql in rows(DEFINITIONS, "metric"):
        if names == "metric":
            continue
        names, spans = [name.strip() for name in names.split(",")], re.findall(r"`([^`]+)`", sql)
        assert len(names) == len(spans), f"docs/DEFINITIONS.md: {', '.join(names)} need as many SQL expressions in backquotes, there are {len(spans)}"
        known |= dict(zip(names, spans, strict=True))
    assert known, "docs/DEFINITIONS.md has no table of metrics"
    return known


def types():
    """Reader -> {type in the DDL: type that the reader sees}, as the guide says."""
    header, *body = rows(GUIDE, "DDL")
    return {reader: {row[0].strip("`"): row[at].strip("`") for row in body} for at, reader in enumerate(header)}


def examples():
    """Marked code of the guide by its mark."""
    return {match["name"]: match["code"] for match in MARKED.finditer(GUIDE.read_text())}


def ddl_columns():
    """Names and types in the guide's CREATE TABLE, and what stands in its PARTITIONED BY."""
    found = DDL.search(examples()["ddl"])
    return [tuple(column.split()) for column in found["columns"].split(",")], found["partition"]


def ddl_text(columns):
    """The lines of columns as they must stand in the guide."""
    lines = [""]
    for name, kind in columns:
        part = f"{name} {kind}, "
        if len(lines[-1]) + len(part) > LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(f"  {line.rstrip()}" for line in lines).rstrip(",")
