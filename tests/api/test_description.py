"""/openapi.json against serve: schemathesis makes requests of it, and finds nothing to complain of."""

import json
import subprocess
import sys

import harness

CONFIG = """
max-failures = 20

[generation]
# The same requests each time.
deterministic = true
with-security-parameters = false
max-examples = {examples}

[checks.positive_data_acceptance]
# What a parameter may be says the description; what cannot be combined the answer says, by 400.
expected-statuses = ["2xx", "304", "400", "403", "404", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "403", "404", "405", "406", "413", "422"]
"""


# Named reports are /metrics with other defaults; a long run asks them too.
SOME = "^/v1/metrics$|/metrics$|/live$|/ledger$|/visitors/|/erasures/|/queries|/health$|^/openapi"


def test_schemathesis_finds_nothing(serve, tmp_path):
    hit = {"v": 1, "site": 1, "kind": "pageview", "url": "https://shop.example/a"}
    serve.request("/hit", json.dumps(hit).encode(), {"User-Agent": "curl/8"})
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(examples=2 * harness.SOAK))
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", f"{serve.url}/openapi.json",
            "--header", f"Authorization: Bearer {serve.token}", "--phases", "examples,coverage,fuzzing", "--workers", "2",
            *(["--include-path-regex", SOME] if harness.SOAK == 1 else []),
        ],
        capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
