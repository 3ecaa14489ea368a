"""Which calls to AWS the code of each function can make, read from the Rust sources.

A function of Rust leads to those that it names: by type (`Salts::new(`), by module (`scan::open(`), bare
from its own file or one that it uses, or as a method of a type that is named on the way. A name that Rust's
own types have too (`get`, `sort`) says little; there the receiver must be called like the type:
`self.sites.get(` leads to `SiteCache`, and neither to `TokenCache` nor out of a map.
Whatever is called on something named `store` goes to the store in the bucket, whose own functions lead to
the calls of AWS's client. Knows nothing of what is allowed; see test_calls.py.
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
# Athena is called without a client that AWS generates: there each operation is a function of its name.
ATHENA = "query/src/athena/api.rs"
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
    named = set(OPERATION.findall(function.body)) | ({function.name} if function.file == ATHENA else set())
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
# Methods of Rust's own collections, iterators, options, texts and futures.
EVERYDAY = set("""
add all any append as_bytes as_deref as_ref as_str build bytes chain clear clone cloned close collect contains copied count
cut delete difference drain end entry err extend fill filter filter_map find finish first flat_map flatten flush fold get head
insert into is_empty is_none is_some iter join keys kind last len list lock map max merge min name new next now of ok open or
parse path pop position push put range read remove replace reserve retain rev run save send skip sort sort_by_key split start
step_by stop sum take text then to_owned to_string trim truncate union unwrap_or update values wait with write zip
""".split())


def led_to(function, by_name):
    """What one function may call."""
    found = []
    for call in CALL.finditer(function.body):
        candidates = by_name.get(call["name"], [])
        if call["path"]:
            owner = function.owner if call["path"] == "Self" else call["path"]
            found += [it for it in candidates if owner == it.owner or not it.owner and owner in module(it.file)]
        elif call["dot"] or call["after"]:
            found += [it for it in candidates if it.owner and may_be(call, it, function)]
        else:
            free = [it for it in candidates if not it.owner]
            own = [it for it in free if it.file == function.file]
            used = [path[:-1] for path in uses(function.file) if path[-1] == call["name"]]
            found += own or [it for it in free if any(module(it.file)[: len(path)] == path for path in used)]
    return found


def may_be(call, method, function):
    """Whether a method that is called may be this one."""
    if call["name"] not in EVERYDAY:
        return True
    if call["receiver"]:
        return is_like(call["receiver"], method.owner, function.owner)
    return method.owner in function.body


def module(file):
    """`lake/src/site/stored.rs` is lake, site, stored."""
    crate, _, *rest = pathlib.PurePath(file).with_suffix("").parts
    return (crate, *(it for it in rest if it not in ("lib", "main", "mod", "bin")))


@functools.cache
def uses(file):
    """The paths that a file uses, whole, from the name of a crate on."""
    mine, found = module(file), []
    for tree in re.findall(r"\buse ([^;]*);", code(file)):
        for path in flattened(re.sub(r"\s+", " ", tree)):
            parts = tuple(path.split("::"))
            if parts[0] == "crate":
                parts = (mine[0], *parts[1:])
            above = sum(part == "super" for part in parts)
            if above or parts[0] == "self":
                parts = (*mine[: len(mine) - above], *(part for part in parts if part not in ("super", "self")))
            found.append(parts)
    return found


def flattened(tree):
    """`a::{b, c::d}` is a::b and a::c::d."""
    begin = tree.find("{")
    if begin < 0:
        return [tree.strip().split(" as ")[0]]
    depth, parts, last = 0, [], begin + 1
    for at in range(begin, len(tree)):
        depth += {"{": 1, "}": -1}.get(tree[at], 0)
        if depth == 1 and tree[at] == "," or depth == 0:
            parts.append(tree[last:at])
            last = at + 1
        if depth == 0:
            break
    return [tree[:begin].strip() + it for part in parts if part.strip() for it in flattened(part)]


@functools.cache
def words(file):
    """The types that a file names, apart from where it makes them."""
    made = re.sub(r"\b(struct|enum|trait|impl(<[^{;]*?>)?|for)\s+\w+", "", code(file))
    return set(re.findall(r"\b[A-Z]\w+", made))


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
