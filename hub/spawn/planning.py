"""What to do about a worker's instance, decided from what is known of it. No clock and no I/O here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from lifecycle_app.model.worker import State, Worker

TOLERANCE = timedelta(seconds=2)
"""An event's time has whole seconds, and clocks differ a little."""
RECORD_LAGS = timedelta(minutes=1)
"""How long a record may still describe the time before the server was last seen alive."""
YOUNG = timedelta(minutes=5)
"""How long EC2 may not find an instance that it has just launched."""
STOP_SHOWS = timedelta(minutes=3)
"""How long after it has accepted a stop EC2 may still report the instance as running."""


class Step(StrEnum):
    """What the spawner does next."""

    LAUNCH = "launch"
    """Look for an instance by its tags, else launch one."""
    START = "start"
    """It is stopped: start it."""
    ADOPT = "adopt"
    """It is running or booting: use it."""
    WAIT = "wait"
    """It is being stopped, or that is being decided: read the record again."""
    CHECK = "check"
    """A claim on it was abandoned: ask EC2 for its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An instance, as the record or EC2 describes it."""

    instance_id: str
    state: State
    address: str | None
    zone: str = ""
    volumes: frozenset[str] = frozenset()
    is_fresh: bool = False
    """Has EC2 just accepted its start or launch?"""
    reason: str = ""
    """EC2's code for why it is in its state, like `Client.InternalError`; "" where none is known."""


def next_step(worker: Worker | None, now: datetime) -> Step:
    """The step for a worker as recorded."""
    if worker is None:
        return Step.LAUNCH
    if worker.is_abandoned(now):
        return Step.CHECK
    return _step_in(worker.state)


def step_for(known: Known) -> Step:
    """The step for an instance as EC2 describes it."""
    return _step_in(known.state)


def _step_in(state: State) -> Step:
    match state:
        case State.TERMINATED:
            return Step.LAUNCH
        case State.STOPPED:
            return Step.START
        case State.PENDING | State.RUNNING:
            return Step.ADOPT
        case State.STOPPING:
            return Step.WAIT
        case _:
            assert_never(state)


def step_after_check(worker: Worker | None, described: Known, now: datetime) -> Step:
    """The step for an instance as EC2 describes it, which the record may outweigh.

    While a stop is under way, its state proves nothing: the stop may still hit what is started or used now.
    """
    step = step_for(described)
    if step is Step.LAUNCH or worker is None or worker.instance_id != described.instance_id:
        return step
    if worker.is_claimed(now):
        return Step.WAIT
    is_accepted = worker.state is State.STOPPING and worker.claimed_until is None
    if step is Step.ADOPT and is_accepted and now - worker.state_at < STOP_SHOWS:
        return Step.WAIT
    return step


def lacks_home(worker: Worker | None, known: Known) -> bool:
    """Has the worker a home disk that is not attached to this instance, as far as known?"""
    if worker is None or worker.home_volume is None or worker.home_volume in known.volumes:
        return False
    return worker.instance_id != known.instance_id or not worker.home_attached


def is_young(worker: Worker, now: datetime) -> bool:
    """May EC2 not know the instance yet?"""
    return now - worker.state_at < YOUNG


def is_gone(worker: Worker | None, instance_id: str, alive_at: datetime | None) -> bool:
    """Is the server on this instance certainly down?

    `alive_at` is when it was last known to be up: a record of the time before does not count. Without a record nothing
    is known, and unknown is not down. A claimed worker still runs.
    """
    if worker is None:
        return False
    if alive_at is not None and worker.state_at <= alive_at + TOLERANCE:
        return False
    if worker.instance_id != instance_id:
        return True
    if worker.state is State.STOPPING:
        return worker.claimed_until is None
    return worker.state in (State.STOPPED, State.TERMINATED)


def is_doubtful(worker: Worker | None, instance_id: str, alive_at: datetime | None, now: datetime) -> bool:
    """Does the record keep saying that the server is down, at a time that does not count?

    The instance may have stopped within the tolerance, or its events were lost: EC2 knows.
    """
    if alive_at is None or now < alive_at + RECORD_LAGS:
        return False
    return is_gone(worker, instance_id, None) and not is_gone(worker, instance_id, alive_at)


def known_from(instance: Mapping[str, Any]) -> Known:
    """An instance in EC2's DescribeInstances answer."""
    state = instance["State"]["Name"]
    return Known(
        instance_id=instance["InstanceId"],
        state=State.TERMINATED if state == "shutting-down" else State(state),
        address=instance.get("PrivateIpAddress"),
        zone=instance["Placement"]["AvailabilityZone"],
        volumes=frozenset(
            disk["Ebs"]["VolumeId"]
            for disk in instance.get("BlockDeviceMappings", [])
            if "Ebs" in disk and disk["Ebs"].get("Status") not in ("detaching", "detached")
        ),
        reason=instance.get("StateReason", {}).get("Code", ""),
    )
