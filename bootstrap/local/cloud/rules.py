"""When EC2 lets an instance change state. Pure; words and codes are EC2's.

Sources: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html and the errors EC2 gives.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

from bootstrap.local.cloud.messages import AwsError

INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")


class State(StrEnum):
    """An instance's state, by EC2's names."""

    PENDING = "pending"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"
    STOPPING = "stopping"
    STOPPED = "stopped"


CODES = {
    State.PENDING: 0,
    State.RUNNING: 16,
    State.SHUTTING_DOWN: 32,
    State.TERMINATED: 48,
    State.STOPPING: 64,
    State.STOPPED: 80,
}
COSTING = (State.PENDING, State.RUNNING)
"""States whose vCPUs count against the account's limit."""


def starts(instance_id: str, state: State) -> bool:
    """Whether StartInstances starts it; False if it has nothing to do. Raises AwsError."""
    if state in (State.PENDING, State.RUNNING):
        return False
    if state is State.STOPPED:
        return True
    raise _wrong_state(instance_id, "started")


def stops(instance_id: str, state: State, *, has_run: bool) -> bool:
    """Whether StopInstances stops it; False if it has nothing to do. Raises AwsError."""
    if state in (State.STOPPING, State.STOPPED):
        return False
    if state is State.RUNNING or (state is State.PENDING and has_run):
        return True
    if state is State.PENDING:
        message = f"Instance '{instance_id}' cannot be stopped as it has never reached the 'running' state."
        raise AwsError("IncorrectInstanceState", message)
    raise _wrong_state(instance_id, "stopped")


def terminates(state: State) -> bool:
    """Whether TerminateInstances terminates it; False if it has nothing to do."""
    return state not in (State.SHUTTING_DOWN, State.TERMINATED)


def judge_reboot(instance_id: str, state: State) -> None:
    if state is not State.RUNNING:
        raise _wrong_state(instance_id, "rebooted")


def judge_ids(instance_ids: Sequence[str]) -> None:
    """Raises AwsError for ids that cannot be ids."""
    if not instance_ids:
        raise AwsError("MissingParameter", "The request must contain the parameter InstanceId")
    for instance_id in instance_ids:
        if not INSTANCE_ID.fullmatch(instance_id):
            raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')


def not_found(instance_ids: Sequence[str]) -> AwsError:
    if len(instance_ids) == 1:
        message = f"The instance ID '{instance_ids[0]}' does not exist"
    else:
        message = f"The instance IDs '{', '.join(instance_ids)}' do not exist"
    return AwsError("InvalidInstanceID.NotFound", message)


def _wrong_state(instance_id: str, done: str) -> AwsError:
    message = f"The instance '{instance_id}' is not in a state from which it can be {done}."
    return AwsError("IncorrectInstanceState", message)
