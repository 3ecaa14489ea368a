"""What ships: its size, and the packages that it is made of."""

import re
import subprocess

import pytest

import harness

MB = 1_000_000
# Which shipped crate stands on which package that the project promises to use; each has lake in it.
USED = {
    "ingest": ["aws_lambda_events", "lambda_runtime", "aws-sdk-kinesis", "aws-sdk-s3", "tokio", "serde"],
    "compact": ["aws_lambda_events", "lambda_runtime", "aws-sdk-s3", "parquet", "arrow", "tokio", "serde"],
    "query": ["aws_lambda_events", "lambda_runtime", "aws-sdk-s3", "parquet", "arrow", "tokio", "serde"],
}
BINARIES = ("ingest", "append", "merge", "erase", "query")


def tree(crate):
    """What a crate's binaries link, as `package feature,feature`."""
    done = subprocess.run(
        ["cargo", "tree", "--locked", "--edges", "normal", "--package", crate, "--prefix", "none", "--format", "{p}|{f}"],
        cwd=harness.ROOT, capture_output=True, text=True, check=True)
    lines = (line.split("|") for line in done.stdout.splitlines() if "|" in line)
    found = {}
    for package, features in lines:
        found.setdefault(package.split()[0], set()).update(filter(None, features.removesuffix(" (*)").split(",")))
    return found


def source(*crates):
    """The code of crates, without its comments."""
    files = [path for crate in crates for path in sorted((harness.ROOT / crate / "src").rglob("*.rs"))]
    return re.sub(r"//.*", "", "\n".join(path.read_text() for path in files))


@pytest.mark.parametrize("crate, package", [(crate, package) for crate, packages in USED.items() for package in packages])
def test_package_is_linked_and_used(crate, package):
    assert package in tree(crate)
    assert re.search(rf"\b{package.replace('-', '_')}::", source(crate, "lake")), f"{crate} names {package} and does not use it"


@pytest.mark.parametrize("crate", sorted({"ingest", "compact", "query", "hitlake"}))
def test_every_program_goes_to_s3_by_awss_own_client(crate):
    linked = tree(crate)
    assert "aws-sdk-s3" in linked
    assert not linked["object_store"] & {"aws", "azure", "gcp", "http", "cloud"}
    assert "openssl-sys" not in linked and "reqwest" not in linked


def test_sizes(capsys):
    sizes = {name: (harness.PROGRAMS / name).stat().st_size for name in BINARIES}
    with capsys.disabled():
        print("\nsizes: " + ", ".join(f"{name} {size / MB:.2f} MB" for name, size in sizes.items()))
    if harness.PROGRAMS.name != "release":
        pytest.skip("sizes are those of the release build")
    # What a cold start loads; docs/decisions/binaries.md says what keeps it small.
    assert sizes["ingest"] < 10 * MB
    assert max(sizes.values()) < 40 * MB


def test_binaries_are_stripped():
    if harness.PROGRAMS.name != "release":
        pytest.skip("only the release build is stripped")
    for name in BINARIES:
        assert b".debug_info\0" not in (harness.PROGRAMS / name).read_bytes(), name


def test_binaries_need_no_newer_glibc_than_lambda_has():
    # provided.al2023 has 2.34. sam build links against an older one by itself; this is the machine's own build.
    for name in BINARIES:
        needed = set(re.findall(rb"GLIBC_(\d+)\.(\d+)", (harness.PROGRAMS / name).read_bytes()))
        newest = max((int(major), int(minor)) for major, minor in needed)
        assert newest <= (2, 34), f"{name} needs glibc {newest[0]}.{newest[1]}"
