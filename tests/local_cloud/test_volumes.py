"""Disks by EC2's rules: what is kept, what goes, what can be attached."""

from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess
from tests.shared.waiting import PATIENCE, until


def home_disk(kept: bool) -> dict[str, object]:
    return {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "DeleteOnTermination": not kept}}


def directory(cloud: CloudProcess, volume: str) -> Path:
    return cloud.state_dir / "volumes" / volume


@pytest.fixture(scope="module")
def running(cloud: CloudProcess) -> str:
    return str(cloud.running()["instance_id"])


def test_files_on_the_home_disk_survive_a_stop(cloud: CloudProcess) -> None:
    instance = cloud.running(BlockDeviceMappings=[home_disk(kept=True)])
    (directory(cloud, instance["volumes"]["/dev/sdf"]) / "notes.txt").write_text("mine")
    cloud.client("ec2").stop_instances(InstanceIds=[instance["instance_id"]])
    cloud.await_state(instance["instance_id"], "stopped")
    cloud.client("ec2").start_instances(InstanceIds=[instance["instance_id"]])
    cloud.await_page(instance["address"])
    assert requests.get(f"http://{instance['address']}:8888/notes.txt", timeout=PATIENCE).text == "mine"


def test_a_kept_home_disk_goes_on_to_the_next_instance(cloud: CloudProcess) -> None:
    ec2 = cloud.client("ec2")
    first = cloud.running(BlockDeviceMappings=[home_disk(kept=True)])
    home, root = first["volumes"]["/dev/sdf"], first["volumes"]["/dev/sda1"]
    (directory(cloud, home) / "notes.txt").write_text("mine")
    ec2.terminate_instances(InstanceIds=[first["instance_id"]])
    cloud.await_state(first["instance_id"], "terminated")
    until(lambda: not directory(cloud, root).exists(), "the root disk to go")
    assert ec2.describe_volumes(VolumeIds=[home])["Volumes"][0]["State"] == "available"

    second = cloud.running()
    ec2.attach_volume(VolumeId=home, InstanceId=second["instance_id"], Device="/dev/sdf")
    link = cloud.state_dir / "instances" / second["instance_id"] / "home"
    assert (link / "notes.txt").read_text() == "mine"
    ec2.detach_volume(VolumeId=home)
    assert not (link / "notes.txt").exists()
    ec2.delete_volume(VolumeId=home)
    assert not directory(cloud, home).exists()


def test_a_copy_of_a_backup_is_shown_beside_the_home_and_goes_with_its_instance(cloud: CloudProcess) -> None:
    ec2 = cloud.client("ec2")
    home = new_volume(cloud)
    directory(cloud, home).mkdir(exist_ok=True)
    (directory(cloud, home) / "notes.txt").write_text("of yesterday")
    snapshot = ec2.create_snapshot(VolumeId=home)["SnapshotId"]
    (directory(cloud, home) / "notes.txt").write_text("of today")
    copy = {"SnapshotId": snapshot, "VolumeSize": 1, "Encrypted": True, "DeleteOnTermination": True}
    instance = cloud.running(BlockDeviceMappings=[{"DeviceName": "/dev/sdy", "Ebs": copy}])
    ec2.attach_volume(VolumeId=home, InstanceId=instance["instance_id"], Device="/dev/sdf")
    link = cloud.state_dir / "instances" / instance["instance_id"] / "home"
    assert (link / "notes.txt").read_text() == "of today"
    assert (link / "earlier-files" / "notes.txt").read_text() == "of yesterday"
    ec2.terminate_instances(InstanceIds=[instance["instance_id"]])
    cloud.await_state(instance["instance_id"], "terminated")
    until(lambda: not directory(cloud, instance["volumes"]["/dev/sdy"]).exists(), "the copy to go")
    assert (directory(cloud, home) / "notes.txt").read_text() == "of today"


def test_a_disk_that_is_not_kept_goes_with_its_instance(cloud: CloudProcess) -> None:
    instance = cloud.running(BlockDeviceMappings=[home_disk(kept=False)])
    cloud.client("ec2").terminate_instances(InstanceIds=[instance["instance_id"]])
    cloud.await_state(instance["instance_id"], "terminated")
    disks = [directory(cloud, volume) for volume in instance["volumes"].values()]
    until(lambda: not any(disk.exists() for disk in disks), "both disks to go")


def refusal(cloud: CloudProcess, volume: str, instance_id: str, device: str = "/dev/sdf") -> str:
    with pytest.raises(ClientError) as refused:
        cloud.client("ec2").attach_volume(VolumeId=volume, InstanceId=instance_id, Device=device)
    return str(refused.value.response["Error"]["Code"])


def new_volume(cloud: CloudProcess, zone: str = "us-east-1a") -> str:
    return str(cloud.client("ec2").create_volume(AvailabilityZone=zone, Size=1)["VolumeId"])


def test_a_disk_in_use_cannot_be_attached_again(cloud: CloudProcess, running: str) -> None:
    other = cloud.running()
    assert refusal(cloud, other["volumes"]["/dev/sda1"], running) == "VolumeInUse"


def test_a_disk_of_another_zone_cannot_be_attached(cloud: CloudProcess, running: str) -> None:
    assert refusal(cloud, new_volume(cloud, "us-east-1b"), running) == "InvalidVolume.ZoneMismatch"


def test_a_device_holds_one_disk(cloud: CloudProcess, running: str) -> None:
    assert refusal(cloud, new_volume(cloud), running, "/dev/sda1") == "InvalidParameterValue"


def test_nothing_is_attached_to_an_instance_on_its_way(cloud: CloudProcess) -> None:
    cloud.fault("slow-boot", True, seconds=PATIENCE)
    instance_id = cloud.run()["InstanceId"]
    assert refusal(cloud, new_volume(cloud), instance_id) == "IncorrectState"
    cloud.fault("slow-boot", False)
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])


def test_a_running_instance_keeps_its_root_disk(cloud: CloudProcess, running: str) -> None:
    root = cloud.instance(running)["volumes"]["/dev/sda1"]
    with pytest.raises(ClientError) as refused:
        cloud.client("ec2").detach_volume(VolumeId=root)
    assert refused.value.response["Error"]["Code"] == "OperationNotPermitted"


def test_tags_go_with_what_carried_them(cloud: CloudProcess) -> None:
    """Of a deleted disk, and of the disks and interfaces that go with an instance."""
    ec2 = cloud.client("ec2")
    ours = [{"Key": "course", "Value": "gone"}]
    specifications = [
        {"ResourceType": kind, "Tags": ours} for kind in ("instance", "volume", "network-interface")
    ]
    alone = ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": ours}]
    )["VolumeId"]
    instance = cloud.running(TagSpecifications=specifications)["instance_id"]

    def tagged() -> set[str]:
        found = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["course"]}])["Tags"]
        return {one["ResourceId"] for one in found}

    assert {alone, instance} < tagged()
    ec2.delete_volume(VolumeId=alone)
    ec2.terminate_instances(InstanceIds=[instance])
    cloud.await_state(instance, "terminated")
    assert tagged() == {instance}, "a terminated instance keeps its tags for a while"


def test_a_snapshot_keeps_what_the_disk_held_and_a_disk_made_of_it_has_it(cloud: CloudProcess) -> None:
    """As `homes restore` makes it; a disk is never smaller than its snapshot."""
    ec2 = cloud.client("ec2")
    first = cloud.running(BlockDeviceMappings=[home_disk(kept=True)])
    home = first["volumes"]["/dev/sdf"]
    file = directory(cloud, home) / "notes.txt"
    file.write_text("yesterday")
    snapshot = ec2.create_snapshot(VolumeId=home)["SnapshotId"]
    file.write_text("today")
    zone = ec2.describe_volumes(VolumeIds=[home])["Volumes"][0]["AvailabilityZone"]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot, Size=2)
    made = ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot, Size=4)["VolumeId"]
    assert (directory(cloud, made) / "notes.txt").read_text() == "yesterday"
    assert file.read_text() == "today"
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert not directory(cloud, snapshot).exists()
    assert directory(cloud, made).exists()
