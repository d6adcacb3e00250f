"""Descriptions that lag behind, as EC2's do."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess, EventSink
from tests.shared.waiting import PATIENCE, until

LAG = 1.0


@pytest.fixture(scope="module")
def late_cloud(tmp_path_factory: pytest.TempPathFactory, events: EventSink) -> Iterator[CloudProcess]:
    process = CloudProcess(
        tmp_path_factory.mktemp("late") / "state",
        events.endpoint,
        "--boot-time", "0.1", "--stop-time", "0.1", "--describe-lag", str(LAG),
    )  # fmt: skip
    process.build()
    yield process
    assert process.stop() == 0


def test_a_new_instance_is_not_there_at_first(late_cloud: CloudProcess) -> None:
    """Neither by its id nor in a list; its elder is there all the time."""
    ec2 = late_cloud.client("ec2")
    elder = late_cloud.run()["InstanceId"]
    until(lambda: elder in listed(late_cloud), "the elder to be listed")
    instance_id = late_cloud.run()["InstanceId"]
    with pytest.raises(ClientError) as refused:
        ec2.describe_instances(InstanceIds=[instance_id])
    assert refused.value.response["Error"]["Code"] == "InvalidInstanceID.NotFound"
    assert listed(late_cloud) == {elder}
    until(lambda: listed(late_cloud) == {elder, instance_id}, "the new one to be listed")


def test_a_state_is_shown_late_but_obeyed_at_once(late_cloud: CloudProcess) -> None:
    ec2 = late_cloud.client("ec2")
    instance_id = late_cloud.run()["InstanceId"]
    until(lambda: shown(late_cloud, instance_id) == "running", "running to be shown")
    late_cloud.fault("slow-stop", True, seconds=PATIENCE)
    ec2.stop_instances(InstanceIds=[instance_id])
    assert shown(late_cloud, instance_id) == "running"
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[instance_id])
    late_cloud.fault("slow-stop", False)
    until(lambda: shown(late_cloud, instance_id) == "stopped", "stopped to be shown")


def listed(cloud: CloudProcess) -> set[str]:
    found = cloud.client("ec2").describe_instances()["Reservations"]
    return {one["InstanceId"] for reservation in found for one in reservation["Instances"]}


def shown(cloud: CloudProcess, instance_id: str) -> str | None:
    """The state that a list shows, as a filter sees it."""
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    found = cloud.client("ec2").describe_instances(Filters=filters)["Reservations"]
    states = {one["InstanceId"]: one["State"]["Name"] for each in found for one in each["Instances"]}
    return states.get(instance_id)
