"""EC2 as the adapter describes it, and the tests' cloud in memory, keep to the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from lifecycle_app.adapters.ec2 import Ec2, attached_disks, worker_instance
from lifecycle_app.errors import CloudError, StopRejected, TerminationRejected
from lifecycle_app.model.removal import Attached
from lifecycle_app.model.worker import State
from tests.lifecycle.emulated import emulated_aws
from tests.lifecycle.examples import NOON, an_instance
from tests.lifecycle.fakes import MemoryCloud

UNKNOWN = "i-00000000000000000"


def tags(user: str, server: str = "", cluster: str = "test", role: str = "worker") -> dict[str, str]:
    return {
        "cloudjhub:cluster": cluster,
        "cloudjhub:role": role,
        "cloudjhub:user": user,
        "cloudjhub:server": server,
    }


@dataclass
class Scene:
    """A cloud with Alice's worker, Bob's named server, another cluster's worker, and a stranger."""

    cloud: Ec2 | MemoryCloud
    alice: str
    bob: str
    other: str
    stranger: str


@pytest.fixture(params=["memory", "ec2"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    if request.param == "memory":
        cloud = MemoryCloud(strangers={"i-5"})
        cloud.add(
            an_instance(instance_id="i-a"),
            an_instance(instance_id="i-b", key="bob/gpu"),
            an_instance(instance_id="i-o", cluster="other"),
        )
        yield Scene(cloud, "i-a", "i-b", "i-o", "i-5")
        return
    with emulated_aws(with_tables=False):
        client = boto3.client("ec2")
        image = client.register_image(Name="base")["ImageId"]

        def launch(named: dict[str, str]) -> str:
            found: str = client.run_instances(
                ImageId=image,
                InstanceType="t3.medium",
                MinCount=1,
                MaxCount=1,
                TagSpecifications=[
                    {
                        "ResourceType": "instance",
                        "Tags": [{"Key": key, "Value": value} for key, value in named.items()],
                    }
                ],
            )["Instances"][0]["InstanceId"]
            return found

        yield Scene(
            Ec2(client, client, "test"),
            launch(tags("alice")),
            launch(tags("bob", "gpu")),
            launch(tags("alice", cluster="other")),
            launch({"Name": "stranger"}),
        )


def test_workers_are_those_with_the_clusters_tags(scene: Scene) -> None:
    assert {i.key: i.instance_id for i in scene.cloud.workers()} == {
        "alice": scene.alice,
        "bob/gpu": scene.bob,
    }


def test_named_describes_workers_of_any_cluster_and_no_others(scene: Scene) -> None:
    asked = [scene.alice, scene.other, scene.stranger, UNKNOWN]
    found = {i.instance_id: i for i in scene.cloud.named(asked)}
    assert {i: found[i].cluster for i in found} == {scene.alice: "test", scene.other: "other"}
    alice = found[scene.alice]
    assert (alice.key, alice.state, alice.instance_type) == ("alice", State.RUNNING, "t3.medium")
    assert alice.address
    assert alice.launched_at.tzinfo is not None
    assert scene.cloud.named([]) == []


def test_ec2_knows_of_strangers_too(scene: Scene) -> None:
    asked = [scene.alice, scene.other, scene.stranger, UNKNOWN]
    assert [scene.cloud.knows(one) for one in asked] == [True, True, True, False]


def test_a_stop_stops_one(scene: Scene) -> None:
    scene.cloud.stop(scene.alice)
    states = {i.instance_id: i.state for i in scene.cloud.workers()}
    assert states[scene.alice] in (State.STOPPING, State.STOPPED)
    assert states[scene.bob] is State.RUNNING


def test_a_stop_of_no_worker_is_rejected(scene: Scene) -> None:
    with pytest.raises(StopRejected) as error:
        scene.cloud.stop(UNKNOWN, force=True)
    assert error.value.code == "InvalidInstanceID.NotFound"


def test_a_termination_ends_one_and_of_no_worker_is_rejected(scene: Scene) -> None:
    scene.cloud.terminate(scene.alice)
    assert {i.instance_id: i.state for i in scene.cloud.named([scene.alice, scene.bob])} == {
        scene.alice: State.TERMINATED,
        scene.bob: State.RUNNING,
    }
    with pytest.raises(TerminationRejected) as error:
        scene.cloud.terminate(UNKNOWN)
    assert error.value.code == "InvalidInstanceID.NotFound"


def test_a_worker_is_described_with_its_disks(scene: Scene) -> None:
    found = scene.cloud.described(scene.alice)
    assert found is not None
    assert found.instance.key == "alice"
    assert [(disk.is_root, disk.goes_with_instance) for disk in found.disks] == [(True, True)]
    assert scene.cloud.described(UNKNOWN) is None


@pytest.mark.parametrize(
    ("said", "disk"),
    [
        ({"Status": "attached", "DeleteOnTermination": False}, Attached(volume="vol-home")),
        (
            {"Status": "attached", "DeleteOnTermination": True},
            Attached(volume="vol-home", goes_with_instance=True),
        ),
        (
            {"Status": "detaching", "DeleteOnTermination": False},
            Attached(volume="vol-home", is_attached=False),
        ),
        ({}, Attached(volume="vol-home", is_attached=False, goes_with_instance=True)),
    ],
)
def test_what_ec2_does_not_say_of_a_disk_counts_against_it(said: dict[str, Any], disk: Attached) -> None:
    mapping = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": "vol-home", **said}}
    assert attached_disks(described(BlockDeviceMappings=[mapping, {"DeviceName": "/dev/sdb"}])) == (disk,)
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-root"}}
    assert [one.is_root for one in attached_disks(described(BlockDeviceMappings=[root]))] == [True]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestLimitExceeded", StopRejected),
        ("IncorrectInstanceState", StopRejected),
        ("UnauthorizedOperation", StopRejected),
        ("InternalError", CloudError),
        ("ServiceUnavailable", CloudError),
    ],
)
def test_refused_is_not_the_same_as_unknown(code: str, kind: type[CloudError]) -> None:
    client = boto3.client("ec2", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("stop_instances", code, "no")
        with pytest.raises(CloudError) as error:
            Ec2(client, client, "test").stop("i-1")
        stub.add_client_error("terminate_instances", code, "no")
        with pytest.raises(CloudError) as termination:
            Ec2(client, client, "test").terminate("i-1")
    assert type(error.value) is kind
    assert type(termination.value) is (TerminationRejected if kind is StopRejected else CloudError)


def test_a_stop_that_is_not_answered_is_unknown() -> None:
    client = boto3.client(
        "ec2",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        endpoint_url="http://127.0.0.1:9",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(CloudError) as error:
        Ec2(client, client, "test").stop("i-1")
    assert (type(error.value), error.value.code) == (CloudError, "NoAnswer")
    with pytest.raises(CloudError) as error:
        Ec2(client, client, "test").terminate("i-1")
    assert (type(error.value), error.value.code) == (CloudError, "NoAnswer")
    with pytest.raises(CloudError, match="DescribeInstances: NoAnswer"):
        Ec2(client, client, "test").workers()


def described(**changes: Any) -> dict[str, Any]:
    return {
        "InstanceId": "i-1",
        "State": {"Name": "running"},
        "LaunchTime": NOON,
        "InstanceType": "t3.medium",
        "PrivateIpAddress": "10.0.1.5",
        "Placement": {"AvailabilityZone": "us-east-1a"},
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-root"}},
            {"DeviceName": "/dev/sdh", "Ebs": {"VolumeId": "vol-home"}},
        ],
        "Tags": [{"Key": key, "Value": value} for key, value in tags("alice").items()],
    } | changes


def test_everything_that_is_described_of_an_instance() -> None:
    assert worker_instance(described()) == an_instance(
        instance_id="i-1", launched_at=NOON, home_volume="vol-home"
    )
    bare = described(BlockDeviceMappings=[], State={"Name": "shutting-down"}, Placement={})
    del bare["PrivateIpAddress"]
    assert worker_instance(bare) == an_instance(
        instance_id="i-1", launched_at=NOON, state=State.TERMINATED, address=None, zone=""
    )


COPY = {"DeviceName": "/dev/sdy", "Ebs": {"VolumeId": "vol-copy", "Status": "attached"}}
"""Of a backup: a launch attaches it before the home is attached."""


def test_a_copy_of_a_backup_is_no_home() -> None:
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-root"}}
    home = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": "vol-home", "Status": "attached"}}
    for mappings, volume in (([root, COPY], None), ([COPY, root, home], "vol-home")):
        instance = worker_instance(described(BlockDeviceMappings=mappings))
        assert instance is not None
        assert instance.home_volume == volume
    assert [one.is_backup for one in attached_disks(described(BlockDeviceMappings=[root, COPY, home]))] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("status", "attached"), [("attaching", False), ("attached", True), ("detaching", False)]
)
def test_a_home_on_its_way_is_not_there_yet(status: str, attached: bool) -> None:
    home = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": "vol-home", "Status": status}}
    instance = worker_instance(described(BlockDeviceMappings=[home]))
    assert instance is not None
    assert (instance.home_volume, instance.home_attached) == ("vol-home", attached)


@pytest.mark.parametrize(
    "named",
    [{}, tags("alice", role="manager"), tags("alice", cluster=""), tags(""), tags("a/b")],
)
def test_whose_tags_are_no_workers(named: dict[str, str]) -> None:
    assert worker_instance(described(Tags=[{"Key": k, "Value": v} for k, v in named.items()])) is None
