"""Every role has what its function's code can call, and nothing else."""

import calls
import check
import pytest

STATEMENTS = check.statements(check.written())

# What Lambda does with a function's role, and no code of ours: read the stream and park batches for the
# mapping, write logs, send traces.
BY_LAMBDA = {
    "append": {
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:ListStreams",
    },
    "query": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
}
# What Athena does with the rights of whoever starts a question: it looks the table up, and reads it.
BY_ATHENA = {"glue:GetDatabase", "glue:GetTable", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
FUNCTIONS = {
    it["Metadata"]["BuildProperties"]["Binary"]: it["Properties"]["CodeUri"].removeprefix("./")
    for it in check.functions(check.written()).values()
}


def granted(binary):
    """The rights of a function's role; those of append on the parked batches left out, which Lambda alone uses."""
    role = f"{binary.capitalize()}Role"
    mine = [it for it in STATEMENTS if it.role == role]
    if binary == "append":
        mine = [it for it in mine if not any("ParkedBucket" in name for name in it.resources)]
    return {action for it in mine for action in it.actions}


@pytest.mark.parametrize("binary", FUNCTIONS)
def test_role_has_what_the_code_can_call_and_nothing_else(binary):
    needed = calls.actions(FUNCTIONS[binary], binary)
    assert needed, "no calls were found: the sources are not read rightly"
    # S3 answers 404 for an absent key only to those who may list it, and 403 to everyone else.
    if "s3:GetObject" in needed:
        needed |= {"s3:ListBucket"}
    if "athena:StartQueryExecution" in needed:
        needed |= BY_ATHENA
    needed |= LOGS | BY_LAMBDA.get(binary, set())
    missing, unused = needed - granted(binary), granted(binary) - needed
    assert (missing, unused) == (set(), set()), f"missing {missing}, unused {unused}"


def test_every_operation_has_a_right():
    assert not calls.unknown_operations(), "say in calls.py what right these need"


def test_calls_are_found_where_they_are():
    # The reading of the sources itself: what each method of the store ends in.
    assert calls.of_store("get_opts") == {"get_object", "head_object"}
    assert calls.of_store("put_opts") == {"put_object"}
    assert calls.of_store("put_file") == {
        "put_object",
        "create_multipart_upload",
        "upload_part",
        "complete_multipart_upload",
        "abort_multipart_upload",
    }
    assert calls.of_store("delete_stream") == {"delete_object"}
    assert calls.of_store("list_with_delimiter") == {"list_objects_v2"}


def test_athena_is_asked_in_one_workgroup_about_one_table():
    mine = {it.sid: it for it in STATEMENTS if it.role == "QueryRole"}
    assert calls.actions("query", "query") >= {"athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults"}
    [workgroup] = mine["AskAthena"].resources
    assert workgroup.endswith(":workgroup/${QueryWorkGroup}")
    ends = {it.rsplit(":", 1)[1] for it in mine["SeeTable"].resources}
    assert ends == {"catalog", "database/default", "database/${DatabaseName}", "table/${DatabaseName}/hits"}
