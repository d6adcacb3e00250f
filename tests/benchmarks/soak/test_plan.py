"""A soak's faults follow from its seed, and have their share of the time."""

import pytest

from benchmarks.soak.plan import FAULTS, INCIDENTS, SHARE, plan
from bootstrap.local.cloud.faults import DESCRIPTIONS

SEED = 4


def test_the_seed_tells_everything() -> None:
    assert plan(SEED, 600) == plan(SEED, 600) != plan(SEED + 1, 600)


@pytest.mark.parametrize("seconds", [90, 120, 1800])
def test_each_fault_is_on_for_its_share_of_the_time_and_off_at_the_end(seconds: float) -> None:
    for name in FAULTS:
        steps = [step for step in plan(SEED, seconds) if step.name == name]
        assert [step.on for step in steps] == [True, False] * (len(steps) // 2)
        on = sum(after.after - before.after for before, after in zip(steps[::2], steps[1::2], strict=True))
        assert on == pytest.approx(SHARE * seconds)
        assert all(0 <= step.after <= seconds for step in steps)


def test_a_long_soak_strikes_every_blow_and_the_local_cloud_has_every_fault() -> None:
    assert {step.name for step in plan(SEED, 1800)} == {*FAULTS, *INCIDENTS}
    assert set(FAULTS) <= set(DESCRIPTIONS)
