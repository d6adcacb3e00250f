"""EC2's rules about instance states, ids and client tokens, with EC2's messages and codes. Pure.

Sources: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html,
https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html and the errors that EC2 returns.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bootstrap.local.cloud.errors import AwsError

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


def check_reboot(instance_id: str, state: State) -> None:
    """Raises AwsError if the instance cannot be rebooted."""
    if state is not State.RUNNING:
        raise _wrong_state(instance_id, "rebooted")


def check_ids(instance_ids: Sequence[str]) -> None:
    """Raises AwsError for ids that cannot be ids."""
    if not instance_ids:
        raise AwsError("MissingParameter", "The request must contain the parameter InstanceId")
    for instance_id in instance_ids:
        if not INSTANCE_ID.fullmatch(instance_id):
            raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')


def not_found(instance_ids: Sequence[str]) -> AwsError:
    """EC2's error for unknown instance ids."""
    if len(instance_ids) == 1:
        message = f"The instance ID '{instance_ids[0]}' does not exist"
    else:
        message = f"The instance IDs '{', '.join(instance_ids)}' do not exist"
    return AwsError("InvalidInstanceID.NotFound", message)


def _wrong_state(instance_id: str, done: str) -> AwsError:
    message = f"The instance '{instance_id}' is not in a state from which it can be {done}."
    return AwsError("IncorrectInstanceState", message)


LONGEST = 64
NOT_PARAMETERS = ("Action", "Version", "ClientToken")


@dataclass(slots=True)
class ClientTokens:
    """What each token launched, per zone. Used under the emulator's lock; part of the snapshot."""

    known: dict[tuple[str, str], tuple[str, str, list[str]]] = field(init=False, default_factory=dict)

    def find(self, token: str, zone: str, fingerprint_: str) -> tuple[str, list[str]] | None:
        """Reservation and instance ids of the earlier launch. Raises AwsError if its parameters differed."""
        found = self.known.get((token, zone))
        if found is None:
            return None
        earlier, reservation_id, instance_ids = found
        if earlier != fingerprint_:
            message = "The client token you have provided has been used with a different set of parameters."
            raise AwsError("IdempotentParameterMismatch", message)
        return reservation_id, instance_ids

    def remember(
        self, token: str, zone: str, fingerprint_: str, reservation_id: str, instance_ids: list[str]
    ) -> None:
        """Record what the token launched."""
        self.known[(token, zone)] = (fingerprint_, reservation_id, instance_ids)


def check_token(token: str) -> None:
    """Raises AwsError for a token that EC2 does not take."""
    if len(token) > LONGEST or not token.isascii():
        raise AwsError("InvalidParameterValue", f"Invalid value '{token}' for parameter clientToken")


def fingerprint(form: Mapping[str, str]) -> str:
    """The same for the same parameters, in any order."""
    parameters = sorted((name, value) for name, value in form.items() if name not in NOT_PARAMETERS)
    return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()
