"""Images by EC2's rules: made of an instance, available after a while, with a size that a disk may not fall below."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bootstrap.local.cloud.hypervisor.guest import POWER_OFF
from tests.local_cloud.cloud_process import IMAGE, CloudProcess, EventSink
from tests.local_cloud.conftest import QUICK
from tests.shared.waiting import PATIENCE, until

UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id"
AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
ROOT = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 9, "VolumeType": "gp3", "Encrypted": True}}


def refused(call: Any, **asked: object) -> str:
    with pytest.raises(ClientError) as refusal:
        call(**asked)
    return str(refusal.value.response["Error"]["Code"])


def image(cloud: CloudProcess, image_id: str) -> dict[str, Any]:
    return dict(cloud.client("ec2").describe_images(ImageIds=[image_id])["Images"][0])


def stopped(cloud: CloudProcess, **changes: object) -> str:
    instance_id: str = cloud.running(**changes)["instance_id"]
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "stopped")
    return instance_id


def made(cloud: CloudProcess, name: str, **changes: object) -> str:
    """A new image of a stopped instance, still pending."""
    asked = {"InstanceId": stopped(cloud, **changes), "Name": name}
    return str(cloud.client("ec2").create_image(**asked)["ImageId"])


def available(cloud: CloudProcess, name: str, **changes: object) -> str:
    image_id = made(cloud, name, **changes)
    until(lambda: image(cloud, image_id)["State"] == "available", f"{image_id} to be available")
    return image_id


@pytest.mark.parametrize(
    ("parameter", "architecture", "device"),
    [
        (UBUNTU.format("amd64"), "x86_64", "/dev/sda1"),
        (UBUNTU.format("arm64"), "arm64", "/dev/sda1"),
        (AMAZON.format("x86_64"), "x86_64", "/dev/xvda"),
        (AMAZON.format("arm64"), "arm64", "/dev/xvda"),
    ],
)
def test_public_parameters_name_the_base_images(
    cloud: CloudProcess, parameter: str, architecture: str, device: str
) -> None:
    found = image(cloud, cloud.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])
    disk = found["BlockDeviceMappings"][0]
    assert (found["Architecture"], found["RootDeviceName"]) == (architecture, device)
    assert (disk["DeviceName"], disk["Ebs"]["VolumeSize"]) == (device, 8)
    assert found["OwnerId"] != "123456789012"


def test_an_image_is_pending_first_and_has_the_disk_and_tags_of_its_making(cloud: CloudProcess) -> None:
    tags = [{"Key": "cloudjhub:role", "Value": "image"}]
    image_id = cloud.client("ec2").create_image(
        InstanceId=stopped(cloud, BlockDeviceMappings=[ROOT]),
        Name="of-nine",
        TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
    )["ImageId"]
    first = image(cloud, image_id)
    assert first["State"] == "pending"
    assert refused(cloud.run, ImageId=image_id) == "InvalidAMIID.Unavailable"
    until(lambda: image(cloud, image_id)["State"] == "available", "the image")
    disk = first["BlockDeviceMappings"][0]["Ebs"]
    assert (disk["VolumeSize"], disk["Encrypted"]) == (9, True)
    [snapshot] = cloud.client("ec2").describe_snapshots(SnapshotIds=[disk["SnapshotId"]])["Snapshots"]
    assert (snapshot["VolumeSize"], snapshot["State"]) == (9, "completed")
    assert first["Tags"] == snapshot["Tags"] == tags


@pytest.mark.parametrize(("size", "is_enough"), [(8, False), (9, True), (10, True)])
def test_a_root_disk_holds_its_image(cloud: CloudProcess, size: int, is_enough: bool) -> None:
    name = f"of-nine-for-{size}"
    image_id = available(cloud, name, BlockDeviceMappings=[ROOT])
    disks = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": size}}]
    if is_enough:
        cloud.run(ImageId=image_id, BlockDeviceMappings=disks)
    else:
        assert refused(cloud.run, ImageId=image_id, BlockDeviceMappings=disks) == "InvalidBlockDeviceMapping"


def test_an_image_runs_on_its_architecture_only(cloud: CloudProcess) -> None:
    arm = cloud.client("ssm").get_parameter(Name=UBUNTU.format("arm64"))["Parameter"]["Value"]
    assert refused(cloud.run, ImageId=arm, InstanceType="t3.small") == "InvalidParameterValue"
    cloud.run(ImageId=arm, InstanceType="t4g.small")


def test_no_image_of_an_instance_that_is_on_its_way(cloud: CloudProcess) -> None:
    cloud.fault("slow-boot", True, seconds=PATIENCE)
    pending = cloud.run()["InstanceId"]
    create = cloud.client("ec2").create_image
    assert refused(create, InstanceId=pending, Name="too-soon") == "IncorrectInstanceState"
    cloud.fault("slow-boot", False)
    cloud.await_state(pending, "running")
    cloud.client("ec2").terminate_instances(InstanceIds=[pending])
    cloud.await_state(pending, "terminated")
    assert refused(create, InstanceId=pending, Name="too-late") == "IncorrectInstanceState"


def test_names_of_images_are_taken_once(cloud: CloudProcess) -> None:
    instance_id = stopped(cloud)
    create = cloud.client("ec2").create_image
    create(InstanceId=instance_id, Name="the-one")
    assert refused(create, InstanceId=instance_id, Name="the-one") == "InvalidAMIName.Duplicate"


def test_a_snapshot_goes_after_its_image(cloud: CloudProcess) -> None:
    ec2, image_id = cloud.client("ec2"), available(cloud, "to-be-removed")
    snapshot = image(cloud, image_id)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    launched = cloud.run(ImageId=image_id)["InstanceId"]
    assert refused(ec2.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=image_id)
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert refused(ec2.describe_snapshots, SnapshotIds=[snapshot]) == "InvalidSnapshot.NotFound"
    assert refused(cloud.run, ImageId=image_id).startswith("InvalidAMIID.")
    cloud.await_state(launched, "running")


@pytest.mark.parametrize(("behaviour", "ends"), [("stop", "stopped"), ("terminate", "terminated")])
def test_an_instance_shuts_itself_down(cloud: CloudProcess, behaviour: str, ends: str) -> None:
    command = [sys.executable, "-c", f"print('done'); raise SystemExit({POWER_OFF})"]
    cloud.control("POST", "images", {"image_id": "ami-0c1d0b0000000000f", "command": command})
    launched = cloud.run(ImageId="ami-0c1d0b0000000000f", InstanceInitiatedShutdownBehavior=behaviour)
    cloud.await_state(launched["InstanceId"], ends)
    assert cloud.described(launched["InstanceId"])["StateReason"]["Code"] == (
        "Client.InstanceInitiatedShutdown"
    )
    output = cloud.client("ec2").get_console_output(InstanceId=launched["InstanceId"])["Output"]
    assert "done\n" in output


@pytest.fixture
def own_cloud(tmp_path_factory: pytest.TempPathFactory, events: EventSink) -> Iterator[CloudProcess]:
    process = CloudProcess(tmp_path_factory.mktemp("own") / "state", events.endpoint, *QUICK)
    process.build()
    yield process
    assert process.stop() == 0


def test_images_are_there_again_after_a_restart(own_cloud: CloudProcess) -> None:
    cloud = own_cloud
    ready, waiting = available(cloud, "ready", BlockDeviceMappings=[ROOT]), made(cloud, "waiting")
    assert cloud.stop() == 0
    cloud.start()
    until(lambda: image(cloud, waiting)["State"] == "available", "the pending image")
    assert image(cloud, ready)["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 9
    name = cloud.client("ssm").get_parameter(Name=UBUNTU.format("amd64"))["Parameter"]["Value"]
    assert image(cloud, name)["State"] == "available"
    cloud.run(ImageId=ready)
    assert cloud.running()["image"] == IMAGE


def test_a_base_image_waits_for_what_its_user_data_says(cloud: CloudProcess) -> None:
    ubuntu = cloud.client("ssm").get_parameter(Name=UBUNTU.format("amd64"))["Parameter"]["Value"]
    instance_id = cloud.run(ImageId=ubuntu)["InstanceId"]
    cloud.await_state(instance_id, "running")

    def says() -> bool:
        output = cloud.client("ec2").get_console_output(InstanceId=instance_id)["Output"]
        return "nothing to do" in output

    until(says, "the machine to tell")
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "stopped")
