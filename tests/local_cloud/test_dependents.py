"""What is not deleted while something depends on it."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import CloudProcess


@pytest.fixture
def vpc(cloud: CloudProcess) -> str:
    return str(cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"])


def subnet_of(cloud: CloudProcess, vpc: str) -> str:
    made = cloud.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/25")
    return str(made["Subnet"]["SubnetId"])


def group_of(cloud: CloudProcess, vpc: str, name: str) -> str:
    made = cloud.client("ec2").create_security_group(GroupName=name, Description="d", VpcId=vpc)
    return str(made["GroupId"])


def refused(delete: Callable[..., Any], **named: str) -> str:
    with pytest.raises(ClientError) as found:
        delete(**named)
    assert found.value.response["Error"]["Code"] == "DependencyViolation"
    assert found.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return found.value.response["Error"]["Message"]


def test_a_subnet_and_a_group_go_after_the_interface_that_is_in_them(cloud: CloudProcess, vpc: str) -> None:
    ec2 = cloud.client("ec2")
    subnet, group = subnet_of(cloud, vpc), group_of(cloud, vpc, "hub")
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    assert refused(ec2.delete_subnet, SubnetId=subnet) == (
        f"The subnet '{subnet}' has dependencies and cannot be deleted."
    )
    assert refused(ec2.delete_security_group, GroupId=group) == f"resource {group} has a dependent object"
    ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_a_group_goes_after_the_rule_of_another_that_names_it(
    cloud: CloudProcess, vpc: str, way: str
) -> None:
    ec2 = cloud.client("ec2")
    named, other = group_of(cloud, vpc, "named"), group_of(cloud, vpc, "other")
    rule = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": named}]}]
    getattr(ec2, f"authorize_security_group_{way}")(GroupId=other, IpPermissions=rule)
    assert refused(ec2.delete_security_group, GroupId=named) == f"resource {named} has a dependent object"
    getattr(ec2, f"revoke_security_group_{way}")(GroupId=other, IpPermissions=rule)
    ec2.delete_security_group(GroupId=named)
    ec2.delete_security_group(GroupId=other)


def test_a_group_that_names_only_itself_goes_and_a_vpc_after_its_groups(
    cloud: CloudProcess, vpc: str
) -> None:
    ec2 = cloud.client("ec2")
    group = group_of(cloud, vpc, "own")
    rule = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    assert "has dependencies" in refused(ec2.delete_vpc, VpcId=vpc)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)


def test_a_machine_s_interface_is_in_its_subnet(cloud: CloudProcess) -> None:
    cloud.run()
    assert "has dependencies" in refused(cloud.client("ec2").delete_subnet, SubnetId=cloud.subnets["a"])
