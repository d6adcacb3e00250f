"""What EC2 refuses of IPv6 and moto takes: the checks that the local cloud's CloudFormation makes."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bootstrap.local.cloud.cloudformation.kinds import KINDS

SUBNET, ROUTE, GATEWAY = (f"AWS::EC2::{kind}" for kind in ("Subnet", "Route", "EgressOnlyInternetGateway"))


@dataclass(frozen=True)
class Place:
    """A VPC with an IPv6 range, of which a subnet has the first part; and the VPC's gateway and route table."""

    ec2: Any
    vpc: str
    parts: list[IPv6Network]
    gateway: str
    routes: str

    def refuse(self, kind: str, **properties: Any) -> str:
        """Why a resource with these properties is refused; "" if it is not."""
        try:
            KINDS[kind].check(self.ec2, properties)
        except ValueError as error:
            return str(error)
        return ""


@pytest.fixture
def place() -> Iterator[Place]:
    with mock_aws():
        ec2 = boto3.client("ec2", "us-east-1")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
        whole = IPv6Network(made["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"])
        parts = list(whole.subnets(new_prefix=64))
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", Ipv6CidrBlock=str(parts[0]))
        gateway = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
        routes = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        yield Place(ec2, vpc, parts, gateway["EgressOnlyInternetGatewayId"], routes)


def test_a_subnet_takes_a_64_of_its_vpc_that_is_free(place: Place) -> None:
    def refused(block: object) -> str:
        return place.refuse(SUBNET, VpcId=place.vpc, Ipv6CidrBlock=str(block))

    assert refused(place.parts[1]) == ""
    assert "InvalidSubnet.Conflict" in refused(place.parts[0])
    assert "InvalidSubnet.Range" in refused(next(place.parts[1].subnets(new_prefix=65)))
    assert "InvalidSubnet.Range" in refused("2001:db8::/64")


def test_without_a_range_a_subnet_gives_no_addresses(place: Place) -> None:
    assert place.refuse(SUBNET, VpcId=place.vpc) == ""
    assert "no IPv6 CIDR block" in place.refuse(SUBNET, VpcId=place.vpc, AssignIpv6AddressOnCreation=True)


def test_a_vpc_has_one_egress_only_gateway(place: Place) -> None:
    assert "ResourceAlreadyAssociated" in place.refuse(GATEWAY, VpcId=place.vpc)
    other = place.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    assert place.refuse(GATEWAY, VpcId=other) == ""


def test_only_ipv6_of_its_own_vpc_leaves_by_it(place: Place) -> None:
    def refused(routes: str, **destination: str) -> str:
        ways = {"RouteTableId": routes, "EgressOnlyInternetGatewayId": place.gateway}
        return place.refuse(ROUTE, **ways, **destination)

    assert refused(place.routes, DestinationIpv6CidrBlock="::/0") == ""
    assert "cannot be the way to 0.0.0.0/0" in refused(place.routes, DestinationCidrBlock="0.0.0.0/0")
    other = place.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    foreign = place.ec2.create_route_table(VpcId=other)["RouteTable"]["RouteTableId"]
    assert "cannot be the way to ::/0" in refused(foreign, DestinationIpv6CidrBlock="::/0")


def test_a_destination_has_one_route_in_each_family(place: Place) -> None:
    ways = {"RouteTableId": place.routes, "EgressOnlyInternetGatewayId": place.gateway}
    place.ec2.create_route(**ways, DestinationIpv6CidrBlock="::/0")
    assert "RouteAlreadyExists" in place.refuse(ROUTE, **ways, DestinationIpv6CidrBlock="::/0")
