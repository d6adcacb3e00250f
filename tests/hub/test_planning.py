"""What to do about an instance, as tables."""

from datetime import timedelta
from typing import Any

import pytest

from hub.spawn.planning import (
    RECORD_LAGS,
    STOP_SHOWS,
    TOLERANCE,
    YOUNG,
    Known,
    Step,
    is_doubtful,
    is_gone,
    is_young,
    known_from,
    lacks_home,
    next_step,
    step_after_check,
    step_for,
)
from lifecycle_app.model.worker import State, Worker
from tests.hub.fakes import NOON, worker

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("record", "step"),
    [
        (None, Step.LAUNCH),
        (worker(state=State.TERMINATED), Step.LAUNCH),
        (worker(state=State.STOPPED), Step.START),
        (worker(state=State.PENDING), Step.ADOPT),
        (worker(state=State.RUNNING), Step.ADOPT),
        (worker(state=State.STOPPING), Step.WAIT),
        (worker(state=State.STOPPING, claimed_until=NOON + SECOND), Step.WAIT),
        (worker(state=State.STOPPING, claimed_until=NOON), Step.CHECK),
        (worker(state=State.STOPPING, claimed_until=NOON - SECOND), Step.CHECK),
    ],
)
def test_step_for_a_record(record: Worker | None, step: Step) -> None:
    assert next_step(record, NOON) is step


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (State.PENDING, Step.ADOPT),
        (State.RUNNING, Step.ADOPT),
        (State.STOPPING, Step.WAIT),
        (State.STOPPED, Step.START),
        (State.TERMINATED, Step.LAUNCH),
    ],
)
def test_step_for_what_ec2_says(state: State, step: Step) -> None:
    assert step_for(Known(instance_id="i-1", state=state, address=None)) is step


def looked(state: State, **more: Any) -> Known:
    return Known(**{"instance_id": "i-00000001", "state": state, "address": None, **more})


CLAIMED = worker(state=State.STOPPING, claimed_until=NOON + SECOND)
ACCEPTED = worker(state=State.STOPPING, state_at=NOON - STOP_SHOWS + SECOND)


@pytest.mark.parametrize(
    ("record", "state", "step"),
    [
        (CLAIMED, State.RUNNING, Step.WAIT),  # the stop may still land
        (CLAIMED, State.PENDING, Step.WAIT),
        (CLAIMED, State.STOPPED, Step.WAIT),  # it would land on the machine that is started now
        (CLAIMED, State.TERMINATED, Step.LAUNCH),
        (worker(state=State.STOPPING, claimed_until=NOON), State.RUNNING, Step.ADOPT),
        (worker(state=State.STOPPING, claimed_until=NOON), State.STOPPED, Step.START),
        (ACCEPTED, State.RUNNING, Step.WAIT),  # EC2 does not show the stop yet
        (ACCEPTED, State.STOPPED, Step.START),
        (worker(state=State.STOPPING, state_at=NOON - STOP_SHOWS), State.RUNNING, Step.ADOPT),
        (worker(state=State.STOPPED), State.RUNNING, Step.ADOPT),
        (worker(state=State.STOPPING, instance_id="i-0000ffff"), State.RUNNING, Step.ADOPT),
        (None, State.RUNNING, Step.ADOPT),
    ],
)
def test_what_ec2_says_does_not_outweigh_a_stop_that_is_under_way(
    record: Worker | None, state: State, step: Step
) -> None:
    assert step_after_check(record, looked(state), NOON) is step


@pytest.mark.parametrize(
    ("record", "volumes", "lacks"),
    [
        (None, set(), False),
        ({}, set(), False),
        ({"home_volume": "vol-1"}, set(), False),
        ({"home_volume": "vol-1", "home_attached": False}, set(), True),
        ({"home_volume": "vol-1", "home_attached": False}, {"vol-2"}, True),
        ({"home_volume": "vol-1", "home_attached": False}, {"vol-1"}, False),
        ({"home_volume": "vol-1", "instance_id": "i-0000ffff"}, set(), True),
        ({"home_volume": "vol-1", "instance_id": "i-0000ffff"}, {"vol-1"}, False),
    ],
)
def test_home_is_lacking(record: dict[str, Any] | None, volumes: set[str], lacks: bool) -> None:
    known = worker(**record) if record is not None else None
    assert lacks_home(known, looked(State.RUNNING, volumes=frozenset(volumes))) is lacks


@pytest.mark.parametrize(
    ("status", "has"),
    [("attaching", True), ("attached", True), ("detaching", False), ("detached", False), (None, True)],
)
def test_disk_that_is_on_its_way_out_is_not_there(status: str | None, has: bool) -> None:
    disk = {"VolumeId": "vol-1"} | ({"Status": status} if status else {})
    instance = {
        "InstanceId": "i-1",
        "State": {"Name": "running"},
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "BlockDeviceMappings": [{"Ebs": disk}, {"NoDevice": ""}],
    }
    assert ("vol-1" in known_from(instance).volumes) is has


@pytest.mark.parametrize(
    ("record", "gone"),
    [
        (None, False),
        ({"state": State.RUNNING}, False),
        ({"state": State.PENDING}, False),
        ({"state": State.STOPPING}, True),
        ({"state": State.STOPPING, "claimed_until": NOON + timedelta(hours=1)}, False),
        ({"state": State.STOPPED}, True),
        ({"state": State.TERMINATED}, True),
        ({"state": State.RUNNING, "instance_id": "i-0000ffff"}, True),
    ],
)
def test_gone_only_if_it_is_certain(record: dict[str, Any] | None, gone: bool) -> None:
    known = worker(**{"state_at": NOON + timedelta(minutes=1), **record}) if record else None
    assert is_gone(known, "i-00000001", NOON) is gone


@pytest.mark.parametrize(
    ("after", "gone"), [(-SECOND, False), (TOLERANCE, False), (TOLERANCE + timedelta(microseconds=1), True)]
)
def test_older_news_than_the_last_activity_does_not_count(after: timedelta, gone: bool) -> None:
    assert is_gone(worker(state=State.STOPPED, state_at=NOON + after), "i-00000001", NOON) is gone


@pytest.mark.parametrize(
    ("record", "since_alive", "doubtful"),
    [
        ({"state": State.STOPPED, "state_at": NOON + SECOND}, RECORD_LAGS, True),
        ({"state": State.STOPPED, "state_at": NOON + SECOND}, RECORD_LAGS - SECOND, False),
        ({"state": State.STOPPED, "state_at": NOON - timedelta(days=1)}, RECORD_LAGS, True),
        ({"state": State.TERMINATED, "state_at": NOON}, RECORD_LAGS, True),
        ({"state": State.RUNNING, "state_at": NOON, "instance_id": "i-0000ffff"}, RECORD_LAGS, True),
        ({"state": State.STOPPED, "state_at": NOON + timedelta(seconds=30)}, RECORD_LAGS, False),
        ({"state": State.RUNNING, "state_at": NOON}, RECORD_LAGS, False),
        ({"state": State.STOPPING, "claimed_until": NOON + timedelta(hours=1)}, RECORD_LAGS, False),
        (None, RECORD_LAGS, False),
    ],
)
def test_a_record_that_keeps_contradicting_what_was_seen_is_doubtful(
    record: dict[str, Any] | None, since_alive: timedelta, doubtful: bool
) -> None:
    """A certain end is none of it, nor is a record that only lags behind."""
    known = worker(**record) if record else None
    assert is_doubtful(known, "i-00000001", NOON, NOON + since_alive) is doubtful


def test_a_server_that_was_never_seen_is_not_in_doubt() -> None:
    assert not is_doubtful(worker(state=State.STOPPED), "i-00000001", None, NOON + timedelta(days=1))


def test_without_activity_the_record_counts() -> None:
    assert is_gone(worker(state=State.STOPPED), "i-00000001", None)


@pytest.mark.parametrize(("age", "young"), [(timedelta(0), True), (YOUNG - SECOND, True), (YOUNG, False)])
def test_young(age: timedelta, young: bool) -> None:
    assert is_young(worker(), NOON + age) is young
