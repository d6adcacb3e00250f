"""Small stand-ins. FakeEC2 is held to the same contract as moto's in test_fakes.py."""

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

from hub.clients.calls import Calls
from hub.config.settings import Settings
from hub.spawn.launch_request import Image
from lifecycle_app.model.worker import State, Worker

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

SETTINGS = Settings(
    cluster="test",
    hub_name="hub.test",
    region="us-east-1",
    public_url="http://127.0.0.1:8000",
    private_address="127.77.0.10",
    state_dir=Path("state"),
    image="ami-0123456789abcdef0",
    types=("t3.medium", "t3.large"),
    subnets=("subnet-0000000a", "subnet-0000000b"),
    group="sg-0123456789abcdef0",
    role="cloudjhub-test-worker",
    worker_disk=8,
    home_disk=3,
    owner="tests",
    authenticator="shared-password",
    users_file=None,
    allow_all=True,
    report_period=timedelta(seconds=60),
    read_interval=timedelta(seconds=5),
    answer_limit=timedelta(minutes=4),
    extra_config=None,
)

MISSING_IMAGE = "ami-00000000000000bad"
IMAGE = Image(id=SETTINGS.image, root_device="/dev/sda1")


def worker(key: str = "ada", state: State = State.RUNNING, **more: Any) -> Worker:
    """A record."""
    known = {"instance_id": "i-00000001", "state_at": NOON, "version": 1, "changed_at": NOON}
    return Worker(
        **{"key": key, "state": state, "address": "127.77.1.4", "zone": "us-east-1a", **known, **more}
    )


def refusal(code: str, message: str = "", operation: str = "RunInstances") -> ClientError:
    """An error as botocore raises it."""
    return ClientError({"Error": {"Code": code, "Message": message or code}}, operation)


class Clock:
    """A monotonic clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Takes no time at all, but is noted."""
        self.slept.append(seconds)
        self.time += seconds


def calls(clock: Clock | None = None) -> Calls:
    """Calls with a thread that ends with the test, and sleeps that take no time."""
    clock = clock or Clock()
    return Calls(_Inline(), sleep=clock.sleep, clock=clock)


class _Inline(ThreadPoolExecutor):
    """Runs at once what is submitted."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@dataclass
class FakeEC2:
    """Instances, and what was asked of them. `refuse` gives the errors to raise, by operation, first to last."""

    instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    refuse: dict[str, list[Exception]] = field(default_factory=dict)
    bad: Mapping[str, ClientError] = field(default_factory=dict)
    """Instances that cannot be started, with the error."""
    tokens: dict[str, str] = field(default_factory=dict)
    attached: list[tuple[str, str]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def count(self, operation: str) -> int:
        return len([one for one, _ in self.asked if one == operation])

    def _ask(self, operation: str, what: Any) -> None:
        self.asked.append((operation, what))
        if self.refuse.get(operation):
            raise self.refuse[operation].pop(0)

    def run_instances(self, **request: Any) -> dict[str, Any]:
        self._ask("RunInstances", request)
        known = self.tokens.get(request["ClientToken"])
        if known is None:
            known = f"i-{len(self.instances) + 1:08x}"
            self.tokens[request["ClientToken"]] = known
            self.instances[known] = {
                "InstanceId": known,
                "PrivateIpAddress": f"127.77.1.{len(self.instances) + 4}",
                "Placement": {"AvailabilityZone": f"us-east-1{request['SubnetId'][-1]}"},
                "InstanceType": request["InstanceType"],
                "State": {"Name": "pending"},
                "Tags": request["TagSpecifications"][0]["Tags"],
                "LaunchTime": NOON,
                "BlockDeviceMappings": [],
            }
        return {"Instances": [self.instances[known]]}

    def start_instances(self, InstanceIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._ask("StartInstances", list(InstanceIds))
        for one in InstanceIds:
            if one in self.bad:
                raise self.bad[one]
        for one in InstanceIds:
            if one in self.instances:
                self.instances[one]["State"] = {"Name": "pending"}
        return {"StartingInstances": []}

    def attach_volume(self, Device: str, InstanceId: str, VolumeId: str) -> dict[str, Any]:  # noqa: N803 -- boto3's own names
        self._ask("AttachVolume", (Device, InstanceId, VolumeId))
        self.attached.append((VolumeId, InstanceId))
        return {}

    def describe_subnets(self, SubnetIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._ask("DescribeSubnets", list(SubnetIds))
        return {
            "Subnets": [{"SubnetId": one, "AvailabilityZone": f"us-east-1{one[-1]}"} for one in SubnetIds]
        }

    def describe_images(self, ImageIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._ask("DescribeImages", list(ImageIds))
        found = [one for one in ImageIds if one != MISSING_IMAGE]
        return {"Images": [{"ImageId": one, "RootDeviceName": "/dev/sda1"} for one in found]}

    def get_paginator(self, operation: str) -> "FakeEC2":
        assert operation == "describe_instances"
        return self

    def paginate(
        self,
        Filters: Sequence[Mapping[str, Any]],  # noqa: N803 -- boto3's own name
        PaginationConfig: object,  # noqa: N803 -- boto3's own name
    ) -> Iterator[dict[str, Any]]:
        self._ask("DescribeInstances", Filters)
        found = [one for one in self.instances.values() if all(_passes(one, each) for each in Filters)]
        yield {"Reservations": [{"Instances": found}]}


def _passes(instance: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    name = wanted["Name"]
    if name == "instance-state-name":
        return instance["State"]["Name"] in wanted["Values"]
    if name == "instance-id":
        return instance["InstanceId"] in wanted["Values"]
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    value = tags.get(name.removeprefix("tag:"))
    return value is not None and any(fnmatch.fnmatchcase(value, pattern) for pattern in wanted["Values"])


class FakeStore:
    """Records, as WorkerStore gives them."""

    def __init__(self, *workers: Worker) -> None:
        self.workers = {one.key: one for one in workers}
        self.problems: list[Exception] = []
        self.reads: list[datetime] = []

    def get(self, key: str) -> Worker | None:
        if self.problems:
            raise self.problems.pop(0)
        return self.workers.get(key)

    def changed_since(self, at: datetime) -> list[Worker]:
        self.reads.append(at)
        if self.problems:
            raise self.problems.pop(0)
        return [one for one in self.workers.values() if one.changed_at >= at]
