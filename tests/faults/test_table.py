"""Each fault, through the real service: no machine with activity, or unknown, is stopped, and no other held up."""

import pytest

from lifecycle_app.use_cases import sweep
from tests.faults.activity_faults import ACTIVITY
from tests.faults.cloudwatch_faults import CLOUDWATCH, deaf, lively, silent_but_busy
from tests.faults.ec2_faults import EC2
from tests.faults.event_faults import EVENTS
from tests.faults.hub_faults import HUB
from tests.faults.scene import NO_HUB, always, only_alice, scene
from tests.faults.table import Fault
from tests.lifecycle.examples import ALICE, BOB

ALL = [*HUB, *CLOUDWATCH, *EC2, *EVENTS, *ACTIVITY]


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_fault_stops_no_machine_and_is_reported(fault: Fault) -> None:
    found = fault.run()
    assert found.wrong_stops == ()
    assert fault.words in found.told
    assert found.are_others_seen_to


@pytest.mark.parametrize("hub", [None, NO_HUB])
def test_without_a_fault_both_idle_workers_are_stopped(hub: str | None) -> None:
    """Else the table would say nothing."""
    with scene(api=hub) as one:
        assert sweep(one.service, always) == {"stopped": 2, "kept": 1}
        assert one.wire.stops == [ALICE, BOB]


def test_without_a_fault_a_hung_worker_is_stopped() -> None:
    with scene(only_alice(deaf)) as one:
        silent_but_busy(one, 0.5)
        sweep(one.service, always)
        assert ALICE in one.wire.stops


def test_without_a_fault_a_lively_worker_is_kept() -> None:
    with scene(api=NO_HUB) as one:
        lively(one)
        assert sweep(one.service, always) == {"stopped": 1, "kept": 2}
