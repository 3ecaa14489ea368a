"""Every block of docs/EXAMPLES.md runs as it stands against serve, and answers.

M runs in Power BI and Excel alone: Microsoft's parser reads it, and serve answers what it asks.
"""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import uuid

import athena_emulator
import harness
import pytest

PAGE = harness.ROOT / "docs/EXAMPLES.md"
PARSE_M = harness.ROOT / "tests/api/parse_m.mjs"
# A block, and the first line that the page says it answers with.
BLOCK = re.compile(r"```(sh|python|r)\n(.*?)\n```(?:\n\n```text\n(.*?)\n```)?", re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text())
M = re.compile(r"```powerquery\n(.*?)\n```", re.DOTALL)
TOOLS = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"], "r": ["Rscript", "-e"]}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0"


def hits():
    """Some of last month and the month before, by phones and desks, downloads among them."""
    first = datetime.datetime.now(datetime.UTC).replace(day=1, hour=12)
    last_month = first - datetime.timedelta(days=5)
    for number in range(12):
        at = last_month if number % 3 else last_month.replace(day=1) - datetime.timedelta(days=5)
        hit = {
            "v": 1, "site": 1, "kind": "pageview", "id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
            "url": f"https://shop.example/manual/{number % 4}", "ts": int(at.timestamp() * 1000),
            "referrer": "https://www.google.com/" if number % 2 else None,
            "ip": f"192.0.2.{number}", "user_agent": PHONE if number % 2 else DESK, "country": "GB",
        }
        yield hit
        if number % 3 == 1:
            yield {**hit, "kind": "download", "target": "https://shop.example/a.pdf", "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"d{number}"))}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    data = tmp_path_factory.mktemp("examples") / "data"
    beyond = athena_emulator.Athena()
    beyond.store = data / "store"
    serve = harness.Serve(data, beyond.variables())
    body = json.dumps([{name: value for name, value in hit.items() if value is not None} for hit in hits()]).encode()
    status, headers, _ = serve.request("/hit", body, {"Authorization": f"Bearer {serve.token}"})
    assert status == 204 and not headers["Hitlake-Dropped"], headers["Hitlake-Dropped"]
    serve.drained()
    yield serve
    serve.stop()
    beyond.stop()


@pytest.mark.parametrize("language, code, first_line", BLOCKS, ids=range(len(BLOCKS)))
def test_block_runs_as_it_stands(served, language, code, first_line):
    if not shutil.which(TOOLS[language][0]) or language == "sh" and not shutil.which("curl"):
        pytest.skip(f"needs {TOOLS[language][0]} and curl, which are not here")
    environment = {**os.environ, "HITLAKE": served.url, "TOKEN": served.token}
    for _ in range(2 if "etag" in code else 1):
        done = subprocess.run([*TOOLS[language], code], capture_output=True, text=True, env=environment, cwd=served.data.parent, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    if first_line:
        lines = done.stdout.splitlines()
        assert lines[0] == first_line and len(lines) > 1, done.stdout


def test_the_page_has_each_language():
    assert [language for language, _, _ in BLOCKS].count("sh") > 8
    assert {language for language, _, _ in BLOCKS} == set(TOOLS)
    assert len(M.findall(PAGE.read_text())) == 1


def parsed(code):
    return subprocess.run(["node", PARSE_M], input=code, capture_output=True, text=True, timeout=60)


def test_m_is_read_by_the_parser_of_microsoft():
    [code] = M.findall(PAGE.read_text())
    done = parsed(code)
    assert done.returncode == 0, done.stderr
    for wrong in [code.replace("in\n", "\n"), code.replace("]),", "),", 1), code.replace('"en-US"', '"en-US')]:
        assert wrong != code and parsed(wrong).returncode == 1, wrong


def test_what_m_asks_is_answered_with_the_columns_that_it_types(served):
    [code] = M.findall(PAGE.read_text())
    [path] = re.findall(r'RelativePath = "(.*?)"', code)
    [question] = re.findall(r"Query = \[(.*?)\]", code)
    query = urllib.parse.urlencode(dict(re.findall(r'(\w+) = "(.*?)"', question)))
    status, _, body = served.request(f"/{path}?{query}", headers={"Authorization": f"Bearer {served.token}"})
    first_line, *rows = body.decode().splitlines()
    assert status == 200 and first_line.split(",") == re.findall(r'\{"(\w+)", ', code)
    assert len(rows) > 80, "days of three months"


def test_the_figures_are_those_that_were_sent(served):
    question = "period=month&date=previous1&metrics=pageviews,downloads,visits"
    totals = served.metrics(question)["totals"]
    assert totals == {"pageviews": 8, "downloads": 4, "visits": 8}
    mobile = served.metrics(f"{question}&filter=device==mobile;country==GB")["totals"]
    assert mobile["pageviews"] == sum(number % 3 and number % 2 for number in range(12))
    assert served.metrics(f"{question}&compare=previous")["totals"]["previous"]["pageviews"] == 4
