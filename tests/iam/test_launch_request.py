"""The launch that the hub really asks for is granted: the request is its own, built by its own function."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.config.settings import Settings
from hub.spawn.launch_request import Image, Order, Place, run_request
from tests.iam.asking import INSTANCE, INTERFACE, POLICIES, REGION, SCOPE, VOLUME, Asked, Request, arn, decide
from tests.iam.simulator import ACCOUNT

SETTINGS = Settings(
    cluster=SCOPE.cluster,
    hub_name="hub.example",
    region=REGION,
    public_url="https://hub.example",
    private_address="10.0.0.10",
    state_dir=Path("/var/lib/cloudjhub"),
    image=SCOPE.images[0],
    types=("t3.medium", "t3.large"),
    subnets=SCOPE.subnets,
    group=SCOPE.security_groups[0],
    role=SCOPE.worker_role,
    worker_disk=8,
    home_disk=3,
    owner="physics",
    tags={"CostCenter": "48-1123", "Owner": "physics@example.org"},
    authenticator="shared-password",
    users_file=None,
    allow_all=False,
    report_period=timedelta(seconds=60),
    read_interval=timedelta(seconds=5),
    extra_config=None,
)


def _tags(request: Mapping[str, Any], kind: str) -> dict[str, Any]:
    (tags,) = [one["Tags"] for one in request["TagSpecifications"] if one["ResourceType"] == kind]
    return {
        "aws:TagKeys": [tag["Key"] for tag in tags],
        **{f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags},
    }


def _as_ec2_asks(request: Mapping[str, Any]) -> dict[str, Request]:
    """What EC2 asks IAM about when it gets this RunInstances request."""
    subnet = arn("ec2", f"subnet/{request['SubnetId']}")
    metadata = request["MetadataOptions"]
    profile = f"arn:aws:iam::{ACCOUNT}:instance-profile/{request['IamInstanceProfile']['Name']}"
    launched = {
        **_tags(request, "instance"),
        "ec2:MetadataHttpTokens": metadata["HttpTokens"],
        "ec2:MetadataHttpPutResponseHopLimit": str(metadata["HttpPutResponseHopLimit"]),
        "ec2:InstanceProfile": profile,
        "ec2:InstanceType": request["InstanceType"],
    }
    disks = [
        {**_tags(request, "volume"), "ec2:Encrypted": str(disk["Ebs"]["Encrypted"]).lower()}
        for disk in request["BlockDeviceMappings"]
    ]
    at_launch = {"ec2:CreateAction": "RunInstances"}
    return {
        "launch": Request(
            "ec2:RunInstances",
            (
                Asked(INSTANCE, launched),
                *(Asked(VOLUME, disk) for disk in disks),
                Asked(subnet),
                *(Asked(arn("ec2", f"security-group/{group}")) for group in request["SecurityGroupIds"]),
                Asked(INTERFACE, {**_tags(request, "network-interface"), "ec2:Subnet": subnet}),
                Asked(f"arn:aws:ec2:{REGION}::image/{request['ImageId']}"),
            ),
        ),
        "tag": Request(
            "ec2:CreateTags",
            (
                Asked(INSTANCE, {**_tags(request, "instance"), **at_launch}),
                Asked(VOLUME, {**_tags(request, "volume"), **at_launch}),
                Asked(INTERFACE, {**_tags(request, "network-interface"), **at_launch}),
            ),
        ),
        "pass": Request(
            "iam:PassRole",
            (
                Asked(
                    f"arn:aws:iam::{ACCOUNT}:role/{request['IamInstanceProfile']['Name']}",
                    {"iam:PassedToService": "ec2.amazonaws.com"},
                ),
            ),
        ),
    }


@pytest.mark.parametrize("home_volume", [None, "vol-0123456789abcdef0"])
@pytest.mark.parametrize("worker", ["alice", "alice/gpu", "O'Brien; rm -rf"])
def test_the_hubs_own_launch_is_granted(worker: str, home_volume: str | None) -> None:
    order = Order(
        worker=worker,
        profile=SETTINGS.choices[0],
        image=Image(id=SETTINGS.image, root_device="/dev/sda1"),
        home_volume=home_volume,
    )
    place = Place(subnet="subnet-b", zone="eu-west-1b")
    request = run_request(order, SETTINGS, place, "t3.large", generation=0)
    decided = decide(POLICIES, {"manager": ("manager",)}, _as_ec2_asks(request))
    assert decided == {"manager": {"launch": "Allowed", "tag": "Allowed", "pass": "Allowed"}}
