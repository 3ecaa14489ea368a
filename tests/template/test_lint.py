"""What linters say of the three templates. They are started together, so that their starts overlap.

checkov has a Python environment of its own (`tests/tools checkov`): its dependencies do not go with those
of the other tools.
"""

import json
import os
import re

import check
import pytest
import yaml

CHECKOV = check.ROOT / ".checkov/bin/checkov"
WRITTEN = [check.TEMPLATE, check.FRONT, check.QUICKSIGHT]

# What checkov asks for and is not done, and why.
EXCEPTIONS = {
    "CKV_AWS_18": "access logs of the buckets would hold more bytes than the data; CloudTrail's data events are the operator's choice",
    "CKV_AWS_21": "with versions, what was erased would live on",
    "CKV_AWS_26": "CloudWatch cannot publish to a topic under the key that AWS manages, and an alarm is no secret",
    "CKV_AWS_86": "CloudFront's access logs hold addresses",
    "CKV_AWS_115": "a reservation fails on accounts with a quota of 10, and would be ingest's ceiling",
    "CKV_AWS_116": "a dead-letter queue is for asynchronous calls; append parks batches, and the next tick is merge's second try",
    "CKV_AWS_117": "no function talks to anything in a VPC, and one inside would need endpoints that cost by the hour",
    "CKV_AWS_158": "logs hold nobody; CloudWatch encrypts them with its own key",
    "CKV_AWS_173": "Lambda encrypts the environment with its own key; the one secret there is of CloudFront's headers",
    "CKV_AWS_174": "without a domain of one's own CloudFront's certificate decides; with one, TLS 1.2 is the least",
    "CKV_AWS_192": "there is no Java here",
}


# Resources that checkov has no checks for, and a long time to read.
UNCHECKED = {"AWS::Athena::NamedQuery", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Glue::Table"}


@pytest.fixture(scope="module")
def linters(tmp_path_factory):
    """All of them, started; the longest first."""
    folder = tmp_path_factory.mktemp("lint")
    checked, translated = folder / "checked.json", folder / "translated.json"
    template = check.translated()
    kept = {name: it for name, it in template["Resources"].items() if it["Type"] not in UNCHECKED}
    checked.write_text(json.dumps({**template, "Resources": kept}))
    # W2001: the translation puts the values of some parameters in their places.
    ignored = {"cfn-lint": {"config": {"ignore_checks": ["W2001"]}}}
    translated.write_text(json.dumps({**template, "Metadata": template["Metadata"] | ignored}))
    started = {}
    if CHECKOV.is_file():
        # Nothing is fetched, and nothing sent.
        options = ["--framework", "cloudformation", "--output", "json", "--quiet", "--compact", "--skip-download"]
        files = [it for path in (checked, check.FRONT, check.QUICKSIGHT) for it in ("--file", path)]
        started["checkov"] = check.Started(CHECKOV, *options, *files)
    cfn_lint, sam = check.beside_python("cfn-lint"), check.beside_python("sam")
    started["cfn-lint"] = check.Started(cfn_lint, "--include-checks", "I", "--", translated, check.FRONT, check.QUICKSIGHT)
    started["sam"] = check.Started(sam, "validate", "--lint", "--template-file", check.TEMPLATE)
    yield started
    for it in started.values():
        it.stop()


def test_cfn_lint_finds_nothing(linters):
    assert linters["cfn-lint"].result() == (0, "")


def test_sam_validates(linters):
    code, said = linters["sam"].result()
    assert code == 0, said


def test_checkov_finds_what_is_excepted_and_nothing_else(linters):
    if "checkov" not in linters:
        pytest.fail("checkov is not there; run tests/tools checkov")
    _, said = linters["checkov"].result()
    report = json.loads(said)
    assert report["summary"]["parsing_errors"] == 0 and report["summary"]["passed"] > 100, said
    failed = {}
    for it in report["results"]["failed_checks"]:
        failed.setdefault(it["check_id"], set()).add(it["resource"])
    # Neither one that is not excepted, nor an exception that nothing needs any longer.
    assert failed.keys() == EXCEPTIONS.keys(), {it: failed.get(it) for it in failed.keys() ^ EXCEPTIONS.keys()}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_no_anchors(path):
    # CloudFormation refuses them, cfn-lint does not.
    tokens = yaml.scan(path.read_text())
    marks = [it.start_mark.line + 1 for it in tokens if isinstance(it, yaml.AnchorToken | yaml.AliasToken)]
    assert not marks, f"anchors or aliases in lines {marks}"


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_every_parameter_is_grouped_labelled_and_described(path):
    template = check.written(path)
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])
    assert set(interface["ParameterLabels"]) == set(template["Parameters"])
    for name, it in template["Parameters"].items():
        assert it["Description"], name
        assert re.search(rf"!Ref {name}\b|\$\{{{name}\}}", path.read_text()), f"{name} is not used"


def test_the_template_can_be_uploaded():
    # CloudFormation takes 1 MB from S3, where sam deploy puts it, and 200 parameters.
    assert len(json.dumps(check.translated())) < 1_000_000
    assert len(check.written()["Parameters"]) <= 200
    assert os.path.getsize(check.FRONT) < 51_200 and os.path.getsize(check.QUICKSIGHT) < 51_200
