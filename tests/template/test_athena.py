"""What Athena is told: the table, views and saved questions, run by DuckDB over a small Parquet.

The rows are written down here with their answers; the columns are the table's.
"""

import base64
import json
import re
import sys

import check
import duckdb
import pytest

import documents

sys.path.insert(0, str(check.ROOT / "deploy"))
import athena  # noqa: E402

TEMPLATE = check.written()
TABLES = {
    it["Properties"]["TableInput"]["Name"]: it["Properties"]["TableInput"]
    for it in check.of_type(TEMPLATE, "AWS::Glue::Table").values()
}
VIEWS = {name: it for name, it in TABLES.items() if it["TableType"] == "VIRTUAL_VIEW"}
QUESTIONS = {
    it["Properties"]["Name"]: it["Properties"]["QueryString"]
    for it in check.of_type(TEMPLATE, "AWS::Athena::NamedQuery").values()
}
# Names of types: Hive's, as the catalogue has them, Trino's, as a view has them, and DuckDB's.
TYPES = {
    "int": ("integer", "INTEGER"),
    "bigint": ("bigint", "BIGINT"),
    "double": ("double", "DOUBLE"),
    "boolean": ("boolean", "BOOLEAN"),
    "string": ("varchar", "VARCHAR"),
    "timestamp": ("timestamp", "TIMESTAMP"),
    "date": ("date", "DATE"),
}
PARAMETERS = [1, "2026-03-10", "2026-03-11"]

ENTRY = {"is_entry": True, "visit_duration_s": 0, "is_bounce": True, "visitor_type": "new", "channel": "direct"}
SEARCH = {"channel": "search", "source": "Google", "country": "GB", "device": "desktop", "os": "Linux", "browser": "Firefox"}
CAMPAIGN = {"channel": "campaign", "campaign": "spring", "campaign_source": "news", "campaign_medium": "mail", "country": "DE"}


def row(day, visitor, visit, kind, path=None, **values):
    page = {"path": path} if path else {}
    return {"site": 1, "dt": day, "visitor_id": visitor, "visit_id": visit, "kind": kind, **page, **values}


MONDAY, TUESDAY = "2026-03-09", "2026-03-10"
ROWS = [
    # A visit of two pages and a goal, from a search engine.
    row(TUESDAY, "a", "a1", "pageview", "/", **ENTRY | SEARCH | {
        "is_bounce": False, "entry_path": "/", "exit_path": "/shop?p=2", "visit_actions": 2, "visit_duration_s": 61, "time_on_page_s": 40}),
    row(TUESDAY, "a", "a1", "pageview", "/shop", query="p=2", **SEARCH),
    row(TUESDAY, "a", "a1", "goal", goal_id=7, is_conversion=True, is_derived=True, revenue=10.5, **SEARCH),
    # The same visitor comes back by a campaign, and orders.
    row(TUESDAY, "a", "a2", "pageview", "/", **ENTRY | CAMPAIGN | {
        "visitor_type": "returning", "entry_path": "/", "exit_path": "/", "visit_actions": 1}),
    row(TUESDAY, "a", "a2", "order", is_conversion=True, order_id="o-1", revenue=99.0, **CAMPAIGN),
    # Nobody but a bot, another site, another date.
    row(TUESDAY, "b", "b1", "pageview", "/", bot_reason="agent", **ENTRY | {"entry_path": "/", "exit_path": "/", "visit_actions": 1}),
    row(TUESDAY, "c", "c1", "download", **ENTRY | {"site": 2, "visit_actions": 1}),
    row("2026-03-11", "d", "d1", "pageview", "/shop", query="p=2", **ENTRY | {
        "entry_path": "/shop?p=2", "exit_path": "/shop?p=2", "visit_actions": 1}),
    row(MONDAY, "e", "e1", "event", **ENTRY | {"visit_actions": 1}),
]
for number, it in enumerate(ROWS):
    it.setdefault("ts", f"{it['dt']} 10:00:{number:02}")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The table as Parquet, and the views of the template over it."""
    folder = tmp_path_factory.mktemp("athena")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    hits = TABLES["hits"]
    columns = [(it["Name"], TYPES[it["Type"]][1]) for it in [*hits["StorageDescriptor"]["Columns"], *hits["PartitionKeys"]]]
    connection.execute(f"CREATE TABLE rows ({', '.join(f'{name} {kind}' for name, kind in columns)})")
    for it in ROWS:
        marks = ", ".join("?" for _ in it)
        connection.execute(f"INSERT INTO rows ({', '.join(it)}) VALUES ({marks})", list(it.values()))
    connection.execute(f"COPY rows TO '{folder}' (FORMAT parquet, PARTITION_BY (dt))")
    read = f"read_parquet('{folder}/*/*.parquet', hive_partitioning = true, hive_types = {{'dt': VARCHAR}})"
    connection.execute(f"CREATE VIEW hits AS SELECT * FROM {read}")
    for name, it in VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {meaning(it)['originalSql']}")
    return connection


def meaning(view):
    """What a view says to Athena."""
    [text, values] = view["ViewOriginalText"]["Fn::Sub"]
    encoded = base64.b64encode(values["View"]["Fn::Base64"]["Fn::Sub"].replace("${Database}", "hitlake").encode()).decode()
    whole = text.replace("${View}", encoded)
    found = re.fullmatch(r"/\* Presto View: ([A-Za-z0-9+/=]+) \*/", whole)
    assert found, whole
    return json.loads(base64.b64decode(found[1]))


def described(connection, sql):
    return [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE {sql}").fetchall()]


def asked(connection, sql):
    answer = connection.execute(sql, PARAMETERS)
    names = [it[0] for it in answer.description]
    return [dict(zip(names, values, strict=True)) for values in answer.fetchall()]


# ------------------------------------------------------------------------------------------ the shape


def test_template_is_what_the_script_writes():
    assert athena.section() in check.TEMPLATE.read_text(), "run python3 deploy/athena.py"


def test_table_has_the_columns_of_the_guide():
    columns, partition = documents.ddl_columns()
    assert [(it["Name"], it["Type"]) for it in TABLES["hits"]["StorageDescriptor"]["Columns"]] == columns
    assert [f"{it['Name']} {it['Type']}" for it in TABLES["hits"]["PartitionKeys"]] == [partition]


def test_table_finds_its_dates_by_itself():
    parameters = {name: check.spelt(value) for name, value in TABLES["hits"]["Parameters"].items()}
    location = check.spelt(TABLES["hits"]["StorageDescriptor"]["Location"])
    assert parameters["storage.location.template"] == f"{location}dt=${{!dt}}/"
    in_guide = dict(re.findall(r"'(projection\.[^']+)' = '([^']+)'", documents.examples()["ddl"]))
    first = TEMPLATE["Parameters"]["FirstDate"]["Default"]
    assert in_guide.items() <= {name: str(value).replace("${FirstDate}", first) for name, value in parameters.items()}.items()


@pytest.mark.parametrize(("workgroup", "limit"), [("QueryWorkGroup", "QueryScanLimitBytes"), ("BiWorkGroup", "BiScanLimitBytes")])
def test_a_question_that_scans_too_much_is_cut_off(workgroup, limit):
    resources = check.translated()["Resources"]
    configuration = resources[workgroup]["Properties"]["WorkGroupConfiguration"]
    # Not enforced, a client may bring limits of its own.
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == {"Ref": limit}
    # Athena takes no less than 10 MB.
    parameter = TEMPLATE["Parameters"][limit]
    assert parameter["Default"] >= parameter["MinValue"] >= 10_000_000
    others = [name for name, it in resources.items() if it["Type"] == "AWS::Athena::WorkGroup"]
    assert sorted(others) == ["BiWorkGroup", "QueryWorkGroup"], "a workgroup without a limit"


def test_hot_objects_are_shown_to_nobody():
    assert not [name for name, it in TABLES.items() if "/hot/" in json.dumps(it)]


@pytest.mark.parametrize("name", VIEWS)
def test_view_has_the_columns_that_it_says(database, name):
    said = meaning(VIEWS[name])
    assert (said["catalog"], said["schema"]) == ("awsdatacatalog", "hitlake")
    assert not said["originalSql"].rstrip().endswith(";")
    hive = [(it["Name"], it["Type"]) for it in VIEWS[name]["StorageDescriptor"]["Columns"]]
    assert [(it["name"], it["type"]) for it in said["columns"]] == [(column, TYPES[kind][0]) for column, kind in hive]
    assert described(database, said["originalSql"]) == [(column, TYPES[kind][1]) for column, kind in hive]


def test_views_are_the_ones_that_were_promised():
    assert set(VIEWS) == {"visits", "pages", "days", "closed_hits"}
    assert len(QUESTIONS) == 10


# ---------------------------------------------------------------------------------------- the figures


def test_days_are_the_metrics_of_the_definitions(database):
    metrics = documents.metrics()
    columns = [name for name, _ in described(database, "days") if name in metrics]
    assert len(columns) > 15
    of_people = "FROM hits WHERE bot_reason IS NULL GROUP BY site, dt ORDER BY site, dt"
    expected = database.execute(f"SELECT {', '.join(metrics[name] for name in columns)} {of_people}").fetchall()
    assert database.execute(f"SELECT {', '.join(columns)} FROM days ORDER BY site, dt").fetchall() == expected


def test_pages_add_up(database):
    rows = asked(database, "SELECT page, pageviews, unique_pageviews, time_on_page, entries, bounces, exits FROM pages WHERE site = ? AND dt BETWEEN ? AND ? ORDER BY dt, page")
    assert [tuple(it.values()) for it in rows] == [
        ("/", 2, 2, 40, 2, 1, 1), ("/shop?p=2", 1, 1, 0, 0, 0, 1), ("/shop?p=2", 1, 1, 0, 1, 1, 1)]


def test_a_visit_is_a_row_and_bots_are_none(database):
    assert database.execute("SELECT visit_id FROM visits ORDER BY 1").fetchall() == [("a1",), ("a2",), ("c1",), ("d1",), ("e1",)]


@pytest.mark.parametrize("hours, closed", [(36, False), (38, True)])
def test_a_date_closes_when_it_is_over_everywhere(database, hours, closed):
    # A date that began so many hours ago at UTC.
    sql = meaning(VIEWS["closed_hits"])["originalSql"].replace("current_timestamp", "TIMESTAMPTZ '2026-03-10 00:00:00+00' + INTERVAL '{}' HOUR")
    found = database.execute(f"SELECT count(*) FROM ({sql.format(hours)}) WHERE dt = '2026-03-10'").fetchone()[0]
    assert (found > 0) == closed


ANSWERS = {
    "days": [("pageviews", [3, 1]), ("visits", [2, 1]), ("visitors", [1, 1]), ("bounce_rate", [0.5, 1.0]), ("avg_visit_duration", [30.5, 0.0])],
    "pages": [("page", ["/", "/shop?p=2"]), ("pageviews", [2, 2]), ("avg_time_on_page", [20.0, 0.0])],
    "entry-pages": [("page", ["/", "/shop?p=2"]), ("entries", [2, 1]), ("bounce_rate", [0.5, 1.0])],
    "exit-pages": [("page", ["/shop?p=2", "/"]), ("exits", [2, 1]), ("exit_rate", [1.0, 0.5])],
    "channels": [("channel", ["campaign", "direct", "search"]), ("visits", [1, 1, 1]), ("bounce_rate", [1.0, 1.0, 0.0])],
    "referrers": [("referrer", ["Google"]), ("visits", [1])],
    "campaigns": [("campaign", ["spring"]), ("visits", [1]), ("converted_visits", [1]), ("revenue", [99.0])],
    "countries": [("country", ["DE", "GB", None]), ("visits", [1, 1, 1])],
    "devices": [("browser", [None, "Firefox"]), ("visits", [2, 1])],
    "goals": [("goal", ["goal 7", "order"]), ("conversions", [1, 1]), ("revenue", [10.5, 99.0])],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_questions_answer_what_they_say(database, name):
    rows = asked(database, QUESTIONS[name])
    for column, expected in ANSWERS[name]:
        assert [it[column] for it in rows] == expected, column


def test_every_question_is_tried():
    assert set(ANSWERS) == set(QUESTIONS)


# -------------------------------------------------------------------------------------- Quick Sight


QUICKSIGHT = check.written(check.QUICKSIGHT)
SHOWN = {"INTEGER": {"INTEGER", "BIGINT"}, "DECIMAL": {"DOUBLE"}, "STRING": {"VARCHAR"}, "DATETIME": {"DATE", "TIMESTAMP"}}


def data_sets():
    for it in check.of_type(QUICKSIGHT, "AWS::QuickSight::DataSet").values():
        [(name, table)] = it["Properties"]["PhysicalTableMap"].items()
        yield name, table["CustomSql"]


def test_data_sets_have_the_columns_that_they_say(database):
    for name, table in data_sets():
        sql = check.spelt(table["SqlQuery"]).replace("AwsDataCatalog.${DatabaseName}.", "")
        found = described(database, sql)
        assert [column for column, _ in found] == [it["Name"] for it in table["Columns"]], name
        assert all(kind in SHOWN[it["Type"]] for (_, kind), it in zip(found, table["Columns"], strict=True)), name


def test_data_sets_take_closed_dates_only():
    closed = meaning(VIEWS["closed_hits"])["originalSql"].partition("WHERE ")[2]
    for name, table in data_sets():
        assert closed in check.spelt(table["SqlQuery"]), name


def test_data_sets_are_kept_in_spice_and_refreshed_each_day_with_what_came_late():
    sets = check.of_type(QUICKSIGHT, "AWS::QuickSight::DataSet")
    for name, it in sets.items():
        assert it["Properties"]["ImportMode"] == "SPICE", name
        # Hits may be 7 days old, and a date is closed a day later.
        refresh = it["Properties"]["DataSetRefreshProperties"]["RefreshConfiguration"]["IncrementalRefresh"]
        assert refresh["LookbackWindow"] == {"ColumnName": "day", "Size": 8, "SizeUnit": "DAY"}, name
    schedules = [it["Properties"] for it in check.of_type(QUICKSIGHT, "AWS::QuickSight::RefreshSchedule").values()]
    assert sorted(map(check.spelt, (it["DataSetId"] for it in schedules))) == sorted(
        check.spelt(it["Properties"]["DataSetId"]) for it in sets.values())
    for it in schedules:
        assert it["Schedule"]["RefreshType"] == "INCREMENTAL_REFRESH"
        assert it["Schedule"]["ScheduleFrequency"]["Interval"] == "DAILY"


def test_quick_sight_reads_by_a_role_of_its_own_and_only_the_table():
    [source] = check.of_type(QUICKSIGHT, "AWS::QuickSight::DataSource").values()
    assert source["Properties"]["DataSourceParameters"]["AthenaParameters"]["RoleArn"] == {"Fn::GetAtt": ["ReadRole", "Arn"]}
    mine = {it.sid: it for it in check.statements(QUICKSIGHT)}
    assert {it.role for it in mine.values()} == {"ReadRole"}
    assert mine["ReadTable"].actions == ("s3:GetObject",)
    [folder] = mine["ReadTable"].resources
    assert folder.endswith(":s3:::${DataBucketName}/${StorePrefix}/hits/*")
    writing = {action for it in mine.values() for action in it.actions if action.startswith(("s3:Put", "s3:Delete"))}
    assert writing == {"s3:PutObject"} and all("${ResultsBucketName}" in it for it in mine["KeepAnswers"].resources)


def test_dashboard_and_analysis_are_the_same_and_name_what_there_is():
    [analysis] = check.of_type(QUICKSIGHT, "AWS::QuickSight::Analysis").values()
    [dashboard] = check.of_type(QUICKSIGHT, "AWS::QuickSight::Dashboard").values()
    definition = dashboard["Properties"]["Definition"]
    assert definition == analysis["Properties"]["Definition"]
    known = {(name, it["Name"]) for name, table in data_sets() for it in table["Columns"]}
    named = set(re.findall(r'"DataSetIdentifier": "(\w+)", "ColumnName": "(\w+)"', json.dumps(definition)))
    assert named and named <= known
