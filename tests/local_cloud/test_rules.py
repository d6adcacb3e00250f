"""Which state changes EC2 admits."""

from collections.abc import Callable
from functools import partial

import pytest

from bootstrap.local.cloud.ec2.rules import State, check_ids, not_found, starts, stops, terminates
from bootstrap.local.cloud.errors import AwsError

ID = "i-0123456789abcdef0"
REFUSED = None


def verdict(rule: Callable[[str, State], bool], instance_id: str, state: State) -> bool | None:
    """What the rule says, REFUSED for IncorrectInstanceState."""
    try:
        return rule(instance_id, state)
    except AwsError as error:
        if error.code != "IncorrectInstanceState":
            raise
        return REFUSED


@pytest.mark.parametrize(
    ("state", "start", "stop", "terminate"),
    [
        (State.PENDING, False, True, True),
        (State.RUNNING, False, True, True),
        (State.STOPPING, REFUSED, False, True),
        (State.STOPPED, True, False, True),
        (State.SHUTTING_DOWN, REFUSED, REFUSED, False),
        (State.TERMINATED, REFUSED, REFUSED, False),
    ],
)
def test_each_action_in_each_state(
    state: State, start: bool | None, stop: bool | None, terminate: bool
) -> None:
    assert terminates(state) is terminate
    assert verdict(starts, ID, state) is start
    assert verdict(partial(stops, has_run=True), ID, state) is stop


def test_a_pending_instance_can_be_stopped_only_if_it_has_run_before() -> None:
    assert stops(ID, State.PENDING, has_run=True)
    with pytest.raises(AwsError, match="has never reached the 'running' state"):
        stops(ID, State.PENDING, has_run=False)


@pytest.mark.parametrize(
    "instance_id", ["", "i-", "i-0123", "i-0123456789ABCDEF0", "vol-0123456789abcdef0", ID + "0"]
)
def test_ids_that_cannot_be_ids(instance_id: str) -> None:
    with pytest.raises(AwsError) as refused:
        check_ids([ID, instance_id])
    assert refused.value.code == "InvalidInstanceID.Malformed"


@pytest.mark.parametrize("instance_id", ["i-01234567", ID])
def test_ids_of_both_lengths(instance_id: str) -> None:
    check_ids([instance_id])


def test_no_ids_at_all() -> None:
    with pytest.raises(AwsError) as refused:
        check_ids([])
    assert refused.value.code == "MissingParameter"


def test_one_and_several_unknown_ids() -> None:
    assert not_found([ID]).message == f"The instance ID '{ID}' does not exist"
    assert not_found([ID, "i-1"]).message == f"The instance IDs '{ID}, i-1' do not exist"
