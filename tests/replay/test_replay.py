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


def test_every_difference_is_explained(agreements):
    explained = tomllib.loads((HERE / "explained.toml").read_text())
    strange = []
    for name, agreement in agreements.items():
        reasons = {(one["kind"], number, field) for one in explained.get(name, [])
                   for number in one.get("numbers", []) for field in one.get("fields", [])}
        reports = {method for one in explained.get(name, []) for method in one.get("methods", [])}
        strange += [(name, kind, number, field, expected, found) for kind, number, field, expected, found in agreement.differences
                    if (kind, number or 0, field) not in reasons and not (kind == "report" and field.split()[0] in reports)]
    assert not strange, "\n".join(map(str, strange))
