"""Fixtures of all tests in Python."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import emulators as emulation  # noqa: E402
import harness  # noqa: E402


def pytest_terminal_summary(terminalreporter):
    """At the end: pytest leaves its header out where it is quiet."""
    terminalreporter.write_line(f"HITLAKE_QUESTIONS={harness.QUESTIONS_SEED}: the seed of tests/questions")


@pytest.fixture(scope="session")
def shared():
    """Folder of real input; the test skips where it is absent."""
    if not harness.SHARED.is_dir():
        pytest.skip("needs ../shared/data, which is not here")
    return harness.SHARED


@pytest.fixture
def serve(tmp_path):
    """A running serve on a data folder of its own."""
    running = harness.Serve(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.kill()


@pytest.fixture(scope="session")
def emulators():
    """Kinesis and S3 over the wire."""
    running = emulation.Emulators()
    yield running
    running.stop()
