"""Waiting for AWS: until a deadline, with few reports, and while AWS has not caught up with what was done before."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bootstrap.aws import instances, waiting
from bootstrap.aws.waiting import polls, repeated, sparing
from bootstrap.errors import StepFailed
from bootstrap.machines.image import images


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(waiting, "time", made)
    return made


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


def failing(*errors: ClientError) -> tuple[Callable[..., str], list[dict[str, Any]]]:
    """A call that fails with each of these, and then succeeds; and the arguments of each time."""
    left, calls = list(errors), list[dict[str, Any]]()

    def call(**arguments: Any) -> str:
        calls.append(arguments)
        if left:
            raise left.pop(0)
        return "done"

    return call, calls


def test_the_last_poll_comes_when_the_time_is_over(clock: Time) -> None:
    assert list(polls(5)) == [0, 2, 4, 6]
    assert clock.pauses == [2, 2, 2]


def test_polls_become_rarer(clock: Time) -> None:
    list(polls(10, every=1, at_most_every=2))
    assert clock.pauses == [1, 1.5, 2, 2, 2, 2]


def test_few_lines_are_reported(clock: Time) -> None:
    lines: list[str] = []
    report = sparing(lines.append, every=10)
    for _ in range(15):
        report(f"after {clock.now:.0f} s")
        clock.sleep(2)
    assert lines == ["after 12 s", "after 24 s"]


def test_a_call_is_repeated_while_aws_refuses_it_so() -> None:
    call, calls = failing(refused("InUse"), refused("InUse"))
    assert repeated(call, ("InUse",), 60) == "done"
    assert len(calls) == 3


@pytest.mark.parametrize(
    "errors", [[refused("Denied")], [refused("InUse", "of another kind")], [refused("InUse", "busy")] * 99]
)
def test_another_refusal_and_one_that_lasts_are_raised(errors: list[ClientError]) -> None:
    call, _ = failing(*errors)
    with pytest.raises(ClientError) as raised:
        repeated(call, ("InUse",), 60, "busy")
    assert raised.value is errors[0] or len(errors) > 1


class Ec2:
    """An EC2 whose deletions are refused for some time."""

    def __init__(self, *refusals: ClientError) -> None:
        self.delete_volume, self.deleted = failing(*refusals)
        self.delete_snapshot = self.delete_volume

    def client(self, _service: str) -> "Ec2":
        return self

    def describe_images(self, **_: Any) -> dict[str, Any]:
        return {"Images": []}

    def get_paginator(self, _operation: str) -> "Ec2":
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"Snapshots": [{"SnapshotId": "snap-1"}], "Images": []}


@pytest.mark.parametrize("errors", [[], [refused("VolumeInUse")] * 3, [refused("InvalidVolume.NotFound")]])
def test_a_disk_is_deleted_once_it_is_detached(errors: list[ClientError]) -> None:
    aws: Any = Ec2(*errors)
    instances.delete_volume(aws, "vol-1")
    assert aws.deleted[-1] == {"VolumeId": "vol-1"}


def test_a_disk_that_stays_attached_is_named() -> None:
    aws: Any = Ec2(*[refused("VolumeInUse")] * 999)
    with pytest.raises(StepFailed, match="vol-1 is still attached: detach it"):
        instances.delete_volume(aws, "vol-1")


@pytest.mark.parametrize(
    "errors", [[refused("InvalidSnapshot.InUse")] * 3, [refused("InvalidSnapshot.NotFound")]]
)
def test_snapshots_are_deleted_once_their_image_released_them(errors: list[ClientError]) -> None:
    aws: Any = Ec2(*errors)
    images.remove_snapshots(aws, "spring")
    assert aws.deleted[-1] == {"SnapshotId": "snap-1"}
