"""Kinesis and S3, emulated on free ports of 127.0.0.1; both keep everything in memory.

`python tests/emulators.py COMMAND...` runs a command beside them, with their addresses in the
environment; the tests in Python use `Emulators` itself. Only processes that were started here are
ended, by their own handles.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

TESTS = pathlib.Path(__file__).resolve().parent
STARTS_WITHIN_S = 120

# What AWS's clients need to sign a request; emulators believe anybody.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Emulators:
    """Both emulators, started."""

    def __init__(self):
        self.processes = []
        self.folder = tempfile.TemporaryDirectory(prefix="hitlake-emulators-")
        try:
            self.kinesis_url = self._kinesis()
            self.s3_url = self._s3()
        except BaseException:
            self.stop()
            raise

    def _kinesis(self):
        process = self._start(
            ["node", TESTS / "kinesalite.cjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = process.stdout.readline().strip()
        assert port, "the Kinesis emulator did not start; run tests/tools node"
        return f"http://127.0.0.1:{port}"

    def _s3(self):
        port = free_port()
        settings = {
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3", "IOT_MTLS_ENABLED": "0"}
        log = open(pathlib.Path(self.folder.name) / "s3.log", "w")
        process = self._start(
            [pathlib.Path(sys.executable).with_name("ministack")],
            env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder.name)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not answers(url):
            said = pathlib.Path(log.name).read_text()
            assert process.poll() is None, f"the S3 emulator ended: {said}"
            assert time.monotonic() < deadline, f"the S3 emulator does not answer: {said}"
            time.sleep(0.1)
        return url

    def _start(self, command, **more):
        process = subprocess.Popen(list(map(str, command)), **more)
        self.processes.append(process)
        return process

    def environment(self):
        """The environment of a program that is to talk to both."""
        return {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL_S3": self.s3_url,
            "AWS_ENDPOINT_URL_KINESIS": self.kinesis_url,
            "HITLAKE_TEST_S3_ENDPOINT": self.s3_url,
            "HITLAKE_TEST_KINESIS_ENDPOINT": self.kinesis_url,
        }

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        self.folder.cleanup()


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def answers(url):
    """Whether anything answers there, whatever it says."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def main():
    emulators = Emulators()
    # The programs' own variables would turn tests of the folder into tests of the emulator.
    ours = {name: value for name, value in emulators.environment().items() if not name.startswith("AWS_ENDPOINT")}
    try:
        return subprocess.run(sys.argv[1:], env={**os.environ, **ours}, check=False).returncode
    finally:
        emulators.stop()


if __name__ == "__main__":
    sys.exit(main())
