"""Which calls to AWS the code of each function can make, read from the Rust sources.

A function of Rust leads to those that it names: by type (`Salts::new(`), by module (`scan::open(`), bare,
or as a method. A method's name alone says little (`get`, `put`), so where several types have one, the
receiver must be called like the type: `self.sites.get(` leads to `SiteCache`, not to `TokenCache`.
Whatever is called on something named `store` goes to the store in the bucket, whose own functions lead to
the calls of AWS's client. Knows nothing of what is allowed; see test_rights.py.
"""

import collections
import functools
import pathlib
import re
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORE = "lake/src/store/s3/"
# The other stores, and what only tests have.
NOT_ON_AWS = re.compile(r"store/(folder|conformance)/|store/(memory|faulty)\.rs|/tests\.rs|/testing\.rs|/corpora")

# An operation of AWS's client, and the right that it needs.
CALLS = {
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "complete_multipart_upload": "s3:PutObject",
    "copy_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "delete_object": "s3:DeleteObject",
    "delete_objects": "s3:DeleteObject",
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "put_object": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "put_record": "kinesis:PutRecord",
    "put_records": "kinesis:PutRecords",
    "get_query_execution": "athena:GetQueryExecution",
    "get_query_results": "athena:GetQueryResults",
    "start_query_execution": "athena:StartQueryExecution",
    "stop_query_execution": "athena:StopQueryExecution",
    "invoke": "lambda:InvokeFunction",
}
OPERATION = re.compile(r"\bclient(?:\(\))?\s*\.(\w+)\(\)")
STORE_METHOD = re.compile(r"\bstore(?:\(\)|\.as_ref\(\))?\s*\.\s*(\w+)\s*\(")
# The trait's short forms, by the method that each ends in.
SHORT = {"get": "get_opts", "head": "get_opts", "get_range": "get_opts", "get_ranges": "get_opts", "put": "put_opts", "delete": "delete_stream"}


@dataclass(frozen=True)
class Function:
    """A function of Rust, and the type that it belongs to, if any."""

    file: str
    owner: str
    name: str
    body: str


def actions(crate, binary):
    """The rights that a binary's code needs."""
    known = functions(("lake", crate))
    start = [it for it in known if it.name == "main" and it.file in (f"{crate}/src/main.rs", f"{crate}/src/bin/{binary}.rs")]
    assert len(start) == 1, f"{binary} has {len(start)} beginnings"
    found = set()
    for it in reached(start, [it for it in known if not it.file.startswith(STORE)]):
        found |= operations(it)
        for method in STORE_METHOD.findall(it.body):
            found |= of_store(SHORT.get(method, method))
    return {CALLS[name] for name in found}


@functools.cache
def of_store(method):
    """The operations behind a method of the store in the bucket."""
    mine = [it for it in functions(("lake",)) if it.file.startswith(STORE)]
    start = [it for it in mine if it.name == method]
    return set().union(*map(operations, reached(start, mine, {it.owner for it in mine})))


def operations(function):
    named = set(OPERATION.findall(function.body))
    return named & CALLS.keys()


def unknown_operations():
    """Operations of AWS's clients that nobody has given a right yet."""
    known = set().union(*(OPERATION.findall(it.body) for it in functions(("lake", "ingest", "compact", "query"))))
    return known - CALLS.keys()


def reached(start, known, types=frozenset()):
    """Everything that functions lead to, as far as its type is named on the way, or among `types`."""
    by_name = collections.defaultdict(list)
    for it in known:
        by_name[it.name].append(it)
    done, new, edges, named = set(), set(start), set(), set(types)
    while new:
        done |= new
        for function in new:
            edges.update(led_to(function, by_name))
            named |= words(function.file)
        new = {it for it in edges - done if not it.owner or it.owner in named}
    return done


CALL = re.compile(r"(?:(?P<receiver>\w+)(?:\([^()]*\))?\s*(?P<dot>\.)\s*|(?P<path>\w+)::|(?P<after>\.)\s*)?(?P<name>\b[a-z_]\w*)\s*(?:::<[^>]*>)?\(")


def led_to(function, by_name):
    """What one function may call. A bare name is one of its file, or one that the file imports."""
    found = []
    for call in CALL.finditer(function.body):
        for it in by_name.get(call["name"], []):
            if call["path"]:
                owner = function.owner if call["path"] == "Self" else call["path"]
                leads = owner in (it.owner, pathlib.Path(it.file).stem, *pathlib.Path(it.file).parts)
            elif call["dot"] or call["after"]:
                leads = it.owner and (it.name not in SHORT or is_like(call["receiver"] or "", it.owner, function.owner))
            else:
                leads = not it.owner and (it.file == function.file or it.name in imported(function.file))
            if leads:
                found.append(it)
    return found


@functools.cache
def words(file):
    """The types that a file names, apart from where it makes them."""
    made = re.sub(r"\b(struct|enum|trait|impl(<[^{;]*?>)?|for)\s+\w+", "", code(file))
    return set(re.findall(r"\b[A-Z]\w+", made))


@functools.cache
def imported(file):
    """The last words of what a file uses."""
    return set(re.findall(r"\w+", " ".join(re.findall(r"\buse ([^;]*);", code(file)))))


def is_like(receiver, owner, mine):
    """Whether something of this name may be of this type."""
    if receiver == "self":
        return owner == mine
    singular = receiver.lower().rstrip("s")
    return len(singular) > 2 and singular in owner.lower()


@functools.cache
def functions(crates):
    """The functions of crates that go to AWS, tests left out."""
    found = []
    for crate in crates:
        for path in sorted((ROOT / crate / "src").rglob("*.rs")):
            name = path.relative_to(ROOT).as_posix()
            if not NOT_ON_AWS.search(name):
                found += parse(name)
    return found


NO_CODE = re.compile(r"""//[^\n]*|/\*.*?\*/|\bb?r(?P<hashes>\#*)".*?"(?P=hashes)|"(?:\\.|[^"\\])*"|'(?:\\[^'\\]+|\\.|[^'\\])'""", re.DOTALL)
BEGIN = re.compile(r"(?m)^\s*impl(?:<[^{;]*?>)?\s+(?:[\w:<>', ]+?\s+for\s+)?(?P<owner>\w+)|\bfn\s+(?P<name>\w+)")


def parse(file):
    """The functions of a file."""
    text = code(file)
    owners, found = [], []
    for it in BEGIN.finditer(text):
        begin = body(text, it.end())
        owners = [(owner, until) for owner, until in owners if until > it.start()]
        if text[begin] == "{":
            end = closing(text, begin)
            if it["owner"]:
                owners.append((it["owner"], end))
            else:
                found.append(Function(file, owners[-1][0] if owners else "", it["name"], text[begin + 1 : end]))
    return found


def body(text, at):
    """Where a body begins, or the semicolon of what has none; types such as `[u8; 32]` are no end."""
    depth = 0
    while depth or text[at] not in "{;":
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(text[at], 0)
        at += 1
    return at


@functools.cache
def code(file):
    """The text of a file without comments, texts and tests, so that braces are braces."""
    text = NO_CODE.sub("_", (ROOT / file).read_text())
    while test := re.search(r"#\[cfg\(test\)\][^{;]*[{;]", text):
        end = closing(text, test.end() - 1) if text[test.end() - 1] == "{" else test.end()
        text = text[: test.start()] + text[end:]
    return text


def closing(text, at):
    """Where the brace at `at` is closed."""
    depth = 0
    for end in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return end + 1
    raise AssertionError("a brace is never closed")
