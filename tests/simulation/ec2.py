"""A lean EC2 in memory, by the strict rules of the local cloud's; looks like boto3's client. The only one in the tests:
tests/hub/fakes.py adds errors to it where the hub's own reaction is tested.

Everything is found by id, by tag or by state without looking at all instances, so that 10,000 cost no more than ten.
tests/simulation/test_ec2_contract.py holds it to what the local cloud does.
"""

import fnmatch
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.local.cloud.ec2 import rules
from bootstrap.local.cloud.ec2.rules import ClientTokens, State, check_token, fingerprint
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.gateway import throttling

DESCRIBED_AFTER = timedelta(seconds=2)
"""So long EC2 does not describe a new instance, and returns the old state of a changed one."""
TERMINATED_SHOWN = timedelta(hours=1)
USER = "tag:cloudjhub:user"

Told = Callable[["Machine", State], None]
IdAndAddress = tuple[str, str]
Schedule = Callable[[timedelta, Callable[[], None]], object]


@dataclass(slots=True)
class Disk:
    """A home disk that a launch made."""

    volume: str
    machine: "Machine"
    """The instance that it was made with, whose tags it has."""
    made_at: datetime
    freed_at: datetime | None = None


@dataclass(slots=True, eq=False)
class Machine:
    """An instance."""

    instance_id: str
    address: str
    zone: str
    instance_type: str
    tags: Mapping[str, str]
    launched_at: datetime
    home: str | None = None
    state: State = State.PENDING
    has_run: bool = False
    reason: Mapping[str, str] | None = None
    """Why EC2 ended it, if it did."""
    shown: list[tuple[datetime, State]] = field(default_factory=list)
    """Its states and since when, the last ones."""

    @property
    def is_alive(self) -> bool:
        """Does it cost money, or soon?"""
        return self.state in (State.PENDING, State.RUNNING)

    @property
    def worker(self) -> str:
        user, server = self.tags.get("cloudjhub:user", ""), self.tags.get("cloudjhub:server", "")
        return f"{user}/{server}" if server else user


def born(number: int) -> IdAndAddress:
    """Of the machine with this number."""
    return f"i-{number:017x}", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@dataclass(kw_only=True)
class LeanEC2:
    """The account's instances. `schedule` calls back when a state is over; `told` hears of each new state."""

    now: Callable[[], datetime]
    schedule: Schedule
    told: Told = lambda _machine, _state: None
    boot_time: Callable[[], timedelta] = lambda: timedelta(seconds=20)
    stop_time: Callable[[], timedelta] = lambda: timedelta(seconds=30)
    lag: timedelta = DESCRIBED_AFTER
    born: Callable[[int], IdAndAddress] = born
    limits: throttling.Buckets | None = None
    fail: Callable[[str], None] = lambda _action: None
    """Raises what a call of this action is to fail with."""
    by_id: dict[str, Machine] = field(default_factory=dict)
    by_user: dict[str, dict[str, Machine]] = field(default_factory=dict)
    gone: dict[str, datetime] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    tokens: ClientTokens = field(default_factory=ClientTokens)
    volumes: dict[str, str | None] = field(default_factory=dict)
    """Home disks, and the instance that each is attached to."""

    made: dict[str, Disk] = field(default_factory=dict)
    """Home disks that launches made, by id; none is ever deleted."""

    def homes(self) -> dict[str, list[str]]:
        """The home disks, by worker."""
        found: dict[str, list[str]] = {}
        for disk in self.made.values():
            found.setdefault(disk.machine.worker, []).append(disk.volume)
        return found

    # What boto3's client has.

    def run_instances(self, **request: Any) -> dict[str, Any]:
        self._asked("RunInstances", 1, request)
        token, zone = request.get("ClientToken", ""), zone_of(request["SubnetId"])
        check_token(token)
        print_ = fingerprint({name: json.dumps(value) for name, value in request.items()})
        earlier = self._raised(lambda: self.tokens.find(token, zone, print_)) if token else None
        if earlier:
            machine = self.by_id.get(earlier[1][0])
            if machine is None or machine.state in (State.SHUTTING_DOWN, State.TERMINATED):
                raise refusal("IdempotentInstanceTerminated", "its instance is gone")
        else:
            machine = self._launch(request, zone)
            self.tokens.remember(token, zone, print_, "r-1", [machine.instance_id])
        return {"Instances": [_described(machine, machine.state)]}

    def start_instances(self, InstanceIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._asked("StartInstances", len(InstanceIds), list(InstanceIds))
        machines = self._found(InstanceIds)
        starting = [one for one in machines if self._raised(lambda: rules.starts(one.instance_id, one.state))]  # noqa: B023 -- called at once
        for machine in starting:
            machine.launched_at = self._second()
            self._enter(machine, State.PENDING)
            self._later(self.boot_time(), machine, State.PENDING, State.RUNNING)
        return {"StartingInstances": [{"InstanceId": one.instance_id} for one in machines]}

    def stop_instances(self, InstanceIds: Sequence[str], Force: bool = False) -> dict[str, Any]:  # noqa: N803 -- boto3's own names
        self._asked("StopInstances", len(InstanceIds), list(InstanceIds))
        machines = self._found(InstanceIds)
        stopping = [
            one
            for one in machines
            if self._raised(lambda: rules.stops(one.instance_id, one.state, has_run=one.has_run))  # noqa: B023 -- called at once
        ]
        for machine in stopping:
            self.power_off(machine)
        return {"StoppingInstances": [{"InstanceId": one.instance_id} for one in machines]}

    def terminate_instances(self, InstanceIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._asked("TerminateInstances", len(InstanceIds), list(InstanceIds))
        machines = self._found(InstanceIds)
        for machine in (one for one in machines if rules.terminates(one.state)):
            self._enter(machine, State.SHUTTING_DOWN)
            self._later(self.stop_time(), machine, State.SHUTTING_DOWN, State.TERMINATED)
        return {"TerminatingInstances": [{"InstanceId": one.instance_id} for one in machines]}

    def attach_volume(self, Device: str, InstanceId: str, VolumeId: str) -> dict[str, Any]:  # noqa: N803 -- boto3's own names
        self._asked("AttachVolume", 1, (Device, InstanceId, VolumeId))
        [machine] = self._found([InstanceId])
        if machine.state not in (State.RUNNING, State.STOPPED):
            raise refusal("IncorrectInstanceState", f"{InstanceId} is {machine.state}", "AttachVolume")
        if self.volumes[VolumeId] is not None:
            raise refusal("VolumeInUse", f"{VolumeId} is attached", "AttachVolume")
        self.volumes[VolumeId], machine.home = InstanceId, VolumeId
        return {}

    def describe_subnets(self, SubnetIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._asked("DescribeSubnets", 0, list(SubnetIds))
        return {"Subnets": [{"SubnetId": one, "AvailabilityZone": zone_of(one)} for one in SubnetIds]}

    def describe_images(self, ImageIds: Sequence[str]) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._asked("DescribeImages", 0, list(ImageIds))
        return {"Images": [{"ImageId": one, "RootDeviceName": "/dev/sda1"} for one in ImageIds]}

    def describe_instances(self, Filters: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        self._asked("DescribeInstances", 0, Filters)
        found = [seen for machine in self._candidates(Filters) if (seen := self._seen(machine, Filters))]
        return {"Reservations": [{"Instances": found}] if found else []}

    def describe_volumes(self, Filters: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:  # noqa: N803 -- boto3's own name
        """Home disks alone; a root disk's part is that its instance exists."""
        self._asked("DescribeVolumes", 0, Filters)
        shown = (one for one in self.made.values() if self.now() - one.made_at >= self.lag)
        return {
            "Volumes": [
                self._volume(one) for one in shown if all(_has_tag(one.machine, each) for each in Filters)
            ]
        }

    def get_paginator(self, operation: str) -> "_Pages":
        return _Pages(
            {"describe_instances": self.describe_instances, "describe_volumes": self.describe_volumes}[
                operation
            ]
        )

    # What happens without a call.

    def power_off(self, machine: Machine) -> None:
        """It stops: because EC2 was asked to, or its operating system shut down."""
        self._enter(machine, State.STOPPING)
        self._later(self.stop_time(), machine, State.STOPPING, State.STOPPED)

    def alive(self) -> dict[str, list[Machine]]:
        """Instances that run or boot, by worker."""
        found: dict[str, list[Machine]] = {}
        for machine in self.by_id.values():
            if machine.is_alive:
                found.setdefault(machine.worker, []).append(machine)
        return found

    def _launch(self, request: Mapping[str, Any], zone: str) -> Machine:
        number = len(self.by_id) + 1
        instance_id, address = self.born(number)
        machine = Machine(
            instance_id=instance_id,
            address=address,
            zone=zone,
            instance_type=request["InstanceType"],
            tags={tag["Key"]: tag["Value"] for tag in request["TagSpecifications"][0]["Tags"]},
            launched_at=self._second(),
        )
        if len(request["BlockDeviceMappings"]) > 1:
            machine.home = f"vol-{number:017x}"
            self.made[machine.home] = Disk(machine.home, machine, self.now())
            self.volumes[machine.home] = machine.instance_id
        self.add(machine)
        self._enter(machine, State.PENDING)
        self._later(self.boot_time(), machine, State.PENDING, State.RUNNING)
        return machine

    def add(self, machine: Machine) -> None:
        """An instance that is there, however it came to be."""
        self.by_id[machine.instance_id] = machine
        self.by_user.setdefault(machine.tags.get("cloudjhub:user", ""), {})[machine.instance_id] = machine
        machine.shown = machine.shown or [(self.now() - self.lag, machine.state)]

    def _enter(self, machine: Machine, state: State) -> None:
        machine.state = state
        machine.shown = [*machine.shown[-4:], (self.now(), state)]
        if state is State.RUNNING:
            machine.has_run = True
        if state is State.TERMINATED:
            self.gone[machine.instance_id] = self.now()
            if machine.home:
                self.volumes[machine.home] = None
                if machine.home in self.made:
                    self.made[machine.home].freed_at = self.now()
        self.told(machine, state)

    def _later(self, after: timedelta, machine: Machine, old: State, new: State) -> None:
        self.schedule(after, lambda: self._enter(machine, new) if machine.state is old else None)

    def _asked(self, action: str, resources: int, what: object) -> None:
        """A call of this action, for so many resources, with `what` it names."""
        self.calls[action] += 1
        if self.limits is not None and not self._has_tokens(self.limits, action, resources):
            self.calls[f"{action} throttled"] += 1
            raise refusal("RequestLimitExceeded", "Request limit exceeded.", action)
        self.fail(action)

    def _has_tokens(self, limits: throttling.Buckets, action: str, resources: int) -> bool:
        if not limits.take("request", action, throttling.request_rate(action, is_targeted=True)):
            return False
        rate = throttling.RESOURCES.get(action)
        return rate is None or limits.take("resource", action, rate, resources)

    def _found(self, instance_ids: Sequence[str]) -> list[Machine]:
        self._raised(lambda: rules.check_ids(instance_ids))
        unknown = [one for one in instance_ids if one not in self.by_id]
        if unknown:
            raise _client_error(rules.not_found(unknown))
        return [self.by_id[one] for one in instance_ids]

    def _candidates(self, filters: Sequence[Mapping[str, Any]]) -> list[Machine]:
        wanted = {one["Name"]: one["Values"] for one in filters}
        if "instance-id" in wanted:
            return [self.by_id[one] for one in wanted["instance-id"] if one in self.by_id]
        names = wanted.get(USER)
        if names is not None and not any(set("*?") & set(name) for name in names):
            return [one for name in names for one in self.by_user.get(name, {}).values()]
        return list(self.by_id.values())

    def _seen(self, machine: Machine, filters: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """As EC2 describes it, with some delay; None if it does not, or the filters do not fit."""
        gone = self.gone.get(machine.instance_id)
        if gone is not None and self.now() - gone > TERMINATED_SHOWN:
            return None
        until = self.now() - self.lag
        state = next((state for since, state in reversed(machine.shown) if since <= until), None)
        if state is None:
            return None
        return _described(machine, state) if all(_passes(machine, state, each) for each in filters) else None

    def _volume(self, disk: Disk) -> dict[str, Any]:
        holder = self.volumes[disk.volume]
        is_free = holder is None and (disk.freed_at is None or self.now() - disk.freed_at >= self.lag)
        return {
            "VolumeId": disk.volume,
            "State": "available" if is_free else "in-use",
            "AvailabilityZone": disk.machine.zone,
            "Tags": [{"Key": key, "Value": value} for key, value in disk.machine.tags.items()],
            "Attachments": [] if holder is None else [{"InstanceId": holder, "State": "attached"}],
        }

    def _second(self) -> datetime:
        return self.now().replace(microsecond=0)

    @staticmethod
    def _raised(judge: Callable[[], Any]) -> Any:
        try:
            return judge()
        except AwsError as error:
            raise _client_error(error) from error


@dataclass(frozen=True, slots=True)
class _Pages:
    """A paginator whose answers have one page."""

    describe: Callable[..., dict[str, Any]]

    def paginate(
        self,
        Filters: Sequence[Mapping[str, Any]] = (),  # noqa: N803 -- boto3's own name
        PaginationConfig: object = None,  # noqa: N803 -- boto3's own name
    ) -> Iterator[dict[str, Any]]:
        yield self.describe(Filters)


def zone_of(subnet: str) -> str:
    """The zone of a subnet like subnet-0000000a."""
    return f"us-east-1{subnet[-1]}"


def refusal(code: str, message: str = "", action: str = "RunInstances") -> ClientError:
    """An error as botocore raises it."""
    return ClientError({"Error": {"Code": code, "Message": message or code}}, action)


def _client_error(error: AwsError) -> ClientError:
    return refusal(error.code, error.message, "")


def _passes(machine: Machine, state: State, wanted: Mapping[str, Any]) -> bool:
    name, values = wanted["Name"], wanted["Values"]
    if name == "instance-state-name":
        return state in values
    if name == "instance-id":
        return machine.instance_id in values
    return _has_tag(machine, wanted)


def _has_tag(machine: Machine, wanted: Mapping[str, Any]) -> bool:
    value = machine.tags.get(wanted["Name"].removeprefix("tag:"))
    return value is not None and any(fnmatch.fnmatchcase(value, pattern) for pattern in wanted["Values"])


def _disk(device: str, volume: str, *, goes_with_instance: bool) -> dict[str, Any]:
    ebs = {"VolumeId": volume, "Status": "attached", "DeleteOnTermination": goes_with_instance}
    return {"DeviceName": device, "Ebs": ebs}


def _described(machine: Machine, state: State) -> dict[str, Any]:
    is_there = state not in (State.SHUTTING_DOWN, State.TERMINATED)
    disks = [_disk("/dev/sda1", "vol-root", goes_with_instance=True)]
    if machine.home:
        disks.append(_disk("/dev/sdf", machine.home, goes_with_instance=False))
    return {
        "InstanceId": machine.instance_id,
        "InstanceType": machine.instance_type,
        "LaunchTime": machine.launched_at.astimezone(UTC),
        "State": {"Name": str(state)},
        "Placement": {"AvailabilityZone": machine.zone},
        "RootDeviceName": "/dev/sda1",
        "BlockDeviceMappings": disks if is_there else [],
        "Tags": [{"Key": key, "Value": value} for key, value in machine.tags.items()],
        **({"PrivateIpAddress": machine.address} if is_there else {}),
        **({"StateReason": machine.reason} if machine.reason else {}),
    }
