"""A private cluster in an existing VPC of the local cloud: place and roles are built, and removed to nothing."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster.steps.access import Access
from bootstrap.cluster.steps.network import NetworkStep
from bootstrap.cluster.steps.place import Place
from bootstrap.cluster.steps.step import Step
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.machines.address import reached_at
from tests.local_cloud.cloud_process import KEY, REGION, SECRET, CloudProcess

STEPS: tuple[Step, ...] = (NetworkStep(), Place(), Access())
RANGE = "10.40.0.0/16"


def silent(_words: str) -> None:
    pass


@pytest.fixture
def vpc(cloud: CloudProcess) -> str:
    return str(cloud.client("ec2").create_vpc(CidrBlock=RANGE)["Vpc"]["VpcId"])


@pytest.fixture
def site(cloud: CloudProcess, vpc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Of an institution that has an endpoint of STS in its VPC already."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    ec2 = cloud.client("ec2")
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.40.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")[
            "Subnet"
        ]["SubnetId"]
        for n, zone in enumerate("aab")
    ]
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.sts", VpcEndpointType="Interface",
        SubnetIds=subnets[1:], PrivateDnsEnabled=True,
    )  # fmt: skip
    network = Network(
        name="campus",
        vpc=vpc,
        manager_subnet=subnets[0],
        worker_subnets=tuple(subnets[1:]),
        private=True,
        endpoints=True,
    )
    session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION)
    settings = ClusterSettings(cluster="inner", region=REGION, owner="physics", network=network)
    return Site(settings=settings, aws=Aws(REGION, session), directory=tmp_path)


def held(cloud: CloudProcess, vpc: str) -> dict[str, list[Any]]:
    ec2, here = cloud.client("ec2"), [{"Name": "vpc-id", "Values": [vpc]}]
    endpoints = ec2.describe_vpc_endpoints(Filters=here)["VpcEndpoints"]
    return {
        "addresses": ec2.describe_addresses()["Addresses"],
        "interfaces": ec2.describe_network_interfaces(Filters=here)["NetworkInterfaces"],
        "groups": ec2.describe_security_groups(Filters=here)["SecurityGroups"],
        "endpoints": [one for one in endpoints if one["State"] != "deleted"],
    }


def test_it_is_built_without_a_public_address_and_removed_to_nothing(
    cloud: CloudProcess, vpc: str, site: Site
) -> None:
    before = held(cloud, vpc)
    for step in STEPS:
        step.apply(site, silent)
    built = held(cloud, vpc)
    assert built["addresses"] == before["addresses"]
    assert not any(one.get("Association", {}).get("PublicIp") for one in built["interfaces"])
    assert not any("0.0.0.0/0" in str(one["IpPermissions"]) for one in built["groups"])
    made = sorted(one["ServiceName"].rpartition(".")[2] for one in built["endpoints"])
    assert made == ["dynamodb", "ec2", "events", "logs", "monitoring", "s3", "ssm", "ssmmessages", "sts"]
    place = site.place()
    assert reached_at(place) == place["ManagerAddress"]
    assert {"FunctionGroup", "ManagerGroup", "WorkerGroup"} < set(place)
    assert [change for step in STEPS for change in step.changes(site)] == []
    for step in reversed(STEPS):
        step.remove(site, silent)
    after = held(cloud, vpc)
    assert {kind: len(every) for kind, every in after.items()} == {
        kind: len(every) for kind, every in before.items()
    }
