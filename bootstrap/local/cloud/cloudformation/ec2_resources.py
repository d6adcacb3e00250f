"""EC2's resources: networks, groups, addresses."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from bootstrap.local.cloud.cloudformation.provider import (
    Client,
    Created,
    Properties,
    Unchangeable,
    differing,
    given,
    tag_list,
)

DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
"""Of a security group's rule; moto takes any."""
Adjust = Callable[[Any, str, Properties], None]


@dataclass(frozen=True, slots=True)
class Tagged:
    """A resource that one call makes with its tags and one call deletes; `kind` as EC2 names it, `vpc` for Vpc."""

    kind: str
    shape: str
    """What the answer calls it."""
    id_name: str
    arguments: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    """What Fn::GetAtt calls each, and what the answer calls it."""
    generated: str = ""
    """A name that CloudFormation makes up where the template has none."""
    adjustable: tuple[str, ...] = ()
    """Properties that `adjust` can set later; EC2 takes them at creation in no call."""
    adjust: Adjust | None = None
    renamed: tuple[tuple[str, str], ...] = ()

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        ec2 = client("ec2")
        names = dict(self.renamed)
        asked = {names.get(name, name): value for name, value in given(properties, *self.arguments).items()}
        if self.generated:
            asked.setdefault(self.generated, f"cloudformation-{uuid4().hex[:12]}")
        specification = {"ResourceType": self.kind, "Tags": tag_list(properties, tags)}
        call = getattr(ec2, f"create_{self.kind.replace('-', '_')}")
        answer = call(**asked, TagSpecifications=[specification])
        made = answer.get(self.shape, answer)
        if self.adjust:
            self.adjust(ec2, made[self.id_name], properties)
        return Created(made[self.id_name], {name: made[field] for name, field in self.attributes})

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        changed = differing(before, after)
        if not changed <= {*self.adjustable, "Tags"}:
            return False
        ec2 = client("ec2")
        if self.adjust and changed - {"Tags"}:
            self.adjust(ec2, physical_id, after)
        if "Tags" in changed:
            ec2.create_tags(Resources=[physical_id], Tags=list(after.get("Tags", [])))
        return True

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        call = getattr(client("ec2"), f"delete_{self.kind.replace('-', '_')}")
        call(**{self.id_name: physical_id})


def _set_dns(ec2: Any, vpc: str, properties: Properties) -> None:
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": bool(properties.get(name))}})


def _set_public_addresses(ec2: Any, subnet: str, properties: Properties) -> None:
    wanted = {"Value": bool(properties.get("MapPublicIpOnLaunch"))}
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch=wanted)


def _set_check(ec2: Any, interface: str, properties: Properties) -> None:
    check = {"Value": bool(properties.get("SourceDestCheck", True))}
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, SourceDestCheck=check)
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=interface, Groups=list(properties.get("GroupSet", []))
    )


VPC = Tagged("vpc", "Vpc", "VpcId", ("CidrBlock",),
             adjustable=("EnableDnsSupport", "EnableDnsHostnames"), adjust=_set_dns)  # fmt: skip
SUBNET = Tagged("subnet", "Subnet", "SubnetId", ("VpcId", "CidrBlock", "AvailabilityZone"),
                adjustable=("MapPublicIpOnLaunch",), adjust=_set_public_addresses)  # fmt: skip
INTERNET_GATEWAY = Tagged("internet-gateway", "InternetGateway", "InternetGatewayId", ())
ROUTE_TABLE = Tagged("route-table", "RouteTable", "RouteTableId", ("VpcId",))
SECURITY_GROUP = Tagged("security-group", "SecurityGroup", "GroupId", ("GroupName", "GroupDescription", "VpcId"),
                        attributes=(("GroupId", "GroupId"),), generated="GroupName",
                        renamed=(("GroupDescription", "Description"),))  # fmt: skip
INTERFACE = Tagged("network-interface", "NetworkInterface", "NetworkInterfaceId",
                   ("SubnetId", "PrivateIpAddress", "Description", "GroupSet"),
                   adjustable=("SourceDestCheck", "GroupSet"), adjust=_set_check,
                   attributes=(("PrimaryPrivateIpAddress", "PrivateIpAddress"),),
                   renamed=(("GroupSet", "Groups"),))  # fmt: skip


class NatGateway(Unchangeable):
    """A NAT gateway. Its network interface is deleted with it, which moto leaves."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        specification = {"ResourceType": "natgateway", "Tags": tag_list(properties, tags)}
        asked = given(properties, "AllocationId", "SubnetId")
        made = client("ec2").create_nat_gateway(**asked, TagSpecifications=[specification])
        return Created(made["NatGateway"]["NatGatewayId"])

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        ec2 = client("ec2")
        (found,) = ec2.describe_nat_gateways(NatGatewayIds=[physical_id])["NatGateways"]
        ec2.delete_nat_gateway(NatGatewayId=physical_id)
        for address in found["NatGatewayAddresses"]:
            ec2.delete_network_interface(NetworkInterfaceId=address["NetworkInterfaceId"])


class Address(Unchangeable):
    """An Elastic IP: referred to by its address, released by its allocation."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        specification = {"ResourceType": "elastic-ip", "Tags": tag_list(properties, tags)}
        made = client("ec2").allocate_address(Domain="vpc", TagSpecifications=[specification])
        return Created(made["PublicIp"], {"AllocationId": made["AllocationId"], "PublicIp": made["PublicIp"]})

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        ec2 = client("ec2")
        (found,) = ec2.describe_addresses(PublicIps=[physical_id])["Addresses"]
        ec2.release_address(AllocationId=found["AllocationId"])


class AddressAssociation(Unchangeable):
    """An Elastic IP on a network interface."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        asked = given(properties, "AllocationId", "NetworkInterfaceId")
        return Created(client("ec2").associate_address(**asked)["AssociationId"])

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("ec2").disassociate_address(AssociationId=physical_id)


class GatewayAttachment(Unchangeable):
    """An internet gateway at its VPC."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        asked = given(properties, "InternetGatewayId", "VpcId")
        client("ec2").attach_internet_gateway(**asked)
        return Created(f"IGW|{asked['VpcId']}")

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("ec2").detach_internet_gateway(**given(properties, "InternetGatewayId", "VpcId"))


class Route:
    """A way out of a route table. EC2 refuses a second one to the same destination; moto would replace the first."""

    TARGETS = ("GatewayId", "NatGatewayId", "NetworkInterfaceId")

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        ec2, table = client("ec2"), properties["RouteTableId"]
        destination = properties["DestinationCidrBlock"]
        (found,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        if any(route.get("DestinationCidrBlock") == destination for route in found["Routes"]):
            raise ValueError(f"The route identified by {destination} already exists. (RouteAlreadyExists)")
        ec2.create_route(
            RouteTableId=table, DestinationCidrBlock=destination, **given(properties, *self.TARGETS)
        )
        return Created(f"{table}|{destination}")

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        if not differing(before, after) <= set(self.TARGETS):
            return False
        client("ec2").replace_route(**after)
        return True

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("ec2").delete_route(**given(properties, "RouteTableId", "DestinationCidrBlock"))


class SubnetRoutes(Unchangeable):
    """The route table of a subnet."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        asked = given(properties, "RouteTableId", "SubnetId")
        return Created(client("ec2").associate_route_table(**asked)["AssociationId"])

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("ec2").disassociate_route_table(AssociationId=physical_id)


class Endpoint(Unchangeable):
    """A gateway endpoint of a VPC."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        specification = {"ResourceType": "vpc-endpoint", "Tags": tag_list(properties, tags)}
        asked = given(properties, "VpcId", "VpcEndpointType", "ServiceName", "RouteTableIds")
        made = client("ec2").create_vpc_endpoint(**asked, TagSpecifications=[specification])
        return Created(made["VpcEndpoint"]["VpcEndpointId"])

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("ec2").delete_vpc_endpoints(VpcEndpointIds=[physical_id])


class Ingress(Unchangeable):
    """A rule of a security group."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        if not DESCRIPTION.fullmatch(properties.get("Description", "")):
            raise ValueError(
                "Invalid rule description. Valid descriptions are strings less than 256 characters from the following "
                "set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$* (InvalidParameterValue)"
            )
        client("ec2").authorize_security_group_ingress(**_rule(properties))
        return Created("|".join(str(value) for value in properties.values()))

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("ec2").revoke_security_group_ingress(**_rule(properties))


def _rule(properties: Properties) -> dict[str, Any]:
    why = given(properties, "Description")
    if "CidrIp" in properties:
        source = {"IpRanges": [{"CidrIp": properties["CidrIp"], **why}]}
    else:
        source = {"UserIdGroupPairs": [{"GroupId": properties["SourceSecurityGroupId"], **why}]}
    permission = {**given(properties, "IpProtocol", "FromPort", "ToPort"), **source}
    return {"GroupId": properties["GroupId"], "IpPermissions": [permission]}
