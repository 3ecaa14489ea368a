"""Reads template.yaml the three ways that the tests need: as written, translated, and as policies.

Knows nothing of what is right; that is said in test_template.py. Nothing here needs an AWS account or
the network.
"""

import functools
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

# The translator asks boto3 for the partition, and boto3 a region; any will do.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
os.environ["SAM_CLI_TELEMETRY"] = "0"

from samcli.yamlhelper import yaml_parse  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
# The two that are deployed beside it, by those who want them.
FRONT = ROOT / "deploy/cloudfront.yaml"
QUICKSIGHT = ROOT / "deploy/quicksight.yaml"

FUNCTION = "AWS::Serverless::Function"
NO_VALUE = {"Ref": "AWS::NoValue"}


class NoManagedPolicies:
    """Stands in for the loader that asks IAM: roles here are written by hand, so nothing is to load."""

    def load(self):
        return {}


def written(path=TEMPLATE):
    """A template as written, with the short forms of functions spelt out."""
    return yaml_parse(path.read_text())


@functools.cache
def translated():
    """The template as CloudFormation gets it."""
    template = written()
    for function in functions(template).values():
        # The translator takes only code that has been uploaded; `sam package` puts its address here.
        function["Properties"]["CodeUri"] = "s3://bucket/code.zip"
    return transform(template, {}, NoManagedPolicies())


def of_type(template, kind):
    """The resources of one type, by name."""
    return {name: it for name, it in template["Resources"].items() if it["Type"] == kind}


def functions(template):
    """The functions, by name."""
    return of_type(template, FUNCTION)


def variables(template, name):
    """The variables of a function with their values, the shared ones included."""
    shared = template["Globals"]["Function"]["Environment"]["Variables"]
    own = template["Resources"][name]["Properties"].get("Environment", {}).get("Variables", {})
    return {**shared, **own}


@dataclass(frozen=True)
class Statement:
    """One statement of a role's policy."""

    role: str
    sid: str
    effect: str
    actions: tuple
    resources: tuple
    condition: dict


def statements(template):
    """Every statement of every role."""
    found = []
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for it in policy["PolicyDocument"]["Statement"]:
                found.append(
                    Statement(
                        role=name,
                        sid=it["Sid"],
                        effect=it["Effect"],
                        actions=tuple(as_list(it["Action"])),
                        resources=tuple(spelt(resource) for resource in as_list(it["Resource"])),
                        condition=it.get("Condition", {}),
                    )
                )
    return found


def as_list(value):
    """IAM takes one of something where it takes a list."""
    return value if isinstance(value, list) else [value]


def spelt(value):
    """A text, or a function that makes one, in the form of Fn::Sub."""
    match value:
        case {"Fn::Sub": str(text)}:
            return text
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Ref": name}:
            return f"${{{name}}}"
        case str():
            return value
    raise AssertionError(f"cannot spell out {value!r}")


def binaries(package):
    """The names of a package's binaries whose source is there, as Cargo finds them."""
    manifest = tomllib.loads((package / "Cargo.toml").read_text())
    found = {it["name"] for it in manifest.get("bin", []) if "path" in it and (package / it["path"]).is_file()}
    if (package / "src/main.rs").is_file():
        found.add(manifest["package"]["name"])
    found |= {path.stem for path in package.glob("src/bin/*.rs")}
    return found | {path.parent.name for path in package.glob("src/bin/*/main.rs")}


class Started:
    """A tool that runs; it writes to a file, so that it never waits for a reader."""

    def __init__(self, tool, *arguments):
        self.printed = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [tool, *map(str, arguments)], cwd=ROOT, stdout=self.printed, stderr=subprocess.STDOUT, text=True)

    def result(self):
        """Its exit code, and what it printed, once it has ended."""
        code = self.process.wait()
        self.printed.seek(0)
        return code, self.printed.read()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.printed.close()


def beside_python(tool):
    """A tool that was installed with this Python."""
    return Path(sys.executable).with_name(tool)


def read_json(path):
    """A JSON file of the project."""
    return json.loads((ROOT / path).read_text())
