"""Replays recordings into Hitlake and prints how far its visits agree with Matomo's.

    .venv/bin/python tests/replay/replay.py [--all] [FILE ...]

Without files: those of ../shared/data/matomo-replay. `--all` prints every difference, not only the first of each field.
"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import compare  # noqa: E402
import harness  # noqa: E402
import pipeline  # noqa: E402
import recording  # noqa: E402

SHARED = harness.SHARED / "matomo-replay"


def agreement_of(path, folder):
    replayed = recording.Recording.read(path)
    rows, compared = pipeline.replayed(replayed, folder)
    agreement = compare.compare(replayed, rows)
    agreement.reports(compared)
    return agreement


def main(arguments):
    everything = "--all" in arguments
    paths = [pathlib.Path(path) for path in arguments if path != "--all"] or sorted(SHARED.glob("*.json"))
    totals = {}
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            agreement = agreement_of(path, pathlib.Path(folder) / "data")
        show(path.stem, agreement, everything)
        for kind, (good, all_) in agreement.items.items():
            before = totals.get(kind, (0, 0))
            totals[kind] = (before[0] + good, before[1] + all_)
        for (kind, field), (good, all_) in agreement.fields.items():
            before = totals.get("values", (0, 0))
            totals["values"] = (before[0] + good, before[1] + all_)
    print("== all files")
    for kind, (good, all_) in totals.items():
        print(f"   {kind:12} {good:5} of {all_:5}  {100 * good / max(all_, 1):6.2f} %")


def show(name, agreement, everything):
    print(f"== {name}")
    for kind, (good, all_) in agreement.items.items():
        print(f"   {kind:12} {good:5} of {all_:5} agree in every field")
    for (kind, field), (good, all_) in agreement.fields.items():
        if good != all_:
            print(f"     {kind}.{field:24} {good:5} of {all_:5}")
    shown = set()
    for kind, number, field, expected, found in agreement.differences:
        if everything or (kind, field) not in shown:
            shown.add((kind, field))
            print(f"     - {kind} {number} {field}: Matomo {short(expected)}, Hitlake {short(found)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 160 else text[:157] + "..."


if __name__ == "__main__":
    main(sys.argv[1:])
