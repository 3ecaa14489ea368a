"""Matomo's recordings, replayed: visits, actions, conversions and reports agree, but for the differences that docs/MATOMO.md explains."""

import pathlib
import tomllib

import pytest
import replay

HERE = pathlib.Path(__file__).parent
LEAST_SHARE = 0.99
FILES = sorted(replay.SHARED.glob("*.json")) if replay.SHARED.is_dir() else []


@pytest.fixture(scope="module")
def agreements(tmp_path_factory):
    if not FILES:
        pytest.skip("needs ../shared/data/matomo-replay, which is not here")
    return {path.stem: replay.agreement_of(path, tmp_path_factory.mktemp(path.stem) / "data") for path in FILES}


def test_values_agree(agreements):
    good = sum(good for agreement in agreements.values() for (kind, _), (good, _) in agreement.fields.items() if kind != "report")
    compared = sum(compared for agreement in agreements.values() for (kind, _), (_, compared) in agreement.fields.items() if kind != "report")
    assert good / compared >= LEAST_SHARE, f"{good} of {compared} values agree"


def test_as_much_is_compared_as_ever(agreements):
    """A filter that drops a report, or a recording that is read as empty, would agree in everything."""
    found = {}
    for agreement in agreements.values():
        for (kind, field), (_, compared) in agreement.fields.items():
            name = field if kind == "report" else kind
            found[name] = found.get(name, 0) + compared
    least = tomllib.loads((HERE / "compared.toml").read_text())
    assert {name: found.get(name, 0) for name, count in least.items() if found.get(name, 0) < count} == {}
    assert set(found) <= set(least), "say in compared.toml how much is compared of what is new"


def test_every_difference_is_explained(agreements):
    explained = tomllib.loads((HERE / "explained.toml").read_text())
    strange, met = [], set()
    reasons = {(name, one["kind"], number, field) for name, of_file in explained.items() for one in of_file
               for number in one["numbers"] for field in one["fields"]}
    for name, agreement in agreements.items():
        for kind, number, field, expected, found in agreement.differences:
            met.add((name, kind, number or 0, field))
            if (name, kind, number or 0, field) not in reasons:
                strange.append((name, kind, number, field, expected, found))
    assert not strange, "\n".join(map(str, strange))
    assert not reasons - met, "no difference any more: " + str(sorted(reasons - met))
