"""How long a cold start takes: from the start of the process to the first answer, under the runtime
interface emulator, which starts the program with the first event. Then a second event, warm.

    HITLAKE_PROGRAMS=target/release python tests/bench/cold.py
"""

import pathlib
import statistics
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "wire")]

import emulators as emulation  # noqa: E402
import sam_local  # noqa: E402

ROUNDS = 11
# The event that is sent, and what is aimed at for the first answer, milliseconds.
EVENTS = {"ingest": ("ingest-post-hit", 30), "append": ("append-batch", None), "merge": ("merge-schedule", None), "erase": ("erase-schedule", None), "query": ("query-metrics", 60)}


def main():
    running = emulation.Emulators()
    try:
        with tempfile.TemporaryDirectory() as folder, sam_local.deployment(pathlib.Path(folder), running) as chain:
            print("milliseconds: median (least) of the first answer, of its processor time, of the second answer, and the aim")
            for name, (event, aim) in EVENTS.items():
                times = measure(chain, name, sam_local.event(event))
                print(f"  {name:8}{'  '.join(map(show, times))}  {aim or '-'}")
    finally:
        running.stop()


def measure(chain, name, event):
    cold, processor, warm = [], [], []
    for _ in range(ROUNDS):
        chain.restart(name)
        function = chain.function(name)
        cold.append(answer_ms(function, event))
        processor.append(processor_ms(function))
        warm.append(answer_ms(function, event))
    return cold, processor, warm


def answer_ms(function, event):
    began = time.perf_counter()
    function(event)
    return 1000 * (time.perf_counter() - began)


def processor_ms(function):
    """Processor time of the function's program so far: what others do on the machine is not in it."""
    emulator = pathlib.Path("/proc") / str(function.process.pid)
    (program,) = {it for task in emulator.glob("task/*/children") for it in task.read_text().split()}
    tasks = pathlib.Path("/proc", program, "task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def show(times):
    return f"{statistics.median(times):7.1f} ({min(times):.1f})"


if __name__ == "__main__":
    main()
