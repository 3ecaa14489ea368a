"""What must be true of template.yaml and of env.json, which goes with it.

`pytest tests/template`, with what tests/requirements.txt names. No AWS account, no network.
"""

import json
import re

import check
import click
import pytest
from samcli.commands.deploy.auth_utils import auth_per_resource
from samcli.commands.deploy.guided_context import GuidedContext
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

TEMPLATE = check.written()
STATEMENTS = check.statements(TEMPLATE)

# What each function is given by the template, besides what sam local needs.
GIVEN = {
    "IngestFunction": {"HITLAKE_STACK", "HITLAKE_STORE", "HITLAKE_STREAM", "HITLAKE_ORIGIN_SECRET", "HITLAKE_GEOIP_DB"},
    "AppendFunction": {"HITLAKE_STACK", "HITLAKE_STORE"},
    "MergeFunction": {"HITLAKE_STACK", "HITLAKE_STORE", "HITLAKE_MERGE_MEMORY_MB"},
    "EraseFunction": {"HITLAKE_STACK", "HITLAKE_STORE", "HITLAKE_MERGE_MEMORY_MB", "HITLAKE_PARKED"},
    "QueryFunction": {"HITLAKE_STACK", "HITLAKE_STORE", "HITLAKE_PARKED", "HITLAKE_TOKEN_RATE", "HITLAKE_METRICS_ORIGINS", "HITLAKE_ATHENA_WORKGROUP",
                      "HITLAKE_ATHENA_DATABASE", "HITLAKE_ATHENA_FIRST_DATE", "HITLAKE_ATHENA_OVER_BYTES", "HITLAKE_ATHENA_SCAN_LIMIT_BYTES"},
}

# The only rights on everything, and why.
ON_EVERYTHING = {
    ("AppendRole", "kinesis:ListStreams"): "Lambda asks for it when it makes the mapping; it knows no resources",
    ("QueryRole", "xray:PutTraceSegments"): "knows no resources",
    ("QueryRole", "xray:PutTelemetryRecords"): "knows no resources",
}

# Every right of every function on the data: the whole list, so that a wider one shows in a review.
RIGHTS_ON_DATA = {
    "IngestRole": {
        "s3:GetObject": {"settings/", "salts/"},
        "s3:PutObject": {"salts/", "settings/token-use/"},
    },
    "AppendRole": {
        "s3:GetObject": {"orders/"},
        "s3:PutObject": {"hot/", "rejected/", "ledger/"},
    },
    "MergeRole": {
        "s3:GetObject": {"hot/", "hits/", "ledger/", "settings/", "orders/"},
        "s3:PutObject": {"hits/", "ledger/"},
        "s3:AbortMultipartUpload": {"hits/"},
        "s3:DeleteObject": {"hot/", "ledger/", "rejected/", "salts/"},
    },
    "EraseRole": {
        "s3:GetObject": {"hot/", "hits/", "ledger/", "rejected/", "parked/", "settings/", "orders/"},
        "s3:PutObject": {"hits/", "ledger/", "orders/", "parked/"},
        "s3:AbortMultipartUpload": {"hits/"},
        "s3:DeleteObject": {"hot/", "ledger/", "rejected/", "parked/", "orders/"},
    },
    "QueryRole": {
        "s3:GetObject": {"hot/", "hits/", "ledger/", "rejected/", "parked/", "settings/", "orders/", "results/"},
        "s3:PutObject": {"orders/", "results/", "settings/token-use/"},
    },
}

# And on the batches that were given up; append's are used by Lambda itself.
RIGHTS_ON_PARKED = {
    "AppendRole": {"s3:ListBucket", "s3:PutObject"},
    "EraseRole": {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
    "QueryRole": {"s3:ListBucket", "s3:GetObject"},
}

ROUTES = {
    "CollectApi": {
        "POST /hit",
        "OPTIONS /hit",
        "GET /hit.gif",
        "GET /matomo.php",
        "HEAD /matomo.php",
        "POST /matomo.php",
        "OPTIONS /matomo.php",
        "GET /piwik.php",
        "HEAD /piwik.php",
        "POST /piwik.php",
        "OPTIONS /piwik.php",
        "GET /tracker.js",
        "HEAD /tracker.js",
    },
    "MetricsApi": {
        "GET /v1/{proxy+}",
        "HEAD /v1/{proxy+}",
        "POST /v1/{proxy+}",
        "DELETE /v1/{proxy+}",
        "OPTIONS /v1/{proxy+}",
        "GET /openapi.json",
        "HEAD /openapi.json",
        "OPTIONS /openapi.json",
    },
}


# -------------------------------------------------------------------------------------- the functions


def test_functions_are_the_five():
    assert set(check.functions(TEMPLATE)) == set(GIVEN)


@pytest.mark.parametrize("name", GIVEN)
def test_binary_exists(name):
    function = check.functions(TEMPLATE)[name]
    assert function["Metadata"]["BuildMethod"] == "rust-cargolambda"
    binary = function["Metadata"]["BuildProperties"]["Binary"]
    assert f"{binary.capitalize()}Function" == name
    package = check.ROOT / function["Properties"]["CodeUri"]
    assert binary in check.binaries(package), f"no binary {binary} in {package.name}"


@pytest.mark.parametrize("name", GIVEN)
def test_variables_are_the_ones_named_here(name):
    variables = check.variables(TEMPLATE, name)
    assert {key for key, value in variables.items() if value != check.NO_VALUE} == GIVEN[name]


def test_store_and_stream_are_spelt_as_the_programs_read_them():
    variables = check.variables(TEMPLATE, "IngestFunction")
    assert check.spelt(variables["HITLAKE_STORE"]) == "s3://${DataBucket}/${StorePrefix}"
    assert check.spelt(variables["HITLAKE_STREAM"]) == "kinesis:${HitStream}"


def test_origin_secret_is_named_and_absent_by_default():
    assert TEMPLATE["Parameters"]["OriginSecretName"]["Default"] == ""
    value = check.variables(TEMPLATE, "IngestFunction")["HITLAKE_ORIGIN_SECRET"]
    looked_up = {"Fn::Sub": "{{resolve:secretsmanager:${OriginSecretName}}}"}
    assert value == {"Fn::If": ["HasOriginSecret", looked_up, check.NO_VALUE]}


def test_database_of_places_comes_with_its_layer():
    ingest = check.functions(TEMPLATE)["IngestFunction"]["Properties"]
    variable = ingest["Environment"]["Variables"]["HITLAKE_GEOIP_DB"]
    assert variable == {"Fn::If": ["HasGeoipLayer", "/opt/geoip.mmdb", check.NO_VALUE]}
    assert ingest["Layers"] == {"Fn::If": ["HasGeoipLayer", [{"Ref": "GeoipLayerArn"}], check.NO_VALUE]}


def test_merge_memory_budget_leaves_room():
    for size, values in TEMPLATE["Mappings"]["MergeSizes"].items():
        assert values["BudgetMb"] <= values["MemoryMb"] * 2 // 3, size


def test_every_tick_calls_each_share_once():
    rule = TEMPLATE["Resources"]["MergeFunctionTick"]["Properties"]
    assert len(rule["Targets"]) <= 5, "a rule has no more targets"
    assert TEMPLATE["Conditions"]["HasSecondShare"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "MergeShares"}, 1]}]}
    assert TEMPLATE["Conditions"]["HasFourShares"] == {"Fn::Equals": [{"Ref": "MergeShares"}, 4]}
    holds = {"HasSecondShare": {2, 4}, "HasFourShares": {4}}
    for shares in TEMPLATE["Parameters"]["MergeShares"]["AllowedValues"]:
        called = []
        for target in rule["Targets"]:
            if "Fn::If" in target:
                condition, target, otherwise = target["Fn::If"]
                assert otherwise == check.NO_VALUE
                if shares not in holds[condition]:
                    continue
            assert check.spelt(target["Arn"]) == "${MergeFunction.Arn}"
            called.append(json.loads(target["Input"]["Fn::Sub"].replace("${MergeShares}", str(shares))))
        assert called == [{"share": share, "of": shares} for share in range(shares)]


def test_env_json_names_only_what_the_template_declares():
    for name, given in check.read_json("env.json").items():
        assert name in GIVEN
        assert set(given) <= set(check.variables(TEMPLATE, name)), name
        assert all(isinstance(value, str) for value in given.values()), name


def test_routes():
    found = {api: set() for api in ROUTES}
    for function in check.functions(TEMPLATE).values():
        for event in function["Properties"].get("Events", {}).values():
            if event["Type"] == "HttpApi":
                it = event["Properties"]
                found[it["ApiId"]["Ref"]].add(f"{it['Method']} {it['Path']}")
    assert found == ROUTES


def test_both_apis_are_throttled():
    for name, api in check.of_type(TEMPLATE, "AWS::Serverless::HttpApi").items():
        which = name.removesuffix("Api")
        assert api["Properties"]["DefaultRouteSettings"] == {
            "ThrottlingRateLimit": {"Ref": f"{which}RateLimit"},
            "ThrottlingBurstLimit": {"Ref": f"{which}BurstLimit"},
        }, name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_guided_deployment_asks_for_parameters_only():
    # It would ask about every route without an authorizer, and take Enter for a no.
    stacks, _ = SamLocalStackProvider.get_stacks(str(check.TEMPLATE))
    asked = [name for name, is_decided in auth_per_resource(stacks) if not is_decided]
    assert not asked
    for api in check.of_type(check.translated(), "AWS::ApiGatewayV2::Api").values():
        assert "security" not in json.dumps(api["Properties"]["Body"]), "it was to change nothing else"


def test_guided_deployment_goes_on_with_nothing_but_enter(monkeypatch):
    # SAM's own questions. For a parameter with NoEcho it takes no empty answer and asks again for ever.
    monkeypatch.setattr(click.termui, "visible_prompt_func", lambda _: "")
    monkeypatch.setattr(click.termui, "hidden_prompt_func", lambda _: pytest.fail("asked for something hidden"))
    answers = GuidedContext.prompt_parameters(GuidedContext, TEMPLATE["Parameters"], {}, "", "")
    assert {name: it["Value"] for name, it in answers.items()} == {
        name: str(it["Default"]) for name, it in TEMPLATE["Parameters"].items()}


def test_own_domains_are_made_only_where_they_are_named():
    for name in ("CollectOwnDomain", "MetricsOwnDomain"):
        for it in (name, f"{name}Mapping"):
            condition = TEMPLATE["Resources"][it]["Condition"]
            assert condition == f"Has{name.removesuffix('OwnDomain')}Domain"


def test_preflights_reach_the_functions():
    # With CorsConfiguration the API answers them itself, with one answer for all sites.
    for api in check.of_type(TEMPLATE, "AWS::Serverless::HttpApi").values():
        assert "CorsConfiguration" not in api["Properties"]


def test_batches_are_retried_until_they_are_parked():
    mapping = TEMPLATE["Resources"]["AppendFunction"]["Properties"]["Events"]["Hits"]["Properties"]
    # A day to come right by itself, and another for whoever is called by the alarm.
    assert TEMPLATE["Resources"]["HitStream"]["Properties"]["RetentionPeriodHours"] == 48
    assert mapping == {
        "Stream": {"Fn::GetAtt": ["HitStream", "Arn"]},
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 10_000,
        "MaximumBatchingWindowInSeconds": {"Ref": "AppendWindowSeconds"},
        "ParallelizationFactor": 1,
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": 86_400,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Type": "S3", "Destination": {"Fn::GetAtt": ["ParkedBucket", "Arn"]}}},
        "MetricsConfig": {"Metrics": ["EventCount"]},
    }


def test_programs_run_on_amazon_linux_and_the_chosen_processor():
    shared = TEMPLATE["Globals"]["Function"]
    assert (shared["Runtime"], shared["Handler"], shared["Architectures"]) == ("provided.al2023", "bootstrap", [{"Ref": "Architecture"}])
    for name, function in check.functions(TEMPLATE).items():
        assert not {"Runtime", "Handler", "Architectures"} & set(function["Properties"]), name


def test_whatever_sorts_on_disk_has_the_largest():
    disks = {name: it["Properties"]["EphemeralStorage"] for name, it in check.functions(TEMPLATE).items() if "EphemeralStorage" in it["Properties"]}
    assert disks == {"MergeFunction": {"Size": 10_240}, "EraseFunction": {"Size": 10_240}}


def test_outputs_name_every_rule_that_leads_to_the_table():
    # A restore stops what rewrites hits/; a rule that is missing there would write into it.
    rules = check.of_type(check.translated(), "AWS::Events::Rule")
    assert {it["Value"]["Ref"] for name, it in TEMPLATE["Outputs"].items() if name.endswith("RuleName")} == set(rules)


# ----------------------------------------------------------------------------------------- the rights


def test_roles_are_the_ones_written_here():
    translated = check.translated()
    # DeployRole is CodeDeploy's.
    assert set(check.of_type(translated, "AWS::IAM::Role")) == {*RIGHTS_ON_DATA, "DeployRole"}
    assert not check.of_type(translated, "AWS::IAM::ManagedPolicy")
    for name, role in check.of_type(translated, "AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in role["Properties"], name


def test_functions_are_logged_as_json_and_traced_where_it_pays():
    tracing = TEMPLATE["Globals"]["Function"]["Tracing"]
    traced = {name: it["Properties"].get("Tracing", tracing) for name, it in check.functions(TEMPLATE).items()}
    assert {name for name, how in traced.items() if how == "Active"} == {"QueryFunction"}
    for name, it in check.functions(TEMPLATE).items():
        logging = it["Properties"]["LoggingConfig"]
        # Metrics are lines without a level, which Lambda takes for INFO: a higher filter would drop them.
        assert (logging["LogFormat"], logging["ApplicationLogLevel"]) == ("JSON", {"Ref": "LogLevel"}), name
    assert set(TEMPLATE["Parameters"]["LogLevel"]["AllowedValues"]) == {"TRACE", "DEBUG", "INFO"}


def test_strangers_and_token_holders_get_new_code_little_by_little():
    aliased = {name for name, it in check.functions(TEMPLATE).items() if "AutoPublishAlias" in it["Properties"]}
    assert aliased == {"IngestFunction", "QueryFunction"}
    groups = check.of_type(check.translated(), "AWS::CodeDeploy::DeploymentGroup")
    assert {name.removesuffix("DeploymentGroup") for name in groups} == aliased
    for name, group in groups.items():
        assert group["Properties"]["ServiceRoleArn"] == {"Fn::GetAtt": ["DeployRole", "Arn"]}, name
        alarms = [it["Name"]["Ref"] for it in group["Properties"]["AlarmConfiguration"]["Alarms"]]
        for alarm in alarms:
            # One that watches the API would wait for the alias that waits for it.
            assert TEMPLATE["Resources"][alarm]["Properties"]["Namespace"] == "AWS/Lambda", alarm


def test_no_wildcards_but_the_allowed_ones():
    for it in STATEMENTS:
        assert it.effect == "Allow"
        assert not [action for action in it.actions if "*" in action], it
        if "*" in it.resources:
            for action in it.actions:
                assert (it.role, action) in ON_EVERYTHING, it


def test_allow_list_has_no_dead_entries():
    used = {(it.role, action) for it in STATEMENTS if "*" in it.resources for action in it.actions}
    assert used == set(ON_EVERYTHING)


@pytest.mark.parametrize("role", RIGHTS_ON_DATA)
def test_rights_on_data(role):
    found = {}
    for it in STATEMENTS:
        for resource in it.resources:
            if it.role == role and resource.startswith("${DataBucket.Arn}/"):
                folder = re.fullmatch(r"\$\{DataBucket\.Arn\}/\$\{StorePrefix\}/((?:[a-z-]+/)+)\*", resource)
                assert folder, f"{resource} is no folder of the store"
                for action in it.actions:
                    found.setdefault(action, set()).add(folder[1])
    assert found == RIGHTS_ON_DATA[role]


def test_rights_on_parked_batches():
    found = {}
    for it in STATEMENTS:
        for resource in it.resources:
            if "ParkedBucket" in resource:
                assert resource == ("${ParkedBucket.Arn}" if it.actions == ("s3:ListBucket",) else "${ParkedBucket.Arn}/*"), it
                found.setdefault(it.role, set()).update(it.actions)
    assert found == RIGHTS_ON_PARKED


def test_listing_is_bound_to_folders_of_the_store():
    for it in STATEMENTS:
        if "s3:ListBucket" in it.actions and "${DataBucket.Arn}" in it.resources:
            assert it.actions == ("s3:ListBucket",), it
            prefixes = [check.spelt(prefix) for prefix in it.condition["StringLikeIfExists"]["s3:prefix"]]
            rights = RIGHTS_ON_DATA[it.role]
            # Who deletes what grew old has to find it. An answer behind a link is found by its name alone.
            folders = (rights["s3:GetObject"] | rights.get("s3:DeleteObject", set())) - {"results/"}
            assert set(prefixes) == {f"${{StorePrefix}}/{folder}*" for folder in folders}, it.role


def test_whoever_reads_may_tell_absent_from_forbidden():
    listing = {it.role for it in STATEMENTS if "s3:ListBucket" in it.actions and it.condition}
    assert listing == {role for role, rights in RIGHTS_ON_DATA.items() if "s3:GetObject" in rights}


@pytest.mark.parametrize("name", GIVEN)
def test_function_logs_to_its_own_group_only(name):
    properties = check.functions(TEMPLATE)[name]["Properties"]
    role, group = name.replace("Function", "Role"), name.replace("Function", "Logs")
    assert check.spelt(properties["Role"]) == f"${{{role}.Arn}}"
    assert properties["LoggingConfig"]["LogGroup"] == {"Ref": group}
    logging = [it for it in STATEMENTS if it.role == role and it.actions[0].startswith("logs:")]
    assert [(it.actions, it.resources) for it in logging] == [
        (("logs:CreateLogStream", "logs:PutLogEvents"), (f"${{{group}.Arn}}",))
    ]


# ----------------------------------------------------------------------------- what is kept, and where


def test_nothing_expires_but_rejected_and_answers():
    rules = {
        (name, rule.pop("Id")): {key: check.spelt(value) if key == "Prefix" else value for key, value in rule.items()}
        for name, bucket in check.of_type(check.written(), "AWS::S3::Bucket").items()
        for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    }
    unfinished = {"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    assert rules == {
        ("DataBucket", "rejected-records"): {"Status": "Enabled", "Prefix": "${StorePrefix}/rejected/", "ExpirationInDays": 30},
        ("DataBucket", "large-answers"): {"Status": "Enabled", "Prefix": "${StorePrefix}/results/", "ExpirationInDays": 1},
        ("DataBucket", "unfinished-uploads"): unfinished,
        ("ParkedBucket", "unfinished-uploads"): unfinished,
        ("AthenaResultsBucket", "answers"): {"Status": "Enabled", "Prefix": "", "ExpirationInDays": 7},
        ("AthenaResultsBucket", "unfinished-uploads"): unfinished,
    }


def test_data_outlive_the_stack():
    for kind in ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::Kinesis::Stream"):
        for name, it in check.of_type(TEMPLATE, kind).items():
            # Only a first deployment that fails takes them along: they are empty.
            assert (it["DeletionPolicy"], it["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain"), name


def test_buckets_are_closed():
    for name, bucket in check.of_type(TEMPLATE, "AWS::S3::Bucket").items():
        properties = bucket["Properties"]
        assert list(properties["PublicAccessBlockConfiguration"].values()) == [True] * 4, name
        assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}], name
        assert "VersioningConfiguration" not in properties, "erased data would live on in old versions"
        policy = TEMPLATE["Resources"][f"{name}Policy"]["Properties"]
        assert policy["Bucket"] == {"Ref": name}
        bucket_and_objects = [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]
        everybody = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": bucket_and_objects}
        assert policy["PolicyDocument"]["Statement"] == [
            {"Sid": "OnlyTls", **everybody, "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Sid": "OnlyTls12AndLater", **everybody, "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
        ], name


def test_every_log_group_has_a_retention():
    for name, group in check.of_type(check.translated(), "AWS::Logs::LogGroup").items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_access_logs_hold_nobody():
    for name, api in check.of_type(TEMPLATE, "AWS::Serverless::HttpApi").items():
        fields = json.loads(api["Properties"]["AccessLogSettings"]["Format"])
        assert set(fields.values()) == {
            "$context.requestTimeEpoch",
            "$context.requestId",
            "$context.routeKey",
            "$context.status",
            "$context.responseLength",
            "$context.responseLatency",
            "$context.integrationErrorMessage",
        }, name
