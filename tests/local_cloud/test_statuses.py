"""DescribeInstanceStatus as EC2 answers it: of running instances, whose checks take a while after each start."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess, EventSink
from tests.shared.waiting import until

NOWHERE = "i-0123456789abcdef0"


@pytest.fixture(scope="module")
def slow_cloud(tmp_path_factory: pytest.TempPathFactory, events: EventSink) -> Iterator[CloudProcess]:
    """Boots, and with them the checks, take long enough to be seen."""
    process = CloudProcess(
        tmp_path_factory.mktemp("slow") / "state",
        events.endpoint,
        "--boot-time", "1", "--stop-time", "0.1", "--describe-lag", "0",
    )  # fmt: skip
    process.build()
    yield process
    assert process.stop() == 0


def statuses(cloud: CloudProcess, *ids: str, **more: Any) -> list[dict[str, Any]]:
    asked = {"InstanceIds": list(ids)} if ids else {}
    return list(cloud.client("ec2").describe_instance_status(**asked, **more)["InstanceStatuses"])


def checks(status: dict[str, Any]) -> tuple[str, str, str]:
    return (
        status["InstanceState"]["Name"],
        status["InstanceStatus"]["Status"],
        status["SystemStatus"]["Status"],
    )


def test_the_checks_of_each_run_are_under_way_before_they_are_passed(slow_cloud: CloudProcess) -> None:
    ec2 = slow_cloud.client("ec2")
    one = slow_cloud.run()["InstanceId"]
    for _ in range(2):
        assert statuses(slow_cloud, one) == [], "only those that run"
        [pending] = statuses(slow_cloud, one, IncludeAllInstances=True)
        assert checks(pending) == ("pending", "not-applicable", "not-applicable")
        assert "Details" not in pending["InstanceStatus"]
        slow_cloud.await_state(one, "running")
        [begun] = statuses(slow_cloud, one)
        assert checks(begun) == ("running", "initializing", "initializing")
        until(lambda: checks(statuses(slow_cloud, one)[0])[1] != "initializing", "the end of the checks")
        [passed] = statuses(slow_cloud, one)
        assert checks(passed) == ("running", "ok", "ok")
        assert passed["InstanceStatus"]["Details"] == [{"Name": "reachability", "Status": "passed"}]
        ec2.stop_instances(InstanceIds=[one])
        slow_cloud.await_state(one, "stopped")
        assert statuses(slow_cloud, one) == []
        [stopped] = statuses(slow_cloud, one, IncludeAllInstances=True)
        assert checks(stopped) == ("stopped", "not-applicable", "not-applicable")
        ec2.start_instances(InstanceIds=[one])


def test_a_dead_instance_fails_its_own_check(cloud: CloudProcess) -> None:
    cloud.fault("dead-instance", True)
    one = cloud.run()["InstanceId"]
    cloud.await_state(one, "running")
    cloud.fault("dead-instance", False)
    until(lambda: checks(statuses(cloud, one)[0]) == ("running", "impaired", "ok"), "the check to fail")


def test_all_are_reported_and_filtered(cloud: CloudProcess) -> None:
    running, stopped = cloud.running()["instance_id"], cloud.running()["instance_id"]
    cloud.client("ec2").stop_instances(InstanceIds=[stopped])
    cloud.await_state(stopped, "stopped")
    until(lambda: checks(statuses(cloud, running)[0])[1] == "ok", "the checks to pass")
    ok = [{"Name": "instance-status.status", "Values": ["ok"]}]
    assert running in {one["InstanceId"] for one in statuses(cloud, Filters=ok)}
    down = [{"Name": "instance-state-name", "Values": ["stopped"]}]
    assert {one["InstanceId"] for one in statuses(cloud, Filters=down, IncludeAllInstances=True)} == {stopped}
    assert statuses(cloud, Filters=down) == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"InstanceIds": [NOWHERE]}, "InvalidInstanceID.NotFound"),
        ({"InstanceIds": ["nonsense"]}, "InvalidInstanceID.Malformed"),
        ({"InstanceIds": [NOWHERE], "MaxResults": 5}, "InvalidParameterCombination"),
        ({"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}, "InvalidParameterValue"),
    ],
)
def test_what_is_refused(cloud: CloudProcess, asked: dict[str, Any], code: str) -> None:
    cloud.running()
    with pytest.raises(ClientError) as refused:
        cloud.client("ec2").describe_instance_status(**asked)
    assert refused.value.response["Error"]["Code"] == code
