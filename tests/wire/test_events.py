"""The sample events, answered by the programs as they ship: what `make sam-local` does without containers."""

import sam_local


def test_every_event_is_answered_as_expected(emulators, tmp_path):
    with sam_local.deployment(tmp_path, emulators) as chain:
        assert sam_local.run(chain, sam_local.ByEmulator(chain)) == {}


def test_every_event_has_an_answer():
    assert sam_local.events() and set(sam_local.events()) == set(sam_local.EXPECTED)
