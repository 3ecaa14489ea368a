"""Parameters, variables, settings, alarms and metrics: the template, the code and docs/ name the same."""

import json
import re
import sys
import tomllib

import botocore.session
import check
import documents
import pytest
from botocore import xform_name

sys.path.insert(0, str(check.ROOT / "tests/bench"))
import cost  # noqa: E402

TEMPLATE = check.written()
OPERATIONS, README = check.ROOT / "docs/OPERATIONS.md", check.ROOT / "README.md"
ALARMS = check.of_type(TEMPLATE, "AWS::CloudWatch::Alarm")
CRATES = ("lake", "ingest", "compact", "query", "local")


def source(*crates):
    """The code of crates without its tests."""
    files = [path for crate in crates for path in sorted((check.ROOT / crate / "src").rglob("*.rs")) if "test" not in path.stem]
    return "\n".join(path.read_text().partition("#[cfg(test)]\nmod tests {")[0] for path in files)


def table(first):
    """Rows of a table of the page, its heading left out, without backquotes."""
    _, *rows = documents.rows(OPERATIONS, first)
    return [[cell.replace("`", "") for cell in row] for row in rows]


# ----------------------------------------------------------------------------- parameters and variables


@pytest.mark.parametrize(("path", "first"), [
    (check.TEMPLATE, "parameter"), (check.FRONT, "parameter of CloudFront"), (check.QUICKSIGHT, "parameter of Quick Sight")])
def test_parameters_are_those_of_the_page(path, first):
    written = {name: str(default) for name, default, _ in table(first)}
    assert written == {name: str(it.get("Default", "required")) or "empty" for name, it in check.written(path)["Parameters"].items()}


def test_no_page_changes_a_parameter_for_one_deployment_only():
    # sam deploy does not keep what the command line says, and the next one would undo it.
    for page in (OPERATIONS, README):
        assert not re.search(r"sam deploy[^`\n]*--parameter-overrides", page.read_text()), page


def test_every_parameter_has_a_default():
    # sam deploy --guided with nothing but Enter makes a working stack.
    assert not [name for name, it in TEMPLATE["Parameters"].items() if "Default" not in it]


def test_variables_are_those_that_the_code_reads():
    read = set(re.findall(r'"((?:HITLAKE|AWS_ENDPOINT)_\w+)"', source(*CRATES)))
    # AWS's own client reads it.
    assert {name for name, _, _ in table("variable")} == read | {"AWS_ENDPOINT_URL_KINESIS"}


def test_variables_are_set_as_the_page_says():
    for name, functions, _ in table("variable"):
        given = {
            function.removesuffix("Function").lower()
            for function in check.functions(TEMPLATE)
            if check.variables(TEMPLATE, function).get(name, check.NO_VALUE) != check.NO_VALUE
        }
        named = set() if functions.startswith("nothing") else set(functions.split(", "))
        assert given == named, name


def test_settings_are_the_struct():
    struct = (check.ROOT / "lake/src/site/settings.rs").read_text()
    body = re.search(r"pub struct SiteSettings \{(.*?)\n\}", struct, re.DOTALL)[1]
    assert [key for key, _, _ in table("key")] == re.findall(r"pub (\w+):", body)


def test_settings_have_the_defaults_of_the_page():
    struct = (check.ROOT / "lake/src/site/settings.rs").read_text()
    by_type = {"String": '""', "bool": "false", "Vec": "[]", "Option": "null"}
    functions = dict(re.findall(r'fn (\w+)\(\) -> String \{\s+("\w+")', struct))
    page = {key: default for key, default, _ in table("key")}
    body = re.search(r"pub struct SiteSettings \{(.*?)\n\}", struct, re.DOTALL)[1]
    for function, key, kind in re.findall(r'#\[serde\(default(?: = "(\w+)")?\)\]\s+pub (\w+): (\w+)', body):
        if function in functions or kind in by_type and not function:
            assert page[key] == functions.get(function, by_type.get(kind)), key


# -------------------------------------------------------------------------------------- alarms, metrics


def test_every_alarm_has_its_paragraph():
    paragraphs = re.findall(r"^### `(\w+Alarm)`\n\n(.+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert sorted(name for name, _ in paragraphs) == sorted(ALARMS)
    assert all(len(text) > 120 for _, text in paragraphs)


@pytest.mark.parametrize("name", ALARMS)
def test_alarm_is_sent_and_says_why(name):
    it = ALARMS[name]["Properties"]
    assert it["AlarmActions"] == {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], check.NO_VALUE]}
    assert len(it["AlarmDescription"]) > 30
    # What is missing is bad news only where something should have come.
    assert (it["TreatMissingData"] == "breaching") == (it["ComparisonOperator"] == "LessThanThreshold")
    for dimension in it["Dimensions"]:
        value = dimension["Value"]
        assert isinstance(value, str) or value["Ref"] in check.translated()["Resources"], dimension


# One for each stack: two of an account would ring each other's alarms.
OUR_NAMESPACE = {"Fn::Sub": "Hitlake/${AWS::StackName}"}
SERVICE = re.compile(r'"service": "(\w+)"|Line::new\(\s*"(\w+)"|SERVICE: &str = "(\w+)"')
METRIC = re.compile(r'\b(?:count|seconds)\(\s*"([A-Z]\w+)"')


def emitted():
    """Names of metrics by the service that sends them: a file is of one service."""
    services = {}
    for path in (path for crate in CRATES for path in (check.ROOT / crate / "src").rglob("*.rs")):
        text = path.read_text().partition("#[cfg(test)]\nmod tests {")[0]
        for names in SERVICE.findall(text):
            services.setdefault("".join(names), set()).update(METRIC.findall(text))
    return services


def named():
    """Metrics of our own that alarms and the dashboard want, by service."""
    wanted = {}
    for it in ALARMS.values():
        if it["Properties"]["Namespace"] == OUR_NAMESPACE:
            [dimension] = it["Properties"]["Dimensions"]
            wanted.setdefault(dimension["Value"], set()).add(it["Properties"]["MetricName"])
    for widget in dashboard()["widgets"]:
        last = [None] * 4
        for metric in widget["properties"]["metrics"]:
            # A point repeats what stands there in the metric before.
            last = [old if new == "." else new for old, new in zip(last, [*metric, None][:4], strict=False)]
            if last[0] == OUR_NAMESPACE["Fn::Sub"]:
                wanted.setdefault(last[3], set()).add(last[1])
    return wanted


def dashboard():
    return json.loads(TEMPLATE["Resources"]["OperatorDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])


def test_metrics_that_are_watched_are_sent_and_no_others():
    assert emitted() == named(), "what nobody watches is a detail of the line: it costs nothing"


def test_dashboard_names_what_there_is():
    body = TEMPLATE["Resources"]["OperatorDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for name in re.findall(r"\$\{(\w+)\}", body):
        assert name in check.translated()["Resources"], name


# ------------------------------------------------------------------------------------------- the cost


def test_tables_of_costs_are_what_the_script_reckons():
    page = (check.ROOT / "docs/COST.md").read_text()
    assert cost.written(page) == page, "run python3 tests/bench/cost.py"


def test_cost_counts_what_the_template_has():
    assert cost.ALARMS == len(ALARMS)
    assert cost.assumed("own_metrics") == sum(len(metrics) for metrics in emitted().values())
    hours = TEMPLATE["Resources"]["HitStream"]["Properties"]["RetentionPeriodHours"]
    assert 24 < hours <= 7 * 24, "the price of retention is another"
    memory = {name: check.functions(TEMPLATE)[f"{name}Function"]["Properties"]["MemorySize"] for name in ("Ingest", "Append")}
    assert memory == {"Ingest": cost.INGEST_MB, "Append": cost.APPEND_MB}


# ------------------------------------------------------------------------------------------- the links


@pytest.mark.parametrize("page", [OPERATIONS, check.ROOT / "SECURITY.md", check.ROOT / "docs/COST.md", README], ids=lambda path: path.name)
def test_files_that_a_page_names_exist(page):
    text = page.read_text()
    for path in set(re.findall(r"\b((?:docs|tests|deploy|lake|ingest|compact|query|local)/[\w/.-]+\.\w+|events/[\w.-]+)\b", text)):
        assert (check.ROOT / path).exists(), path


def test_outputs_that_the_page_names_exist():
    text = OPERATIONS.read_text()
    named = set(re.findall(r"outputs? `(\w+)`(?: and `(\w+)`)?", text))
    names = {name for pair in named for name in pair if name}
    outputs = {name for path in (check.TEMPLATE, check.FRONT) for name in check.written(path)["Outputs"]}
    assert len(names) > 4 and names <= outputs, names - outputs


def test_names_in_commands_are_outputs():
    outputs = {name.upper() for name in check.written(check.TEMPLATE)["Outputs"]}
    # What the operator names: another bucket, a date, a number; and the data bucket, as step 2 says.
    own = {"BACKUP", "BUCKET", "DATE", "N", "ID", "TOKEN", "ACCOUNT", "RULE", "STREAM", "STACK", "FUNCTION", "FILE", "ALARM"}
    commands = re.findall(r"```sh\n(.*?)```|`((?:aws|curl|hitlake) [^`]*)`", OPERATIONS.read_text(), re.DOTALL)
    commands = re.sub(r"'[^']*'|#.*", "", "\n".join(map("".join, commands)))
    named = set(re.findall(r"(?<![\w$?.-])[A-Z]{2,}(?![\w=-])", commands))
    assert {"MERGEFUNCTIONNAME", "PARKEDBUCKETNAME"} <= named and named <= outputs | own, named - outputs - own


# Commands of the command line itself, and options of every command; two are words of its own for what an API takes otherwise.
OF_THE_LINE = {("configure",), ("s3",), ("logs", "tail"), ("cloudformation", "deploy")}
GLOBAL = {"region", "query", "output", "profile", "cli-binary-format", "cli-read-timeout", "zip-file", "paths"}


def test_commands_of_aws_are_known_to_aws():
    session = botocore.session.get_session()
    text = OPERATIONS.read_text().replace("\\\n", " ")
    commands = re.findall(r"(?:^|`)(aws [a-z][^`\n#]*)", text, re.MULTILINE)
    checked = 0
    for command in commands:
        service, operation, *_ = [*command.split()[1:], ""]
        if (service,) in OF_THE_LINE or (service, operation) in OF_THE_LINE:
            continue
        model = session.get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        assert operation in names, command
        shape = model.operation_model(names[operation]).input_shape
        known = {xform_name(name, "-") for name in shape.members} | GLOBAL
        given = set(re.findall(r" --([a-z-]+)", re.sub(r"'[^']*'", "", command)))
        assert given <= known, (command, given - known)
        checked += 1
    assert checked > 10


def test_answers_of_a_guided_deployment_are_kept_in_samconfig():
    # With a template_file SAM keeps them beside that file, among what sam build throws away.
    config = tomllib.loads((check.ROOT / "samconfig.toml").read_text())
    assert "template_file" not in config["default"]["deploy"]["parameters"]
    # Without a build beside it SAM deploys the sources.
    assert "`sam deploy` without `sam build`" in OPERATIONS.read_text()


def test_program_is_built_before_the_readme_calls_it():
    _, deployment = README.read_text().split("## On AWS")
    deployment = deployment.partition("\n## ")[0]
    built, exported, called = (deployment.index(it) for it in ("cargo build --release", "export HITLAKE_STORE=", "| target/release/hitlake"))
    assert max(built, exported) < called


def test_tests_that_the_threat_list_names_exist():
    text = (check.ROOT / "SECURITY.md").read_text()
    # A file of tests/template, or a folder of tests; then the name of the test.
    named = re.findall(r"(?:(test_\w+\.py)|(tests/\w+)): `(\w+)`", text)
    assert {name for *_, name in named} >= set(re.findall(r"`((?:test|an)_\w+)`", text))
    for file, folder, test in named:
        files = [check.ROOT / "tests/template" / file] if file else [it for it in (check.ROOT / folder).rglob("*") if it.suffix in (".py", ".rs")]
        assert any(re.search(rf"\b(def|fn) {test}\(", it.read_text()) for it in files), (file or folder, test)
