"""How many single-hit POSTs a second `hitlake serve` accepts durably, at 64 connections.

Prints wrk's figures and checks that every acknowledged hit is there once. Needs wrk (Debian: apt-get install wrk).
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from harness import Serve  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--data", help="folder for the data; its disk's fsync bounds the latency")
    args = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory(dir=args.data) as folder:
        serve = Serve(pathlib.Path(folder) / "data")
        try:
            figures = load(serve.url, args)
            serve.drained()
            there = serve.metrics("metrics=hits&bots=include")["totals"]["hits"]
        finally:
            serve.kill()
    accepted = figures["requests"] - figures["not_2xx"]
    # wrk may stop before it has read the last answers: up to one a connection.
    assert accepted <= there <= accepted + args.connections, (accepted, there)
    print(json.dumps({"accepted_hits_a_second": round(accepted / figures["duration_s"]), "stored_hits": there, **figures}, indent=1))


def load(url, args):
    command = ["wrk", "-t", "1", "-c", str(args.connections), "-d", f"{args.seconds}s", "-s", str(HERE / "hit.lua"), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
