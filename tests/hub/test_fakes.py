"""The fake EC2 behaves as moto's does, where the hub relies on it."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from hub.spawn.launch_request import Order, Place, run_request
from hub.spawn.planning import known_from
from lifecycle_app.contract import TAG_CLUSTER, TAG_USER
from tests.hub.fakes import IMAGE, MEDIUM, SETTINGS, FakeEC2


@pytest.fixture(params=["fake", "moto"])
def ec2(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "fake":
        yield FakeEC2()
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")
    with mock_aws():
        iam = boto3.client("iam", region_name="us-east-1")
        iam.create_instance_profile(InstanceProfileName=SETTINGS.role)
        yield boto3.client("ec2", region_name="us-east-1")


def launch(ec2: Any, user: str) -> dict[str, Any]:
    """Launches with the hub's own request; moto gives other ids for image, subnet and group."""
    place = Place(subnet="subnet-0000000a", zone="us-east-1a")
    request = run_request(Order(worker=user, profile=MEDIUM, image=IMAGE), SETTINGS, place, "t3.medium", 0)
    if not isinstance(ec2, FakeEC2):
        request["ImageId"] = ec2.register_image(Name=user, RootDeviceName="/dev/sda1")["ImageId"]
        request["SubnetId"] = ec2.describe_subnets(
            Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}]
        )["Subnets"][0]["SubnetId"]
        request["SecurityGroupIds"] = [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]]
    instance: dict[str, Any] = ec2.run_instances(**request)["Instances"][0]
    return instance


def find(ec2: Any, user: str) -> list[str]:
    filters = [
        {"Name": f"tag:{TAG_CLUSTER}", "Values": ["test"]},
        {"Name": f"tag:{TAG_USER}", "Values": [user]},
    ]
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=filters, PaginationConfig={"PageSize": 1000}
    )
    return [
        one["InstanceId"] for page in pages for group in page["Reservations"] for one in group["Instances"]
    ]


def test_launch_answers_with_id_address_zone_and_type(ec2: Any) -> None:
    new = launch(ec2, "ada")
    assert new["InstanceId"].startswith("i-")
    assert new["PrivateIpAddress"]
    assert new["Placement"]["AvailabilityZone"] == "us-east-1a"
    assert known_from(new).state in ("pending", "running")


def test_instances_are_found_by_tag_with_wildcards(ec2: Any) -> None:
    mine, other = launch(ec2, "a(b)")["InstanceId"], launch(ec2, "bob")["InstanceId"]
    assert find(ec2, "bob") == [other]
    assert find(ec2, "a*b*") == [mine]
    assert find(ec2, "zoe") == []


def test_start_of_a_stopped_instance(ec2: Any) -> None:
    new = launch(ec2, "ada")["InstanceId"]
    if not isinstance(ec2, FakeEC2):
        ec2.stop_instances(InstanceIds=[new])
    ec2.start_instances(InstanceIds=[new])
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "instance-id", "Values": [new]}], PaginationConfig={"PageSize": 1000}
    )
    (found,) = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    assert found["State"]["Name"] in ("pending", "running")
