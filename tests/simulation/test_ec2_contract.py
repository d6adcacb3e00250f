"""The lean EC2 does what the local cloud's strict one does, call by call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hub.spawn.launch_request import Image, Order, Place, run_request
from hub.spawn.left_homes import disk_from
from lifecycle_app.adapters.ec2 import worker_instance
from tests.hub.fakes import MEDIUM, SETTINGS
from tests.local_cloud.cloud_process import IMAGE, CloudProcess, EventSink
from tests.local_cloud.conftest import QUICK
from tests.shared.waiting import until
from tests.simulation.ec2 import LeanEC2

NOWHERE = "i-0123456789abcdef0"
TAGS = {"cloudjhub:cluster": "test", "cloudjhub:role": "worker"}


class Time:
    """Virtual time with what is due."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, tzinfo=UTC)
        self.due: list[tuple[datetime, Callable[[], None]]] = []

    def later(self, after: timedelta, act: Callable[[], None]) -> None:
        self.due.append((self.now + after, act))

    def pass_by(self) -> None:
        """An hour's tenth, in which everything settles."""
        self.now += timedelta(minutes=6)
        due, self.due = self.due, []
        for _, act in sorted(due, key=lambda one: one[0]):
            act()


@dataclass
class Scene:
    """An EC2, and how to let it come to rest in a state."""

    client: Any
    subnet: str
    settle: Callable[[str, str], object]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    events = EventSink()
    process = CloudProcess(tmp_path_factory.mktemp("cloud") / "state", events.endpoint, *QUICK)
    process.build()
    yield process
    assert process.stop() == 0
    events.close()


@pytest.fixture(params=["lean", "strict"])
def scene(request: pytest.FixtureRequest) -> Scene:
    if request.param == "lean":
        time = Time()
        lean = LeanEC2(now=lambda: time.now, schedule=time.later, lag=timedelta())
        return Scene(lean, "subnet-0000000a", lambda _one, _state: time.pass_by())
    cloud: CloudProcess = request.getfixturevalue("cloud")
    return Scene(cloud.client("ec2"), cloud.subnets["a"], cloud.await_state)


def launch(scene: Scene, user: str, **changes: Any) -> dict[str, Any]:
    order = Order(worker=user, profile=MEDIUM, image=Image(id=IMAGE, root_device="/dev/sda1"))
    request = run_request(order, SETTINGS, Place(subnet=scene.subnet, zone="us-east-1a"), "t3.medium", 0)
    for one in ("SecurityGroupIds", "IamInstanceProfile"):
        del request[one]
    return dict(scene.client.run_instances(**(request | changes))["Instances"][0])


def refused(act: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        act(**request)
    return str(error.value.response["Error"]["Code"])


def described(scene: Scene, one: str) -> dict[str, Any]:
    found = scene.client.describe_instances(Filters=[{"Name": "instance-id", "Values": [one]}])
    return dict(found["Reservations"][0]["Instances"][0])


def state(scene: Scene, one: str) -> str:
    return str(described(scene, one)["State"]["Name"])


def test_a_life(scene: Scene) -> None:
    """Pending, running, stopping, stopped, running again at the same address, terminated."""
    ec2, born = scene.client, launch(scene, "life")
    one, address = born["InstanceId"], born["PrivateIpAddress"]
    assert born["State"]["Name"] == "pending"
    assert refused(ec2.stop_instances, InstanceIds=[one]) == "IncorrectInstanceState"
    scene.settle(one, "running")
    ec2.start_instances(InstanceIds=[one])
    assert state(scene, one) == "running"
    ec2.stop_instances(InstanceIds=[one])
    assert refused(ec2.start_instances, InstanceIds=[one]) == "IncorrectInstanceState"
    scene.settle(one, "stopped")
    ec2.stop_instances(InstanceIds=[one])
    assert state(scene, one) == "stopped"
    ec2.start_instances(InstanceIds=[one])
    scene.settle(one, "running")
    seen = worker_instance(described(scene, one))
    assert seen is not None
    assert (seen.key, seen.address, seen.cluster, seen.home_attached) == ("life", address, "test", True)
    ec2.terminate_instances(InstanceIds=[one])
    scene.settle(one, "terminated")
    assert refused(ec2.start_instances, InstanceIds=[one]) == "IncorrectInstanceState"
    assert refused(ec2.stop_instances, InstanceIds=[one]) == "IncorrectInstanceState"
    ec2.terminate_instances(InstanceIds=[one])


@pytest.mark.parametrize("call", ["start_instances", "stop_instances", "terminate_instances"])
def test_one_unknown_id_fails_the_whole_call(scene: Scene, call: str) -> None:
    one = launch(scene, f"good-{call}")["InstanceId"]
    scene.settle(one, "running")
    assert refused(getattr(scene.client, call), InstanceIds=[one, NOWHERE]) == "InvalidInstanceID.NotFound"
    assert refused(getattr(scene.client, call), InstanceIds=["i-x"]) == "InvalidInstanceID.Malformed"
    assert state(scene, one) == "running"


def test_a_token_launches_once(scene: Scene) -> None:
    first = launch(scene, "token")
    assert launch(scene, "token")["InstanceId"] == first["InstanceId"]
    assert (
        refused(launch, scene=scene, user="token", InstanceType="t3.large") == "IdempotentParameterMismatch"
    )
    scene.settle(first["InstanceId"], "running")
    scene.client.terminate_instances(InstanceIds=[first["InstanceId"]])
    scene.settle(first["InstanceId"], "terminated")
    assert refused(launch, scene=scene, user="token") == "IdempotentInstanceTerminated"


def test_a_home_is_found_by_its_tags_and_free_once_its_machine_is_gone(scene: Scene) -> None:
    one = launch(scene, "left")["InstanceId"]
    scene.settle(one, "running")
    filters = [{"Name": "tag:cloudjhub:user", "Values": ["lef?"]}]

    def homes() -> list[tuple[str, list[str]]]:
        """Root disks are gone with their machines."""
        pages = scene.client.get_paginator("describe_volumes").paginate(Filters=filters)
        disks = (disk_from(volume) for page in pages for volume in page["Volumes"])
        return [(disk.zone, sorted(disk.instances)) for disk in disks if disk and disk.is_free]

    assert homes() == []
    scene.client.terminate_instances(InstanceIds=[one])
    scene.settle(one, "terminated")
    assert homes() == [("us-east-1a", [])]


def test_instances_are_found_by_their_tags(scene: Scene) -> None:
    born = {user: launch(scene, user)["InstanceId"] for user in ("ann", "an*e")}
    until(lambda: found(scene, "ann") == [born["ann"]], "ann")
    until(lambda: found(scene, "an?e") == [born["an*e"]], "a name that fits the pattern")
    assert found(scene, "zoe") == []


def found(scene: Scene, user: str) -> list[str]:
    filters = [
        *({"Name": f"tag:{name}", "Values": [value]} for name, value in TAGS.items()),
        {"Name": "tag:cloudjhub:user", "Values": [user]},
    ]
    page = scene.client.describe_instances(Filters=filters)
    return [one["InstanceId"] for reservation in page["Reservations"] for one in reservation["Instances"]]
